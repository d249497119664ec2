"""All scenarios live in one home: what two of them speak of is the same, and together they are a sound catalogue."""

from __future__ import annotations

from collections import defaultdict

import pytest

from catalogue.checks import across_tables, within_table
from catalogue.csv_files import read_rows
from catalogue.read import merged, subject
from catalogue.tables import tables
from producers.scenarios import registry

NAMES = [entry.name for entry in registry.ENTRIES]


def read(name: str):
    """A scenario's catalogue as rows of the catalogue's kinds; no cell is wrong."""
    found = {}
    for table, rows in registry.scenario(name).catalogue().items():
        found[table], faults = read_rows(tables()[table], rows)
        assert not faults
    return found


def stored(name: str):
    rows = {table: [row.values for row in placed] for table, placed in read(name).items()}
    return {
        table: [{**row, "loaded_from": name, "loaded_at": NAMES.index(name)} for row in found]
        for table, found in rows.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_scenarios_catalogue_passes_every_check_alone(name: str) -> None:
    given = read(name)
    faults = [fault for table, rows in given.items() for fault in within_table(tables()[table], rows)]
    assert not faults
    assert not list(across_tables(given, merged(stored(name))))


def test_scenarios_say_the_same_of_what_they_share() -> None:
    said: dict[tuple[str, object], set[object]] = defaultdict(set)
    for name in NAMES:
        of_name = defaultdict(list)
        for table, rows in read(name).items():
            for row in rows:
                of_name[table, subject(tables()[table], row.values)].append(tuple(row.values.values()))
        for about, versions in of_name.items():
            said[about].add(tuple(versions))
    assert [about for about, versions in said.items() if len(versions) > 1] == []


def test_all_scenarios_together_pass_every_check() -> None:
    everything = defaultdict(list)
    for name in NAMES:
        for table, rows in stored(name).items():
            everything[table] += rows
    catalogue = merged(everything)
    given = defaultdict(list)
    for name in NAMES:
        for table, rows in read(name).items():
            given[table] += rows
    assert not list(across_tables(given, catalogue))


@pytest.mark.parametrize("name", NAMES)
def test_who_says_something_is_in_the_catalogue(name: str) -> None:
    scenario = registry.scenario(name)
    agencies = {row["agency_id"] for row in scenario.catalogue()["agencies"]}
    assert set(scenario.SENDERS) <= agencies
    assert len(set(scenario.SENDERS)) == len(scenario.SENDERS)
