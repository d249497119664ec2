"""The proof's part on replays: an event of a replay stands for a record that was rejected, and has a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.decisions import finish
from landing.plan import place
from warehouse.connection import Connection, view_files
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import LandedCommit
from warehouse.quarantine_states import TABLE, decisions, view_quarantine

Found = tuple[str, str, str]  # kind, where, hint


def replayed_rows(landings: Iterable[LandedCommit]) -> dict[tuple[str, str], int]:
    """Rows that replays brought, as their commits say: by batch and ``topic/partition``."""
    return {
        (commit.batch_id, name): int(count)
        for commit in landings
        if commit.kind == "replay"
        for name, count in commit.said.get("replayed", {}).items()
    }


def finish_replays(settings: Settings) -> list[str]:
    """Write down what a killed replay landed without its decision; a remark, or none."""
    if decisions(Lake(settings)) is None:
        return []
    count = finish(settings)
    return [f"landed by a killed replay, now noted as replayed: {count}"] if count else []


def take_out_replayed(connection: Connection, landings: Iterable[LandedCommit]) -> None:
    """The view ``standing_aside``: ``set_aside`` without the records that are events (``landed``) of a replay."""
    batches = sorted({commit.batch_id for commit in landings if commit.kind == "replay"})
    connection.register("replay_batches", pa.table({"batch_id": pa.array(batches, pa.string())}))
    connection.execute("""
        CREATE OR REPLACE TEMP VIEW replayed_places AS
        SELECT topic, partition, "offset", batch_id FROM landed SEMI JOIN replay_batches USING (batch_id)
    """)
    connection.execute("""
        CREATE OR REPLACE TEMP VIEW standing_aside AS
        SELECT topic, partition, "offset" FROM set_aside ANTI JOIN replayed_places USING (topic, partition, "offset")
    """)


def replay_problems(
    connection: Connection,
    landings: Iterable[LandedCommit],
    decided: Snapshot | None,
    erased: Mapping[tuple[str, str], int],
) -> Iterator[Found]:
    """What does not hold of replays and drops; needs the views ``landed`` and ``set_aside``.

    ``erased``: rows that erasures took out, by batch and ``topic/partition``.
    """
    counted = {
        (batch, place(topic, partition)): rows
        for batch, topic, partition, rows in connection.sql("""
            SELECT batch_id, topic, partition, count(*) FROM replayed_places GROUP BY ALL
        """).fetchall()
    }
    said = replayed_rows(landings)
    for batch, name in sorted(counted.keys() | said.keys()):
        rows, claimed = counted.get((batch, name), 0), said.get((batch, name), 0) - erased.get((batch, name), 0)
        if rows != claimed:
            yield "counts", f"{name} batch {batch}", f"{rows} replayed rows in the files, {claimed} in the commit"
    yield from _at(
        connection,
        'SELECT * FROM replayed_places ANTI JOIN set_aside USING (topic, partition, "offset")',
        "an event of a replay stands where no record was rejected",
    )
    if decided is None:
        return
    view_files(connection, "decided", decided.files, dict(lake_tables()[TABLE]))
    yield from _at(
        connection,
        'SELECT * FROM decided ANTI JOIN set_aside USING (topic, partition, "offset")',
        "a decision on a record that is not in quarantine",
    )
    missing = connection.sql("""
        SELECT batch_id, topic, partition, count(*), min("offset") FROM (FROM decided WHERE decision = 'replayed')
        ANTI JOIN replayed_places USING (topic, partition, "offset") GROUP BY ALL ORDER BY ALL LIMIT 20
    """)
    for batch, topic, partition, count, first in missing.fetchall():
        if count > erased.get((batch, place(topic, partition)), 0):
            yield "replay", f"{place(topic, partition)}@{first}", "noted as replayed, but there is no such event"


def states(connection: Connection, quarantine: Snapshot, decided: Snapshot | None) -> dict[str, int]:
    """How many rejected records are in each state, as ``quarantine_open`` and so on."""
    view_quarantine(connection, "rejected_records", quarantine, decided)
    found = connection.sql("SELECT state, count(*) FROM rejected_records GROUP BY ALL ORDER BY ALL").fetchall()
    return {f"quarantine_{state}": int(count) for state, count in found}


def _at(connection: Connection, query: str, hint: str) -> Iterator[Found]:
    found = connection.sql(f'SELECT topic, partition, "offset" FROM ({query}) ORDER BY ALL LIMIT 20')  # noqa: S608
    for topic, partition, offset in found.fetchall():
        yield "replay", f"{place(topic, partition)}@{offset}", hint
