"""The Qom figures, counted from the events by plain Python."""

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
from contracts.reporting_time import Month, month_of, tehran_date
from producers.scenarios import qom_1399_h1 as qom

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEED = 7
NEW_FROM, NEW_TO = "2020-03-20", "2021-03-20"


@cache
def told(scale: float, seed: int = SEED) -> tuple[tuple[str, Month, bytes], ...]:
    """(agency, month of arrival, value) of the whole half-year."""
    return tuple((agency, month, value) for month in qom.MONTHS for agency, value in qom.events(month, scale, seed))


@cache
def counted(scale: float) -> list[tuple[str, dt.datetime, str, dict[str, Any]]]:
    """Counted events once each: (agency, time, type, data)."""
    retracted, found = set(), {}
    for agency, _, value in told(scale):
        event = json.loads(value)
        if event["type"] == "ir.egov.event.retracted.v1":
            retracted.add((agency, event["data"]["event_id"]))
        elif "transaction" in event["type"] or "visit" in event["type"]:
            found[agency, event["id"]] = event
    return [
        (agency, dt.datetime.fromisoformat(event["time"]), event["type"].split(".")[3], event["data"])
        for (agency, event_id), event in found.items()
        if (agency, event_id) not in retracted and not event["data"].get("is_test")
    ]


def months_of_completions(scale: float) -> Counter[str]:
    first: dict[tuple[str, str], dt.datetime] = {}
    for agency, time, kind, data in counted(scale):
        if kind == "completed" and data["province"] == "qom":
            key = agency, data["transaction_id"]
            first[key] = min(first.get(key, time), time)
    return Counter(month_of("jalali", tehran_date(time)).label for time in first.values())


@pytest.mark.parametrize("scale", [0.001, 0.0001])
def test_the_half_year_has_exactly_23_million_transactions_scaled(scale: float) -> None:
    completions = months_of_completions(scale)
    assert sum(completions.values()) == round(23_000_000 * scale)
    assert set(completions) == {f"1399-0{number}" for number in range(1, 7)}


def test_all_54_agencies_complete_transactions() -> None:
    assert len({agency for agency, _, kind, _ in counted(0.001) if kind == "completed"}) == 54
    assert {row["agency_id"] for row in qom.catalogue()["agencies"]} == {agency for agency, _, _ in told(0.001)}


@pytest.mark.parametrize("scale", [0.001, 0.0001])
def test_use_moves_from_counters_to_portals_and_apps_every_month(scale: float) -> None:
    channels: dict[str, Counter[str]] = defaultdict(Counter)
    for _, time, kind, data in counted(scale):
        if kind == "completed":
            channels[month_of("jalali", tehran_date(time)).label][data["channel"]] += 1
    shares = [
        {channel: count / sum(counts.values()) for channel, count in counts.items()}
        for _, counts in sorted(channels.items())
    ]
    for earlier, later in itertools.pairwise(shares):
        assert later["counter_office"] < earlier["counter_office"]
        assert later["portal"] > earlier["portal"]
        assert later["mobile_app"] > earlier["mobile_app"]


def test_the_province_has_a_plausible_number_of_active_users() -> None:
    users = {data["user_key"] for *_, data in counted(0.001) if "user_key" in data}
    assert 7_000 < len(users) < 11_000


def test_some_events_have_no_person_some_no_district_some_are_tests_and_some_come_twice() -> None:
    events = [json.loads(value) for _, _, value in told(0.001)]
    completed = [event for event in events if event["type"].endswith("completed.v1")]
    tests = sum(event["data"].get("is_test", False) for event in completed)
    assert 0.003 < tests / len(completed) < 0.007
    assert 0 < len(events) - len({event["id"] for event in events}) < 400
    citizens = [event["data"] for event in completed if event["data"]["audience"] == "citizen"]
    assert 0.02 < sum("user_key" not in data for data in citizens) / len(citizens) < 0.06
    assert 0.04 < sum("district" not in data for data in citizens) / len(citizens) < 0.08


