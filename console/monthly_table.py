"""The monthly table on a terminal: every month's total, and the newest month by channel, in Persian and English."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from console.output import data
from contracts.reporting_time import parse_month
from contracts.settings import Settings
from contracts.vocabularies import labels

_QUERY = """
SELECT
    u.month, u.channel, u.active_users, u.active_users_status, u.new_users, u.new_users_status,
    u.registered_users, u.registered_users_status, v.visits, v.visits_status,
    t.completed, t.completed_status, s.share, s.share_status, u.state, u.vintage, u.held_agencies
FROM marts.monthly_users u
JOIN marts.monthly_visits v USING (calendar, month, scope, scope_id, channel)
JOIN marts.monthly_transactions t USING (calendar, month, scope, scope_id, channel)
JOIN marts.monthly_channel_share s USING (calendar, month, scope, scope_id, channel)
WHERE u.calendar = $calendar AND u.scope = $scope AND u.scope_id = $scope_id
ORDER BY u.month, u.channel = 'all' DESC, t.completed DESC NULLS LAST, u.channel
"""


def print_monthly_table(settings: Settings, calendar: str, scope: str, scope_id: str) -> None:
    """Print what the published analyst tier says of one scope. Cells without a number show their status."""
    from warehouse.published import open_published

    with open_published(settings, "analyst") as connection:
        result = connection.execute(_QUERY, {"calendar": calendar, "scope": scope, "scope_id": scope_id})
        names = [column[0] for column in result.description]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    if not rows:
        data.print(f"no rows for {scope} {scope_id}")
        return
    newest = rows[-1]["month"]
    table = Table(title=f"{scope} {scope_id}, {calendar} calendar", title_justify="left")
    for heading in ("month", "channel", "بستر ارائه"):
        table.add_column(heading, no_wrap=True)
    for heading in ("active users", "new", "registered", "visits", "completed", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state")
    for row in rows:
        if row["channel"] != "all" and row["month"] != newest:
            continue
        table.add_row(*_cells(row, first_of_month=row["channel"] == "all"), end_section=_ends(row, newest))
    data.print(table)


def _ends(row: dict[str, Any], newest: str) -> bool:
    return bool(row["channel"] == "all" and row["month"] == newest)


def _cells(row: dict[str, Any], *, first_of_month: bool) -> list[str]:
    fa, en = _month_names(row["month"])
    channel = ("همه بسترها", "all channels") if row["channel"] == "all" else labels("channel")[row["channel"]]
    return [
        f"{row['month']}  {en}  {fa}" if first_of_month else "",
        channel[1],
        channel[0],
        *(_shown(row, name) for name in ("active_users", "new_users", "registered_users", "visits", "completed")),
        _shown(row, "share", "{:.2%}"),
        row["state"] + (f" (held: {row['held_agencies']})" if row["held_agencies"] else ""),
    ]


def _month_names(label: str) -> tuple[str, str]:
    return parse_month(label).names


def _shown(row: dict[str, Any], measure: str, form: str = "{:,}") -> str:
    value = row[measure]
    return form.format(value) if value is not None else str(row[f"{measure}_status"]).replace("_", " ")
