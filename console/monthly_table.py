"""The monthly table on a terminal: every month's total, and the newest month by channel, in Persian and English."""

from __future__ import annotations

from typing import Any

from console.output import Grid, say, show_grid
from contracts.settings import Settings
from contracts.vocabularies import labels

MONTHS_SHOWN = 24


def print_monthly_table(settings: Settings, calendar: str, scope: str, scope_id: str) -> None:
    """Print what the published analyst tier says of one scope. Cells without a number show their status."""
    from warehouse.published import monthly_table

    rows = monthly_table(settings, calendar=calendar, scope=scope, scope_id=scope_id, last_months=MONTHS_SHOWN)
    if not rows:
        say(f"no rows for {scope} {scope_id}")
        return
    newest = rows[-1]["month"]
    table = Grid(title=f"{scope} {scope_id}, {calendar} calendar")
    for heading in ("month", "channel", "بستر ارائه"):
        table.add_column(heading, no_wrap=True)
    for heading in ("active users", "new", "registered", "visits", "completed", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state")
    for row in rows:
        if row["channel"] != "all" and row["month"] != newest:
            continue
        table.add_row(*_cells(row, first_of_month=row["channel"] == "all"), end_section=_ends(row, newest))
    show_grid(table)


def _ends(row: dict[str, Any], newest: str) -> bool:
    return bool(row["channel"] == "all" and row["month"] == newest)


def _cells(row: dict[str, Any], *, first_of_month: bool) -> list[str]:
    channel = ("همه بسترها", "all channels") if row["channel"] == "all" else labels("channel")[row["channel"]]
    return [
        f"{row['month']}  {row['month_en']}  {row['month_fa']}" if first_of_month else "",
        channel[1],
        channel[0],
        *(_shown(row, name) for name in ("active_users", "new_users", "registered_users", "visits", "completed")),
        _shown(row, "share", "{:.2%}"),
        row["state"],
    ]


def _shown(row: dict[str, Any], measure: str, form: str = "{:,}") -> str:
    value = row[measure]
    return form.format(value) if value is not None else str(row[f"{measure}_status"]).replace("_", " ")
