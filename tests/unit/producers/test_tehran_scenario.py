"""The figures of Tehran's service desk, counted from the catalogue and the events by plain Python."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter, defaultdict
from functools import cache
from typing import Any

import pytest

from contracts.event import Event, Known, Record, parse
from contracts.reporting_time import month_of, tehran_date
from producers.scenarios import tehran_service_desk_1398 as tehran

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEED = 7
ELECTRONIC = {"full", "smart"}


@cache
def told(scale: float, seed: int = SEED) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple(
        (agency, json.loads(value)) for month in tehran.MONTHS for agency, value in tehran.events(month, scale, seed)
    )


def of_type(scale: float, kind: str, seed: int = SEED) -> list[tuple[str, dict[str, Any]]]:
    return [(agency, event["data"]) for agency, event in told(scale, seed) if event["type"].endswith(f"{kind}.v1")]


def test_forty_percent_of_the_nations_codes_are_electronic_where_every_deliverer_is() -> None:
    codes: dict[str, set[str]] = defaultdict(set)
    for row in tehran.catalogue()["services"]:
        codes[row["official_code"]].add(row["declared_level"])
    assert len(codes) == 1_000
    assert sum(levels <= ELECTRONIC for levels in codes.values()) == 400


def test_forty_four_percent_of_the_services_of_the_province_are_electronic() -> None:
    tables = tehran.catalogue()
    offices = {row["agency_id"] for row in tables["agencies"] if row["province"] == "tehran"}
    levels = [row["declared_level"] for row in tables["services"] if row["agency_id"] in offices]
    assert len(offices) == 80
    assert (len(levels), sum(level in ELECTRONIC for level in levels)) == (800, 352)


def test_some_codes_are_delivered_by_two_offices_and_some_are_electronic_in_tehran_alone() -> None:
    rows = tehran.catalogue()["services"]
    offices = [row for row in rows if row["agency_id"].startswith("tehran-")]
    assert Counter(Counter(row["official_code"] for row in offices).values()) == {1: 600, 2: 100}
    heads = {row["official_code"]: row["declared_level"] for row in rows if row not in offices}
    ahead = [row for row in offices if row["declared_level"] != heads[row["official_code"]]]
    assert Counter((row["declared_level"], heads[row["official_code"]]) for row in ahead) == {("full", "partial"): 22}


def test_who_was_asked_in_1398_is_not_provided() -> None:
    agencies = [row for row in tehran.catalogue()["agencies"] if row["province"] == "tehran"]
    assert {row["expected_to_report"] for row in agencies if row["valid_from"] == "2019-03-21"} == {""}


@pytest.mark.parametrize(("scale", "seed", "count"), [(0.001, 7, 24_000), (0.0001, 7, 2_400), (0.000001, 8, 240)])
def test_as_many_transactions_are_completed_as_the_scale_says(scale: float, seed: int, count: int) -> None:
    assert len({(agency, data["transaction_id"]) for agency, data in of_type(scale, "completed", seed)}) == count


@pytest.mark.parametrize("scale", [0.001, 0.000001])
def test_every_one_of_the_eighty_completes_something_at_its_desk(scale: float) -> None:
    desks = {agency for agency, data in of_type(scale, "completed") if data["channel"] == "service_desk"}
    assert desks == set(tehran.SENDERS)
    assert len(desks) == 80


def test_people_prefer_to_come_and_agencies_name_tariffs_and_infrastructure() -> None:
    people = Counter(data["reason_in_person"] for _, data in of_type(0.001, "completed") if "reason_in_person" in data)
    assert [reason for reason, _ in people.most_common(2)] == ["prefers_in_person", "not_aware"]
    agencies: Counter[str] = Counter()
    for _, data in of_type(0.001, "declaration"):
        if data["value"] != "not_provided":
            agencies[data["measure"]] += data["value"]
    leading = [measure for measure, _ in agencies.most_common(2)]
    assert leading == ["in_person_telecom_tariff", "in_person_infrastructure_cost"]


def test_eight_offices_do_not_say_why_people_come() -> None:
    silent = {agency for agency, data in of_type(0.0001, "declaration") if data["value"] == "not_provided"}
    assert len(silent) == 8


def test_a_declaration_speaks_of_the_month_it_is_made_in() -> None:
    for _, event in told(0.0001):
        if event["type"].endswith("declaration.v1"):
            happened = month_of("jalali", tehran_date(dt.datetime.fromisoformat(event["time"])))
            assert event["data"]["period"] == happened.label


def test_services_declared_full_are_done_in_person_at_the_desk() -> None:
    levels = {row["service_id"]: row["declared_level"] for row in tehran.catalogue()["services"]}
    at_desks = [
        data
        for _, data in of_type(0.001, "completed")
        if levels[data["service_id"]] == "full" and data["channel"] == "service_desk"
    ]
    assert len(at_desks) > 1_000
    assert all(data["in_person_steps"] == 1 for data in at_desks)


def test_every_event_is_accepted_and_names_what_the_catalogue_knows() -> None:
    tables = tehran.catalogue()
    known = Known(
        services={row["service_id"]: dt.date.fromisoformat(row["valid_to"]) for row in tables["services"]},
        places={row["place_id"]: row["kind"] for row in tables["places"]},
    )
    services = {row["service_id"]: row for row in tables["services"]}
    for month in tehran.MONTHS:
        for agency, value in tehran.events(month, 0.0001, SEED):
            verdict = parse(Record(value, agency), NOW, known)
            assert isinstance(verdict, Event), verdict
            if "service_id" in verdict.data:
                service = services[verdict.data["service_id"]]
                assert service["agency_id"] == agency
                assert verdict.data["channel"] in service["channels"].split("|")


def test_a_month_alone_is_told_to_the_byte_and_no_event_leaves_its_month() -> None:
    alone = list(tehran.events(tehran.MONTHS[1], 0.0001, SEED))
    assert alone == list(tehran.events(tehran.MONTHS[1], 0.0001, SEED))
    for _, value in alone:
        happened = month_of("jalali", tehran_date(dt.datetime.fromisoformat(json.loads(value)["time"])))
        assert happened == tehran.MONTHS[1]


def test_another_seed_shares_no_event() -> None:
    first, other = ({event["id"] for _, event in told(0.000001, seed)} for seed in (7, 8))
    assert not first & other


def test_the_bytes_of_one_seed_do_not_change_between_versions_unnoticed() -> None:
    values = (value for month in tehran.MONTHS for _, value in tehran.events(month, 0.0001, SEED))
    digest = hashlib.sha256(b"\n".join(values)).hexdigest()
    assert digest == "aba0a00b53410083472c91c017e8ec8614171174690804a0955d9e58f471f391"
