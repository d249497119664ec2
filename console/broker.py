"""`mizan broker` and `mizan doctor`: the local Apache Kafka, and what a machine lacks."""

from __future__ import annotations

import typer

from console.output import JSON_OPTION, note, print_json, say
from contracts.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="The local Apache Kafka of MIZAN_HOME.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(commands, name="broker")
    app.command("doctor")(doctor)


@commands.command("up")
def up(as_json: bool = JSON_OPTION) -> None:
    """Start it, or find it running; returns when it listens and takes logins."""
    from broker import local

    document = local.up(Settings.load())
    if as_json:
        print_json(document)
    else:
        say(f"Kafka is up at {document['bootstrap']}")


@commands.command("down")
def down() -> None:
    """Stop it; topics and data stay."""
    from broker import local

    note("Kafka is stopped" if local.down(Settings.load()) else "Kafka was not running")


@commands.command("status")
def status(as_json: bool = JSON_OPTION) -> None:
    """Where it listens and who logs in how; exits 1 where it is not running."""
    from broker import local

    document = local.status(Settings.load())
    if as_json:
        print_json(document)
    elif document["running"]:
        say(f"running at {document['bootstrap']}, pid {document['pid']}, log {document['log']}")
    else:
        say("not running")
    if not document["running"]:
        raise typer.Exit(1)


def doctor(as_json: bool = JSON_OPTION) -> None:
    """Say in one line each what this machine lacks; exits 1 where something is missing."""
    from broker.doctor import diagnose

    findings = diagnose(Settings.load())
    if as_json:
        print_json({"ok": all(f.ok for f in findings), "findings": [vars(f) for f in findings]})
    else:
        for finding in findings:
            if not finding.ok:
                say(f"{finding.name}: {finding.found}; {finding.fix}")
        if all(finding.ok for finding in findings):
            say("nothing is missing")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
