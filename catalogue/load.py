"""Load catalogue rows: everything is checked first, then each register's own rows are replaced, table by table.

A register owns its rows: loading ``agencies.csv`` replaces what the register "catalogue" said about agencies before,
and nothing that an import or a simulation said. Every table is one Delta commit, so history stays in its versions;
loading what is already there commits nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalogue.checks import across_tables, within_table
from catalogue.csv_files import read_file, read_rows
from catalogue.faults import BadCatalogue, Fault, PlacedRow
from catalogue.read import Catalogue, Row, content, merged, stored, subject
from catalogue.remarks import remarks
from catalogue.tables import Table, create, tables
from contracts.errors import UsageError
from contracts.settings import Settings

OPERATOR = "catalogue"


@dataclass(frozen=True)
class Counts:
    """What a load did to one table's rows of its register."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class Loaded:
    """What a load did: counts per given table, and remarks for the operator."""

    register: str
    tables: dict[str, Counts]
    remarks: list[str] = field(default_factory=list)


def load_directory(settings: Settings, directory: Path, register: str = OPERATOR) -> Loaded:
    """Load the CSV files of a folder; any of them may be absent, and what is absent is left as it is.

    Raises UsageError where there is no such folder or no catalogue file in it, BadCatalogue (exit 65) with every fault
    otherwise; nothing is written then.
    """
    if not directory.is_dir():
        raise UsageError(f"not a folder: {directory}")
    files = {name: directory / table.file_name for name, table in tables().items()}
    present = {name: path for name, path in files.items() if path.exists() or path.is_symlink()}
    if not present:
        expected = ", ".join(path.name for path in files.values())
        raise UsageError(f"no catalogue file in {directory}", hint=f"it takes {expected}")
    given: dict[str, list[PlacedRow]] = {}
    faults: list[Fault] = []
    for name, path in present.items():
        given[name], found = read_file(tables()[name], path)
        faults += found
    others = sorted(p.name for p in directory.glob("*.[cC][sS][vV]") if p not in present.values())
    notes = [f"{name} is no catalogue file and was left alone" for name in others]
    return _load(settings, register, given, faults, notes, True)


def load_tables(
    settings: Settings,
    register: str,
    given: Mapping[str, Iterable[Mapping[str, object]]],
    *,
    speak_again: bool = True,
) -> Loaded:
    """Load rows that a program gives, under the same rules; columns that are missing are blank.

    Lists of codes may be lists. A table that is not given is left as it is; an empty one loses the register's rows.
    With ``speak_again`` a row that another register has spoken over since is heard again; without, it stays silent.
    """
    read: dict[str, list[PlacedRow]] = {}
    faults: list[Fault] = []
    for name in given:
        if name not in tables():
            raise UsageError(f"the catalogue has no table {name!r}")
    for name, table in tables().items():
        if name in given:
            read[name], found = read_rows(table, given[name])
            faults += found
    return _load(settings, register, read, faults, [], speak_again)


def _load(
    settings: Settings,
    register: str,
    given: Mapping[str, Sequence[PlacedRow]],
    faults: list[Fault],
    notes: list[str],
    speak_again: bool,
) -> Loaded:
    from warehouse.lake import Lake
    from warehouse.whole_table import replace_rows

    for name, rows in given.items():
        faults += within_table(tables()[name], rows)
    create(settings)
    lake = Lake(settings)
    opened = {name: lake.open(tables()[name].lake_name, tables()[name].lake_columns) for name in given}
    before = stored(settings) | {name: snapshot.rows().to_pylist() for name, snapshot in opened.items()}
    moment = _after_all(before)
    heard = merged(before)
    plans = {}
    for name, rows in given.items():
        speakers = _speakers(tables()[name], heard) if speak_again else {}
        plans[name] = _plan(tables()[name], register, rows, before[name], speakers, moment)
    catalogue = merged(before | {name: after for name, (after, _) in plans.items()})
    if not faults:  # a row that could not be read would show up again as a reference to nothing
        faults += across_tables(given, catalogue)
    if faults:
        raise BadCatalogue(faults)
    for name, (after, counts) in plans.items():
        if counts.added or counts.changed or counts.removed:
            replace_rows(opened[name], after, {"mizan.register": register, "mizan.loaded_at": moment.isoformat()})
    return Loaded(register, {name: counts for name, (_, counts) in plans.items()}, notes + remarks(catalogue))


def _plan(
    table: Table,
    register: str,
    given: Sequence[PlacedRow],
    before: Sequence[Row],
    speakers: Mapping[tuple[Any, ...], str],
    moment: dt.datetime,
) -> tuple[list[Row], Counts]:
    """The table's rows after the load, of all registers, and what changes."""
    own = {_key(table, row): row for row in before if row["loaded_from"] == register}
    rows = [row for row in before if row["loaded_from"] != register]
    added = changed = unchanged = 0
    for values in (row.values for row in given):
        known = own.pop(_key(table, values), None)
        # A row that another register has spoken over since is said anew, or the operator's load would have no effect.
        silent = speakers.get(subject(table, values), register) != register
        if known is not None and content(table, known) == content(table, values) and not silent:
            rows.append(known)
            unchanged += 1
            continue
        rows.append({**values, "loaded_from": register, "loaded_at": moment})
        added += known is None
        changed += known is not None
    return rows, Counts(added, changed, len(own), unchanged)


def _speakers(table: Table, heard: Catalogue) -> dict[tuple[Any, ...], str]:
    """Which register is heard about what."""
    return {subject(table, row): row["loaded_from"] for row in heard.rows(table.name)}


def _key(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)


def _after_all(rows: Mapping[str, Sequence[Row]]) -> dt.datetime:
    """Now, or just after the latest load where a clock was set back: the last to speak is the one heard."""
    latest = max((row["loaded_at"] for found in rows.values() for row in found), default=None)
    now = dt.datetime.now(dt.UTC)
    return now if latest is None else max(now, latest + dt.timedelta(microseconds=1))
