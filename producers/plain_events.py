"""Events that are plainly good, proved and written in one step: a third of what writing and then parsing them takes.

Only what the contract's parser is sure to accept, and what JSON writes without an escape, is written here. What this is
not sure of is None: ``contracts.event.parse`` judges it and names the reason. A property test holds the two together.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from contracts import field_kinds
from contracts.event import FUTURE_ALLOWANCE, SOURCE
from contracts.event_contract import Field, event_contract
from contracts.identity import USER_KEY, looks_personal
from contracts.strict_json import Refused

# A member of the data as JSON; None where the value is not plainly good.
Writer = Callable[[Any], str | None]
# What is remembered of the caller's values and calls stays small, whatever they are.
MOST_REMEMBERED = 4_096
_IDENTIFIER = re.compile(field_kinds.IDENTIFIER_PATTERN)
# What JSON need not escape: printable ASCII without quotes and backslashes, as long as words of the contract are.
_PLAIN = re.compile(r"[ !#-\[\]-~]{1,200}")


class PlainEvents:
    """What one source says plainly. Not for use by several threads at once."""

    def __init__(self, agency_id: str, source: str) -> None:
        sender = SOURCE.fullmatch(source)
        self._is_sender = sender is not None and sender[1] == agency_id
        self._source = source
        self._heads: dict[str, str] = {}
        self._shapes: dict[tuple[str, tuple[str, ...]], tuple[Writer, ...]] = {}

    def written(
        self, event_id: str, event_type: str, time: dt.datetime, now: dt.datetime, data: Mapping[str, Any]
    ) -> bytes | None:
        """The bytes that ``envelope`` writes of such an event, if the parser is sure to accept them at ``now``.

        ``event_type`` is the contract's full name; ``now`` an instant in UTC; no value of ``data`` is None.
        """
        shape = (event_type, tuple(data))
        writers = self._shapes.get(shape) or self._new_shape(*shape)
        if not (writers and _is_identifier(event_id) and (time is now or _is_plain_time(time, now))):
            return None
        members = [write(value) for write, value in zip(writers, data.values(), strict=True)]
        if None in members:
            return None
        head = self._heads.get(event_type) or self._new_head(event_type)
        return (
            f'{{"specversion":"1.0","id":"{event_id}{head}{time.isoformat()}","datacontenttype":"application/json",'
            f'"data":{{{",".join(members)}}}}}'  # type: ignore[arg-type]  # none of them is None
        ).encode("ascii")

    def _new_head(self, event_type: str) -> str:
        head = self._heads[event_type] = f'","source":"{self._source}","type":"{event_type}","time":"'
        return head

    def _new_shape(self, event_type: str, names: tuple[str, ...]) -> tuple[Writer, ...] | None:
        """A writer for each member; None where a member is missing, unknown, or of a kind that is not written here."""
        kind = event_contract().types[event_type]
        fields = event_contract().fields_of(event_type)
        if not (self._is_sender and kind.fields.issuperset(names) and set(kind.required) <= set(names)):
            return None
        found = []
        for name in names:
            make = _MAKERS.get(fields[name].kind)
            if make is None:
                return None
            found.append(make(fields[name]))
        if len(self._shapes) < MOST_REMEMBERED:
            self._shapes[event_type, names] = tuple(found)
        return tuple(found)


def _is_identifier(text: Any) -> bool:
    return text.__class__ is str and _IDENTIFIER.fullmatch(text) is not None and not text.isdigit()


def _is_plain_time(time: dt.datetime, now: dt.datetime) -> bool:
    """True where the text of an aware time is sure to be read as that time, and as no later one than is allowed."""
    zone = time.utcoffset()
    return (
        time.__class__ is dt.datetime
        and zone is not None
        and not zone.seconds % 60
        and not zone.microseconds
        and 1970 < time.year < 2121  # the first and the last year depend on the zone
        and time <= now + FUTURE_ALLOWANCE
    )


def _identifier(field: Field) -> Writer:
    begin = f'"{field.name}":"'

    def write(value: Any) -> str | None:
        return f'{begin}{value}"' if _is_identifier(value) and not looks_personal(value) else None

    return write


def _user_key(field: Field) -> Writer:
    begin, zeros = f'"{field.name}":"', "0" * 64

    def write(value: Any) -> str | None:
        is_key = value.__class__ is str and USER_KEY.fullmatch(value) is not None and value != zeros
        return f'{begin}{value}"' if is_key else None

    return write


def _boolean(field: Field) -> Writer:
    said = {True: f'"{field.name}":true', False: f'"{field.name}":false'}
    return lambda value: said[value] if value.__class__ is bool else None


def _count(field: Field) -> Writer:
    begin = f'"{field.name}":'

    def write(value: Any) -> str | None:
        return f"{begin}{value}" if value.__class__ is int and 0 <= value <= field_kinds.MAX_COUNT else None

    return write


class _Word:
    """Words of which there are few: what the contract's own reader takes is remembered with its JSON."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self.known: dict[str, str] = {}

    def __call__(self, value: Any) -> str | None:
        if value.__class__ is not str:
            return None
        return self.known.get(value) or self._read(value)

    def _read(self, value: str) -> str | None:
        if not _PLAIN.fullmatch(value) or looks_personal(value):
            return None
        try:
            field_kinds.read(self._field, value)
        except Refused:
            return None
        member = f'"{self._field.name}":"{value}"'
        if len(self.known) < MOST_REMEMBERED:
            self.known[value] = member
        return member


_MAKERS: dict[str, Callable[[Field], Writer]] = {
    "identifier": _identifier,
    "user_key": _user_key,
    "boolean": _boolean,
    "count": _count,
    **dict.fromkeys(("agency", "code", "key_id", "place", "service", "version"), _Word),
}
