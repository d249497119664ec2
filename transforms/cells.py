"""What published cells count, kept beside the facts: counts per month, persons per window, first-seen persons.

Persons are counted on two levels. First a person's rows in a scope and month become one row of marks (stg_persons);
then every distinct count, of every channel and window, is a plain count of marks. That first level is not kept: of the
whole lake it is made one scope at a time, so that it stays in memory; after a change, of the touched persons alone.
The counts are kept. What the touched persons added to them before is taken off, what they add now is put on.
"""

from __future__ import annotations

from collections.abc import Mapping

from transforms.changes import keep, point
from transforms.model import Model, models
from warehouse.connection import Connection

# The columns that name a row's scopes; every row is the nation's.
_NAMED_BY = {
    "province": "province",
    "county": "county",
    "district": "district",
    "ministry": "ministry_id",
    "agency": "agency_id",
    "service": "service_id",
}
SCOPES = ("national", *_NAMED_BY)
# The facts whose rows tell of persons, and the one that tells of events.
_CHANGING = ("fct_user_activity", "fct_visits", "fct_sessions", "fct_transactions")
_OF_PERSONS = (*_CHANGING, "fct_person_months")
TOLD_BY = ("fct_activity", *_OF_PERSONS)
_NO_EVENTS = {"fct_activity": "SELECT * FROM fct_activity LIMIT 0"}
# Of persons alone: events, visits and transactions are told by the other facts. It changes with a build from nothing.
_NO_PERSON_MONTHS = {"fct_person_months": "SELECT * FROM fct_person_months LIMIT 0"}
# More than this is counted one scope and one kind of window at a time.
EVENTS_AT_ONCE = 200_000
# SQL of each window's months.
_MONTHS_OF = "SELECT calendar, window_no, UNNEST(RANGE(first_no, last_no + 1))::INTEGER AS month_no FROM {}"


def build(connection: Connection) -> None:
    """Count everything there is; the facts below are empty before."""
    _load_windows(connection)
    _tell(connection, {name: _rows(name) for name in TOLD_BY})
    _keep_busy_windows(connection)
    counted_apart = "SELECT window_no FROM run_windows WHERE counted_as = window_no"
    is_large = _is_large(connection)
    windows = _kinds_of_windows(connection) if is_large else ["true"]
    for scopes in _passes(is_large=is_large):
        _keep_persons(connection, "run_persons", scopes)
        point(connection, "told_fct_person_months", _NO_PERSON_MONTHS["fct_person_months"])
        _insert(connection, "fct_cell_counts")
        point(connection, "told_fct_person_months", _rows("fct_person_months"))
        point(connection, "stg_user_first", _staged("stg_user_first"))
        _insert(connection, "fct_new_users")
        for few in windows:
            point(
                connection,
                "stg_window_months",
                f"SELECT * FROM ({_MONTHS_OF.format('run_windows')}) "  # noqa: S608 our own text
                f"WHERE window_no IN ({counted_apart} AND {few})",
            )
            _insert(connection, "fct_cell_persons")
    # A window whose busy months are those of another has the same persons.
    connection.execute("""
        INSERT INTO fct_cell_persons
        SELECT p.* REPLACE (w.period AS period)
        FROM fct_cell_persons AS p
        JOIN fct_windows AS o ON o.calendar = p.calendar AND o.period = p.period
        JOIN run_windows AS w ON w.counted_as = o.window_no AND w.window_no <> o.window_no
    """)
    connection.execute("DROP TABLE run_persons")


