"""Codes as enumerations of the batch's database: a byte or two a value, from the record to the file.

DuckDB's JSON reader gives an enumeration's member for a JSON string that is one, and nothing for anything else:
numbers, bare words and structures included.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from contracts.event import Known
from contracts.event_contract import Field, event_contract
from contracts.identity import looks_personal, normalise
from contracts.vocabularies import codes
from warehouse.connection import Connection

EVENT_TYPE = "event_type_code"
LONG = 100


@dataclass(frozen=True)
class Enumeration:
    """A type of the database. Of its members the first ``proved`` are good as they stand, the ``live`` first of them.

    The others are values that the parser may let through: they lie in the same column.
    """

    name: str
    proved: int
    live: int
    size: int


@dataclass(frozen=True)
class Codes:
    """The enumerations by field of data, that of the types of event, and the parameters that go with them."""

    of_field: Mapping[str, Enumeration] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def column_types(self) -> dict[str, str]:
        """Columns of decoded rows whose type is an enumeration."""
        fields = event_contract().fields
        return {"event_type": EVENT_TYPE} | {fields[name].column: one.name for name, one in self.of_field.items()}

    def long_columns(self) -> set[str]:
        """Columns whose enumeration is long: a file of a few rows would hold all its members."""
        fields = event_contract().fields
        return {fields[name].column for name, one in self.of_field.items() if one.size > LONG}


def make_codes(connection: Connection, known: Known) -> Codes:
    """Create the enumerations of what the contract lists and the catalogue knows in ``connection``."""
    _create(connection, EVENT_TYPE, event_contract().types)
    made: dict[tuple[str, str], Enumeration] = {}
    of_field = {}
    for one in event_contract().fields.values():
        found = _members(one, known)
        if found is None:
            continue
        kind = (one.kind, one.vocabulary or one.place_kind or "")
        if kind not in made:
            name = "_".join(filter(None, (*kind, "code")))
            proved, live, rest = found
            _create(connection, name, [*proved, *rest])
            made[kind] = Enumeration(name, len(proved), live, len(proved) + len(rest))
        of_field[one.name] = made[kind]
    given: dict[str, Any] = {"key_ids": [f'"{code}"' for code in (known.user_key_ids or ()) if _plain(code)]}
    if known.services is not None:
        ending = {code: day for code, day in known.services.items() if day is not None and _plain(code)}
        given |= {"ending": list(ending) or [""], "last_days": list(ending.values()) or [dt.date.min]}
    return Codes(of_field, given)


def _members(one: Field, known: Known) -> tuple[list[str], int, list[str]] | None:
    """What a field's values can be: those proved by being read, how many of them are live, and the others.

    None where nobody knows.
    """
    if one.kind == "code" and one.vocabulary is not None:
        listed = list(codes(one.vocabulary))
        return listed, len(listed), []
    if one.kind == "service" and known.services is not None:
        services = known.services
        plain = sorted(filter(_plain, services), key=lambda code: services[code] is not None)
        return plain, sum(services[code] is None for code in plain), [code for code in services if not _plain(code)]
    if one.kind == "place" and known.places is not None:
        listed = [code for code, kind in known.places.items() if kind == one.place_kind]
        plain = list(filter(_plain, listed))
        return plain, len(plain), [code for code in listed if not _plain(code)]
    return None


def _create(connection: Connection, name: str, members: Iterable[str]) -> None:
    listed = [*members] or [""]  # an enumeration may not be empty
    connection.register("members", pa.table({"at": range(len(listed)), "member": pa.array(listed, pa.string())}))
    query = f'CREATE TYPE "{name}" AS ENUM (SELECT member FROM members ORDER BY "at")'  # noqa: S608 our own name
    connection.execute(query)
    connection.unregister("members")


def _plain(code: str) -> bool:
    """True where a code is its own normal form inside quotes and can be told from a personal id."""
    return (
        code.isascii()
        and code.isprintable()
        and normalise(code) == code
        and not (looks_personal(code) or '"' in code or "\\" in code or " " in code)
    )
