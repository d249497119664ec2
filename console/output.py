"""How every command speaks: data on stdout, the rest on stderr, progress only on a terminal.

Nothing else in this room prints (ruff holds it): it may be an agency's own words, which here are made printable.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from console.printable import printable, printable_json

# Off a terminal (a file, a pipe, CI) there is no width to fit: a table is as wide as its cells.
WIDE = 160
# Started with a closed stdout (`mizan … >&-`) there is none at all.
on_terminal = sys.stdout is not None and sys.stdout.isatty()
# No markup: a name may hold `[link=…]`, which would be a link on the operator's terminal.
data = Console(highlight=False, soft_wrap=True, width=None if on_terminal else WIDE, markup=False, emoji=False)
notes = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

_ours = logging.getLogger("mizan")
_log = logging.getLogger("mizan.console")

JSON_OPTION = typer.Option(False, "--json", help="Print one JSON document on stdout.")


class Grid(Table):
    """A table whose title, headings and cells are plain text; a cell of several lines is a list of them."""

    def __init__(self, *headings: str, title: str | None = None, **looks: Any) -> None:
        told = None if title is None else Text(printable(title), style="table.title")
        super().__init__(title=told, title_justify="left", **looks)
        for heading in headings:
            self.add_column(heading)

    def add_column(self, header: Any = "", footer: Any = "", **looks: Any) -> None:
        """One column."""
        super().add_column(_cell(header), footer, **looks)

    def add_row(self, *cells: Any, **looks: Any) -> None:
        """One row of texts, or of lists of texts."""
        super().add_row(*(_cell(cell) for cell in cells), **looks)


def say(*lines: str, style: str | None = None) -> None:
    """Data on stdout, a line each, however long."""
    for line in lines:
        data.print(Text(printable(line)), style=style)


def say_fields(*fields: str) -> None:
    """One line of fields parted by tabs, for programs that read lines."""
    typer.echo("\t".join(printable(field) for field in fields))


def say_document(document: Mapping[str, Any]) -> None:
    """What is known, a name and its value a line, for programs that read lines."""
    for name, value in document.items():
        if value is not None:
            say_fields(name, str(value))


def show_grid(grid: Grid) -> None:
    """A table on stdout."""
    data.print(grid)


def page(grid: Grid, *lines: str) -> Group:
    """A table with lines of text below it."""
    return Group(grid, *(Text(printable(line)) for line in lines))


def show_page(shown: Group) -> None:
    """A page on stdout."""
    data.print(shown)


def live(shown: Group) -> Live:
    """A page that takes the whole terminal; ``update(page, refresh=True)`` shows the next."""
    return Live(shown, console=data, screen=True, auto_refresh=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout; dates in ISO form, Persian as it is."""
    typer.echo(printable_json(json.dumps(document, ensure_ascii=False, indent=2, default=_plain)))


def note(message: str) -> None:
    """A line for the person at the desk, on stderr; where stderr is lines of JSON, one of these."""
    if _says_json():
        _log.info(message)
    else:
        notes.print(Text(printable(message)))


def failed(message: str, *, hint: str | None, exit_code: int) -> None:
    """How a command ended, on stderr."""
    if _says_json():
        _log.error(message, extra={"fields": {"exit_code": exit_code} | ({"hint": hint} if hint else {})})
        return
    note(f"mizan: {message}")
    if hint:
        note(f"       {hint}")


def log_as(form: str) -> None:
    """Our own words alone, on stderr: what client libraries log of a connection is no news to an operator.

    ``text``: warnings, a line each. ``json``: every event a line of JSON, notes included.
    """
    handler: logging.Handler = Notes(logging.WARNING)
    if form == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(OneObject())
    _ours.setLevel(logging.INFO if form == "json" else logging.WARNING)
    _ours.addHandler(handler)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """While this lasts a terminal shows that work goes on: since when, what was told last, how much of it is done.

    Print nothing on stdout meanwhile. Where stderr is no terminal, or lines of JSON, nothing is shown.
    """
    if not notes.is_terminal or _says_json():
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        shown, level = Shown(bar, what), _ours.level
        _ours.addHandler(shown)
        _ours.setLevel(logging.INFO)
        try:
            yield
        finally:
            _ours.setLevel(level)
            _ours.removeHandler(shown)


def _says_json() -> bool:
    return any(isinstance(handler.formatter, OneObject) for handler in _ours.handlers)


class Notes(logging.Handler):
    """A log record as one line on stderr: what it says, and who says it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, above a bar where there is one."""
        notes.print(Text(printable(f"mizan: {record.getMessage()}")))


class Shown(logging.Handler):
    """A log record as a bar's words: what was told last, and ``done`` of ``of`` where it says so."""

    def __init__(self, bar: Progress, what: str) -> None:
        super().__init__(logging.INFO)
        self._bar = bar
        self._bar.add_task(what, total=None)
        (self._work,) = bar.tasks

    def emit(self, record: logging.LogRecord) -> None:
        """Show it; what warns has a line of its own."""
        if record.levelno >= logging.WARNING:
            return
        told = getattr(record, "fields", {})
        named = [str(told[name]) for name in ("agency", "month") if name in told]
        if "of" in told:
            named.append(f"{told['done']:,} of {told['of']:,}")
        self._work.total = told.get("of")
        words = printable(" ".join([record.getMessage().partition("\n")[0], *named]))
        self._bar.update(self._work.id, description=words, completed=told.get("done", 0))


class OneObject(logging.Formatter):
    """A log record as one line of JSON: time (UTC), level, event, then what ``contracts.logs.tell`` was given."""

    def format(self, record: logging.LogRecord) -> str:
        """The same as ``Notes`` says, and the fields."""
        said = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return printable_json(json.dumps(said, ensure_ascii=False))


def print_access(document: dict[str, Any], bundle: Path | None, *, renew_with: str, as_json: bool) -> None:
    """A login as it was handed out: ``password`` is None where the user was there already."""
    if bundle is not None:
        document["bundle"] = str(bundle)
    if as_json:
        print_json(document)
        return
    say_document(document)
    if document["password"] is None:
        note(f"{document['username']} was there already; its password is not issued again ({renew_with})")
    else:
        note("the password is shown this once; keep it now")


def _cell(cell: str | Sequence[str]) -> Text:
    lines = [cell] if isinstance(cell, str) else cell
    return Text("\n".join(printable(line) for line in lines))


def _plain(value: object) -> object:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    raise TypeError(f"not JSON: {type(value).__name__}")
