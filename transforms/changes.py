"""What changed since the facts were last brought up to date: batches, retractions, events, declarations.

Everything here becomes temporary relations of one transaction. ``chg_added`` and ``chg_removed`` hold the events that
began or ceased to count, with days, months and scopes, as stg_events gives them.
"""

from __future__ import annotations

from dataclasses import dataclass

from transforms.model import models
from warehouse.connection import Connection, joins_as_written
from warehouse.lake import Lake, Snapshot
from warehouse.person_months import view_kept
from warehouse.portions import Portions

# The events that may count at all, as in stg_counted: a test holds the two together.
COUNTED_KINDS = """e.event_type IN (
    'ir.egov.transaction.received.v1', 'ir.egov.transaction.completed.v1', 'ir.egov.visit.recorded.v1'
) AND e.is_test IS NOT TRUE"""
COLUMNS = """e.event_id, e.source, e.agency_id, e.event_type, e.occurred_at, e.transaction_id, e.service_id,
    e.channel, e.pid, e.visit_id, e.province, e.district, e.outcome, e.duration_seconds,
    e.reason_in_person, e.in_person_steps, e.human_steps, e.documents_requested, e.assisted_by"""
_DECLARATION_COLUMNS = """e.source, e.event_id, e.batch_id, e.agency_id, e.occurred_at,
    CASE WHEN e.occurred_at < d.turns_at THEN d.day_before ELSE d.day_after END AS event_date,
    e.calendar, e.period, e.measure, e.service_id, e.channel, e.declared_value, e.declared_status"""


@dataclass(frozen=True)
class Change:
    """What ``find`` found. ``fresh``: nothing was counted before, so everything there is was added.

    ``added``: the events that began to count. ``portions``: where more rows than memory holds are kept, if they are.
    """

    fresh: bool
    added: int
    events: bool
    declarations: bool
    inquiries: bool
    portions: Portions | None


def count(connection: Connection, relation: str) -> int:
    """The rows of one of our relations."""
    ((rows,),) = connection.execute(f'SELECT COUNT(*) FROM "{relation}"').fetchall()  # noqa: S608 our own names
    return int(rows)


def point(connection: Connection, view: str, select: str) -> None:
    """Let a staging name stand for ``select`` from now on."""
    connection.execute(f'CREATE OR REPLACE TEMP VIEW "{view}" AS {select}')


def keep(connection: Connection, table: str, select: str) -> None:
    """Run ``select`` and keep its rows under a temporary name."""
    connection.execute(f'CREATE OR REPLACE TEMP TABLE "{table}" AS {select}')


def open_lake(connection: Connection, lake: Lake) -> Snapshot:
    """Show the lake to SQL (lnd_events, chg_verdicts, and what view_kept shows); lake/events as it was opened."""
    events = lake.open("events")
    events.view(connection, "lnd_events")
    view_kept(connection, lake, events)
    connection.register("lnd_verdicts", lake.open("verdicts").rows())
    # Of two decisions at one instant the closing one counts: a gate errs on the safe side.
    keep(
        connection,
        "chg_verdicts",
        """SELECT batch_id, agency_id, verdict FROM lnd_verdicts
        QUALIFY ROW_NUMBER() OVER (
            PARTITION BY batch_id, agency_id ORDER BY decided_at DESC, verdict = 'held' DESC, verdict
        ) = 1""",
    )
    connection.unregister("lnd_verdicts")
    return events


