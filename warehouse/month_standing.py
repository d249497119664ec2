"""What a version says of its months and periods: state, vintage, who told, who closed.

Wants the temporary tables of shaping.py and restated.find_changes; leaves ``standing`` behind, a row per month and
period that has or had rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from warehouse.connection import Connection
from warehouse.month_states import closed_state, period_state_of

_COLUMNS = {
    "calendar": pa.string(),
    "time_key": pa.string(),
    "is_month": pa.bool_(),
    "state": pa.string(),
}


def settle(connection: Connection) -> None:
    """Make the temporary table ``standing``; its columns but is_month are those of month_states, as published."""
    rows = connection.execute(
        """
        SELECT
            now.calendar, now.time_key, now.is_month, coalesce(told.state, 'provisional'), told.first_month,
            told.last_month, now.vintage, if(closings.action = 'close', closings.vintage, NULL)
        FROM vintages AS now
        LEFT JOIN time_tellings AS told USING (calendar, time_key, is_month)
        LEFT JOIN closings
            ON now.is_month AND closings.calendar = now.calendar AND closings.month = now.time_key
        """
    ).fetchall()
    months = {
        (calendar, key): closed_state(own, closed=closed, vintage=vintage)
        for calendar, key, is_month, own, _, _, vintage, closed in rows
        if is_month
    }
    states = [
        {
            "calendar": calendar,
            "time_key": key,
            "is_month": is_month,
            "state": months[calendar, key] if is_month else _period_state(months, calendar, own, first, last),
        }
        for calendar, key, is_month, own, first, last, _, _ in rows
    ]
    connection.register("given_states", pa.Table.from_pylist(states, schema=pa.schema(list(_COLUMNS.items()))))
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE standing AS
        SELECT
            now.calendar, now.time_key, now.is_month, now.vintage::INTEGER AS vintage, given.state,
            coalesce(told.expected, 0)::INTEGER AS expected, coalesce(told.reported, 0)::INTEGER AS reported,
            if(closings.action = 'close', closings.decided_by, NULL) AS closed_by,
            if(closings.action = 'close', closings.decided_at::TIMESTAMP, NULL) AS closed_at,
            nullif(concat_ws(
                '; ',
                if(told.calendar IS NULL, 'no rows any more', NULL),
                if(closings.action = 'reopen', 'reopened by ' || closings.decided_by || ': ', '') || closings.note
            ), '') AS note
        FROM vintages AS now
        INNER JOIN given_states AS given USING (calendar, time_key, is_month)
        LEFT JOIN time_tellings AS told USING (calendar, time_key, is_month)
        LEFT JOIN closings
            ON now.is_month AND closings.calendar = now.calendar AND closings.month = now.time_key
        """
    )
    connection.unregister("given_states")


def _period_state(
    months: Mapping[tuple[str, str], str], calendar: str, own: str, first: str | None, last: str | None
) -> str:
    if first is None or last is None:
        return own  # the period has no rows any more
    return period_state_of(
        own, [state for (kind, key), state in months.items() if kind == calendar and first <= key <= last]
    )
