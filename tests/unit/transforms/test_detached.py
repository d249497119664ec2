"""The pids of old events are dropped: every figure stays what it was, in whatever order the rest came or comes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench, as_oracle, assert_equal, expected

from catalogue.load import load_tables
from catalogue.tables import create
from contracts.errors import MizanError, TryAgain
from contracts.keys import create_keys
from contracts.reporting_time import Month, day_start
from landing.rotation import rotate
from pipeline import retention
from pipeline.retention import RetentionDone, drop_old_pids, kept_from
from transforms import detached, refresh
from transforms.detached import detach
from warehouse.connection import Connection, memory_connection, view_files

PERSON = b"p" * 16
VISIT = "ir.egov.visit.recorded.v1"
TIR = Month("jalali", 1399, 4)


@pytest.fixture
def filled(bench: LakeBench) -> LakeBench:
    """A lake with keys and a catalogue, and nothing landed."""
    create(bench.settings)
    create_keys(bench.settings)
    agencies = [row for row in bench.catalogue.agencies if not row["agency_id"].startswith("circle")]
    load_tables(bench.settings, "catalogue", {"agencies": agencies, "places": bench.catalogue.places})
    bench.catalogue.agencies = agencies
    return bench


def land(bench: LakeBench, batch: str, events: Sequence[dict[str, Any]], verdict: str | None = "passed") -> None:
    """As the bench does, each event at a place of Kafka's."""
    placed = [event | {"topic": batch, "partition": 0, "offset": n} for n, event in enumerate(events)]
    bench.land(batch, placed, verdict)