def find(connection: Connection, portions: Portions | None = None) -> Change:
    """Compare the verdicts with what is counted, take the new state over and keep what changed.

    ``portions``: where more events are kept than are held at once, if nothing was counted before. Afterwards
    ops_counted, fct_retractions, fct_declaration_events, fct_users and fct_person_months are up to date; the other
    facts are not.
    """
    fresh = count(connection, "ops_counted") == 0
    _keep_pairs(connection)
    # With nothing counted yet the change is the lake itself: it is read in place, not copied.
    rows = "chg_view" if fresh else "chg_rows"
    if not fresh or (portions and not portions.needed(count(connection, "lnd_events"))):
        portions = None
    if fresh:
        point(
            connection,
            rows,
            "SELECT 1 AS sign, e.* FROM lnd_events AS e SEMI JOIN chg_pairs USING (batch_id, agency_id)",
        )
    else:
        keep(
            connection, rows, "SELECT p.sign, e.* FROM lnd_events AS e JOIN chg_pairs AS p USING (batch_id, agency_id)"
        )
    _take_over_retractions(connection, rows)
    declarations = _take_over_declarations(connection, rows)
    _keep_events(connection, rows, portions)
    if fresh:
        _take_person_months(connection)
    retractions = count(connection, "chg_retracted") + count(connection, "chg_restored") > 0
    added, removed = count(connection, "chg_added"), count(connection, "chg_removed")
    inquiries = fresh or _keep_inquiries(connection, rows)
    return Change(fresh, added, added + removed > 0, declarations or retractions, inquiries, portions)


def pairs(connection: Connection) -> list[tuple[str, str, int]]:
    """What ``find`` found: batch, agency, 1 where it began to count and -1 where it ceased."""
    return connection.execute("SELECT batch_id, agency_id, sign FROM chg_pairs ORDER BY ALL").fetchall()


def _keep_pairs(connection: Connection) -> None:
    """chg_pairs: (batch, agency) that began (+1) or ceased (-1) to count; chg_kept: those that go on counting."""
    keep(
        connection,
        "chg_now",
        "SELECT batch_id, agency_id FROM chg_verdicts WHERE verdict IN ('passed', 'warned', 'released')",
    )
    keep(
        connection,
        "chg_pairs",
        """SELECT 1 AS sign, * FROM (SELECT * FROM chg_now EXCEPT SELECT * FROM ops_counted)
        UNION ALL SELECT -1 AS sign, * FROM (SELECT * FROM ops_counted EXCEPT SELECT * FROM chg_now)""",
    )
    keep(connection, "chg_kept", "SELECT * FROM chg_now INTERSECT SELECT * FROM ops_counted")
    connection.execute("""
        DELETE FROM ops_counted AS c USING chg_pairs AS p
        WHERE p.sign = -1 AND c.batch_id = p.batch_id AND c.agency_id = p.agency_id
    """)
    connection.execute("INSERT INTO ops_counted SELECT batch_id, agency_id FROM chg_pairs WHERE sign = 1")


def _take_over_retractions(connection: Connection, rows: str) -> None:
    """chg_retracted, chg_restored: (source, event_id) that are, or are no longer, named by a counted retraction."""
    keep(
        connection,
        "chg_retractions",
        f"""SELECT e.sign, e.source, e.retracted_event_id AS event_id, e.batch_id, e.agency_id
        FROM "{rows}" AS e WHERE e.event_type = 'ir.egov.event.retracted.v1'""",  # noqa: S608 our own names
    )
    keep(connection, "chg_retracted_before", "SELECT DISTINCT source, event_id FROM fct_retractions")
    connection.execute("""
        DELETE FROM fct_retractions AS r USING chg_pairs AS p
        WHERE p.sign = -1 AND r.batch_id = p.batch_id AND r.agency_id = p.agency_id
    """)
    connection.execute("""
        INSERT INTO fct_retractions
        SELECT DISTINCT source, event_id, batch_id, agency_id FROM chg_retractions WHERE sign = 1
    """)
    named = "SELECT source, event_id FROM fct_retractions"
    keep(connection, "chg_retracted", f"{named} EXCEPT SELECT * FROM chg_retracted_before")  # noqa: S608 as above
    keep(connection, "chg_restored", f"SELECT * FROM chg_retracted_before EXCEPT {named}")  # noqa: S608 as above


def _take_over_declarations(connection: Connection, rows: str) -> bool:
    """Bring fct_declaration_events up to date; True where any came or went."""
    keep(
        connection,
        "chg_declarations",
        f"""SELECT e.sign, {_DECLARATION_COLUMNS}
        FROM "{rows}" AS e JOIN dim_day AS d ON d.utc_date = CAST(e.occurred_at AS DATE)
        WHERE e.event_type = 'ir.egov.agency.declaration.v1'""",  # noqa: S608 our own names
    )
    connection.execute("""
        DELETE FROM fct_declaration_events AS d USING chg_pairs AS p
        WHERE p.sign = -1 AND d.batch_id = p.batch_id AND d.agency_id = p.agency_id
    """)
    connection.execute(
        "INSERT INTO fct_declaration_events SELECT * EXCLUDE (sign) FROM chg_declarations WHERE sign = 1"
    )
    return count(connection, "chg_declarations") > 0


