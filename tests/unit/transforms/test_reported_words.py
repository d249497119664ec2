"""Inquiries and reasons for coming in person, where their rows change far from the event that came."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench, as_oracle, assert_equal, expected

from contracts import vocabularies
from warehouse.connection import Connection


def inquiry(name: str, day: str, mode: str = "online", **given: Any) -> dict[str, Any]:
    return {
        "event_id": name,
        "source": "/agencies/deeds",
        "agency_id": "deeds",
        "event_type": random_events.ANSWERED,
        "occurred_at": dt.datetime.fromisoformat(f"{day}T09:00").replace(tzinfo=dt.UTC),
        "inquiry_id": f"q-{name}",
        "counterpart_agency_id": "water",
        "mode": mode,
    } | given


def retraction(name: str, target: str) -> dict[str, Any]:
    return inquiry(name, "2021-01-01") | {
        "event_type": random_events.RETRACTED,
        "retracted_event_id": target,
        "inquiry_id": None,
        "mode": None,
    }


def paper_by_month(connection: Connection) -> dict[str, str]:
    rows = connection.execute("""
        SELECT month, COALESCE(paper::VARCHAR, paper_status) FROM inquiries_v1
        WHERE calendar = 'jalali' AND counterpart_agency_id = 'all'
    """).fetchall()
    return dict(rows)


ONLINE = [inquiry("i1", "2020-04-10"), inquiry("i2", "2020-06-10"), inquiry("i3", "2020-08-10")]


def test_a_first_paper_inquiry_turns_later_months_into_zero_and_its_retraction_turns_them_back(
    bench: LakeBench,
) -> None:
    unknown = dict.fromkeys(("1399-01", "1399-03", "1399-05"), "not_provided")
    with bench.build() as connection:
        bench.land("b1", ONLINE)
        bench.update(connection)
        assert paper_by_month(connection) == unknown
        bench.land("b2", [inquiry("p1", "2020-05-10", "paper")])
        bench.update(connection)
        assert paper_by_month(connection) == unknown | {"1399-02": "1", "1399-03": "0", "1399-05": "0"}
        bench.land("b3", [retraction("r1", "p1")])
        bench.update(connection)
        assert paper_by_month(connection) == unknown


def test_a_first_paper_inquiry_rewrites_no_month_before_it(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", ONLINE)
        bench.update(connection)
        bench.land("b2", [inquiry("p1", "2020-06-11", "paper")])
        written = {month.label for month in bench.update(connection)}
        assert written == {"1399-03", "1399-05", "2020-06", "2020-08"}


def test_an_inquiry_of_a_batch_that_is_withdrawn_leaves_with_it(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.land("b1", ONLINE)
        bench.land("b2", [inquiry("p1", "2020-05-10", "paper")], verdict="held")
        bench.update(connection)
        assert "1399-02" not in paper_by_month(connection)
        held = connection.execute("SELECT month, scope, scope_id FROM held_scopes WHERE calendar = 'jalali'").fetchall()
        assert held == [("1399-02", "agency", "deeds")]
        bench.judge("b2", ["deeds"], "released")
        bench.update(connection)
        assert paper_by_month(connection)["1399-02"] == "1"
        bench.judge("b2", ["deeds"], "held")
        bench.update(connection)
        assert_equal(as_oracle(connection), expected(ONLINE, bench.catalogue))


def test_every_reason_has_a_declared_measure_of_its_own() -> None:
    measures = {code for code in vocabularies.codes("measure") if code.startswith("in_person_")}
    assert measures == {f"in_person_{code}" for code in vocabularies.codes("reason_in_person")}


@pytest.mark.parametrize("seed", [11, 12])
def test_both_calendars_tile_the_same_events(bench: LakeBench, seed: int) -> None:
    bench.land("b1", random_events.world(seed, 600).events)
    with bench.build() as connection:
        bench.update(connection)
        for table, counted in (
            ("monthly_transactions_v1", "SUM(completed), SUM(received), SUM(accepted)"),
            ("monthly_visits_v1", "SUM(visits)"),
            ("monthly_users_v1", "SUM(new_users)"),
            ("reasons_in_person_v1", "SUM(transactions)"),
        ):
            people = "WHERE reported_by = 'citizen'" if table.startswith("reasons") else ""
            sums = connection.execute(f"""
                SELECT DISTINCT scope, scope_id, channel, columns(* EXCLUDE (calendar)) FROM (
                    SELECT calendar, scope, scope_id, channel, {counted} FROM {table} {people} GROUP BY ALL
                )""").fetchall()
            cells = connection.execute(f"SELECT DISTINCT scope, scope_id, channel FROM {table} {people}").fetchall()
            assert len(sums) == len(cells) > 0, table
        ((cells, tiled),) = connection.execute("""
            SELECT COUNT(*), COUNT(*) FILTER (jalali IS NOT DISTINCT FROM gregorian) FROM (
                SELECT
                    SUM(online) FILTER (calendar = 'jalali') AS jalali,
                    SUM(online) FILTER (calendar = 'gregorian') AS gregorian
                FROM inquiries_v1 WHERE online_source = 'events' GROUP BY agency_id, counterpart_agency_id
            )""").fetchall()
        assert cells == tiled > 0