def drop(bench: LakeBench, month: Month = TIR) -> RetentionDone:
    """As it is on a day of the month from which on pids are kept, so many months later."""
    months = month.year * 12 + month.number - 1 + bench.settings.pid_months
    now = Month("jalali", months // 12, months % 12 + 1).start + dt.timedelta(days=3)
    assert kept_from(bench.settings.pid_months, now) == month.start
    return drop_old_pids(bench.settings, by="Keeper", now=now)


def tables(bench: LakeBench) -> tuple[str, dict[str, Any]]:
    with bench.build() as connection:
        assert refresh.pending(connection) == []
        return refresh.content_hash(connection), as_oracle(connection)


def lake(bench: LakeBench, table: str) -> Connection:
    """``t``: a table of the lake."""
    connection = memory_connection()
    snapshot = bench.lake.open(table)
    view_files(connection, "t", snapshot.files, dict(snapshot.columns))
    return connection


def pids_before(bench: LakeBench, at: dt.datetime) -> int:
    query = "SELECT count(pid) FROM t WHERE occurred_at < $at"
    ((found,),) = lake(bench, "events").execute(query, {"at": at}).fetchall()
    return int(found)


def visit(number: int, at: dt.datetime, **said: Any) -> dict[str, Any]:
    event = {"event_id": f"own-{number}", "source": "/agencies/water", "agency_id": "water", "event_type": VISIT}
    return event | {"occurred_at": at, "pid": PERSON, "channel": "portal"} | said


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_no_figure_moves_and_no_old_event_knows_a_person(filled: LakeBench, seed: int) -> None:
    world = random_events.world(seed, 800)
    events = [event for event in world.events if not event["agency_id"].startswith("circle")]
    land(filled, "b1", events)
    refresh.update(filled.settings)
    before = tables(filled)
    done = drop(filled)
    assert done.dropped is not None
    assert done.dropped.rows > 50
    assert tables(filled) == before
    assert_equal(before[1], expected(events, filled.catalogue))
    # Those that are left belong to what goes on into the first month that is kept.
    left = pids_before(filled, TIR.start)
    assert left < done.dropped.rows / 4
    # The lake alone gives them again; a month later more of it goes, and again nothing moves.
    filled.settings.build_file.unlink()
    refresh.update(filled.settings)
    assert tables(filled) == before
    for month in (TIR.following, Month("jalali", 1399, 12)):
        drop(filled, month)
        assert tables(filled) == before
    assert drop(filled, Month("jalali", 1399, 12)).dropped is None


@pytest.mark.parametrize("seed", [5, 6])
def test_what_comes_after_it_counts_as_if_nothing_had_been_dropped(filled: LakeBench, seed: int) -> None:
    world = random_events.world(seed, 600)
    events = [event for event in world.events if not event["agency_id"].startswith("circle")]
    edge = day_start(dt.date(2020, 11, 1))
    first = [event for event in events if event["occurred_at"] < edge]
    land(filled, "b1", first)
    drop(filled)
    # A visit that is told again years later has a person anew: that one event's.
    over = {event.get("visit_id") for event in first if event["occurred_at"] < TIR.start} - {None}
    later = [event for event in events if event["occurred_at"] >= edge and event.get("visit_id") not in over]
    for number, batch in enumerate((later[::2], later[1::2])):
        land(filled, f"later-{number}", batch)
        refresh.update(filled.settings)
    found = tables(filled)
    assert_equal(found[1], expected([*first, *later], filled.catalogue))
    refresh.update(filled.settings, full=True)
    assert tables(filled) == found


def test_a_late_event_of_such_a_month_counts_its_person_once_and_loses_its_pid_the_next_time(filled: LakeBench) -> None:
    day = TIR.start - dt.timedelta(days=20)
    known, unknown = PERSON, b"q" * 16
    events = [visit(1, day, visit_id="v1"), visit(2, day + dt.timedelta(days=40), visit_id="v2")]
    land(filled, "b1", events)
    drop(filled)
    late = [visit(3, day, visit_id="v3", pid=known), visit(4, day, visit_id="v4", pid=unknown)]
    land(filled, "late", late)
    refresh.update(filled.settings)
    found = tables(filled)
    assert_equal(found[1], expected([*events, *late], filled.catalogue))
    again = drop(filled)
    assert again.dropped is not None
    assert again.dropped.rows == 2
    assert tables(filled) == found


def test_a_session_and_a_visit_that_go_on_keep_their_pids_until_they_are_over(filled: LakeBench) -> None:
    edge, minute = TIR.start, dt.timedelta(minutes=1)
    session = [visit(n, edge + (n - 3) * 20 * minute) for n in range(6)]
    over = [visit(10 + n, edge - dt.timedelta(hours=5) + n * 10 * minute) for n in range(3)]
    long = [visit(20, edge - dt.timedelta(days=30), visit_id="v"), visit(21, edge + dt.timedelta(days=1), visit_id="v")]
    held = [visit(30, edge - dt.timedelta(days=9), agency_id="deeds", source="/agencies/deeds")]
    land(filled, "b1", [*session, *over, *long])
    land(filled, "b2", held, "held")
    done = drop(filled)
    assert done.dropped is not None
    assert (done.dropped.rows, done.waiting, done.dropped.sessions) == (3, 1, 1)
    kept = lake(filled, "events").sql("SELECT event_id FROM t WHERE pid IS NOT NULL ORDER BY ALL").fetchall()
    assert {name for (name,) in kept} == {*(f"own-{n}" for n in (*range(6), 20, 21, 30))}
    assert_equal(tables(filled)[1], expected([*session, *over, *long], filled.catalogue))
    # A month later they are over, and what was held is released.
    filled.judge("b2", {"deeds"}, "released")
    drop(filled, TIR.following)
    assert pids_before(filled, TIR.following.start) == 0
    assert_equal(tables(filled)[1], expected([*session, *over, *long, *held], filled.catalogue))


def test_what_is_kept_tells_no_event_and_no_day(filled: LakeBench) -> None:
    land(filled, "b1", [visit(n, TIR.start - dt.timedelta(days=n + 1), visit_id=f"v{n}") for n in range(9)])
    drop(filled)
    persons = lake(filled, "person_months")
    assert persons.sql("SELECT did, jalali_no, times FROM t ORDER BY ALL").fetchall() == [
        ("active", 1399 * 12 + 2, 9),
        ("visited", 1399 * 12 + 2, 9),
    ]
    told = {name for (name, *_) in persons.sql("DESCRIBE t").fetchall()}
    assert not told & {"event_id", "visit_id", "transaction_id", "occurred_at", "offset", "batch_id"}
    assert "pid" not in {name for (name, *_) in lake(filled, "session_starts").sql("DESCRIBE t").fetchall()}


def test_persons_of_all_years_are_known_after_a_rotation_too(filled: LakeBench) -> None:
    day = TIR.start - dt.timedelta(days=20)
    events = [visit(1, day, visit_id="v1"), visit(2, day + dt.timedelta(days=40), visit_id="v2")]
    land(filled, "b1", events)
    drop(filled)
    before = tables(filled)
    assert rotate(filled.settings, by="Keeper", reason="yearly").rows["person_months"] == 2
    refresh.update(filled.settings)
    assert tables(filled) == before


@pytest.mark.parametrize("name", ["_take_session_starts", "_take_person_months"])
def test_figures_that_moved_are_told(filled: LakeBench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    land(filled, "b1", [visit(n, TIR.start - dt.timedelta(days=n + 1)) for n in range(3)])
    module = "closure" if name == "_take_session_starts" else "changes"
    monkeypatch.setattr(f"transforms.{module}.{name}", lambda connection: None)
    with pytest.raises(MizanError, match="figures moved"):
        drop(filled)


def test_whole_sessions_have_to_be_kept_or_dropped(filled: LakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = [visit(n, TIR.start + (n - 3) * dt.timedelta(minutes=20)) for n in range(6)]
    land(filled, "b1", session)
    monkeypatch.setattr(detached, "_GAP", "INTERVAL '0 minutes'")
    with pytest.raises(MizanError, match="figures moved"):
        drop(filled)


def test_a_lake_that_went_on_is_taken_apart_again(filled: LakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    day = TIR.start - dt.timedelta(days=20)
    land(filled, "b1", [visit(1, day, visit_id="v1")])
    refresh.update(filled.settings)
    land(filled, "b2", [visit(2, day, visit_id="v2")])
    with pytest.raises(TryAgain):
        detach(filled.settings, TIR.start)
    came = []

    def landing_first(*given: Any) -> Any:
        if not came:
            came.append(land(filled, "b3", [visit(3, day, visit_id="v3")]))
        return detach(*given)

    monkeypatch.setattr("transforms.detached.detach", landing_first)
    done = drop(filled)
    assert done.dropped is not None
    assert done.dropped.rows == 3
    monkeypatch.setattr(retention, "_TRIES", 0)
    with pytest.raises(TryAgain, match="too often"):
        drop(filled)


def test_months_are_counted_back_from_the_one_that_runs() -> None:
    assert kept_from(25, Month("jalali", 1405, 9).start) == Month("jalali", 1403, 8).start
    assert kept_from(25, Month("jalali", 1405, 1).start - dt.timedelta(seconds=1)) == Month("jalali", 1402, 11).start
