"""JSON Schema (2020-12) of the events, derived from events.yaml and vocabularies.yaml.

The schema describes the canonical form of an event. Landing is more lenient in spelling (outer spaces, Persian digits,
a channel's aliases, an explicit null for an absent field) and stricter where a schema has no words: personal ids,
the future, days that do not exist, periods of another calendar, services and places the catalogue does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.event import SOURCE
from contracts.event_contract import EventType, Field, event_contract
from contracts.field_kinds import (
    CHECKSUM_PATTERN,
    DECLARED_WORDS,
    IDENTIFIER_PATTERN,
    KEY_ID_PATTERN,
    LABEL_PATTERN,
    MAX_COUNT,
    REFERENCE_PATTERN,
    TEXT_PATTERN,
    VERSION_PATTERN,
)
from contracts.identity import USER_KEY
from contracts.settings import AGENCY_ID
from contracts.vocabularies import codes

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_MONTH = r"[0-9]{4}-(0[1-9]|1[0-2])"
_TIME = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def event_schema() -> Schema:
    """The schema of a whole event: the envelope, and of each type its data."""
    contract = event_contract()
    properties: dict[str, Schema] = {
        "specversion": {"const": "1.0"},
        "id": _identifier(),
        "source": _pattern(SOURCE.pattern),
        "type": {"enum": list(contract.types)},
        "time": _pattern(_TIME) | {"format": "date-time"},
        "dataschema": {"const": contract.dataschema},
        "datacontenttype": {"enum": ["application/json", "application/cloudevents+json"]},
        "data": {"type": "object"},
    }
    return {
        "$schema": DIALECT,
        "$id": contract.dataschema,
        "title": f"Events of the electronic government, contract {contract.version}",
        "type": "object",
        "required": list(contract.envelope_required),
        "properties": {n: properties[n] for n in (*contract.envelope_required, *contract.envelope_optional)},
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": _sender(event_type) | {"data": {"$ref": f"#/$defs/{name}"}}},
            }
            for name, event_type in contract.types.items()
        ],
        "$defs": {name: _data(event_type) for name, event_type in contract.types.items()},
    }


def _sender(event_type: EventType) -> Schema:
    """What a type says of ``source``, where not everybody may send it."""
    if len(event_type.senders) > 1:
        return {}
    (sender,) = event_type.senders
    return {"source": _pattern("/evaluators/.*" if sender == "evaluator" else "/agencies/.*")}


def data_schema(type_name: str) -> Schema:
    """The schema of one type's ``data``, on its own. KeyError for a type that is not in the contract."""
    contract = event_contract()
    return {"$schema": DIALECT, "$id": f"{contract.dataschema}:{type_name}"} | _data(contract.types[type_name])


def _data(event_type: EventType) -> Schema:
    contract = event_contract()
    return {
        "title": f"{event_type.label_en} — {event_type.label_fa}",
        "type": "object",
        "required": list(event_type.required),
        "properties": {
            name: _field(contract.field(event_type.name, name)) for name in (*event_type.required, *event_type.optional)
        },
        "additionalProperties": False,
    }


def _field(field: Field) -> Schema:
    return {"title": f"{field.label_en} — {field.label_fa}"} | _KINDS[field.kind](field)


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _identifier() -> Schema:
    return _pattern(IDENTIFIER_PATTERN) | {"not": {"pattern": "^[0-9]+$"}}


def _code(field: Field) -> Schema:
    assert field.vocabulary is not None
    return {"enum": list(codes(field.vocabulary))}


def _count() -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}


_KINDS: dict[str, Callable[[Field], Schema]] = {
    "identifier": lambda field: _identifier(),
    "service": lambda field: _pattern(REFERENCE_PATTERN),
    "place": lambda field: _pattern(REFERENCE_PATTERN),
    "agency": lambda field: _pattern(AGENCY_ID.pattern),
    "code": _code,
    "user_key": lambda field: _pattern(USER_KEY.pattern) | {"not": {"pattern": "^0+$"}},
    "key_id": lambda field: _pattern(KEY_ID_PATTERN),
    "boolean": lambda field: {"type": "boolean"},
    "count": lambda field: _count(),
    "declared_value": lambda field: {"oneOf": [_count(), {"enum": list(DECLARED_WORDS)}]},
    "date": lambda field: _pattern(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])") | {"format": "date"},
    "event_type": lambda field: {"enum": list(event_contract().types_of("agency"))},
    "period": lambda field: _pattern(f"{_MONTH}(/{_MONTH})?"),
    "checksum": lambda field: _pattern(CHECKSUM_PATTERN),
    "version": lambda field: _pattern(VERSION_PATTERN),
    "token": lambda field: _pattern(REFERENCE_PATTERN),
    "label": lambda field: _pattern(LABEL_PATTERN),
    "text": lambda field: _pattern(TEXT_PATTERN),
    "decimal": lambda field: {"type": "number", "minimum": 0},
}
