"""The event contract as objects: envelope, fields and types, read once from events.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

from contracts.shipped import shipped_yaml

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
    senders: frozenset[str]  # agency, evaluator: who may say it
    own: Mapping[str, Field]  # fields that mean something else in this type, or are in no other

    @cached_property
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

    @cached_property
    def envelope(self) -> frozenset[str]:
        """Every member that the envelope may have."""
        return frozenset((*self.envelope_required, *self.envelope_optional))

    def field(self, type_name: str, name: str) -> Field:
        """A field as one type means it. KeyError where the contract has none of that name."""
        return self._fields_of[type_name][name]

    @cached_property
    def _fields_of(self) -> Mapping[str, Mapping[str, Field]]:
        return {name: {**self.fields, **kind.own} for name, kind in self.types.items()}

    def fields_of(self, type_name: str) -> Mapping[str, Field]:
        """The fields by name as one type means them, those too that it does not allow."""
        return self._fields_of[type_name]

    def types_of(self, sender: str) -> Mapping[str, EventType]:
        """The types that an ``agency`` or the ``evaluator`` may send."""
        return {name: kind for name, kind in self.types.items() if sender in kind.senders}

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """Every field, those of a single type last."""
        return (*self.fields.values(), *(field for kind in self.types.values() for field in kind.own.values()))


@cache
def event_contract() -> EventContract:
    """The contract in force."""
    document = shipped_yaml("contracts", "events.yaml")
    fields = _fields(document["fields"])
    types = {
        name: EventType(
            name,
            entry["counted"],
            tuple(entry["required"]),
            tuple(entry["optional"]),
            entry["label"]["fa"],
            entry["label"]["en"],
            frozenset(entry.get("senders", ("agency",))),
            MappingProxyType(_fields(entry.get("fields", {}))),
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


def _fields(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Field]:
    return {
        name: Field(
            name,
            entry["kind"],
            entry.get("column", name),
            entry.get("vocabulary"),
            entry.get("place_kind"),
            entry["label"]["fa"],
            entry["label"]["en"],
        )
        for name, entry in entries.items()
    }
