"""Observed levels, service desks, gaps of activity and declared figures, against plain Python and by hand."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench
from said_events import HEARTBEAT, Event, completed, retracted, said

from contracts.id_checksum import id_checksum
from contracts.reporting_time import Month, month_of
from transforms import evaluation, refresh
from transforms.model import models
from warehouse.connection import Connection

TODAY = dt.date(2020, 12, 25)
START, LENGTH = dt.date(2020, 4, 1), 260
Row = dict[str, Any]


def rows(bench: LakeBench, connection: Connection, name: str) -> list[Row]:
    refresh.update_facts(connection, bench.lake, bench.catalogue)
    evaluation.outdate(connection)
    evaluation.refresh(connection, TODAY)
    found = connection.sql(f'SELECT * FROM "{models("evaluations")[name].table}" ORDER BY ALL')
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def month_end(day: dt.date) -> dt.date:
    """The last day of a date's Jalali month, or the day on which the figures are looked at."""
    month: Month = month_of("jalali", day)
    return min(month.following.first_day - dt.timedelta(days=1), TODAY)


def service(service_id: str, level: str | None, agency_id: str = "water", **given: Any) -> Row:
    blank = {"lifecycle": "live", "channels": "service_desk|portal", "valid_from": START, "valid_to": None}
    return {"service_id": service_id, "agency_id": agency_id, "declared_level": level, **blank, **given}


def level_of(seen: Sequence[Event]) -> str:
    """The observed level, from the definition."""
    told = [event for event in seen if event["in_person_steps"] is not None]
    if len(told) < 30:
        return "unknown"
    if sum(event["in_person_steps"] == 0 for event in told) * 100 < 95 * len(told):
        return "partial"
    fields = ("in_person_steps", "human_steps", "documents_requested", "duration_seconds")
    full = [event for event in told if all(event[name] is not None for name in fields)]
    smart = [event for event in full if not any(event[name] for name in fields[:3]) and event["duration_seconds"] <= 60]
    return "smart" if len(full) >= 30 and len(smart) * 100 >= 95 * len(full) else "full"


def persons(seen: Sequence[Event]) -> int:
    return len({event["pid"] for event in seen if event["in_person_steps"] is not None and event["pid"] is not None})


def random_completions(rng: random.Random) -> list[Event]:
    """Completions of five services by three senders; how much they tell and show differs by service and over time."""
    events = []
    for number in range(900):
        day = START + dt.timedelta(days=rng.randrange(LENGTH))
        which = rng.randrange(5)
        good = rng.random() < (0.99, 0.95, 0.6, 1.0, 0.97)[which]
        told = rng.random() < (0.9, 0.5, 1.0, 0.9, 0.08)[which]
        agency = rng.choice(("water", "water", "deeds", "energy"))
        event = completed(f"e-{number}", day.isoformat(), agency=agency, service_id=f"s{which}")
        event |= {
            "pid": rng.choice((None, bytes([rng.randrange(20)]) * 16)),
            "channel": rng.choice(("portal", "portal", "phone", "service_desk")) if agency != "energy" else "portal",
            "in_person_steps": (0 if good else 2) if told else None,
            "human_steps": rng.choices((0, 1), (30, 0 if which in (0, 3) else 5))[0] if told else None,
            "documents_requested": 0 if told and rng.random() < 0.9 else None,
            "duration_seconds": rng.choice((1, 60, 60)) if which in (0, 3) else rng.choice((5, 61, None)),
        }
        events.append(event)
    return events


@pytest.fixture
def shown(bench: LakeBench) -> tuple[LakeBench, list[Event]]:
    """A lake of random completions, three of them retracted, with a catalogue of services."""
    events = random_completions(random.Random(11))
    bench.catalogue.services[:] = [
        service("s0", "smart"),
        service("s1", "full", valid_to=dt.date(2020, 8, 1)),
        service("s1", "partial", valid_from=dt.date(2020, 8, 2)),
        service("s2", "full", agency_id="deeds"),
        service("s3", None, agency_id="deeds", channels="portal"),
        service("s4", "none", channels="portal", valid_to=dt.date(2020, 6, 10)),
        service("s4", "none", valid_from=dt.date(2020, 6, 11)),
        service("never", "full", channels="portal", valid_from=dt.date(2020, 5, 5)),
        service("ever", "full", channels=None, valid_from=None),
        service("planned", "full", lifecycle="planned"),
        service("coming", "full", valid_from=dt.date(2022, 1, 1)),
    ]
    bench.land("b1", events[:500])
    bench.land("b2", events[500:] + [retracted(f"r-{n}", f"e-{n}") | source(events[n]) for n in (3, 30, 300)])
    return bench, [event for number, event in enumerate(events) if number not in (3, 30, 300)]


def source(event: Event) -> Mapping[str, str]:
    return {"source": event["source"], "agency_id": event["agency_id"]}


