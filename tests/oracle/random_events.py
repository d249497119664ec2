"""Seeded random worlds: a catalogue that changes over time, and events that try every edge of the definitions.

``world(seed, size)`` gives lake-shaped event dicts (``pid`` bytes or None, times aware, in no order) of about ``size``
events, with the catalogue rows they live in. Nothing of the platform is imported.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Row = dict[str, Any]

CHANNELS = ("portal", "mobile_app", "counter_office", "service_desk", "national_window", "phone", "paper", "other")
RECEIVED = "ir.egov.transaction.received.v1"
COMPLETED = "ir.egov.transaction.completed.v1"
VISITED = "ir.egov.visit.recorded.v1"
RETRACTED = "ir.egov.event.retracted.v1"
DECLARED = "ir.egov.agency.declaration.v1"
ANSWERED = "ir.egov.inquiry.answered.v1"
REASONS = ("telecom_tariff", "infrastructure_cost", "no_access", "other")
MEASURES = ("inquiries_online", "inquiries_paper", "in_person_telecom_tariff", "in_person_no_access", "services_total")
MICRO = dt.timedelta(microseconds=1)
HALF_HOUR, DAY = dt.timedelta(minutes=30), dt.timedelta(hours=24)
# Midnights in Tehran that open a month of either calendar, two of them on nights when the clock changes.
EDGES = tuple(
    dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    for text in (
        "2020-02-29T20:30",  # 1 March 2020
        "2020-03-19T20:30",  # 1 Farvardin 1399
        "2020-03-20T20:30",  # summer time begins
        "2020-03-31T19:30",  # 1 April 2020
        "2020-04-19T19:30",  # 1 Ordibehesht 1399
        "2020-06-30T19:30",  # 1 July 2020
        "2020-09-20T20:30",  # summer time ended an hour before
        "2020-09-21T20:30",  # 31 Shahrivar to 1 Mehr 1399
        "2020-09-30T20:30",  # 1 October 2020
        "2020-12-31T20:30",  # 1 January 2021
        "2021-03-20T20:30",  # 1 Farvardin 1400
    )
)
START, END = dt.datetime(2020, 2, 1, tzinfo=dt.UTC), dt.datetime(2021, 5, 1, tzinfo=dt.UTC)


@dataclass
class Catalogue:
    """Rows as the catalogue gives them; valid_to is the last valid day."""

    agencies: list[Row] = field(default_factory=list)
    places: list[Row] = field(default_factory=list)
    services: list[Row] = field(default_factory=list)
    mandates: list[Row] = field(default_factory=list)
    frameworks: list[Row] = field(default_factory=list)
    assessments: list[Row] = field(default_factory=list)


@dataclass
class World:
    """What happened, and where."""

    events: list[Event]
    catalogue: Catalogue


def world(seed: int, size: int) -> World:
    """A world of about ``size`` events. The same seed gives the same world."""
    return _Maker(random.Random(seed), size).make()


def _agency(agency_id: str, parent: str | None, start: str | None = None, end: str | None = None) -> Row:
    return {
        "agency_id": agency_id,
        "parent_id": parent,
        "valid_from": dt.date.fromisoformat(start) if start else None,
        "valid_to": dt.date.fromisoformat(end) if end else None,
    }


def _place(place_id: str, kind: str, parent: str | None, start: str | None = None, end: str | None = None) -> Row:
    return {
        "place_id": place_id,
        "kind": kind,
        "parent_id": parent,
        "valid_from": dt.date.fromisoformat(start) if start else None,
        "valid_to": dt.date.fromisoformat(end) if end else None,
    }


def catalogue() -> Catalogue:
    """Parent chains and boundaries that change; a lone agency; one in a circle; one whose parent ended."""
    return Catalogue(
        agencies=[
            _agency("energy", None),
            _agency("justice", None, None, "2020-09-21"),
            _agency("water", "energy"),
            _agency("water-qom", "water", None, "2020-04-30"),
            _agency("water-qom", "justice", "2020-05-01"),
            _agency("deeds", "justice"),
            _agency("prisons", "deeds", "2020-03-20", "2020-09-20"),
            _agency("prisons", "energy", "2020-09-21"),
            _agency("lone", None),
            _agency("circle-a", "circle-b"),
            _agency("circle-b", "circle-a"),
            _agency("young", "energy", "2020-06-30"),
        ],
        places=[
            _place("qom", "province", None),
            _place("tehran", "province", None),
            _place("qom-county", "county", "qom"),
            _place("ray", "county", "tehran", None, "2020-12-31"),
            _place("kahak", "district", "qom-county"),
            _place("jafarieh", "district", "qom", None, "2020-03-31"),
            _place("jafarieh", "district", "qom-county", "2020-04-01"),
            _place("fashapuyeh", "district", "ray"),
            _place("markazi", "district", "qom"),
            _place("new-district", "district", "qom-county", "2020-10-01"),
        ],
        services=[{"service_id": f"s{n}", "agency_id": "water"} for n in range(6)],
    )


SENDERS = ("energy", "water", "water-qom", "deeds", "prisons", "lone", "circle-a", "young", "unlisted")
PROVINCES = (None, "qom", "tehran")
DISTRICTS = (None, None, "kahak", "jafarieh", "fashapuyeh", "markazi", "new-district")


class _Maker:
    def __init__(self, rng: random.Random, size: int) -> None:
        self.rng, self.size = rng, size
        self.names: set[tuple[str, str]] = set()
        self.people = [hashlib.sha256(f"p{n}".encode()).digest()[:16] for n in range(max(3, size // 8))]
        self.senders = rng.sample(SENDERS, rng.randint(1, len(SENDERS)))
        self.channels = rng.sample(CHANNELS, rng.randint(1, len(CHANNELS)))

    def make(self) -> World:
        events: list[Event] = []
        while len(events) < self.size:
            events.extend(self.rng.choices((self.plain, self.walk, self.window_visit), (12, 1, 2))[0]())
        events += [self.retraction(events) for _ in range(self.rng.randint(0, max(1, self.size // 15)))]
        for _ in range(self.rng.randint(0, 4 + self.size // 40)):
            said = self.declaration()
            events.append(said)
            if self.rng.random() < 0.4:
                # Said again at the same instant: the event id decides.
                key = ("calendar", "period", "measure", "service_id", "channel")
                again = self.envelope(DECLARED, said["agency_id"], said["occurred_at"])
                events.append(self.declaration() | again | {name: said[name] for name in key})
        self.papers = self.rng.sample(SENDERS, self.rng.randint(0, 3))
        for _ in range(self.rng.randint(0, 6 + self.size // 20)):
            events.extend(self.inquiry())
        # A declaration or an inquiry may be withdrawn too.
        events += [self.retraction(events[-20:]) for _ in range(self.rng.randint(0, 2))]
        events += [self.retraction(events[-8:]) for _ in range(self.rng.randint(0, 2))]
        self.rng.shuffle(events)
        return World(events, catalogue())

    def moment(self) -> dt.datetime:
        """Mostly any time of some months, often an edge, now and then years back."""
        kind = self.rng.random()
        if kind < 0.35:
            near = self.rng.choice((-MICRO, dt.timedelta(), MICRO, -HALF_HOUR, HALF_HOUR, dt.timedelta(hours=-1)))
            return self.rng.choice(EDGES) + near
        if kind < 0.40:
            return dt.datetime(2016, 9, self.rng.randint(1, 28), tzinfo=dt.UTC)
        span = (END - START) // MICRO
        # Whole hours now and then, so that events share an instant and the id decides.
        moment = START + self.rng.randrange(span) * MICRO
        return moment.replace(minute=0, second=0, microsecond=0) if self.rng.random() < 0.3 else moment

    def envelope(self, event_type: str, sender: str | None = None, moment: dt.datetime | None = None) -> Event:
        sender = sender or self.rng.choice(self.senders)
        source = f"/agencies/{sender}" + self.rng.choice(("", "", "/desk"))
        while True:
            name = (source, f"e-{self.rng.randrange(self.size * 3 + 1000)}")
            if name not in self.names:
                self.names.add(name)
                return {
                    "event_id": name[1],
                    "source": source,
                    "agency_id": sender,
                    "event_type": event_type,
                    "occurred_at": moment or self.moment(),
                }

    def counted(self, event_type: str, **given: Any) -> Event:
        rng = self.rng
        event = self.envelope(event_type, given.pop("sender", None), given.pop("moment", None))
        event |= {
            "channel": rng.choice(self.channels),
            "pid": rng.choice(self.people) if rng.random() < 0.85 else None,
            "province": rng.choice(PROVINCES),
            "district": rng.choice(DISTRICTS),
            "is_test": rng.choice((None, False)) if rng.random() < 0.96 else True,
        }
        if event_type == VISITED:
            event["visit_id"] = f"v-{rng.randrange(self.size)}"
        else:
            event |= {
                "transaction_id": f"t-{rng.randrange(self.size)}",
                "service_id": f"s{rng.randrange(6)}",
                "visit_id": f"v-{rng.randrange(self.size)}" if rng.random() < 0.4 else None,
            }
        if event_type == COMPLETED:
            event |= {
                "outcome": rng.choice(("accepted", "accepted", "rejected", "withdrawn")),
                "duration_seconds": rng.choice((None, 0, 1, 60, rng.randrange(10_000))),
                "reason_in_person": rng.choice((None, *REASONS)),
                "in_person_steps": rng.choice((None, 0, 0, 1)),
            }
        if event_type != VISITED:
            event["assisted_by"] = rng.choice((None, "none", "counter_office", "call_centre", "service_desk"))
        return event | given

    def plain(self) -> Iterator[Event]:
        """One event, sometimes told again under another id: later, earlier or at the same instant, in other words."""
        event = self.counted(self.rng.choice((RECEIVED, COMPLETED, COMPLETED, VISITED)))
        yield event
        if self.rng.random() < 0.2:
            same = {name: event.get(name) for name in ("transaction_id", "visit_id") if name in event}
            moment = event["occurred_at"] if self.rng.random() < 0.5 else self.moment()
            yield self.counted(event["event_type"], sender=event["agency_id"], moment=moment, **same)

    def walk(self) -> Iterator[Event]:
        """One person at one place, at the gaps that decide what a session is."""
        moment = self.moment()
        same = {
            "sender": self.rng.choice(self.senders),
            "channel": self.rng.choice(self.channels),
            "pid": self.rng.choice(self.people),
            "visit_id": None,
        }
        # Some walks never pause for more than half an hour: only the 24 hours cut those.
        pauses = self.rng.choice((0, 1))
        start = moment
        for _ in range(self.rng.choice((2, 3, 5, 60, 110))):
            yield self.counted(self.rng.choice((RECEIVED, COMPLETED)), moment=moment, **same)
            left = start + DAY - moment
            if dt.timedelta() < left <= HALF_HOUR:
                # To the very end of 24 hours, or just before it.
                moment += left - self.rng.choice((dt.timedelta(), dt.timedelta(), MICRO))
                start = moment
                continue
            moment += self.rng.choices(
                (HALF_HOUR, HALF_HOUR + MICRO, HALF_HOUR - MICRO, dt.timedelta(), dt.timedelta(minutes=7)),
                (20, pauses, 4, 1, 3),
            )[0]

    def window_visit(self) -> Iterator[Event]:
        """A visit that the window issued and agencies repeat, sometimes through a channel of their own."""
        visit_id = f"w-{self.rng.randrange(max(1, self.size // 4))}"
        pid = self.rng.choice((None, self.rng.choice(self.people)))
        for _ in range(self.rng.randint(1, 5)):
            yield self.counted(
                self.rng.choice((VISITED, RECEIVED, COMPLETED)),
                visit_id=visit_id,
                pid=pid if self.rng.random() < 0.8 else self.rng.choice(self.people),
                channel="national_window" if self.rng.random() < 0.8 else self.rng.choice(CHANNELS),
            )

    def retraction(self, events: list[Event]) -> Event:
        """Of an event of the same source; at times of another's, of a retraction, or of nothing."""
        if not events or self.rng.random() < 0.05:
            target = {"source": "/agencies/energy", "event_id": "e-none", "agency_id": "energy"}
        else:
            target = self.rng.choice(events)
        event = self.envelope(RETRACTED, target["agency_id"])
        if self.rng.random() < 0.9:
            self.names.discard((event["source"], event["event_id"]))
            event["source"] = target["source"]
            event["event_id"] = f"r-{len(self.names)}-{self.rng.randrange(10**9)}"
            self.names.add((event["source"], event["event_id"]))
        return event | {"retracted_event_id": target["event_id"], "retraction_reason": "sent_in_error"}

    def inquiry(self) -> Iterator[Event]:
        """One answered inquiry, sometimes told again: later, earlier or at the same instant, in other words."""
        rng = self.rng
        event = self.envelope(ANSWERED) | {
            "inquiry_id": f"q-{rng.randrange(self.size)}",
            "counterpart_agency_id": rng.choice(SENDERS[:4]),
        }
        # Few agencies ever tell of paper, so that what others leave unsaid shows.
        modes = ("online", "paper") if event["agency_id"] in self.papers else ("online",)
        event["mode"] = rng.choice(modes)
        yield event
        if rng.random() < 0.2:
            again = self.envelope(ANSWERED, event["agency_id"], rng.choice((event["occurred_at"], None)))
            yield event | again | {"counterpart_agency_id": rng.choice(SENDERS[:4]), "mode": rng.choice(modes)}

    def declaration(self) -> Event:
        rng = self.rng
        calendar, year = rng.choice((("jalali", 1399), ("gregorian", 2020)))
        first = rng.choice((1, 1, 2, 4, 7))
        last = rng.choice((first, first, first + 2, first + 5, 12))
        period = f"{year}-{first:02d}"
        if last != first or rng.random() < 0.2:
            period += f"/{year}-{last:02d}"
        value = rng.choice(("value", "value", "not_provided", "not_applicable"))
        moment = rng.choice(EDGES[-2:]) if rng.random() < 0.5 else None
        return self.envelope(DECLARED, moment=moment) | {
            "calendar": calendar,
            "period": period,
            "measure": rng.choice(("transactions_completed", rng.choice(MEASURES))),
            "service_id": rng.choice((None, "s0", "s1")),
            "channel": rng.choice((None, "portal", "paper")),
            "declared_value": rng.choice((0, rng.randrange(100_000))) if value == "value" else None,
            "declared_status": value,
        }
