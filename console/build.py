"""`mizan build`: facts and monthly tables, from the lake to the build database."""

from __future__ import annotations

import typer

from console.output import JSON_OPTION, note, print_json, say, working


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""

    @app.command()
    def build(
        month: str | None = typer.Option(None, help="This month alone (1399-01 or 2020-03), whether it waits or not."),
        full: bool = typer.Option(False, "--full", help="Build everything anew from the lake, then swap the file."),
        json: bool = JSON_OPTION,
    ) -> None:
        """Take newly counted batches into the facts and compute every month they changed."""
        from contracts.errors import UsageError
        from contracts.reporting_time import parse_begun_month
        from contracts.settings import Settings
        from transforms import refresh

        if month is not None and full:
            raise UsageError("--month and --full exclude each other")
        wanted = None if month is None else parse_begun_month(month)
        settings = Settings.load()
        with working("building"):
            if wanted is None:
                built = refresh.update(settings, full=full)
                months, why = list(built.months), built.rebuilt
            else:
                refresh.refresh_facts(settings)
                refresh.build_month(settings, wanted)
                months, why = [wanted], None
        labels = {
            calendar: [found.label for found in months if found.calendar == calendar]
            for calendar in ("jalali", "gregorian")
        }
        if json:
            waiting = [found.label for found in refresh.pending_months(settings)]
            print_json({"months": labels, "pending": waiting, "rebuilt_because": why})
            return
        if not months:
            note("nothing new to count")
        for calendar, found in labels.items():
            if found:
                say(f"{calendar}: {', '.join(found)}")
