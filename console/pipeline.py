"""`mizan run` and `mizan status`: the whole pipeline without Airflow, and where everything stands."""

from __future__ import annotations

import time
from typing import Any

import typer

from console.output import JSON_OPTION, Grid, note, print_json, say, show_grid
from contracts.errors import GateClosed
from contracts.settings import Settings

FOLLOW_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(run)
    app.command()(status)


def run(follow: bool = typer.Option(False, "--follow", help="Go on: land and publish as events come.")) -> None:
    """Land, gate, build and publish: what the DAGs do, without Airflow. Exit 3 when a gate is closed."""
    from pipeline import steps

    settings = Settings.load()
    if not follow:
        note(f"version {steps.run(settings)} is published")
        return
    while True:
        if steps.waiting(settings).anything:
            try:
                note(f"version {steps.run(settings)} is published")
            except GateClosed as closed:
                note(str(closed))
        time.sleep(FOLLOW_SECONDS)


def _lag(row: dict[str, Any]) -> str:
    held_back = f" (+ {row['held_back']:,} behind an open transaction)" if row["held_back"] else ""
    return "unknown" if row["lag"] is None else f"{row['lag']:,}{held_back}"


def status(as_json: bool = JSON_OPTION) -> None:
    """Lag, last event, rejects and held batches by agency; the months and the published version."""
    from pipeline.standing import standing

    found = standing(Settings.load())
    if as_json:
        print_json(found)
        return
    table = Grid("agency", "lag", "last event", "landed", "quarantined", "duplicates", "state")
    for row in found["agencies"]:
        table.add_row(
            row["agency_id"],
            _lag(row),
            str(row["last_event_at"] or "none"),
            f"{row['landed']:,}",
            f"{row['quarantined']:,}",
            f"{row['duplicates']:,}",
            row["state"],
        )
    show_grid(table)
    published = found["published"]
    say(f"published: {'nothing yet' if published is None else 'version ' + str(published['version'])}")