def test_late_events_come_one_month_late_and_never_after_their_quarter() -> None:
    late = 0
    for _, arrival, value in told(0.001):
        happened = month_of("jalali", tehran_date(dt.datetime.fromisoformat(json.loads(value)["time"])))
        if happened != arrival:
            assert happened.following == arrival
            assert happened.quarter == arrival.quarter
            late += 1
    assert 50 < late < 400


def test_every_event_is_accepted_and_names_what_the_catalogue_knows() -> None:
    catalogue = qom.catalogue()
    known = Known(
        services={row["service_id"]: None for row in catalogue["services"]},
        places={row["place_id"]: row["kind"] for row in catalogue["places"]},
    )
    services = {row["service_id"]: row for row in catalogue["services"]}
    for agency, _, value in told(0.0001):
        verdict = parse(Record(value, agency), NOW, known)
        assert isinstance(verdict, Event), verdict
        if "channel" in verdict.data and "service_id" in verdict.data:
            service = services[verdict.data["service_id"]]
            assert service["agency_id"] == agency
            assert verdict.data["channel"] in service["channels"].split("|")
            assert verdict.data["audience"] == service["audience"]
            assert service["countability"] == "countable"
            assert (service["launched_at"] or "2020-03-20") <= str(tehran_date(verdict.occurred_at))


def test_the_leading_six_send_control_totals_that_count_their_events() -> None:
    ids: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    totals = {}
    for agency, _, value in told(0.0001):
        event = json.loads(value)
        if event["type"].endswith("control_total.v1"):
            totals[agency, event["data"]["date"], event["data"]["event_type"]] = event["data"]["count"]
        else:
            date = str(tehran_date(dt.datetime.fromisoformat(event["time"])))
            ids[agency, date, event["type"]].add(event["id"])
    assert len({agency for agency, _, _ in totals}) == 6
    for key, count in totals.items():
        assert len(ids[key]) == count


def declared(scale: float) -> list[tuple[str, Month, dict[str, Any]]]:
    """(agency, month of arrival, data) of every declaration."""
    return [
        (agency, arrival, event["data"])
        for agency, arrival, value in told(scale)
        if (event := json.loads(value))["type"].endswith("declaration.v1")
    ]


def test_declared_and_completed_agree_month_by_month() -> None:
    totals: Counter[str] = Counter()
    for _, _, data in declared(0.001):
        if "/" not in data["period"]:
            totals[data["period"]] += data["value"]
    assert totals == months_of_completions(0.001)


@pytest.mark.parametrize("scale", [0.001, 0.0001])
def test_the_half_year_is_declared_in_its_last_month_and_adds_up_to_23_million_scaled(scale: float) -> None:
    totals: Counter[str] = Counter()
    for _, arrival, data in declared(scale):
        if data["period"] == "1399-01/1399-06":
            assert arrival == qom.MONTHS[-1]
            if "service_id" not in data:
                totals[data["measure"]] += data["value"]
    assert totals == {
        "transactions_completed": round(23_000_000 * scale),
        "services_total": 651,
        "services_full": 318,
        "services_partial": 218,
        "services_unknown": 115,
        "new_services": 145,
    }


def test_services_that_cannot_be_counted_are_not_provided_and_those_being_launched_not_applicable() -> None:
    words = {data["service_id"]: data["value"] for _, _, data in declared(0.0001) if "service_id" in data}
    services = qom.catalogue()["services"]
    blocked = {row["service_id"] for row in services if row["countability"] == "blocked"}
    launching = {row["service_id"] for row in services if row["lifecycle"] == "launching"} - blocked
    assert words == dict.fromkeys(blocked, "not_provided") | dict.fromkeys(launching, "not_applicable")
    assert blocked
    assert launching


def test_a_declaration_speaks_of_months_that_are_over_when_it_arrives() -> None:
    assert all(data["period"].endswith(arrival.label) for _, arrival, data in declared(0.0001))


