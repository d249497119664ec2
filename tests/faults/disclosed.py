"""Whether what the public may see keeps to the threshold, worked out again from the events (I11). No SQL, nothing ours.

The rule of today (docs/disclosure.md): a number that counts events of fewer than k distinct persons is withheld, and
so is what is computed from it; k is what the version itself says. Held against it are the six tables about people's
events in every version that is kept, with their earlier vintages, restatements, passports and CSV files. Whether one
that is withheld follows from shown ones is asked elsewhere: by the gate, and by the attacker of tests/integration.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import monthly_oracle
import pyarrow.parquet as pq

from faults.registry import Violation

TABLES = {
    "monthly_users": "users", "monthly_visits": "visits", "monthly_transactions": "transactions",
    "monthly_channel_share": "channel_share", "period_totals": "periods", "monthly_digital_take_up": "take_up",
}  # fmt: skip
# What is computed from these numbers of its row, or with them gives others away.
COMPUTED_FROM = {
    "visits_per_active_user": ("visits",), "reject_rate": ("completed",), "duration_p50": ("completed",),
    "duration_p90": ("completed",), "share": ("transactions", "total_transactions"),
    "digital_take_up": ("digital", "completed"), "digital_take_up_assisted": ("digital_or_assisted", "completed"),
}  # fmt: skip
# These numbers are themselves counts of persons.
PERSONS = ("active_users", "new_users", "registered_users")
Key = tuple[str, ...]
Row = Mapping[str, Any]
Events = Sequence[Row]


def check_public(public: Path, events_of: Callable[[int], Events], agencies: Sequence[Row]) -> list[Violation]:
    """I11 of every version that CURRENT.json lists. ``events_of`` gives the counted events of the lake's version."""
    found: list[str] = []
    shown: dict[tuple[str, Key, int, str], bool] = {}
    pointer = json.loads((public / "CURRENT.json").read_text())
    for version in sorted(pointer["versions"]):
        meta = {row["key"]: row["value"] for row in _rows(public, "_meta", version)}
        k, events = int(meta["min_cell"]), events_of(int(meta["lake.events"]))
        truth = monthly_oracle.compute(events, agencies, [])
        cells: dict[tuple[str, str, str], Row] = {}
        said: list[str] = [] if meta["tier"] == "public" else ["is not of the public tier"]
        for name, attribute in TABLES.items():
            rows = _rows(public, name, version)
            said += _table(name, rows, getattr(truth, attribute), k, cells, shown)
            said += _vintages(name, _rows(public, f"{name}_vintages", version), k, shown)
            if version == pointer["version"]:
                said += _csv(public / "csv" / f"{name}.csv", rows)
        said += _passports(_rows(public, "figure_passports", version), cells)
        said += _restatements(_rows(public, "restatements", version), k, shown)
        found += [f"version {version}: {what}" for what in said]
    return [Violation("I11", what) for what in found[:20]]


def _rows(public: Path, table: str, version: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(public / "parquet" / table / f"v{version:06d}.parquet").to_pylist()
    return rows


def _is_shown(row: Row, measure: str) -> bool:
    return row[measure] is not None or row[f"{measure}_status"] == "value"


def _key(row: Row) -> Key:
    return (row["calendar"], row.get("month") or row["period"], row["scope"], row["scope_id"], row["channel"])


def _measures(rows: Sequence[Row]) -> list[str]:
    return [name for name in (rows[0] if rows else {}) if f"{name}_status" in rows[0]]


def _table(
    name: str,
    rows: Sequence[Row],
    truth: Mapping[Key, Row],
    k: int,
    cells: dict[tuple[str, str, str], Row],
    shown: dict[tuple[str, Key, int, str], bool],
) -> list[str]:
    counting = {column.removesuffix("_keys") for row in truth.values() for column in row if column.endswith("_keys")}
    found = []
    for row in rows:
        key = _key(row)
        # A measure of a table without a channel is named by its grain alone: the passport's key says which.
        for measure in _measures(rows):
            shown[name, key, row["vintage"], measure] = _is_shown(row, measure)
            cells[name, measure, _named(row)] = row
        for measure in counting:
            if not _is_shown(row, measure):
                continue
            behind = truth.get(key, {}).get(f"{measure}_keys", 0)
            if row[measure] is not None and behind < k:
                found.append(f"{name} {key} shows {measure} = {row[measure]} of {behind} persons, k is {k}")
            for base in COMPUTED_FROM.get(measure, ()):
                if row[f"{base}_status"] == "suppressed":
                    found.append(f"{name} {key} shows {measure}, computed from a withheld {base}")
    return found


def _named(row: Row) -> str:
    return json.dumps(_key(row))


def _vintages(name: str, rows: Sequence[Row], k: int, shown: Mapping[tuple[str, Key, int, str], bool]) -> list[str]:
    found = []
    for row in rows:
        for measure in _measures(rows):
            if row[measure] is None:
                continue
            if measure in PERSONS and row[measure] < k:
                found.append(f"{name}_vintages {_key(row)} shows {measure} = {row[measure]}, k is {k}")
            if not shown.get((name, _key(row), row["vintage"], measure), True):
                found.append(f"{name}_vintages {_key(row)} shows {measure}, which vintage {row['vintage']} withheld")
    return found


def _passports(rows: Sequence[Row], cells: Mapping[tuple[str, str, str], Row]) -> list[str]:
    found = []
    for row in rows:
        if row["table_name"] not in TABLES:
            continue
        cell = cells.get((row["table_name"], row["measure"], json.dumps(_key(json.loads(row["key"])))))
        if cell is not None and not _is_shown(cell, row["measure"]):
            found.append(f"a passport of {row['table_name']} {row['key']} {row['measure']}, which is withheld")
    return found


def _restatements(rows: Sequence[Row], k: int, shown: Mapping[tuple[str, Key, int, str], bool]) -> list[str]:
    found = []
    for row in rows:
        if row["table_name"] not in TABLES:
            continue
        named = json.loads(row["key"])
        for value, vintage in ((row["old_value"], row["vintage"] - 1), (row["new_value"], row["vintage"])):
            if value is None:
                continue
            where = f"a restatement of {row['table_name']} {row['key']} tells {value}"
            if named["measure"] in PERSONS and value < k:
                found.append(f"{where}, k is {k}")
            if not shown.get((row["table_name"], _key(named), vintage, named["measure"]), True):
                found.append(f"{where}, which vintage {vintage} withheld")
    return found


def _csv(path: Path, rows: Sequence[Row]) -> list[str]:
    withheld = {
        (_named(row), measure)
        for row in rows
        for measure in _measures(rows)
        if row[f"{measure}_status"] == "suppressed"
    }
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            f"{path.name} tells {measure} of {_key(row)}, which Parquet withholds"
            for row in csv.DictReader(file)
            for measure in _measures([row])
            if row[measure] and (_named(row), measure) in withheld
        ]
