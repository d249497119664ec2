"""Declarations in an Excel workbook: events and verdicts as of the table as CSV; a hostile one is refused by name."""

from __future__ import annotations

import datetime as dt
import io
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

import openpyxl
import pytest
from test_base_install import without_platform

from contracts.errors import BadInput
from producers.checking import LineError
from producers.declarations import CellError, read_declarations

DAY = dt.date(2020, 4, 10)
HEADER = ["period", "calendar", "measure", "value", "service_id", "channel"]
GOOD = ["1399-01", "jalali", "transactions_completed", 1200, "tax-return", "portal"]


def workbook(rows: Iterable[Iterable[object]], *, title: str = "Sheet1", more: Iterable[str] = ()) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for name in more:
        book.create_sheet(name)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def with_parts(content: bytes, parts: dict[str, bytes]) -> bytes:
    """The workbook with parts put in the place of its own, or added."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in parts:
                new.writestr(name, old.read(name))
        for name, part in parts.items():
            new.writestr(name, part)
    return made.getvalue()


def sheet(rows: str, dimension: str = "A1:F3") -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    head = "".join(f'<c r="{"ABCDEF"[n]}1" t="inlineStr"><is><t>{name}</t></is></c>' for n, name in enumerate(HEADER))
    body = f'<dimension ref="{dimension}"/><sheetData><row r="1">{head}</row>{rows}</sheetData>'
    return f'<worksheet xmlns="{space}">{body}</worksheet>'.encode()


SHEET = "xl/worksheets/sheet1.xml"
BOOK = workbook([HEADER, GOOD])
LAST_ROW, LAST_COLUMN = (f'<row r="{at.lstrip("ADFX")}"><c r="{at}"><v>1</v></c></row>' for at in ("A1048576", "XFD2"))


def read(content: bytes):
    return read_declarations(content, "tax", None, DAY)


def test_a_sheet_is_the_same_events_as_the_same_table_as_csv() -> None:
    rows = [
        GOOD,
        [],
        ["1399-01", "jalali", "services_total", "۳۴۵"],
        ["1399-01", "jalali", "services_full", 7.0, None, ""],
    ]
    said = "1399-01,jalali,transactions_completed,1200,tax-return,portal\n1399-01,jalali,services_total,۳۴۵,,\n"
    said += "1399-01,jalali,services_full,7,,\n"
    in_csv = read(f"{','.join(HEADER)}\n{said}".encode())
    assert in_csv[1] == []
    assert read(workbook([HEADER, *rows])) == in_csv
    # The one called declarations counts, whatever else is there and in whatever order.
    assert read(workbook([HEADER, *rows], title="declarations", more=["notes", "Sheet1"])) == in_csv


def test_every_fault_is_told_by_row_and_column_and_no_cell_is_repeated() -> None:
    faulty = [
        [*GOOD[:3], "=1+1", "", ""],
        [dt.date(2020, 3, 1), *GOOD[1:]],
        [*GOOD[:3], 1.5, "", ""],
        [*GOOD[:5], "pigeon"],
        [*GOOD[:3], 5, 1234567891.0, ""],
        [*GOOD[:3], True, "", ""],
        [*GOOD, "more"],
        [*GOOD[:3], "-5", "", ""],
    ]
    values, errors = read(workbook([HEADER, *faulty, GOOD]))
    # The good one, and what only the contract's check finds.
    assert b"1200" in values[-1]
    cells = {error.line: (error.column, error.what["en"]) for error in errors if isinstance(error, CellError)}
    assert cells == {
        2: ("value", "the cell is a formula: paste its value"),
        3: ("period", "the cell is a date: write it as text"),
        8: (None, "not as many cells as columns"),
        9: ("value", "a cell begins as a formula does"),
    }
    contract = {error.line: error.reason.code for error in errors if isinstance(error, LineError)}
    assert contract == {4: "bad_type", 5: "unknown_channel", 6: "pii_leak", 7: "bad_type"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (workbook([["period", "nickname"]]), "unknown columns.*nickname"),
        (workbook([[]]), "columns that are missing"),
        (workbook([HEADER, GOOD], more=["again"]), "2 sheets, and none is called declarations"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "old or locked"),
        (b"PK\x03\x04 and no archive", "no workbook"),
        (with_parts(BOOK, {"xl/vbaProject.bin": b"x"}), "macros"),
        (with_parts(BOOK, {"xl/media/a.bin": bytes(65 * 2**20)}), "too large"),
        (with_parts(BOOK, {f"xl/{n}.xml": b"" for n in range(1000)}), "too large"),
        (with_parts(BOOK, {SHEET: b"<worksheet"}), "cannot be read"),
        (with_parts(BOOK, {SHEET: sheet(LAST_ROW)}), "more than 100,000 rows"),
        (with_parts(BOOK, {SHEET: sheet(LAST_COLUMN)}), "64 columns"),
    ],
    ids=["columns", "empty", "sheets", "locked", "broken", "macros", "bomb", "parts", "torn", "rows", "cells"],
)  # fmt: skip
def test_what_is_no_sheet_of_declarations_is_refused_as_a_whole(content: bytes, said: str) -> None:
    started = time.process_time()
    with pytest.raises(BadInput, match=said):
        read(content)
    assert time.process_time() - started < 5


def test_what_a_sheet_says_of_its_own_size_is_not_believed() -> None:
    row = '<row r="2">' + "".join(
        f'<c r="{"ABCDEF"[n]}2" t="inlineStr"><is><t>{value}</t></is></c>' for n, value in enumerate(GOOD)
    )
    told = with_parts(workbook([HEADER]), {SHEET: sheet(row + "</row>", dimension="A1:XFD1048576")})
    started = time.process_time()
    assert read(told) == read(workbook([HEADER, GOOD]))
    assert time.process_time() - started < 5
    hidden = with_parts(workbook([HEADER]), {SHEET: sheet(row + "</row>", dimension="A1:B1")})
    assert read(hidden) == read(workbook([HEADER, GOOD]))


def test_no_entity_grows_and_no_file_is_fetched() -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(9))
    for entities, name in ((laughs, "a8"), ('<!ENTITY x SYSTEM "file:///etc/hostname">', "x")):
        cell = f'<row r="2"><c r="A2" t="inlineStr"><is><t>&{name};</t></is></c></row>'
        content = f"<!DOCTYPE worksheet [{entities}]>".encode() + sheet(cell)
        started = time.process_time()
        with pytest.raises(BadInput, match="cannot be read"):
            read(with_parts(workbook([HEADER]), {SHEET: content}))
        assert time.process_time() - started < 5


def test_the_command_says_what_to_install_where_the_reader_is_absent(tmp_path: Path) -> None:
    file = tmp_path / "totals.xlsx"
    file.write_bytes(workbook([HEADER, GOOD]))
    run = "sys.argv = ['mizan', *sys.argv[1:]]\nfrom console.main import main\nmain()\n"
    call = ("declare", str(file), "--agency", "tax", "--on", "2020-04-10", "--check")
    good = without_platform(run, *call)
    assert (good.returncode, "1 declarations are good" in good.stderr) == (0, True), good.stderr
    absent = without_platform("PLATFORM.add('openpyxl')\n" + run, *call)
    assert absent.returncode == 2
    assert "egov-mizan[xlsx]" in absent.stderr
