"""The event contract as objects: envelope, fields and types, read once from events.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

TYPE_PREFIX = "ir.egov."


@dataclass(frozen=True)
class Field:
    """One data field: its name on the wire, its kind and its column in the lake."""

    name: str
    kind: str
    column: str
    vocabulary: str | None
    place_kind: str | None
    label_fa: str
    label_en: str


@dataclass(frozen=True)
class EventType:
    """One event type with its closed set of fields."""

    name: str
    counted: bool
    required: tuple[str, ...]
    optional: tuple[str, ...]
    label_fa: str
    label_en: str

    @property
    def fields(self) -> frozenset[str]:
        """Every field the type allows."""
        return frozenset(self.required) | frozenset(self.optional)


@dataclass(frozen=True)
class EventContract:
    """The contract as a whole."""

    version: str
    dataschema: str
    max_value_bytes: int
    max_depth: int
    envelope_required: tuple[str, ...]
    envelope_optional: tuple[str, ...]
    fields: Mapping[str, Field]
    types: Mapping[str, EventType]


@cache
def event_contract() -> EventContract:
    """The contract in force."""
    document = yaml.safe_load(files("contracts").joinpath("events.yaml").read_text(encoding="utf-8"))
    fields = {
        name: Field(
            name,
            entry["kind"],
            entry.get("column", name),
            entry.get("vocabulary"),
            entry.get("place_kind"),
            entry["label"]["fa"],
            entry["label"]["en"],
        )
        for name, entry in document["fields"].items()
    }
    types = {
        name: EventType(
            name,
            entry["counted"],
            tuple(entry["required"]),
            tuple(entry["optional"]),
            entry["label"]["fa"],
            entry["label"]["en"],
        )
        for name, entry in document["types"].items()
    }
    return EventContract(
        document["contract_version"],
        document["dataschema"],
        document["max_value_bytes"],
        document["max_depth"],
        tuple(document["envelope"]["required"]),
        tuple(document["envelope"]["optional"]),
        MappingProxyType(fields),
        MappingProxyType(types),
    )
