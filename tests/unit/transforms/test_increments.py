"""An increment gives what a build from scratch gives, and rewrites only what the change reached."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import random_events
from lake_bench import TODAY, LakeBench, as_oracle, assert_equal, expected

from contracts.reporting_time import Month
from transforms import evaluation, refresh
from warehouse.connection import Connection

PERSON, OTHER = b"p" * 16, b"q" * 16


def scratch_hash(folder: Path, events: Sequence[dict[str, Any]], catalogue: Any) -> str:
    """The content hash of one build of everything at once."""
    bench = LakeBench(folder, catalogue)
    bench.land("all", events)
    with bench.build() as connection:
        bench.update(connection)
        return refresh.content_hash(connection)


def refreshed(connection: Connection) -> dict[tuple[str, str], int]:
    """How often each month was written."""
    rows = connection.execute("SELECT calendar, month, times FROM ops_refreshed").fetchall()
    return {(calendar, month): times for calendar, month, times in rows}


def months_written(before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    return {month for month, times in after.items() if times != before.get(month)}


def completed(name: str, day: str, **given: Any) -> dict[str, Any]:
    return {
        "event_id": name,
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": random_events.COMPLETED,
        "occurred_at": dt.datetime.fromisoformat(f"{day}T09:00").replace(tzinfo=dt.UTC),
        "transaction_id": f"t-{name}",
        "service_id": "s1",
        "channel": "portal",
        "outcome": "accepted",
        "pid": PERSON,
    } | given


def retracted(name: str, target: str) -> dict[str, Any]:
    return {
        "event_id": name,
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": random_events.RETRACTED,
        "occurred_at": dt.datetime(2021, 6, 1, tzinfo=dt.UTC),
        "retracted_event_id": target,
        "retraction_reason": "test",
    }


@pytest.mark.parametrize("seed", range(20, 25))
def test_batches_in_any_split_and_order_give_the_build_from_scratch(
    bench: LakeBench, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    world = random_events.world(seed, rng.choice((20, 60, 150)))
    parts = [world.events[place :: rng.choice((2, 3, 5))] for place in range(5)]
    seen: set[tuple[str, str]] = set()
    parts = [
        [e for e in part if (name := (e["source"], e["event_id"])) not in seen and not seen.add(name)]  # type: ignore[func-returns-value]
        for part in parts
    ]
    with bench.build() as connection:
        for number, part in enumerate(parts):
            if part:
                bench.land(f"b{number}", part)
            bench.update(connection)
            counted = [event for done in parts[: number + 1] for event in done]
            assert_equal(as_oracle(connection), expected(counted, world.catalogue))
        whole = [event for part in parts for event in part]
        assert refresh.content_hash(connection) == scratch_hash(tmp_path / "scratch", whole, world.catalogue)


@pytest.mark.parametrize("seed", range(40, 42))
def test_verdicts_that_come_late_change_or_are_withdrawn_are_followed(
    bench: LakeBench, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    world = random_events.world(seed, 120)
    half = len(world.events) // 2
    batches = {"b0": world.events[:half], "b1": world.events[half:]}
    verdicts: dict[tuple[str, str], str] = {}
    for batch_id, events in batches.items():
        bench.land(batch_id, events, verdict=None)
    with bench.build() as connection:
        for _ in range(4):
            for batch_id, events in batches.items():
                for agency in sorted({event["agency_id"] for event in events}):
                    if rng.random() < 0.5:
                        verdict = rng.choice(("passed", "warned", "held", "held", "released"))
                        verdicts[(batch_id, agency)] = verdict
                        bench.judge(batch_id, [agency], verdict)
            bench.update(connection)
            counted = [
                event
                for batch_id, events in batches.items()
                for event in events
                if verdicts.get((batch_id, event["agency_id"]), "held") != "held"
            ]
            assert_equal(as_oracle(connection), expected(counted, world.catalogue))
        # What landed counts for an agency's state also while its batch is held: the scratch lake has all of it.
        scratch = LakeBench(tmp_path / "scratch", world.catalogue)
        for batch_id, events in batches.items():
            scratch.land(batch_id, events, verdict=None)
        for (batch_id, agency), verdict in verdicts.items():
            scratch.judge(batch_id, [agency], verdict)
        with scratch.build() as anew:
            scratch.update(anew)
            assert refresh.content_hash(connection) == refresh.content_hash(anew)


def test_a_batch_of_late_events_alone_moves_first_months_and_registered_users(bench: LakeBench, tmp_path: Path) -> None:
    now = [completed("e1", "2020-09-10"), completed("e2", "2020-10-10", pid=OTHER), completed("e3", "2020-11-10")]
    late = [completed("e0", "2020-04-10"), completed("e4", "2020-05-10", transaction_id="t-e3")]
    with bench.build() as connection:
        bench.land("b1", now)
        bench.update(connection)
        bench.land("b2", late)
        bench.update(connection)
        assert_equal(as_oracle(connection), expected(now + late, bench.catalogue))
        assert refresh.content_hash(connection) == scratch_hash(tmp_path / "scratch", now + late, bench.catalogue)


def test_a_batch_of_retractions_alone_gives_the_build_from_scratch(bench: LakeBench, tmp_path: Path) -> None:
    events = [completed("e1", "2020-04-10"), completed("e2", "2020-09-10"), completed("e3", "2020-11-10", pid=OTHER)]
    withdrawn = [retracted("r1", "e1"), retracted("r3", "e3"), retracted("r9", "r1")]
    with bench.build() as connection:
        bench.land("b1", events)
        bench.update(connection)
        bench.land("b2", withdrawn)
        bench.update(connection)
        assert_equal(as_oracle(connection), expected(events + withdrawn, bench.catalogue))
        assert refresh.content_hash(connection) == scratch_hash(
            tmp_path / "scratch", events + withdrawn, bench.catalogue
        )


def test_an_event_in_the_current_month_rewrites_that_month_alone(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed(f"e{n}", f"2020-{n:02d}-10") for n in range(4, 12)])
        bench.update(connection)
        before = refreshed(connection)
        bench.land("b2", [completed("new", "2020-11-11")])
        bench.update(connection)
        assert months_written(before, refreshed(connection)) == {("gregorian", "2020-11"), ("jalali", "1399-08")}


def test_a_late_event_of_a_known_person_rewrites_the_months_between_and_no_other(bench: LakeBench) -> None:
    # The person was first seen on 10 June, now on 10 April: the registered users of April, May and June differ.
    with bench.build() as connection:
        other = [completed(f"o{n}", f"2020-{n:02d}-10", pid=OTHER) for n in range(3, 12)]
        bench.land("b1", [*other, completed("e1", "2020-06-10"), completed("e2", "2020-07-10")])
        bench.update(connection)
        before = refreshed(connection)
        bench.land("b2", [completed("late", "2020-04-10")])
        bench.update(connection)
        assert months_written(before, refreshed(connection)) == {
            ("gregorian", "2020-04"),
            ("gregorian", "2020-05"),
            ("gregorian", "2020-06"),
            ("jalali", "1399-01"),
            ("jalali", "1399-02"),
            ("jalali", "1399-03"),
        }


def test_an_update_without_news_writes_nothing(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10")])
        bench.update(connection)
        before = refreshed(connection)
        assert bench.update(connection) == []
        assert refreshed(connection) == before


def test_a_held_batch_stays_out_visibly_and_comes_in_on_release(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10")], verdict="held")
        assert bench.update(connection) == []
        held = connection.execute(
            "SELECT scope_id, agency_id FROM held_scopes WHERE calendar = 'jalali' AND month = '1399-01' ORDER BY ALL"
        ).fetchall()
        assert held == [("IR", "water"), ("energy", "water"), ("s1", "water"), ("water", "water")]
        bench.judge("b1", ["water"], "released")
        assert [month.label for month in bench.update(connection)] == ["2020-04", "1399-01"]
        assert connection.execute("SELECT COUNT(*) FROM held_scopes").fetchall() == [(0,)]


def test_a_batch_nobody_judged_is_not_counted(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10")], verdict=None)
        assert bench.update(connection) == []


def test_an_empty_lake_gives_empty_tables(bench: LakeBench) -> None:
    with bench.build() as connection:
        assert bench.update(connection) == []
        assert all(not rows for rows in as_oracle(connection).values())


def test_months_refreshed_one_by_one_give_the_same_as_all_at_once(bench: LakeBench, tmp_path: Path) -> None:
    world = random_events.world(77, 200)
    summer = [
        event for event in world.events if dt.date(2020, 4, 1) < event["occurred_at"].date() < dt.date(2020, 8, 1)
    ]
    bench.land("b1", summer)
    with bench.build() as connection:
        waiting = sorted(refresh.update_facts(connection, bench.lake, bench.catalogue))
        random.Random(1).shuffle(waiting)
        for month in waiting:
            refresh.months.refresh_month(connection, month)
        evaluation.refresh(connection, TODAY)
        assert refresh.pending(connection) == []
        assert refresh.content_hash(connection) == scratch_hash(tmp_path / "scratch", summer, world.catalogue)


def test_an_agency_that_moves_to_another_ministry_is_counted_anew(bench: LakeBench, tmp_path: Path) -> None:
    events = [completed("e1", "2020-04-10"), completed("e2", "2020-09-10")]
    with bench.build() as connection:
        bench.land("b1", events)
        bench.update(connection)
        for row in bench.catalogue.agencies:
            if row["agency_id"] == "water":
                row["parent_id"] = "justice"
        bench.update(connection)
        assert_equal(as_oracle(connection), expected(events, bench.catalogue))


def test_onboarding_an_agency_rewrites_nothing(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10")])
        bench.update(connection)
        bench.catalogue.agencies.append(
            {"agency_id": "fresh", "parent_id": "energy", "valid_from": None, "valid_to": None}
        )
        assert bench.update(connection) == []
        assert connection.execute("SELECT ministry_id FROM dim_agency WHERE agency_id = 'fresh'").fetchall() == [
            ("energy",)
        ]


def test_pending_months_survive_a_failure_between_facts_and_months(bench: LakeBench) -> None:
    bench.land("b1", [completed("e1", "2020-04-10")])
    with bench.build() as connection:
        refresh.update_facts(connection, bench.lake, bench.catalogue)
    with bench.build() as connection:
        waiting = {Month("gregorian", 2020, 4), Month("jalali", 1399, 1)}
        assert refresh.update_facts(connection, bench.lake, bench.catalogue) == waiting