def follow(connection: Connection) -> None:
    """Bring the counts up to date with gone_<fact> and come_<fact>, the rows that left and entered each fact.

    Leaves chg_stock: where and between which months the number of persons seen so far has changed.
    """
    _load_windows(connection)
    for side in ("gone", "come"):
        changed = {name: _rows(f"{side}_{name}") for name in ("fct_activity", *_CHANGING)}
        _tell(connection, changed | _NO_PERSON_MONTHS)
        keep(connection, f"told_{side}", _staged("stg_told"))
    _follow_counts(connection)
    keep(
        connection,
        "touched_persons",
        """SELECT user_no FROM told_gone WHERE user_no IS NOT NULL
        UNION SELECT user_no FROM told_come WHERE user_no IS NOT NULL""",
    )
    keep(
        connection,
        "touched_windows",
        """
        SELECT w.calendar, w.window_no, w.first_no, w.last_no
        FROM fct_windows AS w
        SEMI JOIN (
            SELECT 'jalali' AS calendar, jalali_no AS month_no FROM told_gone
            UNION SELECT 'jalali', jalali_no FROM told_come
            UNION SELECT 'gregorian', gregorian_no FROM told_gone
            UNION SELECT 'gregorian', gregorian_no FROM told_come
        ) AS m ON m.calendar = w.calendar AND m.month_no BETWEEN w.first_no AND w.last_no
        """,
    )
    point(connection, "stg_window_months", _MONTHS_OF.format("touched_windows"))
    touched = "SELECT f.* FROM ({}) AS f SEMI JOIN touched_persons USING (user_no)"
    _tell(connection, {name: touched.format(_rows(name)) for name in _OF_PERSONS} | _NO_EVENTS)
    keep(connection, "told_after", _staged("stg_told"))
    keep(
        connection,
        "told_before",
        """(SELECT * FROM told_after EXCEPT ALL SELECT * FROM told_come WHERE user_no IS NOT NULL)
        UNION ALL SELECT * FROM told_gone WHERE user_no IS NOT NULL""",
    )
    for side, sign in (("before", -1), ("after", 1)):
        point(connection, "stg_told", _rows(f"told_{side}"))
        _keep_persons(connection, f"persons_{side}")
        keep(connection, f"first_{side}", _staged("stg_user_first"))
        point(connection, "stg_user_first", _rows(f"first_{side}"))
        for name in ("fct_cell_persons", "fct_new_users"):
            _add_delta(connection, _fact(name), sign, is_first=side == "before")
    for name in ("fct_cell_persons", "fct_new_users"):
        merge_delta(connection, _fact(name), f"delta_{name}")
    # A person who moved from one month to another changes the stock between the two; one who came or went, for good.
    keep(
        connection,
        "chg_stock",
        """SELECT s.scope, s.scope_id,
            LEAST(g.jalali_no, c.jalali_no) AS jalali_from, LEAST(g.gregorian_no, c.gregorian_no) AS gregorian_from,
            CASE WHEN g.user_no IS NOT NULL AND c.user_no IS NOT NULL
                THEN GREATEST(g.jalali_no, c.jalali_no) END AS jalali_to,
            CASE WHEN g.user_no IS NOT NULL AND c.user_no IS NOT NULL
                THEN GREATEST(g.gregorian_no, c.gregorian_no) END AS gregorian_to
        FROM first_before AS g FULL JOIN first_after AS c USING (scope_no, channel, user_no)
        JOIN fct_scopes AS s USING (scope_no)
        WHERE g.jalali_no IS DISTINCT FROM c.jalali_no OR g.gregorian_no IS DISTINCT FROM c.gregorian_no""",
    )


def follow_ranges(connection: Connection) -> None:
    """Count persons in ranges of months that began to be declared; forget those that nobody declares any more."""
    _load_windows(connection)
    keep(
        connection,
        "wanted_ranges",
        """SELECT DISTINCT d.calendar, d.period, d.first_no, d.last_no FROM fct_declared_cells AS d
        ANTI JOIN dim_period AS p ON p.calendar = d.calendar AND p.period = d.period
        WHERE d.first_no < d.last_no""",
    )
    connection.execute("""
        DELETE FROM fct_cell_persons AS p USING fct_windows AS w
        WHERE w.period LIKE '%/%' AND p.calendar = w.calendar AND p.period = w.period
        AND NOT EXISTS (SELECT 1 FROM wanted_ranges AS r WHERE r.calendar = w.calendar AND r.period = w.period)
    """)
    connection.execute("""
        DELETE FROM fct_windows AS w WHERE w.period LIKE '%/%'
        AND NOT EXISTS (SELECT 1 FROM wanted_ranges AS r WHERE r.calendar = w.calendar AND r.period = w.period)
    """)
    keep(
        connection,
        "new_ranges",
        """SELECT
            (SELECT MAX(window_no) FROM fct_windows) + ROW_NUMBER() OVER (ORDER BY calendar, period) AS window_no, *
        FROM wanted_ranges ANTI JOIN fct_windows USING (calendar, period)""",
    )
    # A range that is a quarter, a half or a year, or another range by another name, is counted already.
    keep(
        connection,
        "same_ranges",
        """SELECT r.window_no, r.calendar, r.period, MIN(w.period) AS counted_as
        FROM new_ranges AS r JOIN fct_windows AS w USING (calendar, first_no, last_no) GROUP BY ALL""",
    )
    connection.execute("INSERT INTO fct_windows BY NAME SELECT * FROM new_ranges")
    connection.execute("""
        INSERT INTO fct_cell_persons
        SELECT p.* REPLACE (r.period AS period) FROM fct_cell_persons AS p
        JOIN same_ranges AS r ON r.calendar = p.calendar AND r.counted_as = p.period
    """)
    connection.execute("DELETE FROM new_ranges AS r USING same_ranges AS s WHERE s.window_no = r.window_no")
    if connection.execute("SELECT 1 FROM new_ranges LIMIT 1").fetchall():
        point(connection, "stg_window_months", _MONTHS_OF.format("new_ranges"))
        _tell(connection, {name: _rows(name) for name in _OF_PERSONS} | _NO_EVENTS)
        for scopes in _passes(is_large=_is_large(connection)):
            _keep_persons(connection, "run_persons", scopes)
            _insert(connection, "fct_cell_persons")
        connection.execute("DROP TABLE run_persons")


