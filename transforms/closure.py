"""Bring the facts up to date with a change, recomputing what it touched and nothing else.

A late completion may move a transaction into an earlier month, a retraction may split a session, a new event may be a
person's first: so the touched transactions, visits, sessions and persons are computed again from all their events,
and every month that a fact left or entered is noted in ops_pending_months.
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts.reporting_time import CALENDARS
from transforms import cells
from transforms.changes import COLUMNS, Change, count, keep, point
from transforms.model import Model, models
from warehouse.connection import Connection

_CHANGED = "(SELECT * FROM chg_added UNION ALL SELECT * FROM chg_removed)"
# Where a fact's rows of the touched entities are: in the fact table and in stg_events alike.
_TOUCHED = {
    "fct_transactions": "kind, agency_id, transaction_id",
    "fct_visits": "visit_id",
    "fct_sessions": "agency_id, user_no, channel",
}
# Of what is built in portions: what is in one portion together, and what its query does not read.
_OF_TRANSACTIONS = """transaction_id, outcome, duration_seconds, reason_in_person, in_person_steps, human_steps,
    documents_requested, assisted_by"""
_TOGETHER = {**_TOUCHED, "fct_sessions": "user_no", "fct_user_activity": "user_no"}
_UNREAD = {
    "fct_transactions": "visit_id",
    "fct_visits": f"service_id, {_OF_TRANSACTIONS}",
    "fct_sessions": f"service_id, {_OF_TRANSACTIONS}",
    "fct_user_activity": f"event_id, source, kind, occurred_at, visit_id, {_OF_TRANSACTIONS}",
}
# When an entity's first event happened.
_BEGAN = {"fct_transactions": "occurred_at", "fct_visits": "started_at", "fct_sessions": "started_at"}
# A session lasts less than 24 hours, and an event no more than 30 minutes away may belong to it or join it to another.
_NEAR = """EXISTS (
    SELECT 1 FROM chg_session_events AS e
    WHERE e.agency_id = f.agency_id AND e.user_no = f.user_no AND e.channel = f.channel
    AND f.started_at BETWEEN e.occurred_at - INTERVAL '24 hours 30 minutes' AND e.occurred_at + INTERVAL '30 minutes'
)"""


def apply(connection: Connection, change: Change) -> None:
    """Update every fact, and note the months whose figures may have changed."""
    keep(connection, "chg_months", "SELECT ''::VARCHAR AS calendar, 0::INTEGER AS month_no LIMIT 0")
    if change.events:
        if not change.fresh:
            _keep_closure(connection)
        for name in ("fct_transactions", "fct_visits", "fct_sessions"):
            if not change.fresh:
                _replace_touched(connection, _fact(name), events=_EVENTS_OF[name])
                continue
            _make(connection, _fact(name), change)
            if name == "fct_sessions":
                _take_session_starts(connection)
        for name in ("fct_activity", "fct_user_activity"):
            _add_change(connection, _fact(name), change)
        if change.fresh:
            cells.build(connection)
        else:
            cells.follow(connection)
        _follow_spans(connection, change)
        _note(connection, f"SELECT DISTINCT jalali_no, gregorian_no FROM {_CHANGED}")  # noqa: S608 our own names
    if change.declarations:
        _follow_declarations(connection)
    if change.inquiries:
        _follow_inquiries(connection, change)
    connection.execute("""
        INSERT INTO ops_pending_months
        SELECT DISTINCT calendar, month_no FROM chg_months AS m
        WHERE NOT EXISTS (
            SELECT 1 FROM ops_pending_months AS p WHERE p.calendar = m.calendar AND p.month_no = m.month_no
        )
    """)


def _fact(name: str) -> Model:
    return models("facts")[name]


_EVENTS_OF = {
    "fct_transactions": "kind <> 'visit'",
    "fct_visits": "visit_id IS NOT NULL",
    "fct_sessions": "visit_id IS NULL AND user_no IS NOT NULL",
    "fct_user_activity": "user_no IS NOT NULL",
}


def _keep_closure(connection: Connection) -> None:
    """What the change reached of each fact, and the earlier events that its new rows need.

    touched_<fact>: the transactions, visits and persons' sessions of changed events. known_<fact>: those of them that
    have rows which may change, and the instant (``began``) of the first; none of their earlier events is older.
    chg_closure: these events, from the lake, read no further back than that. What began to count is in chg_added.
    """
    for name, found_by in _TOUCHED.items():
        changed = f"{_CHANGED} WHERE {_EVENTS_OF[name]}"
        keep(connection, f"touched_{name}", f"SELECT DISTINCT {found_by} FROM {changed}")  # noqa: S608 our own names
    keep(
        connection,
        "chg_session_events",
        f"SELECT agency_id, user_no, channel, occurred_at FROM {_CHANGED} WHERE {_EVENTS_OF['fct_sessions']}",  # noqa: S608
    )
    for name, found_by in _TOUCHED.items():
        near = _NEAR if name == "fct_sessions" else "true"
        keep(
            connection,
            f"known_{name}",
            f"""SELECT {found_by}, MIN({_BEGAN[name]}) AS began
            FROM "{name}" AS f SEMI JOIN touched_{name} USING ({found_by}) WHERE {near} GROUP BY {found_by}""",  # noqa: S608
        )
    keep(connection, "chg_closure", "SELECT * FROM chg_added LIMIT 0")
    everything = " UNION ALL ".join(f"SELECT began FROM known_{name}" for name in _TOUCHED)  # noqa: S608 our own names
    ((since,),) = connection.execute(f"SELECT MIN(began)::VARCHAR FROM ({everything})").fetchall()  # noqa: S608 as above
    if since is None:
        return
    counted = models("staging")["stg_counted"].query
    point(
        connection,
        "stg_counted",
        f"""
        SELECT e.* FROM ({counted}) AS e
        WHERE e.occurred_at >= TIMESTAMPTZ '{since}' AND (
            EXISTS (
                SELECT 1 FROM known_fct_transactions AS t
                WHERE t.agency_id = e.agency_id AND t.transaction_id = e.transaction_id
            )
            OR EXISTS (SELECT 1 FROM known_fct_visits AS t WHERE t.visit_id = e.visit_id)
            OR (e.visit_id IS NULL AND EXISTS (
                SELECT 1 FROM known_fct_sessions AS t JOIN fct_users AS u ON u.user_no = t.user_no
                WHERE t.agency_id = e.agency_id AND u.pid = e.pid AND t.channel = e.channel
            ))
        )""",  # noqa: S608 our own query
    )
    keep(
        connection,
        "chg_closure",
        f"SELECT * FROM ({models('staging')['stg_events'].query}) ANTI JOIN chg_added USING (source, event_id)",  # noqa: S608
    )


def _make(connection: Connection, fact: Model, change: Change) -> None:
    """Compute all rows of an empty fact: in one go, or a portion of its entities at a time."""
    for events in _portions(connection, fact.name, change):
        point(connection, "stg_events", events)
        connection.execute(f'INSERT INTO "{fact.table}" {fact.selection}')


def _portions(connection: Connection, name: str, change: Change) -> Iterator[str]:
    if change.portions is None or name not in _TOGETHER:
        yield "SELECT * FROM chg_added"
        return
    events = f"SELECT * EXCLUDE ({_UNREAD[name]}) FROM chg_added WHERE {_EVENTS_OF[name]}"  # noqa: S608 our own names
    yield from change.portions.of(connection, events, _TOGETHER[name], change.added)


def _replace_touched(connection: Connection, fact: Model, events: str) -> None:
    """Compute the touched entities' rows anew; rows that come out as they were stay untouched."""
    name, found_by = fact.name, _TOUCHED[fact.name]
    since = {"rows": "", "events": ""}
    if name == "fct_sessions":
        since = {"rows": "WHERE f.started_at >= k.began", "events": "AND e.occurred_at >= k.began"}
    point(
        connection,
        "stg_events",
        f"""SELECT e.* FROM chg_closure AS e JOIN known_{name} AS k USING ({found_by}) WHERE {events} {since["events"]}
        UNION ALL SELECT * FROM chg_added WHERE {events}""",  # noqa: S608 as above
    )
    before = f'SELECT f.* FROM "{name}" AS f JOIN known_{name} AS k USING ({found_by}) {since["rows"]}'  # noqa: S608
    _swap_rows(connection, fact, before)
    for side in ("gone", "come"):
        keep(connection, f"{side}_{name}", f"SELECT * FROM chg_{side}")  # noqa: S608 our own names
        _note(connection, f"SELECT DISTINCT jalali_no, gregorian_no FROM chg_{side}")  # noqa: S608 our own names


