"""Which files make up the lake at one moment: what a backup has to copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import TryAgain, UsageError
from contracts.settings import Settings
from warehouse.lake import Lake
from warehouse.landing_log import commits, next_offsets
from warehouse.small_tables import LANDED

_LOG = "_delta_log"
_VERSION = re.compile(r"(\d{20})(?:\.json|\.checkpoint.*\.parquet)")
# Landing commits a few times a second at most, and reading every table's version takes milliseconds.
_TRIES = 100


@dataclass(frozen=True)
class PinnedLake:
    """A version of every table, all of them newest at one and the same moment, and the next offsets of then."""

    folder: Path
    versions: Mapping[str, int]
    next_offsets: Mapping[str, int]


def lake_folder(settings: Settings) -> Path:
    """The lake on this machine. UsageError for one kept elsewhere."""
    if "://" in settings.lake_uri:
        raise UsageError(
            f"{settings.lake_uri} is no folder of this machine: its own store keeps its copies",
            hint="versions or replication of the bucket; see docs/operating.md, a lake in an object store",
        )
    return Path(settings.lake_uri).absolute()


def pin(settings: Settings) -> PinnedLake:
    """The newest version of every table, as of one moment.

    Two readings in a row that agree prove that nothing was committed in between. UsageError where there is no lake;
    TryAgain where writers never rest.
    """
    folder = lake_folder(settings)
    before: dict[str, int] = {}
    for _ in range(_TRIES):
        found = _newest(folder)
        if not found:
            raise UsageError(f"there is no lake at {folder}", hint="run: mizan init")
        if found == before:
            offsets: dict[str, int] = {}
            if "events" in found:
                offsets = next_offsets(Lake(settings).open("events", version=found["events"]))
            places = {name: offset for name, offset in offsets.items() if "/" in name}
            return PinnedLake(folder, found, places)
        before = found
    raise TryAgain("the lake changes too often to be copied as of one moment")


def files_of_table(settings: Settings, pinned: PinnedLake, name: str) -> Iterator[Path]:
    """Absolute paths: the table's log up to the pinned version, and the data files that version lists."""
    log = pinned.folder / name / _LOG
    version = pinned.versions[name]
    for path in sorted(log.iterdir()):
        match = _VERSION.fullmatch(path.name)
        # The pointer to the newest checkpoint is left out: it may be ahead, and the log reads without it.
        if match and int(match[1]) <= version:
            yield path
    yield from map(Path, Lake(settings).open(name, {}, version=version).files)


def known_checksums(settings: Settings, pinned: PinnedLake) -> dict[Path, str]:
    """SHA-256 (hex) by absolute path of every landed file, as its commit noted it."""
    found: dict[Path, str] = {}
    for name in LANDED:
        if name in pinned.versions:
            for commit in commits(Lake(settings), name):
                found |= {pinned.folder / name / str(file["path"]): str(file["sha256"]) for file in commit.files}
    return found


def _newest(folder: Path) -> dict[str, int]:
    """Table name to its newest version, by the names of the log entries alone."""
    found = {}
    for log in folder.rglob(_LOG):
        versions = [int(path.stem) for path in log.glob("*.json") if path.stem.isdigit()]
        if versions:
            found[str(log.parent.relative_to(folder))] = max(versions)
    return found
