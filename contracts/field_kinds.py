"""How each kind of data field is read from JSON. Every reader gives the column's value or raises Refused."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from contracts.errors import UsageError
from contracts.event_contract import Field, event_contract
from contracts.identity import USER_KEY, normalise
from contracts.reporting_time import parse_period
from contracts.settings import AGENCY_ID
from contracts.strict_json import Refused
from contracts.vocabularies import spellings

# RE2 and Python read these alike: landing applies the very same patterns in columns.
IDENTIFIER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
REFERENCE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
KEY_ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
CHECKSUM_PATTERN = r"[0-9a-f]{16,64}"
VERSION_PATTERN = r"[0-9]{1,4}\.[0-9]{1,4}"
# Words of the evaluator: one line, and no bar, which parts the fields where contents are compared.
LABEL_PATTERN = r"[^|\x00-\x1f\x7f]{1,128}"
TEXT_PATTERN = r"[^|\x00-\x1f\x7f]{1,500}"
MAX_COUNT = 2**63 - 1
DECLARED_WORDS = ("not_provided", "not_applicable")

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)


def is_identifier(text: str) -> bool:
    """True for an identifier of the contract; digits alone are none, so no tracking number is ever a national id."""
    return bool(_IDENTIFIER.fullmatch(text)) and not text.isdigit()


def read(field: Field, value: Any) -> Any:
    """The column's value of one field. Raises Refused."""
    return _READERS[field.kind](field, value)


@cache
def readers_of(type_name: str) -> Mapping[str, Callable[[Any], Any]]:
    """``read`` for each field as one type of event means it, by the field's name."""
    return {name: partial(_READERS[field.kind], field) for name, field in event_contract().fields_of(type_name).items()}


def check_period(period: str, calendar: str) -> None:
    """Refuse a period that is not of its calendar."""
    try:
        parse_period(period, "jalali" if calendar == "jalali" else "gregorian")
    except UsageError:
        raise Refused("schema_violation", "period") from None


def _text(field: Field, value: Any) -> str:
    if isinstance(value, str):
        return normalise(value)
    raise Refused("schema_violation" if isinstance(value, dict | list) else "bad_type", field.name)


def _matching(pattern: str, code: str) -> Callable[[Field, Any], str]:
    compiled = re.compile(pattern)

    def reader(field: Field, value: Any) -> str:
        text = _text(field, value)
        if not compiled.fullmatch(text):
            raise Refused(code, field.name)
        return text

    return reader


def _identifier(field: Field, value: Any) -> str:
    text = _text(field, value)
    if not is_identifier(text):
        raise Refused("bad_identifier", field.name)
    return text


def _reference(code: str) -> Callable[[Field, Any], str]:
    compiled = re.compile(REFERENCE_PATTERN)

    def reader(field: Field, value: Any) -> str:
        text = _text(field, value)
        if not compiled.fullmatch(text):
            raise Refused(code, field.name)
        return text

    return reader


def _code(field: Field, value: Any) -> str:
    assert field.vocabulary is not None
    listed = spellings(field.vocabulary)
    if value.__class__ is str and value in listed:
        return listed[value]  # as most senders write it
    code = listed.get(_text(field, value).lower())
    if code is None:
        raise Refused("unknown_channel" if field.vocabulary == "channel" else "schema_violation", field.name)
    return code


def _user_key(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not USER_KEY.fullmatch(value) or not value.strip("0"):
        raise Refused("user_key_invalid")
    return value


def _boolean(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("bad_type", field.name)
    return value


def _count(field: Field, value: Any) -> int:
    if type(value) is int:
        whole = value
    elif isinstance(value, dict | list):
        raise Refused("schema_violation", field.name)
    elif isinstance(value, float) and value.is_integer():
        whole = int(value)
    else:
        raise Refused("bad_type", field.name)
    if abs(whole) > MAX_COUNT:
        raise Refused("bad_number", field.name)
    if whole < 0:
        raise Refused("out_of_range", field.name)
    return whole


def _decimal(field: Field, value: Any) -> float:
    if isinstance(value, dict | list):
        raise Refused("schema_violation", field.name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("bad_type", field.name)
    if value < 0:
        raise Refused("out_of_range", field.name)
    return float(value)


def _declared_value(field: Field, value: Any) -> int | str:
    """A count, or one of the two truths that are not numbers."""
    if isinstance(value, str) and normalise(value) in DECLARED_WORDS:
        return normalise(value)
    return _count(field, value)


def _date(field: Field, value: Any) -> dt.date:
    text = _text(field, value)
    try:
        day = dt.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else None
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 2121:
        raise Refused("schema_violation", field.name)
    return day


def _event_type(field: Field, value: Any) -> str:
    text = _text(field, value)
    kind = event_contract().types.get(text)
    if kind is None or "agency" not in kind.senders:
        raise Refused("schema_violation", field.name)
    return text


def _period(field: Field, value: Any) -> str:
    text = _text(field, value)
    if not re.fullmatch(r"\d{4}-\d{2}(/\d{4}-\d{2})?", text, re.ASCII):
        raise Refused("schema_violation", field.name)
    return text


_READERS: dict[str, Callable[[Field, Any], Any]] = {
    "identifier": _identifier,
    "service": _reference("unknown_service"),
    "place": _reference("unknown_place"),
    "agency": _matching(AGENCY_ID.pattern, "bad_identifier"),
    "code": _code,
    "user_key": _user_key,
    "key_id": _matching(KEY_ID_PATTERN, "key_unknown"),
    "boolean": _boolean,
    "count": _count,
    "declared_value": _declared_value,
    "date": _date,
    "event_type": _event_type,
    "period": _period,
    "checksum": _matching(CHECKSUM_PATTERN, "schema_violation"),
    "version": _matching(VERSION_PATTERN, "schema_violation"),
    "token": _matching(REFERENCE_PATTERN, "schema_violation"),
    "label": _matching(LABEL_PATTERN, "schema_violation"),
    "text": _matching(TEXT_PATTERN, "schema_violation"),
    "decimal": _decimal,
}