def _take_session_starts(connection: Connection) -> None:
    """The sessions of events whose pids were dropped: their first events, each a session of nobody."""
    point(
        connection,
        "stg_counted",
        f"""(SELECT {COLUMNS} FROM lnd_events AS e LIMIT 0)
        UNION ALL BY NAME
        SELECT agency_id, channel, started_at AS occurred_at, province, district FROM lnd_session_starts""",  # noqa: S608
    )
    keep(connection, "chg_session_starts", models("staging")["stg_events"].query)
    connection.execute("""
        INSERT INTO fct_sessions BY NAME
        SELECT agency_id, channel, occurred_at AS started_at, jalali_no, gregorian_no, 'IR' AS nation, province, county,
            district, ministry_id
        FROM chg_session_starts
    """)


def _swap_rows(connection: Connection, fact: Model, before: str) -> None:
    """Bring the rows ``before`` to what the fact's query gives; chg_gone and chg_come hold the difference."""
    keep(connection, "chg_before", before)
    keep(connection, "chg_after", fact.selection)
    keep(connection, "chg_gone", "SELECT * FROM chg_before EXCEPT SELECT * FROM chg_after")
    keep(connection, "chg_come", "SELECT * FROM chg_after EXCEPT SELECT * FROM chg_before")
    same_row = " AND ".join(f'f."{name}" = g."{name}"' for name in fact.grain)
    connection.execute(f'DELETE FROM "{fact.table}" AS f USING chg_gone AS g WHERE {same_row}')  # noqa: S608 our own names
    connection.execute(f'INSERT INTO "{fact.table}" SELECT * FROM chg_come')  # noqa: S608 our own names


