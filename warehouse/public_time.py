"""How cells of different times hang together: months, periods and running totals, in both calendars at once.

Events that are counted once in time (transactions, visits, a person's first event) are the same events in both
calendars. The days between two neighbouring month boundaries, whichever calendar they are of, are cells that no table
shows; months, quarters, halves, years and declared ranges are sums of them, a running total is all of them so far.
Two calendars side by side give those days away, so they are protected where they are small. People who come again are
counted once in each time: a longer time is at most the sum of its months, and at least each of them.
"""

from __future__ import annotations

import numpy as np

from disclosure.relations import Places, Writer
from warehouse.connection import Connection

_SERIES = "quantity, scope, scope_id, channel, item"


def write_times(connection: Connection, writer: Writer, k: int) -> None:
    """Write the relations over time of ``public_cells`` (see public_cells.py)."""
    _write_days(connection, writer, k)
    _write_people(connection, writer)


def _write_days(connection: Connection, writer: Writer, k: int) -> None:
    """Months and longer times as sums of the days between boundaries."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE series_cells AS
        SELECT
            dense_rank() OVER (ORDER BY {_SERIES}) - 1 AS series, cell, calendar, starts_on, ends_before, number,
            is_month, is_stock
        FROM (
            SELECT
                if(stock_of = '', quantity, stock_of) AS quantity, scope, scope_id, channel, item, cell, calendar,
                starts_on, ends_before, number, stock_of <> '' AS is_stock,
                EXISTS (
                    SELECT 1 FROM time_tellings AS times WHERE times.is_month AND times.calendar = cells.calendar
                    AND times.starts_on = cells.starts_on AND times.ends_before = cells.ends_before
                ) AS is_month
            FROM public_cells AS cells
            WHERE kind IN ('flow', 'first') OR stock_of <> ''
        );
        -- Up to a boundary of either calendar so much had come: known exactly where its months say so.
        CREATE OR REPLACE TEMP TABLE come_so_far AS
        WITH months AS (
            SELECT DISTINCT series, calendar, starts_on, ends_before, number
            FROM series_cells WHERE is_month AND NOT is_stock
        ),
        sums AS (
            SELECT
                series, calendar, ends_before AS day, sum(number) OVER (
                    PARTITION BY series, calendar ORDER BY ends_before, number
                ) AS so_far
            FROM months
            UNION ALL
            SELECT series, calendar, min(starts_on), 0 FROM months GROUP BY series, calendar
        )
        SELECT series, day, max(so_far)::BIGINT AS so_far, min(so_far) = max(so_far) AS agrees
        FROM sums GROUP BY ALL;
        CREATE OR REPLACE TEMP TABLE series_days AS
        SELECT row_number() OVER (ORDER BY series, starts_on) - 1 AS place, *
        FROM (
            SELECT
                series, day AS starts_on, lead(day) OVER along AS ends_before,
                (lead(so_far) OVER along - so_far)::BIGINT AS number
            FROM come_so_far
            WINDOW along AS (PARTITION BY series ORDER BY day)
            QUALIFY ends_before IS NOT NULL
        )
        -- Months that contradict each other (there are none in a build of events) say nothing.
        WHERE series NOT IN (SELECT series FROM come_so_far WHERE NOT agrees)
        """  # noqa: S608 our own columns
    )
    connection.execute("DELETE FROM series_days WHERE series IN (SELECT series FROM series_days WHERE number < 0)")
    columns = connection.execute("SELECT place, number FROM series_days ORDER BY place").fetchnumpy()
    numbers = np.asarray(columns["number"], dtype=np.float64)
    # Deleting contradictory series leaves holes in the numbering: they stand for nothing.
    size = int(columns["place"][-1]) + 1 if len(numbers) else 0
    filled = np.zeros(size)
    filled[np.asarray(columns["place"], dtype=np.int64)] = numbers
    days = writer.unpublished(filled, np.where((filled > 0) & (filled < k), float(k), 0.0))
    found = connection.execute(
        """
        SELECT cells.cell AS whole, days.place AS part
        FROM series_cells AS cells INNER JOIN series_days AS days
            ON days.series = cells.series AND days.ends_before <= cells.ends_before
            AND (cells.is_stock OR days.starts_on >= cells.starts_on)
        WHERE days.number > 0
        ORDER BY ALL
        """
    ).fetchnumpy()
    wholes, groups = np.unique(np.asarray(found["whole"], dtype=np.int64), return_inverse=True)
    if len(wholes):
        writer.wholes(groups.astype(np.int64), days[np.asarray(found["part"], dtype=np.int64)], wholes)


def _write_people(connection: Connection, writer: Writer) -> None:
    """Who was active in a longer time was active in one of its months; a running total never falls."""
    same = f"{_SERIES}, calendar"
    found = connection.execute(
        f"""
        WITH months AS (
            SELECT cells.* FROM public_cells AS cells INNER JOIN time_tellings AS times
                ON times.is_month AND times.calendar = cells.calendar AND times.starts_on = cells.starts_on
                AND times.ends_before = cells.ends_before
            WHERE cells.kind = 'true' AND cells.stock_of = ''
        )
        SELECT whole.cell AS whole, months.cell AS part
        FROM public_cells AS whole INNER JOIN months USING ({same})
        WHERE months.starts_on >= whole.starts_on AND months.ends_before <= whole.ends_before
            AND months.cell <> whole.cell
        ORDER BY ALL
        """  # noqa: S608 our own columns
    ).fetchnumpy()
    wholes, groups = np.unique(_places(found["whole"]), return_inverse=True)
    if len(wholes):
        writer.unions(groups.astype(np.int64), _places(found["part"]), wholes)


def _places(column: object) -> Places:
    return np.asarray(column, dtype=np.int64)
