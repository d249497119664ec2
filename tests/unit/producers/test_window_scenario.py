"""The national window's figures, counted from the events by plain Python."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter, defaultdict
from functools import cache
from typing import Any

from contracts.event import Event, Known, Record, parse
from contracts.reporting_time import month_of, tehran_date
from producers.scenarios import national_window_1402 as window

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SCALE, SEED = 0.0001, 7
KNOWN_WELL = {"national_id", "verified"}


@cache
def told() -> tuple[tuple[str, bytes], ...]:
    return tuple(pair for month in window.MONTHS for pair in window.events(month, SCALE, SEED))


@cache
def counted() -> list[tuple[str, str, dict[str, Any]]]:
    """Counted events once each: (agency, Jalali month, data)."""
    found = {}
    for agency, value in told():
        event = json.loads(value)
        data = event["data"]
        if "channel" in data and not data.get("is_test"):
            month = month_of("jalali", tehran_date(dt.datetime.fromisoformat(event["time"]))).label
            found[agency, event["id"]] = agency, month, data
    return list(found.values())


def on_the_window() -> list[tuple[str, str, dict[str, Any]]]:
    return [row for row in counted() if row[2]["channel"] == "national_window"]


def registered_by_month() -> dict[str, int]:
    first: dict[str, str] = {}
    for _, month, data in on_the_window():
        first[data["user_key"]] = min(first.get(data["user_key"], month), month)
    new = Counter(first.values())
    total, found = 0, {}
    for month in sorted(new):
        total += new[month]
        found[month] = total
    return found


def test_35_million_people_scaled_have_used_the_window_by_the_end() -> None:
    assert registered_by_month()["1402-06"] == 3_500


def test_13_million_of_them_scaled_had_by_the_end_of_farvardin() -> None:
    assert registered_by_month()["1402-01"] == 1_300


def test_a_month_has_80_million_visits_scaled_on_average() -> None:
    months: dict[str, str] = {}
    for _, month, data in on_the_window():
        months[data["visit_id"]] = min(months.get(data["visit_id"], month), month)
    by_month = Counter(months.values())
    assert sum(by_month.values()) == 6 * 8_000
    assert len(by_month) == 6


def test_everybody_on_the_window_is_an_adult_known_by_national_id() -> None:
    for _, _, data in on_the_window():
        assert data["authn_level"] in KNOWN_WELL
        assert data["age_band"] not in (None, "under_18")
        assert data["user_key"]


def test_agencies_repeat_the_windows_visits_so_their_rows_do_not_add_up() -> None:
    visits: dict[str, set[str]] = defaultdict(set)
    for agency, _, data in on_the_window():
        visits[agency].add(data["visit_id"])
    assert len(visits["national-window"]) == 48_000
    assert sum(map(len, visits.values())) > 48_000 * 1.1
    assert set.union(*visits.values()) == visits["national-window"]


@cache
def heartbeats() -> dict[str, list[dict[str, Any]]]:
    """What each agency's heartbeats say, in their order."""
    said: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for agency, value in told():
        event = json.loads(value)
        if event["type"].endswith("heartbeat.v1"):
            said[agency].append(event["data"])
    return said


def test_about_forty_agencies_are_connected_and_a_few_are_not_or_no_longer() -> None:
    last = {agency: said[-1] for agency, said in heartbeats().items() if agency != "national-window"}
    by_contract = Counter((data["window_connected"], data["contract_version"]) for data in last.values())
    assert by_contract == {(True, "1.0"): 40, (True, "0.9"): 1, (False, "1.0"): 2}


def test_welfare_was_among_the_first_and_is_out() -> None:
    assert heartbeats()["welfare"][0]["window_connected"]
    assert not heartbeats()["welfare"][-1]["window_connected"]


def test_veterinary_lost_the_standard_and_believes_itself_on_the_window() -> None:
    versions = [data["contract_version"] for data in heartbeats()["veterinary"]]
    assert (versions[0], versions[-1]) == ("1.0", "0.9")
    assert all(data["window_connected"] for data in heartbeats()["veterinary"])


def test_two_of_agricultures_subsidiaries_were_never_on_the_window_and_one_was_never_heard_of() -> None:
    assert not any(data["window_connected"] for data in heartbeats()["rural-cooperatives"])
    assert "fisheries" not in {agency for agency, _ in told()}
    expected = {row["agency_id"] for row in window.catalogue()["agencies"] if row["expected_to_report"] == "true"}
    assert expected - set(heartbeats()) == {"fisheries"}


