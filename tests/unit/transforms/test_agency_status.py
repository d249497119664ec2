"""An agency's status is a timeline: random histories against plain Python, and every transition told once by hand."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
from fractions import Fraction
from typing import Any

import pytest
import random_events
import status_oracle
from lake_bench import TODAY, LakeBench
from said_events import HEARTBEAT, TOTAL, Event, completed, reject, reject_all, said, total

from contracts.event_contract import event_contract
from contracts.vocabularies import codes
from transforms import evaluation, refresh
from transforms.model import models
from warehouse.connection import Connection

STATUS = models("evaluations")["agency_status"]
START = dt.date(2020, 3, 1)
KINDS = (random_events.RECEIVED, random_events.COMPLETED, random_events.VISITED)
# Heartbeats by day, counted from START: ``yes``, ``no`` and ``?`` (does not say), ``old`` a yes of an old contract.
Steps = dict[int, str]


def on(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(8, 30), dt.UTC)


def status(bench: LakeBench, connection: Connection, agency: str = "water") -> list[dict[str, Any]]:
    """One agency's rows, after an update."""
    return statuses(bench, connection).get(agency, [])


def statuses(bench: LakeBench, connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every agency's rows, a measure as number or word."""
    refresh.update_facts(connection, bench.lake, bench.catalogue)
    evaluation.refresh(connection, TODAY)
    found = connection.execute(f'SELECT * FROM "{STATUS.table}" ORDER BY agency_id, day')
    names = [column[0] for column in found.description or ()]
    given: dict[str, list[dict[str, Any]]] = {}
    for values in found.fetchall():
        row = dict(zip(names, values, strict=True))
        for measure in STATUS.measures:
            state = row.pop(f"{measure.name}_status")
            assert (row[measure.name] is not None) == (state == "value")
            row[measure.name] = state if row[measure.name] is None else row[measure.name]
        given.setdefault(row["agency_id"], []).append(row)
    return given


def runs(rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """First day (from START), state and reason of every run of days of one state, with the reason it began with."""
    found: list[tuple[int, str, str]] = []
    for row in rows:
        if row["since"] == row["day"]:
            found.append(((row["day"] - START).days, row["connection_state"], row["reason"]))
        assert row["since"] == on(found[-1][0])
        assert row["connection_state"] == found[-1][1]
    return found


def heartbeat(name: str, day: dt.date, word: bool | None, contract: str = "1.0", **given: Any) -> Event:
    return said(HEARTBEAT, name, day.isoformat(), window_connected=word, sender_contract_version=contract, **given)


def told(bench: LakeBench, steps: Steps, last: int) -> None:
    """Land a history of heartbeats, and an event of another agency that makes the lake last until a day."""
    words = {"yes": (True, "1.0"), "no": (False, "1.0"), "?": (None, "1.0"), "old": (True, "0.9")}
    events = [completed("end", on(last).isoformat(), agency="lone")]
    for number, step in steps.items():
        events += [heartbeat(f"h-{number}-{word}", on(number), *words[word]) for word in step.split()]
    bench.land("b1", events)


class Maker:
    """A random history of one agency, as events for the lake and as the oracle reads it."""

    def __init__(self, rng: random.Random, agency: str) -> None:
        self.rng, self.agency = rng, agency
        self.events: list[Event] = []
        self.rejections: list[dt.date] = []
        self.history = status_oracle.History()

    def put(self, event_type: str, day: dt.date, **given: Any) -> Event:
        name = f"{self.agency}-{len(self.events)}"
        source = f"/agencies/{self.agency}" + given.pop("system", "")
        landed_at = noon(day) + dt.timedelta(days=self.rng.choice((0, 0, 0, 1, 9)))
        event = said(event_type, name, day.isoformat(), agency=self.agency, **given)
        event |= {"source": source, "landed_at": landed_at}
        self.events.append(event)
        arrived = landed_at.date()
        self.history.accepted[arrived] = self.history.accepted.get(arrived, 0) + 1
        if event_type in KINDS:
            self.history.events.setdefault((source, day, event_type), []).append(name)
        else:
            self.history.other_days.add(day)
        return event

    def live(self, length: int) -> None:
        rng = self.rng
        day = rng.randrange(20)
        while day < length:
            word = rng.choices((True, False, None), (6, 2, 1))[0]
            contract = rng.choices(("1.0", "1.4", "0.9"), (5, 2, 1))[0]
            event = self.put(HEARTBEAT, on(day), window_connected=word, sender_contract_version=contract)
            beat = status_oracle.Heartbeat(event["occurred_at"], event["event_id"], contract, word)
            self.history.heartbeats.append(beat)
            day += rng.choice((0, 3, 7, 7, 14, 15, 16, 30, 31, 32))
        calm = False
        for number in range(length):
            calm = calm if rng.random() < 0.9 else not calm
            if calm:
                continue
            for _ in range(rng.choice((0, 2, 9))):
                self.put(rng.choice(KINDS), on(number), system=rng.choice(("", "/desk")))
            if rng.random() < 0.08:
                self.rejections += [on(number)] * rng.choice((1, 3, 25))
        for day_ in self.rejections:
            self.history.rejected[day_] = self.history.rejected.get(day_, 0) + 1
        self.say_totals(length)

    def say_totals(self, length: int) -> None:
        for key in sorted(self.history.events):
            if self.rng.random() < 0.5:
                wrong = self.rng.random() < 0.15
                self.say_total(key, len(self.history.events[key]) + self.rng.choice((1, 3)) * wrong)
        for _ in range(3):
            source, kind = f"/agencies/{self.agency}", self.rng.choice(KINDS)
            self.say_total((source, on(self.rng.randrange(length)), kind), self.rng.choice((0, 0, 4)))

    def say_total(self, key: tuple[str, dt.date, str], number: int) -> None:
        source, day, kind = key
        if key in self.history.totals:
            return
        checksum = status_oracle.checksum_of(self.history.events.get(key, []))
        sent = self.rng.choice((None, checksum, checksum[:16], "0123456789abcdef"))
        about = {"total_date": day, "total_event_type": kind, "total_count": number, "id_checksum": sent}
        self.put(TOTAL, day, system=source.removeprefix(f"/agencies/{self.agency}"), **about)
        self.history.totals[key] = (number, sent)


ONCE_CONNECTED = ("connected", "degraded", "standard_lost", "disconnected")
TRANSITIONS = {
    *itertools.permutations(ONCE_CONNECTED, 2),
    *itertools.product(("never", "connecting"), ONCE_CONNECTED),
    ("never", "connecting"),
    ("connecting", "never"),
}


def test_random_histories_give_the_days_that_plain_python_gives_and_meet_every_transition(bench: LakeBench) -> None:
    rng = random.Random(3)
    makers = [Maker(rng, agency) for agency in ("energy", "water", *(f"unlisted-{number}" for number in range(58)))]
    for maker in makers:
        maker.live(rng.choice((40, 90, 140)))
    events = [event for maker in makers for event in maker.events]
    rng.shuffle(events)
    bench.land("b1", events[::2])
    bench.land("b2", events[1::2], rng.choice(("held", "passed")))
    reject_all(bench, [(maker.agency, noon(day)) for maker in makers for day in maker.rejections])
    # Days of totals are days on which the total was said, so the lake's last day is that of the last event.
    last = max(event["occurred_at"].date() for event in events)
    seen: set[tuple[str, str]] = set()
    with bench.build() as connection:
        given = statuses(bench, connection)
        for maker in makers:
            rows = given[maker.agency]
            first = min([event["occurred_at"].date() for event in maker.events] + maker.rejections)
            wanted = status_oracle.days(maker.history, first, last)
            assert len(rows) == len(wanted)
            seen |= {(one["connection_state"], two["connection_state"]) for one, two in itertools.pairwise(rows)}
            for row, want in zip(rows, wanted, strict=True):
                assert {row.pop("agency_id"), row.pop("metric_version")} == {maker.agency, 1}
                for name, value in want.items():
                    same = pytest.approx(float(value)) if isinstance(value, Fraction) else value
                    assert row.pop(name) == same, (maker.agency, want["day"], name)
                assert not row
    assert {(one, two) for one, two in seen if one != two} == TRANSITIONS


TIMELINES: dict[str, tuple[Steps, list[tuple[int, str, str]]]] = {
    "from never to connecting to connected": (
        {0: "?", 3: "no", 10: "yes"},
        [(0, "never", "not_told"), (3, "connecting", "not_on_window"), (10, "connected", "on_window")],
    ),
    "from connecting back to never, and to connecting again": (
        {0: "no", 40: "no"},
        [(0, "connecting", "not_on_window"), (31, "never", "silent"), (40, "connecting", "not_on_window")],
    ),
    "from never to connected": (
        {0: "?", 1: "yes"},
        [(0, "never", "not_told"), (1, "connected", "on_window")],
    ),
    "from connected to degraded to disconnected by silence, and back": (
        {0: "yes", 35: "yes"},
        [
            (0, "connected", "on_window"),
            (15, "degraded", "late_heartbeat"),
            (31, "disconnected", "silent"),
            (35, "connected", "on_window"),
        ],
    ),
    "from degraded back to connected": (
        {0: "yes", 20: "yes"},
        [(0, "connected", "on_window"), (15, "degraded", "late_heartbeat"), (20, "connected", "on_window")],
    ),
    "from connected to disconnected by its own word, and back": (
        {0: "yes", 5: "no", 9: "yes"},
        [(0, "connected", "on_window"), (5, "disconnected", "left_window"), (9, "connected", "on_window")],
    ),
    "from disconnected to standard lost": (
        {0: "yes", 5: "no", 9: "old"},
        [(0, "connected", "on_window"), (5, "disconnected", "left_window"), (9, "standard_lost", "old_contract")],
    ),
    "from connected to standard lost, and back": (
        {0: "yes", 7: "old", 14: "yes"},
        [(0, "connected", "on_window"), (7, "standard_lost", "old_contract"), (14, "connected", "on_window")],
    ),
    "from standard lost to disconnected by silence": (
        {0: "old"},
        [(0, "standard_lost", "old_contract"), (31, "disconnected", "silent")],
    ),
    "from degraded to standard lost, by a late word on an old contract": (
        {0: "yes", 16: "old"},
        [(0, "connected", "on_window"), (15, "degraded", "late_heartbeat"), (16, "standard_lost", "old_contract")],
    ),
    "the later word of a day counts, so an agency may connect and leave within it": (
        {0: "?", 2: "no yes"},
        [(0, "never", "not_told"), (2, "connected", "on_window"), (17, "degraded", "late_heartbeat")],
    ),
    "a heartbeat that does not speak of the window renews no word": (
        {0: "yes", 10: "?", 20: "?", 30: "?"},
        [(0, "connected", "on_window"), (15, "degraded", "late_heartbeat"), (31, "disconnected", "silent")],
    ),
}


@pytest.mark.parametrize("name", TIMELINES)
def test_heartbeats_alone_lead(bench: LakeBench, name: str) -> None:
    steps, wanted = TIMELINES[name]
    told(bench, steps, last=max(wanted[-1][0] + 1, *steps))
    with bench.build() as connection:
        assert runs(status(bench, connection)) == wanted


def test_rejections_degrade_at_five_percent_and_lose_the_standard_at_fifty(bench: LakeBench) -> None:
    told(bench, {0: "yes", 7: "yes", 14: "yes", 21: "yes", 28: "yes"}, last=30)
    day = on(2).isoformat()
    bench.land("b2", [completed(f"e{number}", day) for number in range(18)])
    reject(bench, "water", noon(on(2)).isoformat())  # 1 of 20: 5 %
    reject(bench, "water", noon(on(20)).isoformat(), 19)  # 19 of 20: the heartbeat of day 14 is one of them
    with bench.build() as connection:
        assert runs(status(bench, connection)) == [
            (0, "connected", "on_window"),
            (2, "degraded", "contract_failures"),
            (9, "connected", "on_window"),
            (20, "standard_lost", "contract_failures"),
            (27, "connected", "on_window"),
        ]


def test_rejections_alone_are_no_day_of_the_lake(bench: LakeBench) -> None:
    reject(bench, "water", noon(on(2)).isoformat())  # followed to the last day that an agency is valid, it never ended
    with bench.build() as connection:
        assert statuses(bench, connection) == {}


def test_few_records_raise_no_alarm(bench: LakeBench) -> None:
    told(bench, {0: "yes"}, last=3)
    reject(bench, "water", noon(on(1)).isoformat(), 3)
    with bench.build() as connection:
        rows = status(bench, connection)
        assert runs(rows) == [(0, "connected", "on_window")]
        assert [row["failure_rate"] for row in rows] == [0, 0.75, 0.75, 0.75]


def test_less_than_the_control_total_degrades_for_a_week_and_recovers_when_the_rest_arrives(bench: LakeBench) -> None:
    told(bench, {0: "yes", 14: "yes"}, last=16)
    bench.land("b2", [completed("e1", on(3).isoformat()), total("c1", on(3).isoformat(), 2)])
    with bench.build() as connection:
        assert runs(status(bench, connection)) == [
            (0, "connected", "on_window"),
            (3, "degraded", "incomplete"),
            (10, "connected", "on_window"),
        ]
        bench.land("b3", [completed("late", on(3).isoformat())])
        assert runs(status(bench, connection)) == [(0, "connected", "on_window")]


def test_degraded_by_rejections_turns_into_standard_lost_and_back(bench: LakeBench) -> None:
    told(bench, {0: "yes", 7: "yes"}, last=12)
    bench.land("b2", [completed(f"e{number}", on(1).isoformat()) for number in range(20)])
    reject(bench, "water", noon(on(1)).isoformat(), 3)
    reject(bench, "water", noon(on(2)).isoformat(), 30)
    reject(bench, "water", noon(on(4)).isoformat(), 3)
    bench.land("b3", [completed(f"f{number}", on(4).isoformat()) for number in range(30)])
    with bench.build() as connection:
        assert runs(status(bench, connection)) == [
            (0, "connected", "on_window"),
            (1, "degraded", "contract_failures"),
            (2, "standard_lost", "contract_failures"),
            (4, "degraded", "contract_failures"),
            (8, "standard_lost", "contract_failures"),  # the good records of day 1 are out of sight: 33 of 64
            (9, "degraded", "contract_failures"),
            (11, "connected", "on_window"),
        ]


def test_silent_is_not_zero(bench: LakeBench) -> None:
    events = [
        completed("e1", on(0).isoformat()),
        heartbeat("h1", on(1), True),
        total("c1", on(2).isoformat(), 0),
        completed("end", on(4).isoformat(), agency="lone"),
    ]
    bench.land("b1", events)
    with bench.build() as connection:
        rows = status(bench, connection)
        assert [row["landed"] for row in rows] == [1, 0, 0, "not_provided", "not_provided"]
        assert [row["control_total"] for row in rows] == ["not_provided"] * 2 + [0] + ["not_provided"] * 2
        assert [row["completeness"] for row in rows] == ["not_provided"] * 2 + ["not_applicable"] + ["not_provided"] * 2


def test_an_expected_agency_that_never_spoke_has_a_row_from_the_first_day_it_is_expected(bench: LakeBench) -> None:
    young = {"agency_id": "quiet", "parent_id": None, "expected_to_report": True}
    bench.catalogue.agencies += [
        young | {"valid_from": on(2), "valid_to": on(4)},
        young | {"agency_id": "ever", "valid_from": None, "valid_to": None},
        young | {"agency_id": "past", "valid_from": None, "valid_to": on(-1)},
        young | {"agency_id": "past", "valid_from": on(0), "valid_to": None, "expected_to_report": False},
        young | {"agency_id": "free", "valid_from": None, "valid_to": None, "expected_to_report": None},
    ]
    bench.land("b1", [completed("e1", on(0).isoformat()), completed("e2", on(6).isoformat())])
    with bench.build() as connection:
        assert [row["day"] for row in status(bench, connection, "quiet")] == [on(2), on(3), on(4)]
        rows = status(bench, connection, "ever")
        assert [row["day"] for row in rows] == [on(number) for number in range(7)]
        assert {(row["connection_state"], row["reason"], row["landed"]) for row in rows} == {
            ("never", "no_heartbeat", "not_provided")
        }
        assert status(bench, connection, "free") == []
        assert status(bench, connection, "past") == []


def test_an_agency_has_no_row_after_its_last_valid_day(bench: LakeBench) -> None:
    # prisons moves to another ministry and goes on; justice ends on 21 September 2020.
    bench.land("b1", [heartbeat("h1", dt.date(2020, 9, 19), True, agency=name) for name in ("prisons", "justice")])
    bench.land("b2", [completed("end", "2020-09-25")])
    with bench.build() as connection:
        assert status(bench, connection, "justice")[-1]["day"] == dt.date(2020, 9, 21)
        assert status(bench, connection, "prisons")[-1]["day"] == dt.date(2020, 9, 25)


def test_the_evaluator_is_no_agency(bench: LakeBench) -> None:
    scored = {"source": "/evaluators/secretariat", "agency_id": "evaluator"}
    bench.land("b1", [completed("e1", on(0).isoformat()), completed("s1", on(9).isoformat()) | scored])
    reject(bench, "evaluator", noon(on(0)).isoformat())
    with bench.build() as connection:
        assert status(bench, connection, "evaluator") == []
        assert [row["day"] for row in status(bench, connection)] == [on(0)]


def test_the_query_knows_the_current_contract_and_gives_reasons_of_the_closed_lists() -> None:
    major = event_contract().version.split(".")[0]
    assert f"CAST(SPLIT_PART(contract_version, '.', 1) AS INTEGER) < {major} " in STATUS.query
    given = re.findall(r"'(\w+): (\w+)'", STATUS.query)
    assert {state for state, _ in given} == set(codes("connection_state"))
    assert {reason for _, reason in given} == set(codes("connection_reason"))
