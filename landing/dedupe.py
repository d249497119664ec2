"""One event, once: what the batch or the lake already holds under the same (source, event id)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from contracts.lake_tables import lake_tables
from warehouse.connection import Connection, view_files
from warehouse.lake import Snapshot
from warehouse.landing_log import files_that_may_hold


@dataclass(frozen=True)
class Repeats:
    """Rows taken out of the batch: ``duplicates`` by (topic number, partition), ``conflicts`` as record numbers."""

    duplicates: Counter[tuple[int, int]]
    conflicts: list[int]


def take_out_repeats(connection: Connection, events: Snapshot) -> Repeats:
    """Delete repeated rows of the batch ``decoded``: the lake's row stays, else the first by partition and offset.

    The same content is a duplicate; another content under the same id is a conflict, and the first offset stays. An
    event that has lost its pid has lost the digest of its content too: whatever repeats it is a duplicate.
    """
    ranges = connection.sql("SELECT agency_id, min(event_id), max(event_id) FROM decoded GROUP BY agency_id").fetchall()
    files = files_that_may_hold(events, {agency: (low, high) for agency, low, high in ranges})
    columns = {name: lake_tables()["events"][name] for name in ("source", "event_id", "payload_digest")}
    view_files(connection, "earlier", files, columns)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE repeats AS
        SELECT decoded.rowid AS r, earlier.payload_digest AS first_digest
        FROM decoded JOIN earlier ON earlier.event_id = decoded.event_id AND earlier.source = decoded.source
    """)
    # A hash finds ids that may be there twice: of a whole batch it costs half of what the ids cost.
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE members AS
        SELECT rowid AS r, p, o, source, event_id, min((p, o)) OVER (PARTITION BY source, event_id) AS first_place
        FROM decoded
        WHERE hash(source, event_id) IN (
            SELECT hash(source, event_id) AS id_hash FROM decoded GROUP BY id_hash HAVING count(*) > 1
        ) AND rowid NOT IN (SELECT r FROM repeats)
        QUALIFY count(*) OVER (PARTITION BY source, event_id) > 1
    """)
    connection.execute("INSERT INTO suspects SELECT r FROM repeats UNION ALL SELECT r FROM members")
    connection.execute("""
        INSERT INTO repeats
        SELECT members.r, suspected.payload_digest
        FROM members JOIN members AS firsts USING (source, event_id) JOIN suspected ON suspected.r = firsts.r
        WHERE (members.p, members.o) <> members.first_place AND (firsts.p, firsts.o) = firsts.first_place
    """)
    taken = connection.sql("""
        SELECT t, p, i, first_digest IS NULL OR payload_digest = first_digest
        FROM suspected JOIN repeats USING (r) ORDER BY t, p, o
    """).fetchall()
    if taken:
        connection.execute("DELETE FROM decoded WHERE rowid IN (SELECT r FROM repeats)")
    return Repeats(
        Counter((t, p) for t, p, _, is_same in taken if is_same), [i for _, _, i, is_same in taken if not is_same]
    )
