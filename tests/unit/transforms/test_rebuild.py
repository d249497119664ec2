"""The build file is a cache: whatever befalls it, the lake gives the same tables again."""

from __future__ import annotations

import datetime as dt
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import random_events
from lake_bench import LakeBench

from catalogue.load import load_tables
from catalogue.tables import create
from contracts.reporting_time import Month
from transforms import model, refresh

SPRING, SUMMER = dt.date(2020, 3, 1), dt.date(2020, 7, 15)
CRASHING = """
from contracts.settings import Settings
from transforms import refresh
refresh.update(Settings.load())
"""


@pytest.fixture
def filled(bench: LakeBench) -> LakeBench:
    """A lake of one random world, its catalogue loaded, nothing built."""
    world = random_events.world(5, 120)
    create(bench.settings)
    # The catalogue refuses parents in a ring; the models must stand them all the same, in the other tests.
    agencies = [row for row in world.catalogue.agencies if not row["agency_id"].startswith("circle")]
    load_tables(bench.settings, "catalogue", {"agencies": agencies, "places": world.catalogue.places})
    # A few months are enough here: the longer stretches are told elsewhere.
    bench.land("b1", [event for event in world.events if SPRING <= event["occurred_at"].date() <= SUMMER])
    return bench


def built_hash(bench: LakeBench) -> str:
    with bench.build() as connection:
        assert refresh.pending(connection) == []
        return refresh.content_hash(connection)


def test_a_full_build_gives_the_same_tables_in_a_new_file(filled: LakeBench) -> None:
    assert refresh.update(filled.settings).rebuilt is None
    before, file = built_hash(filled), filled.settings.build_file.stat().st_ino
    assert refresh.update(filled.settings, full=True).rebuilt == "asked for"
    assert filled.settings.build_file.stat().st_ino != file
    assert built_hash(filled) == before
    assert refresh.update(filled.settings).months == ()


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "gone"])
def test_a_damaged_or_missing_build_file_is_built_anew(
    filled: LakeBench, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    refresh.update(filled.settings)
    before, file = built_hash(filled), filled.settings.build_file
    if damage == "gone":
        file.unlink()
    elif damage == "truncated":
        os.truncate(file, file.stat().st_size // 3)
    else:
        file.write_bytes(b"\x55" * file.stat().st_size)
    with caplog.at_level(logging.WARNING):
        built = refresh.update(filled.settings)
    if damage != "gone":
        assert built.rebuilt is not None
        assert "damaged" in caplog.text
    assert built_hash(filled) == before


def test_other_models_mean_another_build(filled: LakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh.update(filled.settings)
    before = built_hash(filled)
    monkeypatch.setattr(refresh, "fingerprint", lambda: "of a later release")
    assert refresh.update(filled.settings).rebuilt == "the models changed"
    assert built_hash(filled) == before
    monkeypatch.undo()
    assert model.fingerprint() == refresh.fingerprint()


def test_the_facts_name_the_months_and_each_is_built_by_itself(filled: LakeBench) -> None:
    waiting = refresh.refresh_facts(filled.settings)
    assert Month("jalali", 1399, 1) in waiting
    assert refresh.pending_months(filled.settings) == waiting
    for month in waiting:
        refresh.build_month(filled.settings, month)
    refresh.refresh_evaluations(filled.settings)
    assert refresh.pending_months(filled.settings) == []
    before = built_hash(filled)
    refresh.update(filled.settings, full=True)
    assert built_hash(filled) == before


@pytest.mark.parametrize("place", ["tx.begin", "tx.mid", "tx.mid@2", "tx.checkpoint"])
def test_a_build_killed_anywhere_ends_as_if_it_had_not_been(filled: LakeBench, tmp_path: Path, place: str) -> None:
    home = filled.settings.home
    (home / "ALLOW_FAULTPOINTS").touch()
    name, _, pass_number = place.partition("@")
    faulted = os.environ | {
        "MIZAN_HOME": str(home),
        "FAULTPOINT": f"{name}:kill" + (f"@{pass_number}" if pass_number else ""),
    }
    killed = subprocess.run([sys.executable, "-c", CRASHING], env=faulted, cwd=tmp_path, check=False)
    assert killed.returncode == -9
    refresh.update(filled.settings)
    after = built_hash(filled)
    refresh.update(filled.settings, full=True)
    assert built_hash(filled) == after
