"""Facts and the counts kept per cell are the same in portions or at once, by increments or anew."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench, as_oracle, assert_equal, expected

from transforms import cells, refresh
from warehouse import portions
from warehouse.connection import Connection

PERSON, OTHER = b"p" * 16, b"q" * 16
COUNTED = ("fct_cell_counts", "fct_cell_persons", "fct_new_users", "fct_cell_spans")


def rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What is counted, in order."""
    return {name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in COUNTED}


def completed(name: str, at: str, **given: Any) -> dict[str, Any]:
    return {
        "event_id": name,
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": random_events.COMPLETED,
        "occurred_at": dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC),
        "transaction_id": f"t-{name}",
        "service_id": "s1",
        "channel": "portal",
        "outcome": "accepted",
        "pid": PERSON,
    } | given


@pytest.mark.parametrize("seed", [60, 61])
def test_a_lake_counted_in_portions_gives_what_it_gives_at_once(
    bench: LakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    world = random_events.world(seed, 150)
    other = LakeBench(tmp_path / "portions", world.catalogue)
    bench.land("all", world.events)
    other.land("all", world.events)
    with bench.build() as at_once, other.build() as in_portions:
        bench.update(at_once)
        monkeypatch.setattr(cells, "EVENTS_AT_ONCE", 0)
        monkeypatch.setattr(portions, "MOST_ROWS", 20)
        monkeypatch.setattr(portions, "ROWS_OF_A_PORTION", 20)
        other.update(in_portions)
        assert rows(at_once) == rows(in_portions)
        assert refresh.content_hash(at_once) == refresh.content_hash(in_portions)


def test_a_range_declared_later_is_counted_and_one_taken_back_is_forgotten(
    bench: LakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "EVENTS_AT_ONCE", 0)
    events = [completed("e1", "2020-04-10"), completed("e2", "2020-05-10"), completed("e3", "2020-09-10", pid=OTHER)]
    said = {
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": "ir.egov.agency.declaration.v1",
        "occurred_at": dt.datetime(2020, 10, 1, tzinfo=dt.UTC),
        "calendar": "jalali",
        "measure": "transactions_completed",
        "declared_value": 9,
        "declared_status": "value",
    }
    declared = [
        said | {"event_id": "d1", "period": "1399-02/1399-06"},
        said | {"event_id": "d2", "period": "1399-01/1399-06"},  # a half by another name
    ]
    withdrawn = said | {
        "event_id": "r1", "event_type": random_events.RETRACTED, "retracted_event_id": "d1",
        "retraction_reason": "sent_in_error", "declared_value": None, "declared_status": None,
    }  # fmt: skip
    with bench.build() as connection:
        landed: list[dict[str, Any]] = []
        for number, batch in enumerate((events, declared, [completed("e4", "2020-06-30", pid=OTHER)], [withdrawn])):
            bench.land(f"b{number}", batch)
            bench.update(connection)
            landed += batch
            assert_equal(as_oracle(connection), expected(landed, bench.catalogue))
        ranges = connection.execute("SELECT period FROM fct_windows WHERE period LIKE '%/%'").fetchall()
        assert ("1399-02/1399-06",) not in ranges


def test_what_is_retracted_to_nothing_leaves_nothing_counted(bench: LakeBench) -> None:
    bench.land("b1", [completed("e1", "2020-04-10"), completed("e2", "2020-05-10", visit_id="v-1", pid=None)])
    bench.land("b2", [_retracted("r1", "e1"), _retracted("r2", "e2")], verdict=None)
    with bench.build() as connection:
        bench.update(connection)
        assert all(rows(connection).values())
        bench.judge("b2", ["water"], "passed")
        bench.update(connection)
        assert not any(rows(connection).values())


def test_a_person_of_two_channels_whose_event_in_one_is_retracted_stays_counted_in_the_other(bench: LakeBench) -> None:
    bench.land("b1", [completed("e1", "2020-04-10"), completed("e2", "2020-04-11", channel="paper")])
    bench.land("b2", [_retracted("r1", "e1")], verdict=None)
    active = """SELECT channel, active FROM fct_cell_persons
        WHERE calendar = 'jalali' AND period = '1399-01' AND scope = 'national' ORDER BY ALL"""
    with bench.build() as connection:
        bench.update(connection)
        assert connection.execute(active).fetchall() == [("all", 1), ("paper", 1), ("portal", 1)]
        bench.judge("b2", ["water"], "passed")
        bench.update(connection)
        assert connection.execute(active).fetchall() == [("all", 1), ("paper", 1)]


@pytest.mark.parametrize("late_first", [False, True])
def test_a_visit_over_midnight_and_the_month_s_end_belongs_to_its_first_event_in_whatever_order_it_comes(
    bench: LakeBench, late_first: bool
) -> None:
    # Tehran's midnight between Farvardin and Ordibehesht 1399 is 19:30 UTC on 19 April 2020.
    before = completed("e1", "2020-04-19T19:20", transaction_id="t-1")
    after = completed("e2", "2020-04-19T19:40", transaction_id="t-2")
    with bench.build() as connection:
        for number, event in enumerate((after, before) if late_first else (before, after)):
            bench.land(f"b{number}", [event])
            bench.update(connection)
        assert_equal(as_oracle(connection), expected([before, after], bench.catalogue))
        visits = """SELECT month, visits FROM monthly_visits_v1
            WHERE calendar = 'jalali' AND scope = 'national' AND channel = 'all' ORDER BY ALL"""
        assert connection.execute(visits).fetchall() == [("1399-01", 1), ("1399-02", 0)]


def _retracted(name: str, target: str) -> dict[str, Any]:
    return {
        "event_id": name,
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": random_events.RETRACTED,
        "occurred_at": dt.datetime(2021, 6, 1, tzinfo=dt.UTC),
        "retracted_event_id": target,
        "retraction_reason": "test",
    }