def test_observed_levels_add_up_month_by_month(shown: tuple[LakeBench, list[Event]]) -> None:
    bench, events = shown
    with bench.build() as connection:
        found = {(row["service_id"], row["as_of"]): row for row in rows(bench, connection, "service_observations")}
    wanted = {(event["service_id"], month_end(event["occurred_at"].date())) for event in events}
    # Blank means since the catalogue begins: its earliest date is the one on which an agency starts.
    unseen = {("never", dt.date(2020, 5, 5)), ("ever", dt.date(2020, 3, 20))}
    assert found.keys() == wanted | unseen
    levels = set()
    for service_id, as_of in wanted:
        row = found[service_id, as_of]
        seen = [e for e in events if e["service_id"] == service_id and e["occurred_at"].date() <= as_of]
        told = [event for event in seen if event["in_person_steps"] is not None]
        assert row["observed_level"] == level_of(seen)
        assert (row["observations"], row["observations_keys"]) == (len(told), persons(seen))
        assert row["without_visit"] == sum(event["in_person_steps"] == 0 for event in told)
        assert row["no_visit_share"] == (pytest.approx(row["without_visit"] / len(told)) if told else None)
        assert (row["smart_share"] is None) == (row["full_observations"] == 0)
        levels.add(row["observed_level"])
    assert levels == {"unknown", "partial", "full", "smart"}
    assert {found[key]["observed_level"] for key in unseen} == {"unknown"}
    assert found["s1", month_end(dt.date(2020, 7, 25))]["declared_level"] == "partial"
    assert found["s1", month_end(dt.date(2020, 6, 25))]["declared_level"] == "full"
    assert {row["agrees"] for (name, _), row in found.items() if name == "s3"} == {None}


def test_thirty_observations_and_ninety_five_percent_decide(bench: LakeBench) -> None:
    smart = {"human_steps": 0, "documents_requested": 0, "duration_seconds": 60}
    shapes = {  # observations, of them without a visit, of these smart, the level
        "few": (29, 29, 29, "unknown"),
        "enough": (30, 30, 30, "smart"),
        "visits": (100, 94, 94, "partial"),
        "hardly": (100, 95, 95, "smart"),
        "waits": (100, 100, 94, "full"),
    }
    events = [
        completed(f"{name}-{number}", "2020-04-10", service_id=name)
        | smart
        | {"in_person_steps": int(number >= without), "human_steps": int(number >= of_them)}
        for name, (count, without, of_them, _) in shapes.items()
        for number in range(count)
    ]
    bench.land("b1", events)
    with bench.build() as connection:
        found = {row["service_id"]: row for row in rows(bench, connection, "service_observations")}
    assert {name: found[name]["observed_level"] for name in shapes} == {
        name: shape[3] for name, shape in shapes.items()
    }
    assert found["waits"]["smart_share"] == pytest.approx(94 / 100)


def test_a_desk_is_judged_over_the_services_it_lists_on_the_day(shown: tuple[LakeBench, list[Event]]) -> None:
    bench, events = shown
    with bench.build() as connection:
        found = {(row["agency_id"], row["as_of"]): row for row in rows(bench, connection, "service_desk")}
    assert found.keys() == {(event["agency_id"], month_end(event["occurred_at"].date())) for event in events}
    for (agency, as_of), row in found.items():
        seen = [e for e in events if e["agency_id"] == agency and e["occurred_at"].date() <= as_of]
        desk = {"water": ["s0", "s1", "s4"] if as_of > dt.date(2020, 6, 10) else ["s0", "s1"], "deeds": ["s2"]}
        at_desk = [event for event in seen if event["service_id"] in desk.get(agency, ())]
        assert row["participates"] == any(event["channel"] == "service_desk" for event in seen)
        assert row["services"] == len(desk.get(agency, ()))
        assert row["observed_level"] == level_of(at_desk)
        told = [event for event in at_desk if event["in_person_steps"] is not None]
        assert (row["observations"], row["observations_keys"]) == (len(told), persons(at_desk))
    # smart, full; then smart, full, none; then smart, partial, none: of equals the lowest.
    water = [row["declared_level"] for (agency, _), row in sorted(found.items()) if agency == "water"]
    assert list(dict.fromkeys(water)) == ["full", "none"]
    assert {row["declared_level"] for (agency, _), row in found.items() if agency == "energy"} == {"unknown"}


