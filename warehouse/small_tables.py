"""The lake's tables that landing does not fill: what is damaged in them, and how old they are."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.settings import Settings
from warehouse.checked_rows import noted
from warehouse.lake import Lake
from warehouse.landing_log import damaged_entries, live_files

LANDED = ("events", "quarantine", "quarantine_decisions", "person_months", "session_starts")
Found = tuple[str, str, str]  # kind, where, hint
_FROM_A_COPY = "put it back from a copy"


def newest_versions(settings: Settings) -> dict[str, int]:
    """Every small table that is there, with its newest version, by the names of the log entries alone."""
    lake, found = Lake(settings), {}
    for name in lake.folder().table_names():
        versions = [] if name in LANDED else lake.folder(name).versions()
        if versions:
            found[name] = versions[-1]
    return found


def table_problems(settings: Settings) -> Iterator[Found]:
    """Log entries and files of small tables that are gone or not as they were committed. Reads them all.

    Of a file that was written before checksums were kept, presence and size are looked at.
    """
    lake = Lake(settings)
    for name in newest_versions(settings):
        entries = damaged_entries(lake, name)
        for entry in entries:
            yield "LAKE_LOG_DAMAGED", f"{name}/_delta_log/{entry}", _FROM_A_COPY
        if not entries:
            yield from file_problems(lake, name)


def file_problems(lake: Lake, name: str) -> Iterator[Found]:
    """Live files of one small table that are not as they were committed."""
    snapshot = lake.open(name, {})
    folder, checksums = snapshot.folder, {}
    for file in noted(folder):
        checksums[str(file["path"])] = str(file["sha256"])
    actions = snapshot.handle.get_add_actions(flatten=True)
    sizes = dict(zip(actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist(), strict=True))
    there = folder.sizes(live_files(snapshot))
    for path in live_files(snapshot):
        try:
            found = folder.sha256(path)
        except OSError as error:
            trouble = f"it cannot be read: {error.strerror}"
        else:
            trouble = "" if there[path] == sizes[path] else f"it has {there[path]} bytes instead of {sizes[path]}"
            trouble = trouble or ("" if checksums.get(path, found) == found else "its SHA-256 is another")
        if trouble:
            yield "LAKE_FILE_MISSING", f"{name}/{path}", f"{trouble}; {_FROM_A_COPY}"
