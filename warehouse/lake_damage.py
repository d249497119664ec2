"""A step that meets a damaged file of the lake, or lacks memory, ends with the halt's name, not an engine's words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from deltalake.exceptions import DeltaError

from contracts.errors import Halted, MizanError, UsageError
from contracts.settings import Settings
from warehouse.connection import OUT_OF_MEMORY
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import check_files, commits, live_files, open_table
from warehouse.small_tables import LANDED, newest_versions, table_problems
from warehouse.spark import SparkFailed
from warehouse.table_folder import TableFolder

P = ParamSpec("P")
T = TypeVar("T")

REASON = "LAKE_FILE_MISSING"


def names_damage(step: Callable[Concatenate[Settings, P], T]) -> Callable[Concatenate[Settings, P], T]:
    """The step, but Halted where a file of the lake is not as it was committed, or where memory runs out.

    Presence and size are looked at before; checksums only where the step fails, and tell whether the lake was to blame.
    """

    @functools.wraps(step)
    def watched(settings: Settings, /, *args: P.args, **kwargs: P.kwargs) -> T:
        check_lake(settings)
        try:
            return step(settings, *args, **kwargs)
        except Exception as error:
            if isinstance(error, MizanError) and not isinstance(error, SparkFailed):
                raise
            if isinstance(error, OUT_OF_MEMORY):
                given = f"more than {settings.memory_mb} MB are needed"
                raise Halted(
                    "OUT_OF_MEMORY", given, hint="give more: MIZAN_MEMORY_MB; see docs/runbooks/halts.md"
                ) from error
            for name, trouble in damaged_files(settings):
                raise Halted(REASON, f"{name}: {trouble}", hint="mizan verify; see docs/runbooks/halts.md") from error
            raise

    return watched


def check_lake(settings: Settings) -> None:
    """Raise Halted where a file of the lake is missing, or not of the size that was committed. Reads no file."""
    for snapshot in _tables(settings):
        check_files(snapshot)
    check_small_tables(settings)


def check_small_tables(settings: Settings) -> None:
    """As ``check_lake``, of the tables that landing does not fill: its catalogue is one of them.

    Outcomes are left to `mizan verify`: nothing is computed from them, and they have a file for every step that ran.
    """
    for name in newest_versions(settings).keys() - {"outcomes"}:
        try:
            check_files(Lake(settings).open(name, {}))
        except DeltaError as error:
            where = f"{name}/_delta_log: {type(error).__name__}"
            raise Halted("LAKE_LOG_DAMAGED", where, hint="mizan verify; see docs/runbooks/halts.md") from error


def damaged_files(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every live file that is not as its commit noted it: ``table/name`` and what is wrong. Reads them all."""
    for snapshot in _tables(settings):
        live = live_files(snapshot)
        for commit in commits(Lake(settings), snapshot.name):
            for file in commit.files:
                trouble = damage(snapshot.folder, file) if file["path"] in live else ""
                if trouble:
                    yield f"{snapshot.name}/{file['path']}", trouble
    for _, where, trouble in table_problems(settings):
        yield where, trouble


def damage(folder: TableFolder, noted: Any) -> str:
    """What is wrong with a file, against the size and SHA-256 that its commit noted; empty where nothing is."""
    name = str(noted["path"])
    size = folder.sizes([name]).get(name)
    if size not in (None, noted["size"]):
        return f"it has {size} bytes instead of {noted['size']}"
    try:
        found = folder.sha256(name)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "" if found == noted["sha256"] else "its SHA-256 is another"


def _tables(settings: Settings) -> Iterator[Snapshot]:
    for name in LANDED:
        try:
            yield open_table(Lake(settings), name)
        except UsageError:
            continue  # no lake yet, or an older one: every step says so itself
