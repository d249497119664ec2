"""Qom's districts, counted from the catalogue and the events by plain Python."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
from collections import Counter, defaultdict
from functools import cache
from typing import Any

import pytest

from contracts.event import Event, Known, Record, parse
from contracts.reporting_time import month_of, tehran_date
from producers.scenarios import qom_districts_1398 as districts

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEED = 7


@cache
def told(scale: float, seed: int = SEED) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple(
        (agency, json.loads(value))
        for month in districts.MONTHS
        for agency, value in districts.events(month, scale, seed)
    )


def completed(scale: float, seed: int = SEED) -> list[tuple[str, dict[str, Any]]]:
    return [(agency, event["data"]) for agency, event in told(scale, seed) if event["type"].endswith("completed.v1")]


def test_of_five_expected_districts_only_kahak_has_electronic_processes_and_it_has_four() -> None:
    tables = districts.catalogue()
    expected = {
        row["agency_id"]: row["district"]
        for row in tables["agencies"]
        if row["district"] and row["expected_to_report"] == "true"
    }
    full = Counter(
        expected[row["agency_id"]]
        for row in tables["services"]
        if row["agency_id"] in expected and row["declared_level"] == "full"
    )
    assert sorted(expected.values()) == ["jafarieh", "kahak", "khalajestan", "markazi", "salafchegan"]
    assert full == {"kahak": 4}


@pytest.mark.parametrize(("scale", "seed", "count"), [(0.002, 7, 4_000), (0.001, 8, 2_400), (0.0001, 7, 2_400)])
def test_as_many_transactions_are_completed_as_the_scale_says(scale: float, seed: int, count: int) -> None:
    assert len({(agency, data["transaction_id"]) for agency, data in completed(scale, seed)}) == count


def test_every_process_but_the_unused_one_is_seen_often_enough_to_be_judged() -> None:
    seen = Counter(data["service_id"] for _, data in completed(0.0001))
    services = {row["service_id"] for row in districts.catalogue()["services"]}
    assert services - set(seen) == {"county-governor-qom-06"}
    assert min(seen.values()) >= 30


def test_nobody_comes_for_kahaks_electronic_processes_and_everybody_for_the_countys() -> None:
    levels = {row["service_id"]: row["declared_level"] for row in districts.catalogue()["services"]}
    steps: dict[str, set[int]] = defaultdict(set)
    for agency, data in completed(0.0001):
        if levels[data["service_id"]] == "full":
            steps[agency].add(data["in_person_steps"])
    assert steps == {"kahak-governor": {0}, "county-governor-qom": {1}}


@pytest.mark.parametrize("scale", [0.001, 0.0001])
def test_activity_comes_and_goes_for_more_than_thirty_days_everywhere_but_in_kahak(scale: float) -> None:
    days: dict[str, set[dt.date]] = defaultdict(set)
    for agency, event in told(scale):
        if "channel" in event["data"]:
            days[agency].add(tehran_date(dt.datetime.fromisoformat(event["time"])))
    gaps = {
        agency: [later - earlier for earlier, later in itertools.pairwise(sorted(found)) if (later - earlier).days > 31]
        for agency, found in days.items()
    }
    assert {agency: len(found) for agency, found in gaps.items()} == {
        agency: int(agency != "kahak-governor") for agency in districts.SENDERS
    }


def test_the_service_desk_was_due_before_the_scenario_begins() -> None:
    (mandate,) = districts.catalogue()["mandates"]
    assert mandate["due"] < str(districts.MONTHS[0].first_day)


def test_every_event_is_accepted_names_what_the_catalogue_knows_and_stays_in_its_month() -> None:
    tables = districts.catalogue()
    known = Known(
        services={row["service_id"]: dt.date.fromisoformat(row["valid_to"]) for row in tables["services"]},
        places={row["place_id"]: row["kind"] for row in tables["places"]},
    )
    services = {row["service_id"]: row for row in tables["services"]}
    for month in districts.MONTHS:
        for agency, value in districts.events(month, 0.0001, SEED):
            verdict = parse(Record(value, agency), NOW, known)
            assert isinstance(verdict, Event), verdict
            assert month_of("jalali", tehran_date(verdict.occurred_at)) == month
            if "service_id" in verdict.data:
                service = services[verdict.data["service_id"]]
                assert service["agency_id"] == agency
                assert verdict.data["channel"] in service["channels"].split("|")


def test_a_month_alone_is_told_to_the_byte_and_another_seed_shares_no_event() -> None:
    month = districts.MONTHS[2]
    assert list(districts.events(month, 0.0001, SEED)) == list(districts.events(month, 0.0001, SEED))
    first, other = ({event["id"] for _, event in told(0.0001, seed)} for seed in (7, 8))
    assert not first & other


def test_the_bytes_of_one_seed_do_not_change_between_versions_unnoticed() -> None:
    values = (value for month in districts.MONTHS for _, value in districts.events(month, 0.0001, SEED))
    digest = hashlib.sha256(b"\n".join(values)).hexdigest()
    assert digest == "bc6a520facb7d55173cc1fb02d17a241535da9a480d9db8b952fee59a8a47bc7"