def numbers(fact: Model) -> list[str]:
    """The columns of an additive fact that add up."""
    return [name for name in fact.physical if name not in fact.grain]


def merge_delta(connection: Connection, fact: Model, delta: str) -> None:
    """Add the rows of ``delta`` to an additive fact; a row that counts nothing any more goes. Keys may be NULL.

    Leaves chg_net (what each touched key changed by) and chg_merged (``is_new`` and the numbers it has now).
    """
    counted = numbers(fact)
    keys = [f'"{name}"' for name in fact.grain]
    listed = ", ".join(keys)
    same = " AND ".join(f"f.{name} IS NOT DISTINCT FROM d.{name}" for name in keys)
    sums = ", ".join(f'SUM("{name}")::BIGINT AS "{name}"' for name in counted)
    moved = " OR ".join(f'SUM("{name}") <> 0' for name in counted)
    keep(connection, "chg_net", f'SELECT {listed}, {sums} FROM "{delta}" GROUP BY {listed} HAVING {moved}')  # noqa: S608
    added = ", ".join(f'd."{name}" + COALESCE(f."{name}", 0) AS "{name}"' for name in counted)
    keep(
        connection,
        "chg_merged",
        f"""SELECT d.* REPLACE ({added}), f."{counted[0]}" IS NULL AS is_new
        FROM chg_net AS d LEFT JOIN "{fact.table}" AS f ON {same}""",  # noqa: S608 our own names
    )
    connection.execute(f'DELETE FROM "{fact.table}" AS f USING chg_net AS d WHERE {same}')  # noqa: S608 our own names
    left = " OR ".join(f'"{name}" <> 0' for name in counted)
    connection.execute(
        f'INSERT INTO "{fact.table}" BY NAME SELECT * EXCLUDE (is_new) FROM chg_merged WHERE {left}'  # noqa: S608 as above
    )


def _fact(name: str) -> Model:
    return models("facts")[name]


def _staged(name: str) -> str:
    return models("staging")[name].query


def _rows(relation: str) -> str:
    return f'SELECT * FROM "{relation}"'  # noqa: S608 our own names


def _insert(connection: Connection, fact: str) -> None:
    connection.execute(f'INSERT INTO "{fact}" {_fact(fact).selection}')


def _tell(connection: Connection, rows: Mapping[str, str]) -> None:
    """Let stg_told speak of these rows of each fact; every scope they name has a number then."""
    for name, select in rows.items():
        point(connection, f"told_{name}", select)
    point(connection, "stg_told", _staged("stg_told"))
    # Visits, sessions and transactions name no scope that their events do not.
    named = " UNION ".join(
        f"SELECT '{scope}' AS scope, {column} AS scope_id FROM told_{fact}"  # noqa: S608 our own names
        for fact in ("fct_activity", "fct_person_months")
        for scope, column in _NAMED_BY.items()
    )
    connection.execute(f"""
        INSERT INTO fct_scopes
        SELECT
            scope, scope_id,
            (SELECT COALESCE(MAX(scope_no), 0) FROM fct_scopes) + ROW_NUMBER() OVER (ORDER BY scope, scope_id)
        FROM (SELECT 'national' AS scope, 'IR' AS scope_id UNION {named})
        ANTI JOIN fct_scopes USING (scope, scope_id)
        WHERE scope_id IS NOT NULL
    """)  # noqa: S608 our own names


