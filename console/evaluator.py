"""`mizan evaluator`: the national evaluator's access to Kafka, and its scores on their way there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from console.events import BUNDLE_OPTION, FILE_ARGUMENT, kept_login, send_file
from console.output import JSON_OPTION, print_access
from contracts.settings import EVALUATOR, Settings

if TYPE_CHECKING:
    from broker.administration import Onboarded

commands = typer.Typer(no_args_is_help=True, help="The national evaluator: access, and sending its scores.")
OUT_OPTION = typer.Option(None, "--out", help="Write the evaluator's bundle into this folder (0600).")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(commands, name="evaluator")


@commands.command("add")
def add(out: Path | None = OUT_OPTION, as_json: bool = JSON_OPTION) -> None:
    """Topic, user, access and quota; again, it changes nothing. The password is printed once."""
    from broker.bundle import hand_out_to_evaluator

    _show(hand_out_to_evaluator(Settings.load(), out), out, as_json)


@commands.command("rotate")
def rotate(out: Path | None = OUT_OPTION, as_json: bool = JSON_OPTION) -> None:
    """Issue a new password, printed once; open connections go on for an hour at most."""
    from broker.bundle import hand_out_to_evaluator

    _show(hand_out_to_evaluator(Settings.load(), out, renew=True), out, as_json)


@commands.command("send")
def send(
    file: str = FILE_ARGUMENT,
    bundle: Path | None = BUNDLE_OPTION,
    again: bool = typer.Option(False, "--again", help="Send a file that was sent before once more."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Send a file of scores; the same call goes on after a kill. Exits 75 when the broker is away: scores are kept."""
    settings = Settings.load()
    send_file(settings, kept_login(settings, EVALUATOR, bundle), file, again=again, as_json=as_json)


def _show(access: Onboarded, out: Path | None, as_json: bool) -> None:
    document: dict[str, Any] = {"topic": access.topic, "username": access.username, "password": access.password}
    print_access(document, out, renew_with="mizan evaluator rotate", as_json=as_json)
