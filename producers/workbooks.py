"""A sheet of an Excel workbook (.xlsx) as rows of text, as the same table would stand in a CSV file.

A stranger's workbook is opened only after its size is known, formulas and macros are refused and never run, and nothing
that it links to is fetched. The reader (openpyxl) is an extra of the install: ``egov-mizan[xlsx]``.
"""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.errors import BadInput, UsageError

SHEET = "declarations"
MOST_ROWS, MOST_COLUMNS = 100_000, 64
_MOST_BYTES, _MOST_PARTS = 64 * 2**20, 1_000
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Unread:
    """A cell that is no text and no number: why it is not taken. It stands in a row where its text would."""

    what: dict[str, str]


Cell = str | Unread
_FORMULA = Unread({"en": "the cell is a formula: paste its value", "fa": "خانه فرمول است: مقدار آن را بگذارید"})
_DATE = Unread({"en": "the cell is a date: write it as text", "fa": "خانه تاریخ است: آن را متن بنویسید"})
_ERROR = Unread({"en": "the cell is an error", "fa": "خانه خطا دارد"})


def is_workbook(content: bytes) -> bool:
    """True where the bytes are a workbook of any kind, whatever the file is called."""
    return content.startswith((_ZIP, _OLE))


def rows_of(content: bytes) -> list[tuple[int, list[Cell]]]:
    """The rows that are not blank, with their numbers in the sheet: of the sheet ``declarations``, or the only one.

    Raises BadInput where it is no such workbook, holds macros, or is larger than a table of declarations can be;
    UsageError where openpyxl is not installed.
    """
    _check_parts(content)
    try:
        import openpyxl
    except ModuleNotFoundError:
        raise UsageError(
            "reading .xlsx needs openpyxl", hint="pip install 'egov-mizan[xlsx]', or save as CSV"
        ) from None
    try:
        # What it warns of (styles, validations, drawings) is no part of a table.
        with warnings.catch_warnings(action="ignore"):
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
            return list(_rows(_sheet(book)))
    except BadInput:
        raise
    except Exception as error:  # whatever a broken part makes of the reader
        raise BadInput(
            f"the workbook cannot be read ({type(error).__name__}) / فایل اکسل خواندنی نیست",
            hint="save it as CSV UTF-8",
        ) from error


def _check_parts(content: bytes) -> None:
    """Sizes are known from the archive's directory; no part gives more bytes than it says there."""
    if content.startswith(_OLE):
        raise BadInput(
            "an old or locked workbook / فایل اکسل قدیمی یا رمزدار",
            hint="save it as .xlsx without a password, or as CSV",
        )
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise BadInput("the file is no workbook / فایل اکسل نیست") from error
    if any(
        part.filename.lower().endswith(("vbaproject.bin", "xlm.bin")) or "macrosheets" in part.filename.lower()
        for part in parts
    ):
        raise BadInput("the workbook holds macros / فایل اکسل ماکرو دارد", hint="save it as .xlsx without macros")
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_BYTES:
        raise BadInput("the workbook is too large / فایل اکسل بزرگ است", hint="send the table alone, or as CSV")
    if not any(part.filename == "xl/workbook.xml" for part in parts):
        raise BadInput("the file is no workbook / فایل اکسل نیست", hint="save it as .xlsx or as CSV UTF-8")


def _sheet(book: Any) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets if sheet.sheet_state == "visible"}
    if SHEET in sheets:
        return sheets[SHEET]
    if len(sheets) == 1:
        return next(iter(sheets.values()))
    raise BadInput(
        f"{len(sheets)} sheets, and none is called {SHEET} / هیچ برگه‌ای {SHEET} نام ندارد",
        hint=f"call the one that counts {SHEET}",
    )


def _rows(sheet: Any) -> Iterator[tuple[int, list[Cell]]]:
    # What a sheet says of its own size may be anything: rows and cells are counted as they come, missing ones too.
    sheet.reset_dimensions()
    for place, row in enumerate(sheet.rows, 1):
        cells = [_text(cell) for cell in row]
        while cells and cells[-1] == "":
            cells.pop()
        if place > MOST_ROWS or len(cells) > MOST_COLUMNS:
            raise BadInput(
                f"row {place:,}: more than {MOST_ROWS:,} rows or {MOST_COLUMNS} columns / سطر یا ستون بیش از اندازه",
                hint="send the table alone",
            )
        if cells:
            yield next(cell.row for cell in row if cell.value is not None), cells


def _text(cell: Any) -> Cell:
    """What the cell would be in a CSV file: a whole number without a point, a truth value as Excel writes it."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return _FORMULA
    if cell.data_type == "e":
        return _ERROR
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return _DATE
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
