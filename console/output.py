"""How every command speaks: data on stdout, the rest on stderr, progress only on a terminal."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

# Off a terminal (a file, a pipe, CI) there is no width to fit: a table is as wide as its cells.
WIDE = 160
# Started with a closed stdout (`mizan … >&-`) there is none at all.
on_terminal = sys.stdout is not None and sys.stdout.isatty()
data = Console(highlight=False, soft_wrap=True, width=None if on_terminal else WIDE)
notes = Console(stderr=True, highlight=False, soft_wrap=True)

JSON_OPTION = typer.Option(False, "--json", help="Print one JSON document on stdout.")


def print_json(document: Any) -> None:
    """One JSON document on stdout; dates in ISO form, Persian as it is."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def note(message: str) -> None:
    """A line for the person at the desk, on stderr."""
    notes.print(message, markup=False)


def print_access(document: dict[str, Any], bundle: Path | None, *, renew_with: str, as_json: bool) -> None:
    """A login as it was handed out: ``password`` is None where the user was there already."""
    if bundle is not None:
        document["bundle"] = str(bundle)
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if value is not None:
            typer.echo(f"{name}\t{value}")
    if document["password"] is None:
        note(f"{document['username']} was there already; its password is not issued again ({renew_with})")
    else:
        note("the password is shown this once; keep it now")


def _plain(value: object) -> object:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    raise TypeError(f"not JSON: {type(value).__name__}")