def test_steps_say_what_the_services_level_is_and_a_desk_is_where_they_differ() -> None:
    levels = {row["service_id"]: row["declared_level"] for row in qom.catalogue()["services"]}
    in_person: dict[tuple[str, bool], set[int]] = defaultdict(set)
    for _, _, kind, data in counted(0.001):
        if kind == "completed" and "in_person_steps" in data:
            in_person[levels[data["service_id"]], data["channel"] == "service_desk"].add(
                min(data["in_person_steps"], 1)
            )
    assert in_person == {("full", False): {0}, ("full", True): {1}, ("partial", False): {1}, ("partial", True): {1}}


def test_who_comes_in_person_gives_a_reason_and_nobody_else_does() -> None:
    for _, _, kind, data in counted(0.0001):
        if kind == "completed":
            assert ("reason_in_person" in data) == (data["channel"] in ("counter_office", "service_desk"))


def test_how_many_were_asked_in_1399_is_not_provided() -> None:
    agencies = qom.catalogue()["agencies"]
    assert {row["expected_to_report"] for row in agencies if row["valid_from"] == "2020-03-20"} == {""}


def test_651_services_have_the_reported_levels_channels_and_audiences() -> None:
    services = qom.catalogue()["services"]
    new = [row for row in services if NEW_FROM <= row["launched_at"] < NEW_TO]
    assert (len(services), len(new)) == (651, 145)
    assert Counter(row["declared_level"] for row in services) == {"full": 318, "partial": 218, "unknown": 115}
    assert Counter(row["primary_channel"] for row in services) == {
        "portal": 475,
        "counter_office": 111,
        "mobile_app": 65,
    }
    assert Counter(row["primary_channel"] for row in new) == {"portal": 106, "counter_office": 25, "mobile_app": 14}
    assert Counter(row["audience"] for row in new)["citizen"] == 77
    assert round(100 * Counter(row["audience"] for row in services)["citizen"] / 651) == 53
    nature = Counter(row["nature"] for row in new)
    assert nature["transactional"] + nature["transactional_interactive"] == 128
    assert nature["informational"] == 17
    assert all(count >= 2 for count in Counter(row["lifecycle"] for row in new).values())
    assert {row["lifecycle"] for row in new} == {"live", "launching"}
    blocked = [row for row in services if row["countability"] == "blocked"]
    assert blocked
    assert all(row["declared_level"] == "unknown" and row["block_reason"] for row in blocked)


def test_the_county_has_five_districts() -> None:
    districts = {row["place_id"] for row in qom.catalogue()["places"] if row["parent_id"] == "qom-county"}
    assert districts == {"markazi", "jafarieh", "salafchegan", "kahak", "khalajestan"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert tuple(told.__wrapped__(0.0001)) == told(0.0001)
    first, other = told(0.0001), told(0.0001, 8)
    assert not {value for _, _, value in first} & {value for _, _, value in other}


def test_the_bytes_of_one_seed_do_not_change_between_versions_unnoticed() -> None:
    digest = hashlib.sha256(b"\n".join(value for _, _, value in told(0.0001))).hexdigest()
    assert digest == "4ab38a62f1c1c4aea847ed614e625cd068faddc93e67c57f947507bab6bde8a1"


def test_a_month_alone_is_what_the_whole_half_year_holds_for_it() -> None:
    third = [(agency, value) for agency, month, value in told(0.0001) if month.number == 3]
    assert list(qom.events(qom.MONTHS[2], 0.0001, SEED)) == third


def test_a_service_once_used_is_used_every_month_so_a_new_month_adds_no_row_to_old_ones() -> None:
    months: dict[str, set[int]] = {}
    for month in qom.MONTHS:
        for _, value in qom.events(month, 0.001, 1399):
            event = json.loads(value)
            if event["type"].startswith("ir.egov.transaction") and not event["data"].get("is_test"):
                happened = month_of("jalali", tehran_date(dt.datetime.fromisoformat(event["time"])))
                months.setdefault(event["data"]["service_id"], set()).add(happened.number)
    assert len(months) > 400
    assert not {service for service, seen in months.items() if seen != set(range(min(seen), 7))}
