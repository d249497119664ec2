"""What rows must agree on with each other: keys, validity, references, the shape of the trees."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalogue.faults import Fault, PlacedRow
from catalogue.read import Catalogue, Row, is_valid, subject
from catalogue.tables import Column, Table, tables

_PARENT_KINDS: Mapping[str, tuple[str, ...]] = {
    "province": (),
    "county": ("province",),
    "district": ("county", "province"),
}
_ORDERED = (("valid_from", "valid_to"), ("assessed_from", "assessed_to"), ("threshold_low", "threshold_high"))


def within_table(table: Table, rows: Sequence[PlacedRow]) -> Iterator[Fault]:
    """Faults that one table's rows show among themselves."""
    first: dict[tuple[Any, ...], str] = {}
    for row in rows:
        key = tuple(row.values[name] for name in table.key)
        if key in first:
            yield Fault(row.where, f"has the same {', '.join(table.key)} as {first[key]}", "every key stands once")
        first.setdefault(key, row.where)
        for low, high in _ORDERED:
            lower, higher = row.values.get(low), row.values.get(high)
            if lower is not None and higher is not None and lower > higher:
                yield Fault(row.where, f"{low} lies after {high}")
    if table.has_versions:
        yield from _versions(table, rows)


def _versions(table: Table, rows: Sequence[PlacedRow]) -> Iterator[Fault]:
    """Versions of one thing may share at most the day on which one hands over to the next."""
    things: dict[tuple[Any, ...], list[PlacedRow]] = defaultdict(list)
    for row in rows:
        things[subject(table, row.values)].append(row)
    for versions in things.values():
        versions.sort(key=lambda row: row.values["valid_from"] or dt.date.min)
        for row, following in itertools.pairwise(versions):
            begins, ends = following.values["valid_from"], row.values["valid_to"]
            if begins == row.values["valid_from"]:
                continue  # told as a key that stands twice
            if ends is None or begins < ends:
                yield Fault(
                    following.where,
                    f"is valid at the same time as {row.where}",
                    "end the earlier version before the later one begins",
                )
        if table.name == "places" and len({row.values["kind"] for row in versions}) > 1:
            yield Fault(versions[-1].where, "changes its kind", "a place of another kind has another id")


def across_tables(given: Mapping[str, Sequence[PlacedRow]], catalogue: Catalogue) -> Iterator[Fault]:
    """Faults between the given rows and ``catalogue``, which is the catalogue as it would stand with them."""
    ids = _ids(catalogue)
    kinds = {row["place_id"]: row["kind"] for row in catalogue.places}
    for name, rows in given.items():
        for row in rows:
            for column in _dangling(tables()[name], row.values, ids):
                missing = row.values[column.name]
                hint = f"add it to {column.references}.csv, or leave the cell blank"
                yield Fault(row.where, f"{column.name} names {missing}, which {column.references} does not have", hint)
            yield from _wrong_kinds(tables()[name], row, kinds)
    yield from _cycles(given.get("agencies", ()), catalogue.agencies)


def left_dangling(catalogue: Catalogue) -> list[str]:
    """One line for each reference whose target is gone: a later load took it away."""
    ids = _ids(catalogue)
    found: dict[str, set[str]] = defaultdict(set)
    for name, table in tables().items():
        for row in catalogue.rows(name):
            for column in _dangling(table, row, ids):
                found[f"{name}.{column.name} names {column.references} that are gone"].add(row[column.name])
    return [f"{what}: {', '.join(sorted(which)[:10])}" for what, which in sorted(found.items())]


def _ids(catalogue: Catalogue) -> dict[str, frozenset[str]]:
    return {
        "places": frozenset(row["place_id"] for row in catalogue.places),
        "agencies": frozenset(row["agency_id"] for row in catalogue.agencies),
    }


def _dangling(table: Table, row: Mapping[str, Any], ids: Mapping[str, frozenset[str]]) -> Iterator[Column]:
    for column in table.columns.values():
        if column.references and row[column.name] is not None and row[column.name] not in ids[column.references]:
            yield column


def _wrong_kinds(table: Table, row: PlacedRow, kinds: Mapping[str, str]) -> Iterator[Fault]:
    for column in table.columns.values():
        place = row.values[column.name]
        if column.place_kind and place in kinds and kinds[place] != column.place_kind:
            yield Fault(row.where, f"{column.name} names {place}, which is a {kinds[place]}")
    if table.name == "places":
        kind, parent = row.values["kind"], row.values["parent_id"]
        allowed = _PARENT_KINDS[kind]
        if parent is not None and not allowed:
            yield Fault(row.where, f"a {kind} has no parent", "leave parent_id blank")
        elif parent in kinds and kinds[parent] not in allowed:
            yield Fault(
                row.where, f"its parent {parent} is a {kinds[parent]}", "its parent is a " + " or a ".join(allowed)
            )


def _cycles(given: Sequence[PlacedRow], agencies: Sequence[Row]) -> Iterator[Fault]:
    """Parent chains that come back to where they began, at any date."""
    knot = _knot(agencies)
    tied = [row for row in agencies if row["agency_id"] in knot]
    where = {row.values["agency_id"]: row.where for row in given}
    told: set[frozenset[str]] = set()
    # Chains change only where a version begins; within a knot those days are few.
    for day in sorted({row["valid_from"] or dt.date.min for row in tied}):
        parents = {row["agency_id"]: row["parent_id"] for row in tied if is_valid(row, day)}
        for ring in _rings(parents):
            if frozenset(ring) not in told:
                told.add(frozenset(ring))
                at = next((where[agency] for agency in ring if agency in where), "agencies")
                since = "" if day == dt.date.min else f" from {day}"
                yield Fault(
                    at, f"parents form a ring{since}: {' > '.join([*ring, ring[0]])}", "one of them has no parent"
                )


def _knot(agencies: Sequence[Row]) -> frozenset[str]:
    """Agencies that may lie on a ring: what is left when those without parents, over all dates, are taken away."""
    parents: dict[str, set[str]] = defaultdict(set)
    children: dict[str, set[str]] = defaultdict(set)
    for row in agencies:
        parents.setdefault(row["agency_id"], set())
        if row["parent_id"] is not None:
            parents[row["agency_id"]].add(row["parent_id"])
            children[row["parent_id"]].add(row["agency_id"])
    free = [agency for agency in {*parents, *children} if not parents.get(agency)]
    while free:
        root = free.pop()
        parents.pop(root, None)
        for child in children.pop(root, ()):
            parents[child].discard(root)
            if not parents[child]:
                free.append(child)
    return frozenset(parents)


def _rings(parents: Mapping[str, str | None]) -> Iterator[list[str]]:
    done: set[str] = set()
    for start in sorted(parents):
        path: list[str] = []
        at: str | None = start
        while at is not None and at in parents and at not in done and at not in path:
            path.append(at)
            at = parents[at]
        if at is not None and at in path:
            yield path[path.index(at) :]
        done.update(path)
