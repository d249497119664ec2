"""`mizan check`, `mizan send` and `mizan simulate`: events, from files and from scenarios."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console import simulation
from console.output import JSON_OPTION, note, notes, print_json, say
from contracts.errors import BadInput, TryAgain, UsageError
from contracts.settings import EVALUATOR, Settings, agency_id

if TYPE_CHECKING:
    from producers.checking import LineError
    from producers.login import AgencyLogin

# Past this many the rest is only counted: one broken export has the same fault in every line.
MOST_SHOWN = 1_000
FIRST_SHOWN = 10
FILE_ARGUMENT = typer.Argument(..., metavar="FILE", help="NDJSON, one CloudEvents object a line; - reads stdin.")
BUNDLE_OPTION = typer.Option(None, "--bundle", help="Folder handed out by mizan agency add --out.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("check")(check)
    app.command("send")(send)
    app.command("simulate")(simulation.simulate)


def check(
    file: str = FILE_ARGUMENT,
    agency: str | None = typer.Option(None, "--agency", metavar="ID", help="Whose events; else each line's source."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Check events against the contract, offline; one line per error with a fix. Exits 65 on any."""
    lines = _lines(file)
    accepted, errors = _checked(lines, None if agency is None else agency_id(agency))
    if as_json:
        print_json({"accepted": accepted, "refused": len(errors), "errors": [_described(error) for error in errors]})
    else:
        _show(errors)
    note(f"{accepted:,} accepted, {len(errors):,} refused")
    if errors:
        raise typer.Exit(BadInput.exit_code)


def send(
    file: str = FILE_ARGUMENT,
    agency: str = typer.Option(..., "--agency", metavar="ID", help="Whose events these are."),
    bundle: Path | None = BUNDLE_OPTION,
    again: bool = typer.Option(False, "--again", help="Send a file that was sent before once more."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Send a file of events; the same call goes on after a kill. Exits 75 when the broker is away: events are kept."""
    settings = Settings.load()
    send_file(settings, kept_login(settings, agency_id(agency), bundle), file, again=again, as_json=as_json)


def send_file(settings: Settings, login: AgencyLogin, file: str, *, again: bool, as_json: bool) -> None:
    """Check a file of events, take it onto the disk and send it as ``login``; say how many were sent.

    Raises BadInput where a line is refused, TryAgain where the broker is away.
    """
    lines = [line for line in (raw.rstrip(b"\r\n") for raw in _lines(file)) if line.strip()]
    _, errors = _checked(lines, login.agency_id)
    if errors:
        # Nothing of a bad file is sent: half a file is harder to mend than none.
        if as_json:
            print_json({"sent": 0, "already_sent": 0, "refused": len(errors)})
        _show(errors[:FIRST_SHOWN], on_stderr=as_json)
        raise BadInput(
            f"{len(errors):,} of {len(lines):,} lines are refused, nothing was sent", hint="mizan check FILE"
        )
    send_lines(settings, login, lines, again=again, as_json=as_json)


def send_lines(settings: Settings, login: AgencyLogin, lines: list[bytes], *, again: bool, as_json: bool) -> None:
    """Take good events onto the disk and send them as ``login``; say how many were sent. TryAgain as ``send_file``."""
    from producers.outbox import Outbox
    from producers.publisher import Publisher

    sender = login.agency_id
    publishers: list[Publisher] = []

    def connect() -> Publisher:
        publishers.append(Publisher(sender, login.kafka, delivery_seconds=60))
        return publishers[0]

    with Outbox(settings.home / "agencies" / sender / "spool" / "files") as outbox, _bar(len(lines)) as bar:
        task = bar.add_task("events", total=len(lines))
        name = outbox.accept(lines, again=again)
        try:
            done = outbox.send(name, connect, lambda count: bar.advance(task, count))
        except TryAgain as error:
            waiting = outbox.pending()
            if as_json:
                print_json({"sent": 0, "already_sent": 0, "refused": 0, "spooled": waiting})
            raise TryAgain(f"{error}; {waiting:,} events are kept", hint="run the same command again") from error
        finally:
            for publisher in publishers:
                publisher.close()
    if as_json:
        print_json({"sent": done.sent, "already_sent": done.already_sent, "refused": 0, "earlier": done.earlier})
    else:
        earlier = f", and {done.earlier:,} that earlier calls had left" if done.earlier else ""
        say(f"{done.sent:,} sent, {done.already_sent:,} had been sent before{earlier}")


def _lines(file: str) -> list[bytes]:
    if file == "-" and sys.stdin is None:
        raise UsageError("stdin is closed", hint="name a file, or pipe the events in")
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    # Split at line feeds alone: other line ends may stand inside a JSON string.
    return content.split(b"\n")


def _checked(lines: list[bytes], agency: str | None) -> tuple[int, list[LineError]]:
    from contracts.event import Event
    from producers.checking import check_lines

    accepted, errors = 0, []
    for verdict in check_lines(lines, agency):
        if isinstance(verdict, Event):
            accepted += 1
        else:
            errors.append(verdict)
    return accepted, errors


def _show(errors: list[LineError], *, on_stderr: bool = False) -> None:
    tell = note if on_stderr else say
    for error in errors[:MOST_SHOWN]:
        place = f" [{error.field or error.detail}]" if error.detail else ""
        reason = error.reason
        tell(
            f"line {error.line}: {reason.code}{place}: {reason.what['en']}. {reason.fix['en']}."
            f" | {reason.what['fa']}؛ {reason.fix['fa']}.",
        )
    if len(errors) > MOST_SHOWN:
        note(f"and {len(errors) - MOST_SHOWN:,} more")


def _described(error: LineError) -> dict[str, Any]:
    return {
        "line": error.line,
        "reason_code": error.reason.code,
        "stage": error.stage,
        "field": error.field,
        "detail": error.detail,
        "what": dict(error.reason.what),
        "fix": dict(error.reason.fix),
    }


def kept_login(settings: Settings, agency: str, bundle: Path | None) -> AgencyLogin:
    """The given bundle, or the one kept on this machine at the local broker's present address.

    ``agency`` may be EVALUATOR. Raises UsageError where there is none, or the bundle is another's.
    """
    from producers.login import read_bundle

    if bundle is not None:
        login = read_bundle(bundle)
    else:
        folder = settings.home / "agencies" / agency
        if not (folder / "bundle.json").exists():
            add = "mizan evaluator add" if agency == EVALUATOR else f"mizan agency add {agency}"
            raise UsageError(f"no login of {agency} is kept here", hint=f"{add}, or --bundle DIR with its bundle")
        login = read_bundle(folder)
        if settings.values["KAFKA_BOOTSTRAP_SERVERS"] or settings.broker_file.exists():
            login = login.at(settings.kafka().bootstrap_servers)
    if login.agency_id != agency:
        raise UsageError(f"the bundle is of {login.agency_id}, not of {agency}")
    return login


def _bar(total: int) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes,
        disable=not notes.is_terminal or not total,
        transient=True,
    )
