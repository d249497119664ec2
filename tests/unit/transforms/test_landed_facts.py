"""What landed is known by agency and day, whatever the gate decided, and increments give the build from scratch."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench
from said_events import HEARTBEAT, Event, completed, reject, retracted, said, total

from contracts.reporting_time import tehran_date
from transforms import landed, refresh
from transforms.model import models
from warehouse.connection import Connection

FACTS = (*landed.OF_LANDED_ROWS, "fct_active_days", "scope_completeness")


def take_in(bench: LakeBench, connection: Connection) -> None:
    """Bring the facts alone up to date: months are told elsewhere."""
    refresh.update_facts(connection, bench.lake, bench.catalogue)


def rows_of(connection: Connection, name: str) -> list[dict[str, Any]]:
    found = connection.sql(f'SELECT * FROM "{models("facts")[name].table}" ORDER BY ALL')
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def facts(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    return {name: rows_of(connection, name) for name in FACTS if name != "fct_landed_batches"}


def from_scratch(folder: Path, batches: Mapping[str, tuple[Sequence[Event], str]], catalogue: Any) -> dict[str, Any]:
    """The facts of one build of everything at once, with the verdicts as they are at the end."""
    bench = LakeBench(folder, catalogue)
    for batch_id, (events, verdict) in batches.items():
        bench.land(batch_id, events, verdict)
    with bench.build() as connection:
        take_in(bench, connection)
        return facts(connection)


def about_agencies(rng: random.Random, events: Sequence[Event]) -> list[Event]:
    """Heartbeats, totals of days that have events and of days that have none, and retractions of both."""
    made: list[Event] = []
    sources = sorted({(event["source"], event["agency_id"]) for event in events})
    for number in range(40):
        source, agency = rng.choice(sources)
        day = tehran_date(rng.choice(events)["occurred_at"])
        given = {"source": source, "agency": agency}
        kind = rng.random()
        if kind < 0.4:
            word = rng.choice((True, True, False, None))
            made.append(said(HEARTBEAT, f"h-{number}", str(day), window_connected=word, **given))
        elif kind < 0.8 or not made:
            type_ = rng.choice((random_events.COMPLETED, random_events.VISITED))
            made.append(total(f"c-{number}", str(day), rng.randrange(6), **given, total_event_type=type_))
        else:
            target = rng.choice(made)
            event = retracted(f"x-{number}", target["event_id"])
            made.append(event | {"source": target["source"], "agency_id": target["agency_id"]})
    return made


@pytest.mark.parametrize("seed", range(60, 64))
def test_batches_and_verdicts_in_any_order_give_the_facts_of_a_build_from_scratch(
    bench: LakeBench, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    world = random_events.world(seed, 60)
    events = world.events + about_agencies(rng, world.events)
    for event in events:
        event["landed_at"] = event["occurred_at"] + dt.timedelta(hours=1)
    rng.shuffle(events)
    parts = {f"b{number}": (events[number::4], "") for number in range(4)}
    with bench.build() as connection:
        for batch_id, (part, _) in parts.items():
            bench.land(batch_id, part, rng.choice(("held", "passed", None)))
            take_in(bench, connection)
        for batch_id, (part, _) in rng.sample(list(parts.items()), 4):
            verdict = rng.choice(("held", "passed", "released"))
            bench.judge(batch_id, {event["agency_id"] for event in part}, verdict)
            take_in(bench, connection)
            parts[batch_id] = (part, verdict)
        assert facts(connection) == from_scratch(tmp_path / "scratch", parts, world.catalogue)


def test_each_day_counts_what_landed_of_it_and_the_checksum_of_its_ids(bench: LakeBench) -> None:
    world = random_events.world(7, 150)
    bench.land("b1", world.events[:70])
    bench.land("b2", world.events[70:], "held")
    with bench.build() as connection:
        take_in(bench, connection)
        rows = rows_of(connection, "fct_landed_days")
    wanted: dict[tuple[str, str, dt.date, str], list[str]] = {}
    for event in world.events:
        key = (event["agency_id"], event["source"], tehran_date(event["occurred_at"]), event["event_type"])
        wanted.setdefault(key, []).append(event["event_id"])
    found = {(row["agency_id"], row["source"], row["day"], row["event_type"]): row for row in rows}
    assert found.keys() == wanted.keys()
    for key, names in wanted.items():
        assert found[key]["landed"] == len(names)
        leading = [int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) for name in names]
        assert found[key]["id_xor"] == reduce(xor, leading)


def test_a_part_that_nobody_judged_is_not_there_and_a_later_verdict_does_not_count_it_twice(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10")], verdict=None)
        take_in(bench, connection)
        assert rows_of(connection, "fct_landed_days") == []
        for verdict in ("held", "released", "held"):
            bench.judge("b1", ["water"], verdict)
            take_in(bench, connection)
            assert [row["landed"] for row in rows_of(connection, "fct_landed_days")] == [1]
            assert len(rows_of(connection, "fct_active_days")) == (verdict == "released")


def test_a_later_total_replaces_the_earlier_and_a_retracted_one_gives_way_to_it_again(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [total("c1", "2020-04-10", 5), total("c2", "2020-04-10", 7, said_on="2020-04-12")])
        take_in(bench, connection)
        assert [row["control_total"] for row in rows_of(connection, "fct_control_totals")] == [7]
        bench.land("b2", [retracted("r1", "c2")])
        take_in(bench, connection)
        assert [row["control_total"] for row in rows_of(connection, "fct_control_totals")] == [5]
        bench.land("b3", [total("c3", "2020-04-10", 6, said_on="2020-04-11")])
        take_in(bench, connection)
        assert [row["control_total"] for row in rows_of(connection, "fct_control_totals")] == [6]


def test_a_heartbeat_of_a_held_batch_is_heard_and_a_retracted_one_is_not(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [retracted("r1", "h2"), said(HEARTBEAT, "h1", "2020-04-10", window_connected=True)], "held")
        bench.land("b2", [said(HEARTBEAT, "h2", "2020-04-17", window_connected=False)])
        take_in(bench, connection)
        assert [(row["event_id"], row["window_connected"]) for row in rows_of(connection, "fct_heartbeats")] == [
            ("h1", True)
        ]


def test_open_rejections_count_by_their_day_of_arrival_and_the_replayed_do_not(bench: LakeBench) -> None:
    with bench.build() as connection:
        reject(bench, "water", "2020-04-10T20:29:59+00:00", 2)
        reject(bench, "water", "2020-04-10T19:29:59+00:00")
        reject(bench, "water", "2020-04-11T06:00:00+00:00", 5, state="replayed")
        take_in(bench, connection)
        assert [(row["day"].isoformat(), row["rejected"]) for row in rows_of(connection, "fct_rejected_days")] == [
            ("2020-04-10", 1),
            ("2020-04-11", 2),
        ]
        reject(bench, "justice", "2020-04-10T06:00:00+00:00")
        take_in(bench, connection)
        assert Counter(row["agency_id"] for row in rows_of(connection, "fct_rejected_days")) == {
            "water": 2,
            "justice": 1,
        }


def test_accepted_records_count_by_their_day_of_arrival(bench: LakeBench) -> None:
    with bench.build() as connection:
        late = dt.datetime(2021, 1, 1, 6, tzinfo=dt.UTC)
        bench.land("b1", [completed("e1", "2020-04-10", landed_at=late), completed("e2", "2020-04-11", landed_at=late)])
        take_in(bench, connection)
        assert rows_of(connection, "fct_arrived_days") == [{"agency_id": "water", "day": late.date(), "accepted": 2}]


def test_active_days_follow_the_counted_events(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10", district="kahak"), completed("e2", "2020-04-10")])
        bench.land("b2", [completed("e3", "2020-04-10"), said(HEARTBEAT, "h1", "2020-04-11")])
        take_in(bench, connection)
        found = [(row["district"], row["events"]) for row in rows_of(connection, "fct_active_days")]
        assert sorted(found, key=str) == [("kahak", 1), (None, 2)]
        bench.land("b3", [retracted("r1", "e1")])
        take_in(bench, connection)
        assert [(row["district"], row["events"]) for row in rows_of(connection, "fct_active_days")] == [(None, 2)]


def test_completeness_of_a_scope_is_that_of_the_agencies_that_said_a_total(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land(
            "b1",
            [
                completed("e1", "2020-04-10", province="qom"),
                completed("e2", "2020-04-10", province="qom"),
                total("c1", "2020-04-10", 4),
                completed("e3", "2020-04-11", province="qom"),  # a day without a total says nothing
                completed("e4", "2020-04-10", agency="justice", province="qom"),  # an agency without a total neither
                total("c5", "2020-04-12", 3, agency="registry"),  # said a total, and nothing of it landed
            ],
        )
        take_in(bench, connection)
        rows = rows_of(connection, "scope_completeness")
        found = {
            (row["scope"], row["scope_id"]): (row["landed"], row["control_total"], row["agencies"])
            for row in rows
            if row["calendar"] == "jalali"
        }
        assert {row["month_no"] for row in rows} == {1399 * 12, 2020 * 12 + 3}
        assert found["national", "IR"] == (2, 7, 2)
        assert found["agency", "water"] == found["province", "qom"] == found["service", "s1"] == (2, 4, 1)
        assert found["agency", "registry"] == (0, 3, 1)
        assert ("agency", "justice") not in found


def test_an_agency_that_moves_takes_no_landed_row_with_it(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", [completed("e1", "2020-04-10"), total("c1", "2020-04-10", 1)])
        take_in(bench, connection)
        before = facts(connection)
        for row in bench.catalogue.agencies:
            if row["agency_id"] == "water":
                row["parent_id"] = "justice"
        take_in(bench, connection)
        after = facts(connection)
        moved = {(row["scope"], row["scope_id"]) for row in after.pop("scope_completeness")}
        assert ("ministry", "energy") in {(row["scope"], row["scope_id"]) for row in before.pop("scope_completeness")}
        assert ("ministry", "energy") not in moved
        assert after == before