def _add_change(connection: Connection, fact: Model, change: Change) -> None:
    """Add what came and take off what went; a row that counts nothing any more goes."""
    if change.fresh:
        _make(connection, fact, change)
        return
    point(connection, "stg_events", "SELECT * FROM chg_added")
    keep(connection, "chg_delta", fact.selection)
    point(connection, "stg_events", "SELECT * FROM chg_removed")
    connection.execute(
        f"INSERT INTO chg_delta SELECT * REPLACE (-events AS events) FROM ({fact.selection})"  # noqa: S608 our own query
    )
    cells.merge_delta(connection, fact, "chg_delta")
    columns = ", ".join(f'"{name}"' for name in fact.physical)
    if fact.name == "fct_activity":
        # Its events add up: what came less what went is all that a count needs.
        keep(connection, f"come_{fact.name}", f"SELECT {columns} FROM chg_net")  # noqa: S608 our own names
        keep(connection, f"gone_{fact.name}", f"SELECT {columns} FROM chg_net LIMIT 0")  # noqa: S608 our own names
    else:
        keep(connection, f"come_{fact.name}", f"SELECT {columns} FROM chg_merged WHERE is_new")  # noqa: S608 our own names
        keep(connection, f"gone_{fact.name}", f"SELECT {columns} FROM chg_merged WHERE events = 0")  # noqa: S608 as above


def _follow_spans(connection: Connection, change: Change) -> None:
    """Cells that live longer or shorter, and the months in which the stock of a living cell differs."""
    keep(connection, "chg_before", "SELECT * FROM fct_cell_spans")
    connection.execute("DELETE FROM fct_cell_spans")
    connection.execute(f"INSERT INTO fct_cell_spans {_fact('fct_cell_spans').selection}")
    connection.execute("""
        INSERT INTO chg_months
        SELECT DISTINCT m.calendar, m.month_no
        FROM (
            SELECT DISTINCT
                calendar, b.first_no AS first_before, b.last_no AS last_before, a.first_no AS first_after,
                a.last_no AS last_after
            FROM chg_before AS b FULL JOIN fct_cell_spans AS a USING (calendar, scope, scope_id, channel)
            WHERE b.first_no IS DISTINCT FROM a.first_no OR b.last_no IS DISTINCT FROM a.last_no
        ) AS s
        JOIN dim_month AS m
            ON m.calendar = s.calendar
            AND COALESCE(m.month_no BETWEEN s.first_before AND s.last_before, FALSE)
                <> COALESCE(m.month_no BETWEEN s.first_after AND s.last_after, FALSE)
    """)
    if change.fresh:
        return
    for calendar in CALENDARS:
        connection.execute(
            f"""
            INSERT INTO chg_months
            SELECT DISTINCT m.calendar, m.month_no
            FROM (
                SELECT DISTINCT
                    s.calendar, c.{calendar}_from AS first_no, COALESCE(c.{calendar}_to, s.last_no) AS last_no
                FROM chg_stock AS c
                JOIN fct_cell_spans AS s USING (scope, scope_id)
                WHERE s.calendar = $calendar
            ) AS s
            JOIN dim_month AS m ON m.calendar = s.calendar AND m.month_no BETWEEN s.first_no AND s.last_no
            """,  # noqa: S608 a calendar of the literal above
            {"calendar": calendar},
        )