def _keep_persons(connection: Connection, table: str, scopes: str = "true") -> None:
    """The first level of what stg_told speaks of; stg_persons then stands for it."""
    point(connection, "stg_scoped", f"SELECT * FROM ({_staged('stg_scoped')}) WHERE {scopes}")  # noqa: S608 our own text
    keep(connection, table, _staged("stg_persons"))
    point(connection, "stg_persons", _rows(table))


def _is_large(connection: Connection) -> bool:
    ((events,),) = connection.execute("SELECT COALESCE(SUM(events), 0) FROM fct_activity").fetchall()
    return int(events) > EVENTS_AT_ONCE


def _passes(*, is_large: bool) -> list[str]:
    """The conditions on the scope under which a lake is counted, one after the other."""
    return [f"scope = '{scope}'" for scope in SCOPES] if is_large else ["true"]


def _kinds_of_windows(connection: Connection) -> list[str]:
    """The conditions on the window: one calendar's months, then its quarters, and so on; none overlap."""
    kinds = connection.execute("""
        SELECT DISTINCT calendar, last_no - first_no FROM run_windows WHERE counted_as = window_no ORDER BY ALL
    """).fetchall()
    return [f"calendar = '{calendar}' AND last_no - first_no = {int(length)}" for calendar, length in kinds]


def _follow_counts(connection: Connection) -> None:
    fact = _fact("fct_cell_counts")
    for side, sign in (("come", 1), ("gone", -1)):
        point(connection, "stg_told", _rows(f"told_{side}"))
        point(connection, "stg_scoped", _staged("stg_scoped"))
        _add_delta(connection, fact, sign, is_first=side == "come")
    merge_delta(connection, fact, f"delta_{fact.name}")


def _add_delta(connection: Connection, fact: Model, sign: int, *, is_first: bool) -> None:
    """delta_<fact>: what the fact's query gives of the staged rows, put on (1) or taken off (-1)."""
    signed = ", ".join(f'{sign} * "{name}" AS "{name}"' for name in numbers(fact))
    select = f"SELECT * REPLACE ({signed}) FROM ({fact.selection})"  # noqa: S608 our own query
    if is_first:
        keep(connection, f"delta_{fact.name}", select)
    else:
        connection.execute(f"INSERT INTO delta_{fact.name} {select}")


def _load_windows(connection: Connection) -> None:
    """fct_windows: months, quarters, halves and years, once."""
    if connection.execute("SELECT 1 FROM fct_windows LIMIT 1").fetchall():
        return
    connection.execute("""
        INSERT INTO fct_windows
        SELECT ROW_NUMBER() OVER (ORDER BY calendar, first_no, last_no), calendar, period, first_no, last_no
        FROM (
            SELECT calendar, month AS period, month_no AS first_no, month_no AS last_no FROM dim_month
            UNION ALL SELECT calendar, period, first_no, last_no FROM dim_period
        )
    """)


def _keep_busy_windows(connection: Connection) -> None:
    """run_windows: the windows with events; those that share their busy months are counted as the shortest of them."""
    keep(
        connection,
        "run_windows",
        """
        WITH busy AS (
            SELECT DISTINCT 'jalali' AS calendar, jalali_no AS month_no FROM fct_activity
            UNION SELECT DISTINCT 'gregorian' AS calendar, gregorian_no AS month_no FROM fct_activity
        ), spans AS (
            SELECT
                w.calendar, w.period, w.window_no, w.first_no, w.last_no,
                MIN(b.month_no) AS first_busy, MAX(b.month_no) AS last_busy
            FROM fct_windows AS w
            JOIN busy AS b ON b.calendar = w.calendar AND b.month_no BETWEEN w.first_no AND w.last_no
            GROUP BY ALL
        )
        SELECT
            *, FIRST_VALUE(window_no) OVER (
                PARTITION BY calendar, first_busy, last_busy ORDER BY last_no - first_no, window_no
            ) AS counted_as
        FROM spans
        """,
    )