def test_inquiries_are_as_many_as_the_scale_says_and_some_are_on_paper() -> None:
    modes: dict[str, Counter[str]] = defaultdict(Counter)
    for agency, value in told():
        event = json.loads(value)
        if event["type"].endswith("inquiry.answered.v1"):
            modes[agency][event["data"]["mode"]] += 1
            assert event["data"]["counterpart_agency_id"] != agency
    assert sum(counts.total() for counts in modes.values()) == 6 * 1_200
    assert [agency for agency, counts in modes.items() if not counts["paper"]] == [
        "civil-registration",
        "national-post",
    ]
    assert modes["education-ministry"]["paper"] > modes["education-ministry"]["online"]


def test_who_answers_nothing_on_paper_says_so_every_month() -> None:
    said = Counter(
        agency
        for agency, value in told()
        if (data := json.loads(value)["data"]).get("measure") == "inquiries_paper" and data["value"] == 0
    )
    assert said == {"civil-registration": 6, "national-post": 6}


def test_five_mandates_name_their_law_threshold_and_date() -> None:
    mandates = {row["mandate_id"]: row for row in window.catalogue()["mandates"]}
    assert {name: (row["threshold_low"], row["due"]) for name, row in mandates.items()} == {
        "window-1401-services-30": ("0.3", "2023-03-20"),
        "window-1402-connected": ("1", "2024-03-19"),
        "window-1402-services-all": ("1", "2024-03-19"),
        "window-1402-inquiries-online": ("1", "2024-03-19"),
        "window-1402-smart-20": ("0.2", "2024-03-19"),
    }
    assert all(row["law_fa"] and row["law_en"] for row in mandates.values())


def test_an_agency_off_the_window_serves_people_at_its_desk() -> None:
    channels = {month: Counter() for month in ("1402-01", "1402-06")}
    for agency, month, data in counted():
        if agency == "welfare" and month in channels:
            channels[month][data["channel"]] += 1
    assert set(channels["1402-01"]) == {"national_window"}
    assert set(channels["1402-06"]) == {"service_desk"}


def test_ministries_have_the_reported_shares_of_electronic_services() -> None:
    tables = window.catalogue()
    parents = {row["agency_id"]: row["parent_id"] or row["agency_id"] for row in tables["agencies"]}
    levels: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in tables["services"]:
        levels[parents[row["agency_id"]]][row["declared_level"] in ("full", "smart")] += 1
    share = {ministry: counts[True] / counts.total() for ministry, counts in levels.items()}
    assert share["justice-ministry"] == share["energy-ministry"] == 1
    assert round(share["ict-ministry"], 2) == 0.97
    assert all(share[f"{name}-ministry"] > 0.7 for name in ("education", "health", "sport"))
    assert all(share[f"{name}-ministry"] < 0.3 for name in ("agriculture", "heritage", "oil"))


def test_every_event_is_accepted_and_names_what_the_catalogue_knows() -> None:
    tables = window.catalogue()
    known = Known(
        services={row["service_id"]: None for row in tables["services"]},
        places={row["place_id"]: row["kind"] for row in tables["places"]},
    )
    agencies = {row["agency_id"] for row in tables["agencies"]}
    for agency, value in told()[::7]:
        assert agency in agencies
        assert isinstance(parse(Record(value, agency), NOW, known), Event)


def test_a_month_alone_is_what_the_whole_scenario_holds_for_it_to_the_byte() -> None:
    alone = list(window.events(window.MONTHS[4], SCALE, SEED))
    assert alone == list(window.events(window.MONTHS[4], SCALE, SEED))
    start = told().index(alone[0])
    assert list(told()[start : start + len(alone)]) == alone


def test_a_month_of_all_has_everybody_in_it_and_80_million_visits_scaled() -> None:
    users, visits = set(), set()
    for _, value in window.month_of_all(SCALE, SEED):
        data = json.loads(value)["data"]
        if data.get("channel") == "national_window" and not data.get("is_test"):
            users.add(data["user_key"])
            visits.add(data["visit_id"])
    assert (len(users), len(visits)) == (3_500, 8_000)


def test_the_bytes_of_one_seed_do_not_change_between_versions_unnoticed() -> None:
    digest = hashlib.sha256(b"\n".join(value for _, value in told())).hexdigest()
    assert digest == "d658ac5ccf5059fc76213cf6cb515a0582aa65e9cb350c0f6e14ffbbc183e52a"
