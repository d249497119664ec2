"""The catalogue's CSV files: read strictly with line numbers, written so that reading them back changes nothing."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from catalogue.cells import Unreadable, for_spreadsheet, read_cell, shown
from catalogue.faults import Fault, PlacedRow
from catalogue.tables import OWNERSHIP, Table
from contracts.errors import MizanError

MAX_FILE_BYTES = 64 * 1024 * 1024


class _Unusable(Exception):
    """The file cannot be read at all."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def read_file(table: Table, path: Path) -> tuple[list[PlacedRow], list[Fault]]:
    """The rows of one file and everything wrong with its cells."""
    try:
        lines = _records(path)
        header = _header(table, path.name, next(lines, (1, [])))
    except _Unusable as unusable:
        return [], [unusable.fault]
    faults = [header] if isinstance(header, Fault) else []
    rows: list[PlacedRow] = []
    if isinstance(header, Fault):
        return rows, faults
    try:
        for line, cells in lines:
            where = f"{path.name}:{line}"
            if len(cells) != len(header):
                faults.append(
                    Fault(where, f"{len(cells)} cells under {len(header)} columns", "is a comma or a quote missing?")
                )
                continue
            row = read_row(table, where, dict(zip(header, cells, strict=True)), faults)
            if row is not None:
                rows.append(row)
    except _Unusable as unusable:
        faults.append(unusable.fault)
    return rows, faults


def read_rows(table: Table, given: Iterable[Mapping[str, object]]) -> tuple[list[PlacedRow], list[Fault]]:
    """Rows that a program gives, read by the same rules; columns that are missing are blank."""
    rows, faults = [], []
    for number, values in enumerate(given, 1):
        where = f"{table.name}, row {number}"
        extra = [name for name in values if name not in table.columns and name not in OWNERSHIP]
        if extra:
            faults.append(Fault(where, f"unknown column {extra[0]}", _nearest(table, extra[0])))
            continue
        row = read_row(table, where, values, faults)
        if row is not None:
            rows.append(row)
    return rows, faults


def read_row(table: Table, where: str, values: Mapping[str, object], faults: list[Fault]) -> PlacedRow | None:
    """One row of column values, or None with a fault noted for every cell that cannot be read."""
    read: dict[str, Any] = {}
    sound = True
    for name, column in table.columns.items():
        try:
            read[name] = read_cell(column, values.get(name))
        except Unreadable as fault:
            faults.append(Fault(where, f"{name} {fault.message}", fault.hint))
            sound = False
    return PlacedRow(where, read) if sound else None


def write_file(table: Table, path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the rows as a file that `mizan catalogue load` takes; give their number."""
    count = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.columns)
            for row in rows:
                writer.writerow([_written(column.kind, row[name]) for name, column in table.columns.items()])
                count += 1
    except OSError as error:
        raise MizanError(f"cannot write {path}: {error.strerror}") from error
    return count


def _written(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(value, ".15g") if value != int(value) else str(int(value))
    return for_spreadsheet(value) if kind == "name" else str(value)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The file's records with the line each starts on; blank lines are passed over."""
    text = _decoded(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "is a quote missing, or a cell far too long?"
            raise _Unusable(Fault(f"{path.name}:{line}", f"not CSV: {error}", hint)) from error
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _decoded(path: Path) -> str:
    name = path.name
    try:
        if not path.is_file():
            raise _Unusable(Fault(name, "is not a plain file"))
        with path.open("rb") as file:
            value = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _Unusable(Fault(name, f"cannot be read: {error.strerror}")) from error
    if len(value) > MAX_FILE_BYTES:
        raise _Unusable(Fault(name, f"is larger than {MAX_FILE_BYTES // 2**20} MiB", "split it over registers"))
    if value.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Unusable(Fault(f"{name}:1", "is UTF-16", "save it as CSV UTF-8"))
    if b"\x00" in value:
        line = value[: value.index(b"\x00")].count(b"\n") + 1
        raise _Unusable(Fault(f"{name}:{line}", "holds a NUL byte", "save it as CSV UTF-8"))
    try:
        return value.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = value[: error.start].count(b"\n") + 1
        raise _Unusable(Fault(f"{name}:{line}", "is not UTF-8", "save it as CSV UTF-8")) from error


def _header(table: Table, name: str, first: tuple[int, list[str]]) -> list[str] | Fault:
    line, cells = first
    where = f"{name}:{line}"
    columns = [cell.strip() for cell in cells]
    if not columns:
        return Fault(where, "has no header", "the first line names the columns")
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
        return Fault(where, "is separated by semicolons or tabs", "separate the cells by commas")
    for column in columns:
        if column not in table.columns:
            return Fault(where, f"unknown column {shown(column)}", _nearest(table, column))
        if columns.count(column) > 1:
            return Fault(where, f"column {column} stands there twice")
    missing = [n for n, column in table.columns.items() if n not in columns and not column.may_be_absent]
    if missing:
        return Fault(where, "missing columns: " + ", ".join(missing), "a column may be blank but must be there")
    return columns


def _nearest(table: Table, name: str) -> str:
    near = difflib.get_close_matches(name, table.columns, 1)
    return f"do you mean {near[0]}?" if near else "columns: " + ", ".join(table.columns)
