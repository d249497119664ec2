"""Write the published tables: a month's rows in every monthly table, and the periods that hold the month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import pyarrow as pa

from contracts.failpoints import failpoint
from contracts.reporting_time import Month
from transforms import evaluation
from transforms.changes import keep, point
from transforms.model import Model, models
from transforms.reference import month_number
from warehouse.connection import Connection, in_transaction

PERIODS = "period_totals"


def refresh_month(connection: Connection, month: Month) -> None:
    """Replace one month's rows everywhere, and its quarter, half, year and declared ranges, in one transaction."""
    failpoint("tx.begin")
    in_transaction(connection, lambda: _replace(connection, [month], periods_now=True))
    failpoint("tx.checkpoint")


def refresh_months(connection: Connection, months: Sequence[Month]) -> None:
    """Replace several months of one calendar in one transaction; their periods are noted as pending."""
    failpoint("tx.begin")
    in_transaction(connection, lambda: _replace(connection, months, periods_now=False))


def refresh_pending_periods(connection: Connection) -> int:
    """Compute the noted periods, a year's in one transaction; how many there were."""
    groups = connection.execute("""
        SELECT calendar, LIST(period ORDER BY period)
        FROM (SELECT *, SUBSTRING(period, 1, 4) AS first_year FROM ops_pending_periods)
        GROUP BY calendar, first_year ORDER BY calendar, first_year
    """).fetchall()
    for calendar, periods in groups:
        in_transaction(connection, partial(_periods, connection, calendar, periods))
    return sum(len(periods) for _, periods in groups)


def _replace(connection: Connection, months: Sequence[Month], *, periods_now: bool) -> None:
    (calendar,) = {month.calendar for month in months}
    _ask_for(connection, months)
    monthly = [model for model in models("metrics").values() if model.metric != PERIODS]
    for place, model in enumerate(monthly):
        _replace_rows(connection, model, calendar, "month IN (SELECT month FROM run_months)")
        if place == len(monthly) // 2:
            failpoint("tx.mid")
    connection.execute("""
        DELETE FROM ops_pending_months AS p USING run_months AS m
        WHERE p.calendar = m.calendar AND p.month_no = m.month_no
    """)
    connection.execute("""
        MERGE INTO ops_refreshed AS r USING run_months AS m ON r.calendar = m.calendar AND r.month = m.month
        WHEN MATCHED THEN UPDATE SET times = r.times + 1
        WHEN NOT MATCHED THEN INSERT VALUES (m.calendar, m.month, 1)
    """)
    connection.execute("""
        INSERT INTO ops_pending_periods
        SELECT p.calendar, p.period FROM (
            SELECT calendar, period, first_no, last_no FROM dim_period
            UNION SELECT calendar, period, first_no, last_no FROM fct_declared_cells WHERE first_no < last_no
        ) AS p
        WHERE EXISTS (
            SELECT 1 FROM run_months AS m
            WHERE m.calendar = p.calendar AND m.month_no BETWEEN p.first_no AND p.last_no
        )
        EXCEPT SELECT calendar, period FROM ops_pending_periods
    """)
    # A range that nobody declares any more leaves with the month that noted it.
    for model in _by_period():
        connection.execute(
            f"""DELETE FROM "{model.table}" WHERE calendar = $calendar AND period LIKE '%/%'
            AND period NOT IN (SELECT period FROM fct_declared_cells WHERE calendar = $calendar)""",  # noqa: S608 our own
            {"calendar": calendar},
        )
    evaluation.outdate(connection)
    if periods_now:
        _periods(connection, calendar, None)


def _by_period() -> list[Model]:
    """The versions of the metric that has rows by period."""
    return [model for model in models("metrics").values() if model.metric == PERIODS]


def _ask_for(connection: Connection, months: Iterable[Month]) -> None:
    """run_months: the months asked for; stg_cells: the rows they have."""
    rows = [(month.calendar, month.label, month_number(month), month.first_day) for month in months]
    names = ("calendar", "month", "month_no", "month_start")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    table = pa.table(columns).cast(
        pa.schema(
            [("calendar", pa.string()), ("month", pa.string()), ("month_no", pa.int32()), ("month_start", pa.date32())]
        )
    )
    connection.register("asked_months", table)
    keep(connection, "run_months", "SELECT * FROM asked_months")
    connection.unregister("asked_months")
    point(connection, "stg_cells", models("staging")["stg_cells"].query)


def _periods(connection: Connection, calendar: str, periods: Sequence[str] | None) -> None:
    """Replace the named periods of a calendar; None: all that are noted."""
    keep(
        connection,
        "chg_periods",
        f"SELECT period FROM ops_pending_periods WHERE calendar = '{calendar}'",  # noqa: S608 of our closed list
    )
    if periods is not None:
        connection.execute(
            "DELETE FROM chg_periods WHERE NOT list_contains($wanted, period)", {"wanted": list(periods)}
        )
    keep(
        connection,
        "run_periods",
        """
        WITH asked AS (
            SELECT calendar, period, first_no, last_no FROM dim_period
            UNION SELECT calendar, period, first_no, last_no FROM fct_declared_cells WHERE first_no < last_no
        )
        SELECT
            a.calendar, a.period, a.first_no, a.last_no, f.month_start,
            (l.month_start + l.days - f.month_start)::INTEGER AS days
        FROM asked AS a
        JOIN chg_periods USING (period)
        JOIN dim_month AS f ON f.calendar = a.calendar AND f.month_no = a.first_no
        JOIN dim_month AS l ON l.calendar = a.calendar AND l.month_no = a.last_no
        """,
    )
    connection.execute("DELETE FROM run_periods WHERE calendar <> $calendar", {"calendar": calendar})
    for model in _by_period():
        _replace_rows(connection, model, calendar, "period IN (SELECT period FROM chg_periods)")
    connection.execute(
        "DELETE FROM ops_pending_periods WHERE calendar = $calendar AND period IN (SELECT period FROM chg_periods)",
        {"calendar": calendar},
    )


def _replace_rows(connection: Connection, model: Model, calendar: str, window: str) -> None:
    """Delete a window's rows and insert what the model's query gives for it."""
    bound = {"calendar": calendar}
    connection.execute(f'DELETE FROM "{model.table}" WHERE calendar = $calendar AND {window}', bound)  # noqa: S608 our own text
    used = bound if "$calendar" in model.query else {}
    connection.execute(f'INSERT INTO "{model.table}" {model.selection}', used)