def _keep_inquiries(connection: Connection, rows: str) -> bool:
    """touched_fct_inquiries: what changed batches and retractions say of inquiries; True where anything was."""
    touched = f"""SELECT agency_id, inquiry_id FROM "{rows}"
        WHERE event_type = 'ir.egov.inquiry.answered.v1'"""  # noqa: S608 our own names
    for named in ("chg_retracted", "chg_restored"):
        if count(connection, named):
            touched += f"""
                UNION ALL SELECT e.agency_id, e.inquiry_id
                FROM lnd_events AS e SEMI JOIN "{named}" USING (source, event_id)
                WHERE e.event_type = 'ir.egov.inquiry.answered.v1'"""  # noqa: S608 our own names
    keep(connection, "touched_fct_inquiries", f"SELECT DISTINCT * FROM ({touched})")  # noqa: S608 our own names
    return count(connection, "touched_fct_inquiries") > 0


def _keep_events(connection: Connection, rows: str, portions: Portions | None) -> None:
    """chg_added and chg_removed, from the changed batches and from those a retraction reached."""
    in_batches = f"""SELECT {COLUMNS} FROM "{rows}" AS e
        WHERE {COUNTED_KINDS} AND e.sign = {{sign}} AND NOT EXISTS (
            SELECT 1 FROM {{retracted}} AS r WHERE r.source = e.source AND r.event_id = e.event_id
        )"""  # noqa: S608 our own names
    elsewhere = f"""SELECT {COLUMNS} FROM lnd_events AS e
        WHERE {COUNTED_KINDS}
        AND EXISTS (SELECT 1 FROM chg_kept AS k WHERE k.batch_id = e.batch_id AND k.agency_id = e.agency_id)
        AND EXISTS (SELECT 1 FROM {{named}} AS r WHERE r.source = e.source AND r.event_id = e.event_id)"""  # noqa: S608

    added = in_batches.format(sign=1, retracted="fct_retractions")
    if count(connection, "chg_restored"):
        added += " UNION ALL " + elsewhere.format(named="chg_restored")
    removed = in_batches.format(sign=-1, retracted="chg_retracted_before")
    if count(connection, "chg_retracted"):
        removed += " UNION ALL " + elsewhere.format(named="chg_retracted")

    point(connection, "stg_counted", added)
    _number_persons(connection, "stg_counted")
    enriched = models("staging")["stg_events"].query
    with joins_as_written(connection):
        (portions.keep if portions else keep)(connection, "chg_added", enriched)
        point(connection, "stg_counted", removed)
        keep(connection, "chg_removed", enriched)


def _number_persons(connection: Connection, rows: str) -> None:
    """Give every pid of ``rows`` that has none a number."""
    connection.execute(f"""
        INSERT INTO fct_users
        SELECT pid, (SELECT COALESCE(MAX(user_no), 0) FROM fct_users) + ROW_NUMBER() OVER ()
        FROM (SELECT DISTINCT pid FROM "{rows}" WHERE pid IS NOT NULL) AS n
        WHERE NOT EXISTS (SELECT 1 FROM fct_users AS u WHERE u.pid = n.pid)
    """)  # noqa: S608 our own names


def _take_person_months(connection: Connection) -> None:
    """fct_person_months: what is kept of persons whose events have lost the pid. Where it changes all is built anew."""
    _number_persons(connection, "lnd_person_months")
    connection.execute("DELETE FROM fct_person_months")
    columns = ", ".join(f'"{name}"' for name in models("facts")["fct_person_months"].physical)
    connection.execute(
        f"INSERT INTO fct_person_months SELECT {columns} FROM lnd_person_months JOIN fct_users USING (pid)"  # noqa: S608
    )
