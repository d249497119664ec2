"""Drop the pids of older events: the events stay, of nobody; what the persons did stays by month, apart from them.

One commit on ``events`` takes the pids out and names the drop. What is kept was written just before, into tables whose
rows count from that commit on: a run that dies in between has changed no figure and lost no pid.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from contracts.errors import Halted, MizanError
from contracts.failpoints import failpoint
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.batch_rows import RANGED
from landing.confidential import forbid_core_dumps, unspilling_connection
from landing.lost_files import FileLog
from landing.rekeying import key_note, keys_for
from warehouse.connection import Connection, view_files
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import DataFile, commit, commits, open_table, write_file
from warehouse.person_months import PERSONS, SESSIONS, TABLES, drop_marks, new_drop_id
from warehouse.rewriting import KEY_MARK, RETENTION, REWRITTEN, key_mark, times_rewritten

# The digest of an event's content is made of its user_key too: with the platform key it could be tried against persons.
_OF_A_PERSON = ("pid", "payload_digest")


@dataclass(frozen=True)
class Dropped:
    """A drop. ``rows``: events that lost their pid, in ``files``; ``person_months`` and ``sessions``: rows kept."""

    drop_id: str
    rows: int
    files: int
    person_months: int
    sessions: int
    lake_version: int


def drop_pids(
    settings: Settings,
    events: Snapshot,
    before: dt.datetime,
    rows: int,
    spared: pa.Table,
    kept: Mapping[str, pa.Table],
    *,
    by: str,
) -> Dropped:
    """Take the pid out of every event before an instant, but of those at ``spared`` (topic, partition, offset).

    ``events``: the loaded version that ``kept`` (rows by table, without drop_id) was computed of; ``rows``: how many it
    says lose their pid. Raises Fenced where files were replaced since, Halted where a file is damaged.
    """
    forbid_core_dumps()
    lake = Lake(settings)
    lake.create({name: lake_tables()[name] for name in TABLES})
    key = keys_for(settings, events, open_table(lake, "quarantine")).events
    log = FileLog(events, list(commits(lake, "events")), {})
    drop_id = new_drop_id()
    with unspilling_connection() as connection:
        connection.execute("SET preserve_insertion_order = true")
        connection.register("spared", spared)
        done = [found for path in log.live if (found := _without_pids(connection, log, path, before)) is not None]
        count = sum(gone for _, _, gone in done)
        if count != rows:
            raise MizanError(f"{count} events would lose their pid, {rows} were taken apart; nothing was changed")
        failpoint("drop.files")
        for name in TABLES:
            _keep(connection, lake, name, kept[name], drop_id, key.mark)
            failpoint(f"drop.{name}")
    version = commit(
        events,
        [file for _, file, _ in done],
        # As a compaction: of two that replace files, one is refused.
        {"compact": events.version, REWRITTEN: times_rewritten(events) + 1}
        | drop_marks(events, drop_id)
        | key_note(events, key),
        {
            "kind": RETENTION,
            "batch_id": "",
            "drop_id": drop_id,
            "by": by,
            "before": before.isoformat(),
            "dropped_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "pids": count,
            "kept": {name: kept[name].num_rows for name in TABLES},
            "sources": {file.path: path for path, file, _ in done},
        },
        [path for path, _, _ in done],
    )
    failpoint("drop.events")
    return Dropped(drop_id, count, len(done), kept[PERSONS].num_rows, kept[SESSIONS].num_rows, version)


def _without_pids(
    connection: Connection, log: FileLog, path: str, before: dt.datetime
) -> tuple[str, DataFile, int] | None:
    """One file without the pids, in a file beside it, and how many went; None where none has to go."""
    columns = dict(lake_tables()["events"])
    view_files(connection, "one_file", [log.snapshot.folder.address(path)], columns)
    old = f"pid IS NOT NULL AND occurred_at < TIMESTAMPTZ '{before.isoformat()}'"
    places = 'topic, partition, "offset"'
    ((gone,),) = connection.sql(
        f"SELECT count(*) FROM (SELECT * FROM one_file WHERE {old}) ANTI JOIN spared USING ({places})"  # noqa: S608
    ).fetchall()
    if not gone:
        return None
    # A damaged file would get a checksum that says it is whole.
    if path in log.noted and not log.is_whole(path):
        where = f"events/{path} is not as it was committed"
        raise Halted("LAKE_FILE_MISSING", where, hint="mizan verify --refetch, then the same command again")
    kept = ", ".join(f'one_file."{column}"' for column in columns if column not in _OF_A_PERSON)
    taken = ", ".join(f'CASE WHEN NOT is_dropped THEN "{column}" END AS "{column}"' for column in _OF_A_PERSON)
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW without_pids AS
        SELECT {kept}, coalesce({old} AND spared.topic IS NULL, false) AS is_dropped, {taken}
        FROM one_file LEFT JOIN spared USING ({places})
    """)  # noqa: S608 our own names
    ordered = ", ".join(f'"{column}"' for column in columns)
    new = f"{path.removesuffix('.parquet')}-nobody-{secrets.token_hex(4)}.parquet"
    file = write_file(connection, f"SELECT {ordered} FROM without_pids", log.snapshot, new, RANGED)  # noqa: S608
    view_files(connection, "new_file", [log.snapshot.folder.address(new)], columns)
    counts = "SELECT count(*), count(pid) FROM"
    ((rows, pids), (rows_now, pids_now)) = (
        connection.sql(f"{counts} {name}").fetchall()[0] for name in ("one_file", "new_file")
    )
    if file is None or (rows_now, pids_now) != (rows, pids - gone):
        raise MizanError(
            f"events/{path}: {rows} rows and {pids} pids became {rows_now} and {pids_now}; nothing was changed"
        )
    return path, file, int(gone)


def _keep(connection: Connection, lake: Lake, name: str, rows: pa.Table, drop_id: str, mark: int) -> None:
    """Add the rows to their table, under the key that ``mark`` is of. Raises Fenced where a rotation came first."""
    table = open_table(lake, name)
    if key_mark(table) not in (None, mark):
        raise MizanError(f"lake/{name} is under another platform key than lake/events", hint="mizan key rotate, again")
    connection.register("kept_rows", rows)
    listed = ", ".join(f"'{drop_id}' AS drop_id" if column == "drop_id" else f'"{column}"' for column in table.columns)
    file = write_file(connection, f"SELECT {listed} FROM kept_rows", table, f"{drop_id}.parquet")  # noqa: S608
    connection.unregister("kept_rows")
    marks = {"compact": table.version, KEY_MARK: mark}
    commit(table, [file] if file else [], marks, {"kind": RETENTION, "batch_id": "", "drop_id": drop_id})
