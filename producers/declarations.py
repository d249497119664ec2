"""Declarations from a table: CSV or an Excel workbook, one declared total a row, of an agency that cannot stream.

The header names fields of the contract's declaration, in any order; an empty cell is a field that is not told. The
event's id follows from who declares what on which day, so the same file again is the same events, and a changed value
is another one.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.errors import BadInput
from contracts.event import Event
from contracts.event_contract import event_contract
from contracts.identity import normalise
from contracts.reporting_time import TEHRAN
from producers import envelope, workbooks
from producers.checking import LineError, check_lines
from producers.workbooks import Unread

# What a spreadsheet would take for a formula. A declared number has no sign either.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class CellError:
    """A row that is no declaration. ``line`` counts from 1, the header's; the texts never repeat a cell."""

    line: int
    column: str | None
    what: dict[str, str]


def read_declarations(
    content: bytes, agency_id: str, system: str | None, day: dt.date
) -> tuple[list[bytes], list[CellError | LineError]]:
    """The events of a file, one for each row, and what is wrong with the others; ``day`` is the day of declaring.

    Raises BadInput where the file is no table of declarations: not UTF-8, no sheet of them, or its header has an
    unknown or no column.
    """
    rows = _rows_of_workbook(content) if workbooks.is_workbook(content) else _rows(content)
    errors: list[CellError | LineError] = []
    values: list[tuple[int, bytes]] = []
    source = envelope.source_of(agency_id, system)
    moment = dt.datetime.combine(day, dt.time(12), TEHRAN)
    for line, cells in rows:
        found = list(_faults(line, cells))
        errors += found
        if not found:
            values.append((line, _event(source, moment, {name: text for name, text in cells.items() if name and text})))
    checked = check_lines((value for _, value in values), agency_id)
    for (line, _), verdict in zip(values, checked, strict=True):
        if not isinstance(verdict, Event):
            errors.append(dataclasses.replace(verdict, line=line))
    return [value for _, value in values], sorted(errors, key=lambda error: error.line)


def _rows(content: bytes) -> list[tuple[int, dict[str | None, Any]]]:
    """Each row that is not blank, by column, with the line it ends on."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("the file is not UTF-8 / فایل UTF-8 نیست", hint="save it as CSV UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _checked_header([name.strip() for name in reader.fieldnames or ()])
        reader.fieldnames = header
        return [(reader.line_num, row) for row in reader if any(row.values())]
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num} is not CSV: {error}") from None


def _rows_of_workbook(content: bytes) -> list[tuple[int, dict[str | None, Any]]]:
    """The same, of a workbook's sheet: a short row is one whose last cells are empty."""
    rows = workbooks.rows_of(content)
    header = _checked_header([cell.strip() if isinstance(cell, str) else "" for cell in rows[0][1]] if rows else [])
    found = []
    for number, cells in rows[1:]:
        row: dict[str | None, Any] = dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False))
        found.append((number, row if len(cells) <= len(header) else {**row, None: cells[len(header) :]}))
    return found


def _checked_header(header: list[str]) -> list[str]:
    """The header where each column is one of the contract's and none of the required is missing."""
    known = event_contract().types[envelope.full_type("agency.declaration")]
    unknown = [name for name in header if name not in known.fields]
    missing = [name for name in known.required if name not in header]
    if unknown or missing or len(set(header)) != len(header):
        # Names of columns are the sender's own words, but no values: they are what has to be mended.
        shown = ", ".join(name[:40] for name in unknown[:5]) or ", ".join(missing) or "a column twice"
        wrong = ("unknown columns", "ستون ناشناخته") if unknown else ("columns that are missing", "ستون نیامده")
        allowed = ", ".join((*known.required, *known.optional))
        raise BadInput(f"{wrong[0]} / {wrong[1]}: {shown}", hint=f"the columns are {allowed}, parted by commas")
    return header


def _faults(line: int, cells: dict[str | None, Any]) -> Iterator[CellError]:
    if None in cells or None in cells.values():
        yield CellError(line, None, {"fa": "شمار خانه‌ها با سرستون یکی نیست", "en": "not as many cells as columns"})
        return
    for name, text in cells.items():
        if isinstance(text, Unread):
            yield CellError(line, name, text.what)
        elif text.startswith(_FORMULA):
            said = {"fa": "خانه با نشانه فرمول آغاز می‌شود", "en": "a cell begins as a formula does"}
            yield CellError(line, name, said)


def _event(source: str, moment: dt.datetime, cells: dict[str | None, Any]) -> bytes:
    data = {str(name): text.strip() for name, text in cells.items()}
    value = normalise(data.get("value", ""))
    if value.isascii() and value.isdigit() and len(value) < 20:
        data["value"] = int(value)
    told = json.dumps([source, moment.isoformat(), data], sort_keys=True, ensure_ascii=False)
    identifier = "decl-" + hashlib.sha256(told.encode()).hexdigest()[:32]
    return envelope.encode(envelope.build(identifier, source, envelope.full_type("agency.declaration"), moment, data))