def _follow_declarations(connection: Connection) -> None:
    """Declared figures of every level. A declared range is noted in its last month: that refreshes its periods."""
    keep(connection, "chg_before", "SELECT * FROM fct_declared_cells")
    connection.execute("DELETE FROM fct_declared_cells")
    connection.execute(f"INSERT INTO fct_declared_cells {_fact('fct_declared_cells').selection}")
    connection.execute("""
        INSERT INTO chg_months
        SELECT DISTINCT calendar, last_no FROM (
            (SELECT * FROM chg_before EXCEPT SELECT * FROM fct_declared_cells)
            UNION ALL (SELECT * FROM fct_declared_cells EXCEPT SELECT * FROM chg_before)
        )
    """)
    cells.follow_ranges(connection)


def _follow_inquiries(connection: Connection, change: Change) -> None:
    """The touched inquiries anew. From an agency's first report on, a month without one has a zero."""
    fact, counted = _fact("fct_inquiries"), models("staging")["stg_inquiries"].query
    if change.fresh:
        point(connection, "stg_inquiries", counted)
        connection.execute(f'INSERT INTO "{fact.table}" {fact.selection}')
        _note(connection, "SELECT DISTINCT jalali_no, gregorian_no FROM fct_inquiries")
        return
    first_reports = " UNION ALL ".join(
        f"SELECT '{calendar}' AS calendar, agency_id, mode, MIN({calendar}_no) AS first_no "  # noqa: S608 of our closed list
        "FROM fct_inquiries GROUP BY agency_id, mode"
        for calendar in CALENDARS
    )
    keep(connection, "chg_first_reports", first_reports)
    touched = "SEMI JOIN touched_fct_inquiries USING (agency_id, inquiry_id)"
    point(connection, "stg_inquiries", f"SELECT i.* FROM ({counted}) AS i {touched}")  # noqa: S608 our own query
    _swap_rows(connection, fact, f"SELECT f.* FROM fct_inquiries AS f {touched}")  # noqa: S608 our own names
    for rows in ("chg_gone", "chg_come"):
        _note(connection, f"SELECT DISTINCT jalali_no, gregorian_no FROM {rows}")  # noqa: S608 our own names
    connection.execute(f"""
        INSERT INTO chg_months
        WITH moved AS (
            SELECT
                calendar, agency_id, LEAST(b.first_no, a.first_no) AS first_no,
                CASE WHEN b.first_no IS NOT NULL AND a.first_no IS NOT NULL
                    THEN GREATEST(b.first_no, a.first_no) END AS last_no
            FROM chg_first_reports AS b FULL JOIN ({first_reports}) AS a USING (calendar, agency_id, mode)
            WHERE b.first_no IS DISTINCT FROM a.first_no
        ), told AS (
            SELECT 'jalali' AS calendar, agency_id, jalali_no AS month_no FROM fct_inquiries
            UNION SELECT 'gregorian', agency_id, gregorian_no FROM fct_inquiries
            UNION SELECT calendar, scope_id, first_no FROM fct_declared_cells
            WHERE scope = 'agency' AND STARTS_WITH(measure, 'inquiries_')
        )
        SELECT DISTINCT t.calendar, t.month_no
        FROM told AS t JOIN moved AS m
            ON m.calendar = t.calendar AND m.agency_id = t.agency_id
            AND t.month_no >= m.first_no AND (m.last_no IS NULL OR t.month_no <= m.last_no)
    """)  # noqa: S608 our own names


def _note(connection: Connection, months: str) -> None:
    """Note pairs of months (jalali_no, gregorian_no) as changed."""
    connection.execute(f"INSERT INTO chg_months SELECT DISTINCT 'jalali', jalali_no FROM ({months})")  # noqa: S608
    connection.execute(f"INSERT INTO chg_months SELECT DISTINCT 'gregorian', gregorian_no FROM ({months})")  # noqa: S608


def follow_held(connection: Connection) -> None:
    """held_scopes: what the batches in front of a closed gate would add to."""
    held = _fact("held_scopes")
    keep(connection, "chg_held", "SELECT batch_id, agency_id FROM chg_verdicts WHERE verdict = 'held'")
    counted, inquiries = (
        models("staging")[name].query.replace("ops_counted", "chg_held") for name in ("stg_counted", "stg_inquiries")
    )
    point(connection, "stg_counted", counted)
    connection.execute("DELETE FROM held_scopes")
    if count(connection, "chg_held"):
        keep(connection, "chg_held_events", models("staging")["stg_events"].query)
        point(connection, "stg_held", "SELECT * FROM chg_held_events")
        keep(connection, "stg_held_inquiries", inquiries)
        connection.execute(f"INSERT INTO held_scopes {held.selection}")
