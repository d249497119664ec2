"""`mizan verify --deep` holds the build against a full rebuild, and leaves the home as it was."""

from __future__ import annotations

import datetime as dt

import pytest
import random_events
from lake_bench import LakeBench

from catalogue.load import load_tables
from catalogue.tables import create
from landing.verify import Proof
from pipeline.proof import compare_rebuild
from transforms import refresh

SPRING, SUMMER = dt.date(2020, 3, 1), dt.date(2020, 4, 15)


@pytest.fixture
def built(bench: LakeBench) -> LakeBench:
    """A lake of one random world in two batches; the second is not built yet."""
    world = random_events.world(5, 60)
    create(bench.settings)
    load_tables(bench.settings, "catalogue", {"agencies": [], "places": world.catalogue.places})
    events = [event for event in world.events if SPRING <= event["occurred_at"].date() <= SUMMER]
    bench.land("b1", events[::2])
    refresh.update(bench.settings)
    bench.land("b2", events[1::2])
    return bench


def compared(bench: LakeBench) -> Proof:
    proof = Proof()
    compare_rebuild(proof, bench.settings)
    return proof


def test_a_build_that_lags_is_compared_as_it_will_be_and_left_as_it_is(built: LakeBench) -> None:
    before = built.settings.build_file.read_bytes()
    proof = compared(built)
    assert (proof.problems, proof.notes) == ([], [])
    assert proof.checked["figures_at_lake_version"] > 0
    assert built.settings.build_file.read_bytes() == before
    assert not list(built.settings.build_file.parent.glob("proof-*"))


def test_a_build_whose_figures_were_changed_is_named(built: LakeBench) -> None:
    refresh.update(built.settings)
    with built.build() as connection:
        connection.execute("UPDATE monthly_users_v1 SET active_users = active_users + 1")
    (problem,) = compared(built).problems
    assert (problem.kind, problem.where) == ("content_hash", "build")
    refresh.update(built.settings, full=True)
    assert compared(built).ok


def test_where_nothing_is_built_there_is_nothing_to_compare(bench: LakeBench) -> None:
    proof = compared(bench)
    assert (proof.ok, len(proof.notes)) == (True, 1)
