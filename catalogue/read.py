"""The catalogue as it stands: every register's rows, one voice per thing.

A *register* is whoever loaded a row: the operator's files, ``agency add``, an import, a simulated scenario. Where two
registers speak of the same thing (the same agency id, say), the one that spoke last is heard, with all its versions;
the other's rows stay in the lake and count again should the first withdraw its own.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalogue.cells import Unreadable, read_cell
from catalogue.tables import Column, Table, tables
from contracts.errors import UsageError
from contracts.event import FUTURE_ALLOWANCE, Known
from contracts.keys import current_key_id
from contracts.settings import Settings

Row = dict[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """The rows heard, per table: the columns of catalogue.yaml, ``loaded_from`` and ``loaded_at``.

    Blank cells are None. Versions of one thing never share a day: where a version ends on the day the next begins,
    that day is the next one's and ``valid_to`` here is the day before.
    """

    places: list[Row]
    agencies: list[Row]
    services: list[Row]
    mandates: list[Row]
    frameworks: list[Row]
    assessments: list[Row]

    def rows(self, table: str) -> list[Row]:
        """The rows of one table by its name."""
        found: list[Row] = getattr(self, table)
        return found


def stored(settings: Settings) -> dict[str, list[Row]]:
    """Every row of every register as it is in the lake, by table."""
    from warehouse.lake import Lake

    lake = Lake(settings)
    return {name: lake.open(table.lake_name, table.lake_columns).rows().to_pylist() for name, table in tables().items()}


def current(settings: Settings) -> Catalogue:
    """The catalogue as it stands. UsageError where the lake has none: `mizan init` makes it."""
    return merged(stored(settings))


def merged(rows: Mapping[str, Sequence[Row]]) -> Catalogue:
    """The rows heard among those of all registers."""
    return Catalogue(**{name: _heard(table, rows.get(name, ())) for name, table in tables().items()})


def known(settings: Settings) -> Known:
    """What an event is judged against: services with their last day, places with their kind, key ids.

    A key id that was retired is known with its instant: what happened before may have waited in a spool.
    """
    from warehouse.lake import Lake
    from warehouse.transport_keys import key_changes

    live, retired = {current_key_id(settings)}, {}
    soon = dt.datetime.now(dt.UTC) + FUTURE_ALLOWANCE
    for change in key_changes(Lake(settings)):
        live |= {change.new_key_id} | ({change.old_key_id} if change.retired_at > soon else set())
        retired[change.old_key_id] = change.retired_at
    live -= {key_id for key_id, retired_at in retired.items() if retired_at <= soon}
    return known_of(current(settings), frozenset(live), retired)


def known_of(
    catalogue: Catalogue,
    user_key_ids: frozenset[str] | None = None,
    retired_key_ids: Mapping[str, dt.datetime] | None = None,
) -> Known:
    """The same, of a catalogue in hand. A service ends by ``valid_to`` alone, whatever its lifecycle says."""
    services: dict[str, dt.date | None] = {}
    for row in catalogue.services:
        last_day, service = row["valid_to"], row["service_id"]
        if service in services:
            before = services[service]
            last_day = None if before is None or last_day is None else max(before, last_day)
        services[service] = last_day
    places = {row["place_id"]: row["kind"] for row in catalogue.places}
    return Known(services, places, user_key_ids, retired_key_ids or {})


def as_of(rows: Iterable[Row], day: dt.date) -> list[Row]:
    """The versions valid on a (Tehran) date; a blank end is open."""
    return [row for row in rows if is_valid(row, day)]


def chosen(catalogue: Catalogue, table: str, ids: Sequence[str] = (), day: str | None = None) -> list[Row]:
    """Rows of one table: of these ids alone where any are given, valid on a day (ISO date) where one is.

    UsageError for a table, an id or a column of validity that is not there, and for text that is no date.
    """
    if table not in tables():
        raise UsageError(f"the catalogue has no table {table!r}", hint="it has " + ", ".join(tables()))
    described = tables()[table]
    rows = catalogue.rows(table)
    name = described.subject[0]
    missing = sorted(set(ids) - {row[name] for row in rows})
    if missing:
        near = difflib.get_close_matches(missing[0], {row[name] for row in rows}, 1)
        raise UsageError(f"{table} has no {name} {missing[0]!r}", hint=f"do you mean {near[0]}?" if near else "")
    rows = [row for row in rows if not ids or row[name] in ids]
    if day is None:
        return rows
    if not described.has_versions:
        raise UsageError(f"{table} hold for no days", hint="leave --as-of out")
    try:
        return as_of(rows, read_cell(Column("--as-of", "date", required=True), day))
    except Unreadable as fault:
        raise UsageError(f"--as-of {fault.message}", hint=fault.hint) from fault


def is_valid(row: Mapping[str, Any], day: dt.date) -> bool:
    """True where ``day`` lies between ``valid_from`` and ``valid_to``, both included."""
    first, last = row.get("valid_from"), row.get("valid_to")
    return (first is None or first <= day) and (last is None or day <= last)


def digest(catalogue: Catalogue) -> str:
    """SHA-256 (hex) of what facts derive from the catalogue: the agencies' parent chains and the places' tree.

    Names, services, levels, mandates and assessments are left out: they label or are counted apart, so a change there
    needs no fact computed anew. An agency without parent and child is left out too, so onboarding one changes nothing.
    """
    parents = {row["parent_id"] for row in catalogue.agencies if row["parent_id"]}
    chains = [
        [row["agency_id"], row["parent_id"], row["valid_from"], row["valid_to"]]
        for row in catalogue.agencies
        if row["parent_id"] or row["agency_id"] in parents
    ]
    tree = [
        [row["place_id"], row["kind"], row["parent_id"], row["valid_from"], row["valid_to"]] for row in catalogue.places
    ]
    document = {"chains": sorted(chains, key=str), "places": sorted(tree, key=str)}
    text = json.dumps(document, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a row says, without who said it and when."""
    return tuple(row.get(name) for name in table.columns)


def subject(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a row speaks of."""
    return tuple(row.get(name) for name in table.subject)


def _heard(table: Table, rows: Sequence[Row]) -> list[Row]:
    speakers: dict[tuple[Any, ...], tuple[dt.datetime, str]] = {}
    for row in rows:
        claim = (row["loaded_at"], row["loaded_from"])
        about = subject(table, row)
        speakers[about] = max(speakers.get(about, claim), claim)
    heard = [dict(row) for row in rows if row["loaded_from"] == speakers[subject(table, row)][1]]
    heard.sort(key=lambda row: _order(table, row))
    if table.has_versions:
        _part_shared_days(table, heard)
    return heard


def _order(table: Table, row: Row) -> list[tuple[bool, Any]]:
    """Sort by key, blanks first."""
    return [(row[name] is not None, row[name] if row[name] is not None else "") for name in table.key]


def _part_shared_days(table: Table, rows: list[Row]) -> None:
    for row, following in itertools.pairwise(rows):
        shared = subject(table, row) == subject(table, following) and row["valid_to"] == following["valid_from"]
        if shared and row["valid_to"] is not None:
            row["valid_to"] -= dt.timedelta(days=1)
