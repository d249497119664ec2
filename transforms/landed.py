"""What landed, by agency and day: events, control totals, heartbeats and rejections, whatever the gate decided.

These facts speak of the agency's sending, not of people, so a held batch is in them too. Each part of a batch is taken
once, when the gate first decided on it; nothing here is ever un-landed, and nothing here rests on the catalogue (but
``scope_completeness``, which is computed whole, and ``fct_active_days``, which follows the counted events).
"""

from __future__ import annotations

from transforms.changes import Change, count, keep, point
from transforms.model import Model, models
from warehouse.connection import Connection
from warehouse.lake import Lake
from warehouse.quarantine_states import decisions, states_version, view_quarantine

# Facts of landed rows: a catalogue that moves an agency leaves them as they are.
OF_LANDED_ROWS = (
    "fct_landed_batches",
    "fct_landed_retractions",
    "fct_landed_days",
    "fct_arrived_days",
    "fct_rejected_days",
    "fct_heartbeats",
    "fct_control_total_events",
    "fct_control_totals",
)
# How a row of the same key that is there already and one that comes become one row.
_MERGED = {
    "fct_landed_days": {"landed": "SUM", "newest_at": "MAX", "id_xor": "BIT_XOR"},
    "fct_arrived_days": {"accepted": "SUM"},
    "fct_active_days": {"events": "SUM"},
}


def apply(connection: Connection, lake: Lake, change: Change) -> None:
    """Take the newly judged parts of batches and the quarantine as it is; then what rests on them.

    Runs in the transaction of ``refresh.update_facts``, after ``changes.find`` (lnd_events, chg_verdicts, chg_added,
    chg_removed) and after the closure (fct_activity).
    """
    if _find_parts(connection):
        for name in ("fct_landed_days", "fct_arrived_days"):
            _merge(connection, _fact(name), _fact(name).selection)
        _take_said(connection)
        connection.execute("INSERT INTO fct_landed_batches SELECT * FROM chg_landed_pairs")
    _take_rejections(connection, lake)
    if change.events:
        _follow_active_days(connection)
    _replace(connection, _fact("scope_completeness"))


def _fact(name: str) -> Model:
    return models("facts")[name]


def _find_parts(connection: Connection) -> bool:
    """chg_landed_pairs and stg_landed: the (batch, agency) that were judged for the first time, and their rows."""
    keep(
        connection,
        "chg_landed_pairs",
        """SELECT DISTINCT batch_id, agency_id FROM chg_verdicts
        EXCEPT SELECT batch_id, agency_id FROM fct_landed_batches""",
    )
    if count(connection, "chg_landed_pairs") == 0:
        return False
    rows = models("staging")["stg_landed"].query
    if count(connection, "fct_landed_batches") == 0:
        # The change is the lake itself: it is read in place, not copied.
        point(connection, "stg_landed", rows)
    else:
        keep(connection, "chg_landed", rows)
        point(connection, "stg_landed", "SELECT * FROM chg_landed")
    return True


def _take_said(connection: Connection) -> None:
    """Heartbeats and control totals, without those that a landed retraction names, whichever of the two came first."""
    connection.execute("""
        INSERT INTO fct_landed_retractions
        SELECT source, retracted_event_id FROM stg_landed WHERE event_type = 'ir.egov.event.retracted.v1'
        EXCEPT SELECT source, event_id FROM fct_landed_retractions
    """)
    for name in ("fct_heartbeats", "fct_control_total_events"):
        connection.execute(f'INSERT INTO "{name}" {_fact(name).selection}')
        connection.execute(f"""
            DELETE FROM "{name}" AS said USING fct_landed_retractions AS r
            WHERE r.source = said.source AND r.event_id = said.event_id
        """)  # noqa: S608 our own names
    _replace(connection, _fact("fct_control_totals"))


def _take_rejections(connection: Connection, lake: Lake) -> None:
    """Count the quarantine anew where it moved: a record there may be replayed or dropped at any time."""
    said = [(states_version(lake),)]
    if connection.execute("SELECT value FROM ops_state WHERE name = 'quarantine_version'").fetchall() == said:
        return
    view_quarantine(connection, "lnd_quarantine", lake.open("quarantine"), decisions(lake))
    _replace(connection, _fact("fct_rejected_days"))
    connection.execute("DELETE FROM ops_state WHERE name = 'quarantine_version'")
    connection.execute("INSERT INTO ops_state VALUES ('quarantine_version', $version)", {"version": said[0][0]})


def _follow_active_days(connection: Connection) -> None:
    """Add the days of events that began to count, take off those of events that ceased to."""
    fact = _fact("fct_active_days")
    point(connection, "stg_events", "SELECT * FROM chg_added")
    keep(connection, "chg_days", fact.selection)
    point(connection, "stg_events", "SELECT * FROM chg_removed")
    connection.execute(f"INSERT INTO chg_days SELECT * REPLACE (-events AS events) FROM ({fact.selection})")  # noqa: S608
    _merge(connection, fact, "SELECT * FROM chg_days")
    connection.execute("DELETE FROM fct_active_days WHERE events = 0")


def _merge(connection: Connection, fact: Model, rows: str) -> None:
    """Put rows into a fact; one whose key is there already is merged with it. Keys may be NULL (no district)."""
    merged = _MERGED[fact.name]
    keys = [f'"{name}"' for name in fact.physical if name not in merged]
    same = " AND ".join(f"f.{name} IS NOT DISTINCT FROM c.{name}" for name in keys)
    keep(connection, "chg_coming", rows)
    keep(
        connection,
        "chg_merged",
        f"""
        SELECT {", ".join(keys)}, {", ".join(f'{how}("{name}") AS "{name}"' for name, how in merged.items())}
        FROM (
            SELECT * FROM chg_coming
            UNION ALL BY NAME
            SELECT f.* FROM "{fact.table}" AS f SEMI JOIN chg_coming AS c ON {same}
        )
        GROUP BY {", ".join(keys)}""",  # noqa: S608 our own names
    )
    connection.execute(f'DELETE FROM "{fact.table}" AS f USING chg_merged AS c WHERE {same}')  # noqa: S608 as above
    connection.execute(f'INSERT INTO "{fact.table}" BY NAME SELECT * FROM chg_merged')  # noqa: S608 as above


def _replace(connection: Connection, fact: Model) -> None:
    """Compute a small fact whole."""
    connection.execute(f'DELETE FROM "{fact.table}"')  # noqa: S608 our own names
    connection.execute(f'INSERT INTO "{fact.table}" {fact.selection}')
