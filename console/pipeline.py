"""`mizan run` and `mizan status`: the whole pipeline without Airflow, and where everything stands."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer
from rich.console import Group

from console.interruption import until_ctrl_c
from console.output import JSON_OPTION, Grid, live, note, on_terminal, page, print_json, show_page, working
from contracts.errors import GateClosed, UsageError
from contracts.settings import Settings

FOLLOW_SECONDS = 2.0
WATCH_SECONDS = 2.0
TROUBLE = ("halted", "held", "behind", "silent", "current")
STYLES = {"halted": "bold red", "held": "red", "behind": "yellow", "silent": "dim", "current": "green"}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(run)
    app.command()(status)


def run(follow: bool = typer.Option(False, "--follow", help="Go on: land and publish as events come.")) -> None:
    """Land, gate, build and publish: what the DAGs do, without Airflow. Exit 3 when a gate is closed."""
    from pipeline import steps

    settings = Settings.load()
    if not follow:
        note(f"version {_run(settings)} is published")
        return
    newest = 0
    with until_ctrl_c() as stopped:
        while True:
            before = newest
            if steps.waiting(settings).anything:
                try:
                    newest = _run(settings)
                    note(f"version {newest} is published")
                except GateClosed as closed:
                    note(str(closed))
            # What came in while a version was made is taken up at once; else asking again has a cost and no use yet.
            if stopped.wait(0 if newest != before else FOLLOW_SECONDS):
                break


def _run(settings: Settings) -> int:
    from pipeline import steps

    with working("landing"):
        return steps.run(settings)


def status(
    as_json: bool = JSON_OPTION,
    watch: bool = typer.Option(False, "--watch", help="Go on showing it, until Ctrl-C. Needs a terminal."),
) -> None:
    """Lag, last event, rejects and held batches by agency; the months and the published version."""
    from pipeline.standing import standing

    settings = Settings.load()
    if not watch:
        found = standing(settings)
        print_json(found) if as_json else show_page(shown(found))
        return
    if as_json or not on_terminal:
        raise UsageError("--watch shows a page on a terminal", hint="mizan metrics is for programs")
    with until_ctrl_c() as stopped, live(shown(standing(settings))) as screen:
        while not stopped.wait(WATCH_SECONDS):
            screen.update(shown(standing(settings)), refresh=True)


def shown(found: dict[str, Any]) -> Group:
    """What stands as a page: who needs a person first."""
    table = Grid("agency", "lag", "waits", "last event", "landed", "quarantined", "duplicates", "state")
    for row in sorted(found["agencies"], key=lambda row: (TROUBLE.index(row["state"]), row["agency_id"])):
        trouble = row["halts"] or row["held_batches"]
        table.add_row(
            row["agency_id"],
            _lag(row),
            _waits(row),
            str(row["last_event_at"] or "none"),
            f"{row['landed']:,}",
            f"{row['quarantined']:,}",
            f"{row['duplicates']:,}",
            ": ".join([row["state"], ", ".join(trouble)]) if trouble else row["state"],
            style=STYLES[row["state"]],
        )
    months = Counter((month["calendar"], month["state"]) for month in found["months"])
    standing = ", ".join(f"{count} {state} ({calendar})" for (calendar, state), count in sorted(months.items()))
    published = found["published"]
    return page(
        table,
        f"months: {standing or 'none'}",
        "published: nothing yet"
        if published is None
        else f"published: version {published['version']} as of {published['as_of']:%Y-%m-%d %H:%M:%S %Z}",
    )


def _lag(row: dict[str, Any]) -> str:
    held_back = f" (+ {row['held_back']:,} behind an open transaction)" if row["held_back"] else ""
    return "unknown" if row["lag"] is None else f"{row['lag']:,}{held_back}"


def _waits(row: dict[str, Any]) -> str:
    longer = row["waits_longer_than"]
    if longer is None:
        return ""
    return f"> {longer // 3600} h" if longer >= 3600 else f"> {longer // 60} min"
