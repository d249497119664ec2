"""`mizan ping`: whether all is in order between an agency's machine and the platform."""

from __future__ import annotations

from pathlib import Path

import typer

from console.events import BUNDLE_OPTION, kept_login
from console.output import JSON_OPTION, print_json, say_fields
from contracts.errors import UsageError
from contracts.settings import Settings, agency_id

_SHOWN = {True: "ok", False: "FAILED", None: "unknown"}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(ping)


def ping(
    bundle: Path | None = BUNDLE_OPTION,
    agency: str | None = typer.Option(None, "--agency", metavar="ID", help="Whose login, where this machine keeps it."),
    quiet: bool = typer.Option(False, "--quiet", help="Write no heartbeat: topic and clock then stay unknown."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Key, contract, login, topic and clock, as the agency; a heartbeat is sent. Exits 1, 2 or 75 where one fails."""
    from producers.login import read_bundle
    from producers.ping import ping as ask

    if bundle is not None:
        login = read_bundle(bundle)
        if agency is not None and login.agency_id != agency_id(agency):
            raise UsageError(f"the bundle is of {login.agency_id}, not of {agency}")
    elif agency is not None:
        login = kept_login(Settings.load(), agency_id(agency), None)
    else:
        raise UsageError("whose login?", hint="--bundle DIR, or --agency ID where this machine keeps its bundle")
    findings, error = ask(login, quiet=quiet)
    if as_json:
        print_json({"agency_id": login.agency_id, "system": login.system, "findings": [vars(one) for one in findings]})
    else:
        for one in findings:
            say_fields(one.name, _SHOWN[one.ok], one.found)
            if one.fix is not None and one.ok is not True:
                say_fields("", f"{one.fix['en']} | {one.fix['fa']}")
    if error is not None:
        raise typer.Exit(error.exit_code)
    if any(one.ok is False for one in findings):
        raise typer.Exit(1)
