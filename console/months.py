"""`mizan month`: which months are settled; closing one by name, reopening it."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from console.output import JSON_OPTION, Grid, note, print_json, say, show_grid, working
from contracts.settings import Settings

MONTH = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 1399-01 or 2020-03.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    month_app = typer.Typer(help="Which months are settled; close one by name, reopen it.", no_args_is_help=True)
    month_app.command("ls")(list_months)
    month_app.command("close")(close)
    month_app.command("reopen")(reopen)
    app.add_typer(month_app, name="month")


def list_months(as_json: bool = JSON_OPTION) -> None:
    """State, vintage and who has told, of every published month of both calendars."""
    from pipeline.months import month_list

    rows = month_list(Settings.load())
    if as_json:
        print_json(rows)
        return
    table = Grid("month", "calendar", "state", "vintage", "told", "closed by", "closed at", "note")
    for row in rows:
        table.add_row(
            row["month"],
            row["calendar"],
            row["state"],
            str(row["vintage"]),
            # Nobody is surely expected: there is nothing to be a part of.
            f"{row['reported']} of {row['expected']}" if row["expected"] else "–",
            row["closed_by"] or "",
            "" if row["closed_at"] is None else f"{row['closed_at']:%Y-%m-%d %H:%M} UTC",
            row["note"] or "",
        )
    show_grid(table)


def close(
    month: MONTH,
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    why: Annotated[str, typer.Option("--note", help="What was looked at.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Write the month's signed release and publish the month as final. Exits 2 where it may not be closed."""
    from pipeline.months import close_month

    with working("closing and publishing"):
        done = close_month(month, by=by, note=why)
    if as_json:
        print_json(done)
        return
    say(f"{done['month']}  vintage {done['vintage']}  {done['release']}")
    note("closed" if done["is_new"] else "was closed at this vintage before; nothing changed")
    note(f"version {done['version']} is published")


def reopen(
    month: MONTH,
    by: Annotated[str | None, typer.Option("--by", help="Who answers for it; by default the login name.")] = None,
    why: Annotated[str, typer.Option("--note", help="Why.")] = "no reason given",
    as_json: bool = JSON_OPTION,
) -> None:
    """Take a closing back: the month is provisional again. Its releases stay."""
    from pipeline.months import reopen_month

    with working("reopening and publishing"):
        done = reopen_month(month, by=by or getpass.getuser(), note=why)
    if as_json:
        print_json(done)
        return
    note(f"{done['month']} is open to changes again; version {done['version']} is published")
