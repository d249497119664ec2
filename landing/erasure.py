"""Erase persons from the lake, by the user_keys that their agencies hand over: rows out, a signed tombstone in.

The keys are known to this process alone: they become pids in memory, and neither is written anywhere. What lands, or is
replayed, after an erasure is new and counts.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from contracts.errors import BadInput, Halted, MizanError, UsageError
from contracts.failpoints import failpoint
from contracts.identity import USER_KEY
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.batch_rows import RANGED
from landing.confidential import forbid_core_dumps, unspilling_connection
from landing.decisions import finish
from landing.lost_files import FileLog
from landing.places import Place
from landing.plan import place
from landing.rekeying import keys_for
from warehouse.connection import Connection, build_turn, view_files
from warehouse.erasures import keep_places, tombstone
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import DataFile, commit, commits, open_table, write_file
from warehouse.person_months import PERSONS, drop_id_of, kept_table
from warehouse.quarantine_states import decisions
from warehouse.rewriting import ERASURE, REWRITTEN, times_rewritten


@dataclass(frozen=True)
class Erased:
    """What an erasure took out: rows of ``lake/events``, in so many ``files``, and of ``lake/person_months``.

    ``persons``: the given keys that had any row.
    """

    erasure_id: str
    persons: int
    rows: int
    person_months: int
    files: int
    lake_version: int


def read_keys_of(lines: Iterable[str]) -> list[str]:
    """User_keys, one a line; blank lines are none. BadInput names the line that is no user_key, never its text."""
    keys = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and (not USER_KEY.fullmatch(text) or not text.strip("0")):
            raise BadInput(f"line {number} is no user_key: 64 hexadecimal digits in lower case are expected")
        keys += [text] if text else []
    if not keys:
        raise UsageError("no user_key was given", hint="one a line, on standard input")
    return keys


def erase(settings: Settings, user_keys: Sequence[str], *, by: str, reason: str, kafka_until: dt.datetime) -> Erased:
    """Take every row of these persons out of ``lake/events``, in one commit with its tombstone.

    ``kafka_until``: when Kafka has surely let go what it holds of them now. The figures are to be built anew after it.
    Raises Halted where a file of theirs is damaged, Fenced where a compaction, a rotation or another erasure came
    first, UsageError where the platform key or the signing key is not at hand.
    """
    forbid_core_dumps()
    lake = Lake(settings)
    if decisions(lake) is not None:
        finish(settings)  # or a record that a killed replay landed would be open, and replayed once more
    events, quarantine = open_table(lake, "events"), open_table(lake, "quarantine")
    chain = keys_for(settings, events, quarantine).events
    log = FileLog(events, list(commits(lake, "events")), {})
    erasure_id = f"erase-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    with unspilling_connection() as connection:
        connection.execute("SET preserve_insertion_order = true")
        pids = pa.array([chain.pid(key) for key in dict.fromkeys(user_keys)], pa.binary())
        connection.register("erased_pids", pa.table({"pid": pids}))
        found = _Found()
        for path in log.live:
            found.look(connection, log, path)
        months = kept_table(lake, PERSONS)
        by_month = {} if months is None else _months_without(connection, lake, months, found)
        by_drop = {drop_id_of(path): rows for path, (rows, _) in by_month.items()}
        gone = sum(by_drop.values())
        if not found.places and not by_month:
            return Erased(erasure_id, 0, 0, 0, 0, events.version)
        said = {
            "by": by,
            "reason": reason,
            "erased_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            PERSONS: str(gone),
        }
        stone = tombstone(settings, erasure_id, found.rows, said)
        keep_places(lake, erasure_id, found.places, kafka_until)
        failpoint("forget.places")
        written = {path: _without(connection, log, path) for path in found.paths}
        failpoint("forget.files")
        files = {path: file for path, file in written.items() if file is not None}
        kept = sum(file.rows for file in files.values())
        if kept + len(found.places) != sum(int(log.live[path]) for path in found.paths):
            raise MizanError("the files do not hold what they should without these rows; nothing was changed")
        # Whoever builds after the first commit builds anew, and has to see the second.
        with build_turn(settings):
            version = commit(
                events,
                list(files.values()),
                # As a compaction: of two that replace files, one is refused.
                {"compact": events.version, REWRITTEN: times_rewritten(events) + 1},
                {**stone, "sources": {file.path: old for old, file in files.items()}},
                list(found.paths),
            )
            failpoint("forget.events")
            if months is not None and by_month:
                commit(
                    months,
                    [file for _, file in by_month.values() if file is not None],
                    {"compact": months.version},
                    {
                        "kind": ERASURE,
                        "batch_id": "",
                        "tombstone": {"erasure_id": erasure_id, "rows": gone, "erased": {}, "by_drop": by_drop},
                    },
                    list(by_month),
                )
    failpoint("forget.months")
    return Erased(erasure_id, len(found.pids), len(found.places), gone, len(found.paths), version)


class _Found:
    """Where the persons' rows are."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.places: list[Place] = []
        self.rows: Counter[tuple[str, str]] = Counter()
        self.pids: set[bytes] = set()

    def look(self, connection: Connection, log: FileLog, path: str) -> None:
        """Look into one file."""
        _view(connection, log, path)
        rows = connection.sql(
            'SELECT batch_id, topic, partition, "offset", pid FROM one_file SEMI JOIN erased_pids USING (pid)'
        ).fetchall()
        if not rows:
            return
        # A damaged file would get a checksum that says it is whole.
        if path in log.noted and not log.is_whole(path):
            where = f"events/{path} is not as it was committed"
            raise Halted("LAKE_FILE_MISSING", where, hint="mizan verify --refetch, then the same command again")
        self.paths.append(path)
        for batch_id, topic, partition, offset, pid in rows:
            self.places.append((topic, partition, offset))
            self.rows[batch_id, place(topic, partition)] += 1
            self.pids.add(bytes(pid))


def _months_without(
    connection: Connection, lake: Lake, months: Snapshot, found: _Found
) -> dict[str, tuple[int, DataFile | None]]:
    """Every file of ``person_months`` with rows of theirs: how many, and the other rows in a file beside it."""
    log = FileLog(months, list(commits(lake, PERSONS)), {})
    done = {}
    for path in log.live:
        _view(connection, log, path)
        rows = connection.sql("SELECT pid FROM one_file SEMI JOIN erased_pids USING (pid)").fetchall()
        if rows:
            if path in log.noted and not log.is_whole(path):
                raise Halted(
                    "LAKE_FILE_MISSING", f"{PERSONS}/{path} is not as it was committed", hint="put a copy back"
                )
            found.pids |= {bytes(pid) for (pid,) in rows}
            done[path] = len(rows), _without(connection, log, path)
    return done


def _view(connection: Connection, log: FileLog, path: str) -> None:
    view_files(connection, "one_file", [log.snapshot.folder.address(path)], dict(lake_tables()[log.snapshot.name]))


def _without(connection: Connection, log: FileLog, path: str) -> DataFile | None:
    """The file's other rows, in a file beside it; None where there are no others."""
    _view(connection, log, path)
    listed = ", ".join(f'"{column}"' for column in lake_tables()[log.snapshot.name])
    query = f"SELECT {listed} FROM one_file ANTI JOIN erased_pids USING (pid)"  # noqa: S608 our own names
    # A name of its own: of two erasures at once one is refused, and its files are not the other's.
    new = f"{path.removesuffix('.parquet')}-less-{secrets.token_hex(4)}.parquet"
    return write_file(connection, query, log.snapshot, new, RANGED if log.snapshot.name == "events" else ())
