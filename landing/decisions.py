"""What is decided on rejected records: which are open, and how a decision is written down.

Decisions are committed through the handle they were based on, under the transaction id ``replay:<topic>/<partition>``:
of two that decide on records of one partition at once, the second is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import pyarrow as pa

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from contracts.reasons import reasons
from contracts.settings import Settings, agency_id
from landing.batch_rows import new_batch
from landing.plan import place
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.lake import Lake, Snapshot, arrow_schema
from warehouse.landing_log import commit, commits, next_offsets, open_table, write_file
from warehouse.quarantine_states import TABLE, view_quarantine

Place = tuple[str, int, int]  # topic, partition number, offset
PREFIX = "replay:"
_COLUMNS = lake_tables()[TABLE]
_PLACE = ("topic", "partition", "offset")


def drop(settings: Settings, *, reason: str, agency: str | None = None, by: str, note: str) -> int:
    """Close the open records of a reason (and an agency) for good, in an operator's name; how many there were.

    They stay in quarantine, and counted there; they are never replayed. UsageError for an unknown reason, no name or
    no note. Raises Fenced where another replay or drop came first.
    """
    if not by.strip() or not note.strip():
        raise UsageError("a drop needs the name of who answers for it, and why", hint="--by NAME --note TEXT")
    known_filter(reason, agency)
    finish(settings)
    lake = Lake(settings)
    decided = open_table(lake, TABLE)
    found = open_records(settings, decided, next_offsets(open_table(lake, "events")), reason=reason, agency=agency)
    name, _ = new_batch()
    decide(decided, dict.fromkeys(found, "dropped"), batch_id=f"drop-{name}", by=by.strip(), note=note.strip())
    return len(found)


def known_filter(reason: str | None, agency: str | None) -> None:
    """UsageError for a reason code or an agency id that cannot be one."""
    if reason is not None and reason not in reasons():
        raise UsageError(f"not a reason code: {reason!r}", hint="see: mizan quarantine ls")
    if agency is not None:
        agency_id(agency)


def finish(settings: Settings) -> int:
    """Write down as replayed what a killed replay landed without its decision; how many records. Raises Fenced."""
    lake = Lake(settings)
    decided = open_table(lake, TABLE)
    connection = memory_connection(settings)
    found = landed_undecided(connection, lake, decided)
    connection.close()
    for batch_id, places in found.items():
        decide(open_table(lake, TABLE), dict.fromkeys(places, "replayed"), batch_id=batch_id, by="replay", note="")
    return sum(len(places) for places in found.values())


def landed_undecided(connection: Connection, lake: Lake, decided: Snapshot) -> dict[str, list[Place]]:
    """Rejected records that are rows of a replay in ``events`` but not noted as replayed, by the replay's batch."""
    batches = [one.batch_id for one in commits(lake, "events") if one.kind == "replay"]
    if not batches:
        return {}
    view_quarantine(connection, "judged_records", open_table(lake, "quarantine"), decided)
    columns = {name: lake_tables()["events"][name] for name in (*_PLACE, "batch_id")}
    view_files(connection, "landed_places", open_table(lake, "events").files, columns)
    rows = connection.execute(
        """
        SELECT e.batch_id, e.topic, e.partition, e."offset"
        FROM landed_places AS e
        JOIN judged_records AS q ON q.topic = e.topic AND q.partition = e.partition AND q."offset" = e."offset"
        WHERE q.state <> 'replayed' AND list_contains($batches, e.batch_id) ORDER BY ALL
        """,
        {"batches": batches},
    ).fetchall()
    found: dict[str, list[Place]] = {}
    for batch_id, topic, partition, offset in rows:
        found.setdefault(str(batch_id), []).append((topic, partition, offset))
    return found


def open_records(
    settings: Settings,
    decided: Snapshot,
    landed: Mapping[str, int],
    *,
    reason: str | None = None,
    agency: str | None = None,
    after: Place | None = None,
    most: int | None = None,
    size: int | None = None,
) -> dict[Place, tuple[bytes, str, str]]:
    """Open records behind ``after`` in order of place, with (digest, agency id, reason code).

    At most ``most`` records and ``size`` bytes (at least one record). Those at or beyond the next offset (``landed``,
    by ``topic/partition``) are left out: a landing that died has judged them, and the next one takes them up.
    """
    connection = memory_connection(settings)
    view_quarantine(connection, "judged_records", Lake(settings).open("quarantine"), decided)
    ends = {name: end for name, end in landed.items() if "/" in name}
    names, offsets = pa.array(list(ends), pa.string()), pa.array(list(ends.values()), pa.int64())
    connection.register("ends", pa.table({"name": names, "next_offset": offsets}))
    rows = connection.execute(
        """
        WITH waiting AS (
            SELECT topic, partition, "offset", digest, agency_id, reason_code, size
            FROM judged_records JOIN ends ON name = concat(topic, '/', partition)
            WHERE state = 'open' AND "offset" < next_offset
                AND ($reason::VARCHAR IS NULL OR reason_code = $reason)
                AND ($agency::VARCHAR IS NULL OR agency_id = $agency)
                AND (
                    $topic::VARCHAR IS NULL
                    OR (topic, partition, "offset") > ($topic, $partition::INTEGER, $at::BIGINT)
                )
        ), numbered AS (
            SELECT *, row_number() OVER places AS n, sum(size) OVER places - size AS before
            FROM waiting WINDOW places AS (ORDER BY topic, partition, "offset")
        )
        SELECT topic, partition, "offset", digest, agency_id, reason_code FROM numbered
        WHERE ($most::BIGINT IS NULL OR n <= $most) AND ($size::BIGINT IS NULL OR before < $size)
        ORDER BY topic, partition, "offset"
        """,
        {
            "reason": reason,
            "agency": agency,
            "topic": after[0] if after else None,
            "partition": after[1] if after else None,
            "at": after[2] if after else None,
            "most": most,
            "size": size,
        },
    ).fetchall()
    connection.close()
    return {(topic, number, offset): (bytes(digest), of, code) for topic, number, offset, digest, of, code in rows}


def decide(decided: Snapshot, decisions: Mapping[Place, str], *, batch_id: str, by: str, note: str) -> None:
    """Commit decisions (place to replayed, duplicate or dropped) through the handle they rest on. Raises Fenced."""
    if not decisions:
        return
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            **dict(zip(_PLACE, at, strict=True)),
            "decision": decision,
            "batch_id": batch_id,
            "decided_at": now,
            "decided_by": by,
            "note": note,
        }
        for at, decision in decisions.items()
    ]
    connection = memory_connection()
    connection.register("decided", pa.Table.from_pylist(rows, schema=arrow_schema(_COLUMNS)))
    # Named by instant too: two runs that finish the same batch write two files, and one of them is committed.
    name, _ = new_batch()
    file = write_file(
        connection, 'SELECT * FROM decided ORDER BY topic, partition, "offset"', decided, f"{name}.parquet"
    )
    connection.close()
    said = {"kind": "decide", "batch_id": batch_id, "by": by, "note": note}
    commit(decided, [file] if file else [], replay_marks(decided, decisions), said)


def replay_marks(snapshot: Snapshot, places: Iterable[Place]) -> dict[str, int]:
    """Transaction ids of the places' partitions, each one further than the snapshot has it."""
    names = sorted({PREFIX + place(topic, number) for topic, number, _ in places})
    return {name: (snapshot.handle.transaction_version(name) or 0) + 1 for name in names}
