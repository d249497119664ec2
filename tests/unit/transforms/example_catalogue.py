"""The catalogue an example gives, read by the catalogue's own rules; what is left out is the ordinary case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from catalogue.csv_files import read_rows
from catalogue.read import Catalogue, merged
from catalogue.tables import tables

_OWNED = {"loaded_from": "example", "loaded_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}
_FILLED = {
    "agencies": {"level": "national"},
    "services": {"agency_id": "water", "lifecycle": "live"},
    "mandates": {"scope": "national", "law_en": "a law"},
}


def catalogue_of(given: Mapping[str, Sequence[Mapping[str, str]]]) -> Catalogue:
    """The catalogue of the given tables; agencies and places that are only named are added."""
    rows = {
        name: [_FILLED.get(name, {}) | {c: v for c, v in row.items() if v} for row in given.get(name, ())]
        for name in tables()
    }
    rows["agencies"] += _named(rows["agencies"], "agency_id", [r.get("agency_id") for r in rows["services"]])
    rows["agencies"] += _named(rows["agencies"], "agency_id", [r.get("agency_id") for r in rows["assessments"]])
    rows["agencies"] += _named(rows["agencies"], "agency_id", [r.get("parent_id") for r in rows["agencies"]])
    for kind in ("province", "district"):
        added = _named(rows["places"], "place_id", [row.get(kind) for row in rows["agencies"]])
        rows["places"] += [{**row, "kind": kind} for row in added]
    read: dict[str, list[dict[str, Any]]] = {}
    for name, table in tables().items():
        found, faults = read_rows(table, rows[name])
        assert not faults, [str(fault) for fault in faults]
        read[name] = [row.values | _OWNED for row in found]
    return merged(read)


def _named(known: Sequence[Mapping[str, Any]], column: str, names: Sequence[Any]) -> list[dict[str, Any]]:
    there = {row[column] for row in known}
    return [{column: name} for name in dict.fromkeys(names) if name and name not in there]