def test_gaps_are_the_long_runs_between_active_days(bench: LakeBench) -> None:
    rng = random.Random(4)
    # Each agency and its district keep to days of their own; young has no row before nor after its validity.
    days: dict[str, list[int]] = {}
    events: list[Event] = []
    for agency, district in (("water", "kahak"), ("lone", None), ("deeds", "jafarieh"), ("energy", None)):
        day = rng.randrange(10)
        while day < LENGTH:
            days.setdefault(agency, []).append(day)
            date = (START + dt.timedelta(days=day)).isoformat()
            events.append(completed(f"{agency}-{day}", date, agency=agency, district=district))
            day += rng.choice((1, 5, 30, 31, 32, 60))
    last = LENGTH + 40
    events.append(said(HEARTBEAT, "end", (START + dt.timedelta(days=last)).isoformat()))
    bench.land("b1", events[::2])
    bench.land("b2", events[1::2])
    with bench.build() as connection:
        found = {
            (row["scope_id"], row["gap_from"], row["gap_to"], row["days"], row["is_open"])
            for row in rows(bench, connection, "activity_gaps")
        }
    wanted = set()
    names = {"water": ("water", "kahak"), "deeds": ("deeds", "jafarieh")}
    for agency, active in days.items():
        for one, two in zip(active, [*active[1:], last + 1], strict=True):
            if two - one - 1 > 30:
                first, end = (START + dt.timedelta(days=number) for number in (one + 1, two - 1))
                for name in names.get(agency, (agency,)):
                    wanted.add((name, first, end, two - one - 1, two == last + 1))
    assert found == wanted
    assert any(row[4] for row in found)
    assert not all(row[4] for row in found)


def test_the_gap_of_an_agency_that_ended_ends_with_it(bench: LakeBench) -> None:
    # justice is valid until 21 September 2020.
    bench.land("b1", [completed("e1", "2020-07-01", agency="justice"), completed("e2", "2020-12-01")])
    with bench.build() as connection:
        (gap,) = rows(bench, connection, "activity_gaps")
    assert (gap["gap_from"], gap["gap_to"]) == (dt.date(2020, 7, 2), dt.date(2020, 9, 21))
    assert (gap["days"], gap["is_open"]) == (82, False)


def test_declared_figures_are_held_against_events_of_the_same_cell(bench: LakeBench) -> None:
    def declared(name: str, period: str, value: int | str, agency: str, **given: Any) -> Event:
        number = value if isinstance(value, int) else None
        about = {"calendar": "jalali", "period": period, "measure": "transactions_completed"}
        told = {"declared_value": number, "declared_status": "value" if number is not None else value}
        return said(random_events.DECLARED, name, "2020-10-10", agency=agency, **(about | told | given))

    bench.land(
        "b1",
        [
            *(completed(f"e{number}", "2020-04-10") for number in range(3)),
            completed("e9", "2020-04-10", agency="lone"),
            declared("d1", "1399-01", 3, "water"),
            declared("d2", "1399-01", 2, "water", channel="portal"),
            declared("d3", "1399-01", "not_provided", "lone"),
            declared("d4", "1399-01", 7, "deeds"),
            declared("d5", "1399-01/1399-06", 5, "water"),
            declared("d6", "1399-02", "not_applicable", "prisons"),
        ],
    )
    with bench.build() as connection:
        bench.update(connection)
        found = {
            (row["period"], row["scope_id"], row["channel"]): row
            for row in rows(bench, connection, "declared_against_landed")
            if row["scope"] == "agency"
        }
    assert {key: row["finding"] for key, row in found.items()} == {
        ("1399-01", "water", "all"): "matches",
        ("1399-01", "water", "portal"): "over",
        ("1399-01", "lone", "all"): "landed_only",
        ("1399-01", "deeds", "all"): "declared_only",
        ("1399-H1", "water", "all"): "short",
        ("1399-01/1399-06", "water", "all"): "short",
        ("1399-02", "prisons", "all"): "neither",
    }
    assert found["1399-H1", "water", "all"]["difference"] == -2
    assert found["1399-H1", "water", "all"]["ratio"] == pytest.approx(3 / 5)
    assert found["1399-01", "deeds", "all"]["difference_status"] == "not_provided"
    assert found["1399-02", "prisons", "all"]["ratio_status"] == "not_applicable"


def test_a_checksum_of_ids_says_whether_the_very_events_landed(bench: LakeBench) -> None:
    day = "2020-04-10"
    right = id_checksum(["e1", "e2"])
    for number, checksum in enumerate((right, right[:16], id_checksum(["e1", "e3"]), None)):
        about = {"total_date": dt.date(2020, 4, 10), "total_event_type": random_events.COMPLETED, "total_count": 2}
        said_at = dt.datetime(2020, 4, 10, 10, number, tzinfo=dt.UTC)
        total = said("ir.egov.agency.control_total.v1", f"c{number}", day, id_checksum=checksum, **about)
        events = [completed("e1", day), completed("e2", day)] if number == 0 else []
        bench.land(f"b{number}", [*events, total | {"occurred_at": said_at}])
        with bench.build() as connection:
            (row,) = rows(bench, connection, "agency_status")
        assert row["checksum_matches"] is (True, True, False, None)[number]
