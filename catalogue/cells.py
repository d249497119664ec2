"""How one cell of the catalogue is read: text from a CSV file, or a value a program gives, into the column's value.

Blank is None, "not provided". Every reader gives the stored value or raises Unreadable with what is wrong and how to
mend it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from catalogue.tables import Column
from contracts.field_kinds import REFERENCE_PATTERN
from contracts.identity import looks_personal, normalise
from contracts.reporting_time import Month
from contracts.settings import AGENCY_ID
from contracts.vocabularies import codes, spellings

MAX_CELL = 2_000
SLUG = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_REFERENCE = re.compile(REFERENCE_PATTERN)
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
# Spreadsheets run a cell that starts with one of these; an apostrophe before it is their sign for "this is text".
FORMULA_STARTS = ("=", "+", "-", "@")
# Controls that turn the reading direction can make one name look like another; ZWNJ and ZWJ are Persian spelling.
_TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069\ufeff]")


class Unreadable(Exception):
    """The cell does not hold what its column takes."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def read_cell(column: Column, value: object) -> Any:
    """The stored value of one cell. Raises Unreadable."""
    if isinstance(value, list | tuple) and column.kind == "codes":
        value = "|".join(str(code) for code in value)
    if isinstance(value, str):
        value = _plain(value) or None
    if value is None:
        if column.required:
            raise Unreadable("is blank", "this column must be filled in every row")
        return None
    return _READERS[column.kind](column, value)


def shown(value: object) -> str:
    """A value as a message may repeat it: short, and without a character a terminal would act on."""
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…")


def for_spreadsheet(text: str) -> str:
    """Text as it is exported: a cell that a spreadsheet would run gets the apostrophe that says it is text."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _plain(text: str) -> str:
    text = text.strip()
    if len(text) > MAX_CELL:
        raise Unreadable(f"holds {len(text):,} characters", f"a cell holds at most {MAX_CELL:,}; is a quote missing?")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise Unreadable("holds a line break or another control character", "keep every cell on one line")
    if _TURNING.search(text):
        raise Unreadable("holds a sign that turns the reading direction", "delete the invisible character")
    return unicodedata.normalize("NFC", text)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"is not text: {shown(value)}")
    return value


def _name(column: Column, value: object) -> str:
    text = _text(value)
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _matching(pattern: re.Pattern[str], hint: str) -> Callable[[Column, object], str]:
    def reader(column: Column, value: object) -> str:
        text = normalise(_text(value))
        if not pattern.fullmatch(text):
            raise Unreadable(f"is no id of this kind: {shown(value)}", hint)
        return text

    return reader


def _service(column: Column, value: object) -> str:
    text = normalise(_text(value))
    if not _REFERENCE.fullmatch(text):
        raise Unreadable(f"is no service id: {shown(value)}", "Latin letters, digits and . _ : - up to 128")
    if looks_personal(text):
        raise Unreadable(
            "reads like a national id or a telephone number", "prefix it, srv-…: its events would be refused"
        )
    return text


def _label(column: Column, value: object) -> str:
    text = normalise(str(value) if isinstance(value, int) else _text(value))
    if len(text) > 128:
        raise Unreadable(f"holds {len(text)} characters", "at most 128")
    return text


def _code(column: Column, value: object) -> str:
    assert column.vocabulary is not None
    code = spellings(column.vocabulary).get(normalise(_text(value)).lower())
    if code is None:
        raise Unreadable(f"is not in the closed list: {shown(value)}", "one of " + ", ".join(codes(column.vocabulary)))
    return code


def _codes(column: Column, value: object) -> str:
    parts = _text(value).split("|")
    if any(not part.strip() for part in parts):
        raise Unreadable(f"has an empty place in its list: {shown(value)}", "codes are separated by one |")
    found = [_code(column, part) for part in parts]
    if len(set(found)) != len(found):
        raise Unreadable(f"names a code twice: {shown(value)}", "name every code once")
    return "|".join(found)


def _boolean(column: Column, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).lower()
    if word not in ("true", "false"):
        raise Unreadable(f"is neither true nor false: {shown(value)}", "write true or false, or leave it blank")
    return word == "true"


def _number(column: Column, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or value < 0:
            raise Unreadable(f"is no number of this column: {shown(value)}", "a finite number, zero or more")
        return float(value)
    text = normalise(_text(value))
    if not _NUMBER.fullmatch(text):
        raise Unreadable(f"is not a number: {shown(value)}", "digits with a point, zero or more: 0.75")
    return float(text)


def _date(column: Column, value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    text = normalise(_text(value))
    match = _ISO_DATE.fullmatch(text)
    if not match:
        raise Unreadable(f"is not an ISO date: {shown(value)}", "year-month-day, Gregorian: 2020-03-20")
    year, month, day = (int(part) for part in match.groups())
    if 1300 <= year <= 1500:
        raise Unreadable(f"is a Jalali date, it seems: {text}", _in_gregorian(year, month, day))
    if not 1900 <= year <= 2121:
        raise Unreadable(f"is outside 1900 to 2121: {text}", "leave it blank where there is no end or no start")
    try:
        return dt.date(year, month, day)
    except ValueError:
        raise Unreadable(f"is not a day of the calendar: {text}") from None


def _in_gregorian(year: int, month: int, day: int) -> str:
    hint = "dates are Gregorian"
    if 1 <= month <= 12 and 1 <= day <= Month("jalali", year, month).days:
        hint += f": write {Month('jalali', year, month).first_day + dt.timedelta(days=day - 1)}"
    return hint


_READERS: dict[str, Callable[[Column, object], Any]] = {
    "agency": _matching(AGENCY_ID, "lower-case Latin letters, digits and hyphens, 2 to 40, a letter first"),
    "place": _matching(SLUG, "a Latin slug such as qom: lower-case letters, digits, - and _, a letter first"),
    "token": _matching(_REFERENCE, "Latin letters, digits and . _ : - up to 128"),
    "service": _service,
    "label": _label,
    "name": _name,
    "code": _code,
    "codes": _codes,
    "boolean": _boolean,
    "number": _number,
    "date": _date,
}
