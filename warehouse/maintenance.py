"""Keep the lake small and quick: merge small files, write a checkpoint, remove files that no version needs.

The merged file holds the same rows, batch ids and offsets included, so every proof still works; the commit that
swaps it in keeps names, sizes, checksums and row counts of both sides.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from dataclasses import dataclass
from functools import partial

from contracts.errors import MizanError, UsageError
from contracts.settings import Settings
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.erasures import let_go
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import check_files, commit, live_files, write_file
from warehouse.person_months import TABLES, kept_table
from warehouse.quarantine_states import TABLE as DECISIONS

SMALL_BYTES = 64 * 2**20
TARGET_ROWS = 2_000_000
FEWEST_FILES = 4
# Readers and a rebuild may still use an old version's files for a week.
RETENTION_HOURS = 168
_ORDER = {
    "events": "agency_id, occurred_at",
    "quarantine": 'agency_id, topic, partition, "offset"',
    DECISIONS: 'topic, partition, "offset"',
}
_RANGED = {"events": ("agency_id", "event_id", "occurred_at"), "quarantine": ("agency_id",), DECISIONS: ()}


@dataclass(frozen=True)
class Compacted:
    """What was done to one table."""

    files_before: int
    files_after: int


def compact(settings: Settings, *, fewest_files: int = FEWEST_FILES) -> dict[str, Compacted]:
    """Merge small files of events, quarantine and decisions, write checkpoints, vacuum. Safe beside every writer.

    Raises Fenced where another compaction came first, Halted where a file is damaged. Landing, replays and drops only
    append and are not disturbed.
    """
    lake = Lake(settings)
    done = {}
    for name in _ORDER:
        try:
            before = live_files(lake.open(name))
        except UsageError:
            if name != DECISIONS:
                raise
            continue  # a lake made before there were decisions
        while _merge_some(settings, lake, name, fewest_files):
            pass
        handle = lake.open(name).handle
        handle.create_checkpoint()
        # Full: also the files that killed writers left behind without ever committing them.
        handle.vacuum(RETENTION_HOURS, dry_run=False, full=True)
        done[name] = Compacted(len(before), len(live_files(lake.open(name))))
    let_go(lake, dt.datetime.now(dt.UTC), RETENTION_HOURS)
    for table in map(partial(kept_table, lake), TABLES):
        if table is not None:
            table.handle.vacuum(RETENTION_HOURS, dry_run=False, full=True)
    return done


def _merge_some(settings: Settings, lake: Lake, name: str, fewest_files: int) -> bool:
    """Merge one group of small files; False where there are too few."""
    snapshot = lake.open(name)
    check_files(snapshot)
    actions = snapshot.handle.get_add_actions(flatten=True)
    sizes = dict(zip(actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist(), strict=True))
    group: list[str] = []
    rows = 0
    # Names sort by time, so neighbours in time, and with them in id, end up together.
    for path, count in sorted(live_files(snapshot).items()):
        if sizes[path] < SMALL_BYTES and count < TARGET_ROWS and rows + count <= TARGET_ROWS:
            group.append(path)
            rows += count
    if len(group) < max(fewest_files, 2):
        return False
    _swap(memory_connection(settings), snapshot, group, rows)
    return True


def _swap(connection: Connection, snapshot: Snapshot, group: list[str], rows: int) -> None:
    name = snapshot.name
    view_files(connection, "small_files", list(map(snapshot.folder.address, group)), dict(snapshot.columns))
    columns = ", ".join(f'"{column}"' for column in snapshot.columns)
    merged = write_file(
        connection,
        f"SELECT {columns} FROM small_files ORDER BY {_ORDER[name]}",  # noqa: S608 our own names
        snapshot,
        f"compact-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}.parquet",
        _RANGED[name],
    )
    connection.close()
    if merged is None or merged.rows != rows:
        raise MizanError(f"merging {name} gave {merged and merged.rows} rows instead of {rows}; nothing was changed")
    commit(snapshot, [merged], {"compact": snapshot.version}, {"kind": "compact", "batch_id": ""}, group)
