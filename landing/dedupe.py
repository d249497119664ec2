"""One event, once: what the window or the lake already holds under the same (source, event id)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from contracts.lake_tables import lake_tables
from warehouse.connection import Connection, view_files
from warehouse.lake import Snapshot
from warehouse.landing_log import files_that_may_hold


@dataclass(frozen=True)
class Repeats:
    """Rows taken out of the window: ``duplicates`` by (topic number, partition), ``conflicts`` as (chunk, i)."""

    duplicates: Counter[tuple[int, int]]
    conflicts: list[tuple[int, int]]


def take_out_repeats(connection: Connection, events: Snapshot) -> Repeats:
    """Delete repeated rows from ``landed``: the lake's row stays, else the first by partition and offset.

    The same content is a duplicate; another content under the same id is a conflict, and the first offset stays.
    """
    ranges = connection.sql("SELECT agency_id, min(event_id), max(event_id) FROM landed GROUP BY agency_id").fetchall()
    files = files_that_may_hold(events, {agency: (low, high) for agency, low, high in ranges})
    columns = {name: lake_tables()["events"][name] for name in ("source", "event_id", "payload_digest")}
    view_files(connection, "earlier", files, columns)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE repeats AS
        SELECT landed.rowid AS r, landed.t, landed.p, landed.c, landed.i,
            landed.payload_digest = earlier.payload_digest AS is_same
        FROM landed JOIN earlier ON earlier.event_id = landed.event_id AND earlier.source = landed.source
    """)
    connection.execute("""
        INSERT INTO repeats
        WITH fresh AS (SELECT rowid AS r, * FROM landed WHERE rowid NOT IN (SELECT r FROM repeats)),
        firsts AS (
            SELECT source, event_id, min((p, o)) AS first_place, arg_min(payload_digest, (p, o)) AS first_digest
            FROM fresh GROUP BY source, event_id HAVING count(*) > 1
        )
        SELECT r, t, p, c, i, payload_digest = first_digest
        FROM fresh JOIN firsts USING (source, event_id)
        WHERE (p, o) <> first_place
    """)
    taken = connection.sql("SELECT t, p, c, i, is_same FROM repeats ORDER BY t, p, c, i").fetchall()
    if taken:
        connection.execute("DELETE FROM landed WHERE rowid IN (SELECT r FROM repeats)")
    return Repeats(
        Counter((t, p) for t, p, _, _, is_same in taken if is_same),
        [(c, i) for _, _, c, i, is_same in taken if not is_same],
    )
