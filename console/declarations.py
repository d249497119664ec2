"""`mizan declare`: totals from a table, of agencies that cannot report event by event."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import typer

from console.events import BUNDLE_OPTION, FIRST_SHOWN, kept_login, send_lines
from console.output import JSON_OPTION, note
from contracts.errors import BadInput, UsageError
from contracts.settings import Settings, agency_id

FILE_ARGUMENT = typer.Argument(
    ..., metavar="FILE", help="CSV or .xlsx: a header of the contract's fields, a declaration a row."
)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(declare)


def declare(
    file: Path = FILE_ARGUMENT,
    agency: str = typer.Option(..., "--agency", metavar="ID", help="Who declares."),
    on: str = typer.Option(..., "--on", metavar="DATE", help="The day it was declared, as 2020-04-10."),
    bundle: Path | None = BUNDLE_OPTION,
    check: bool = typer.Option(False, "--check", help="Only check the file, offline."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Send a table of declarations; again, it is the same events. Exits 65 on a bad file: nothing is sent."""
    from producers.checking import LineError
    from producers.declarations import read_declarations

    settings = Settings.load()
    try:
        day = dt.date.fromisoformat(on)
    except ValueError:
        raise UsageError(f"not a day: {on!r}", hint="as 2020-04-10, in the Gregorian calendar") from None
    login = None if check else kept_login(settings, agency_id(agency), bundle)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    system = None if login is None else login.system
    values, errors = read_declarations(content, agency_id(agency), system, day)
    for fault in errors[:FIRST_SHOWN]:
        if isinstance(fault, LineError):
            place, what = f"{fault.reason.code} [{fault.field or fault.detail}]", fault.reason.what
            hint = f". {fault.reason.fix['en']} | {what['fa']}؛ {fault.reason.fix['fa']}"
        else:
            place, what, hint = fault.column or "row", fault.what, f" | {fault.what['fa']}"
        note(f"line {fault.line}: {place}: {what['en']}{hint}")
    if errors:
        raise BadInput(f"{len(errors):,} faults, nothing was sent / {len(errors):,} خطا، چیزی فرستاده نشد")
    if login is None:
        note(f"{len(values):,} declarations are good")
    else:
        send_lines(settings, login, values, again=False, as_json=as_json)
