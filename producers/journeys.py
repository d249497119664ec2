"""Simulated citizens on their journeys: a visit is recorded, a transaction received, and completed.

Pure arithmetic on a seeded generator: the same seed gives the same bytes. The events are said in the words
of the contract; a test asks its parser about every one of them.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from contracts.event_contract import TYPE_PREFIX, event_contract
from contracts.reporting_time import Month, day_start
from producers import envelope
from producers.identifiers import seeded_event_id

VISIT, RECEIVED, COMPLETED = "visit.recorded", "transaction.received", "transaction.completed"
COUNTED = (VISIT, RECEIVED, COMPLETED)
_IS_TEST = ',"is_test":true'
_FULL_TYPES = {name.removeprefix(TYPE_PREFIX).removesuffix(".v1"): name for name in event_contract().types}
# Hours of the day as often as people act in them; offices keep office hours.
_ONLINE_HOURS = (
    0,
    6,
    7,
    8,
    8,
    9,
    9,
    9,
    10,
    10,
    10,
    11,
    11,
    11,
    12,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    20,
    21,
    21,
    22,
    22,
    23,
)
_OFFICE_HOURS = (8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 13)
IN_PERSON = frozenset({"counter_office", "service_desk"})
_REASONS = (
    "not_aware", "not_aware", "not_aware", "no_access", "no_access", "prefers_in_person", "prefers_in_person",
    "original_document", "original_document", "telecom_tariff", "infrastructure_cost", "system_down", "other",
)  # fmt: skip
_OUTCOMES = ("accepted",) * 90 + ("rejected",) * 7 + ("withdrawn",) * 3


class Said(NamedTuple):
    """One simulated event: when (milliseconds since 1970), its short type, its id and the bytes that travel."""

    at: int
    kind: str
    event_id: str
    value: bytes


class MonthClock:
    """The days of a month as milliseconds since 1970, cut at midnight in Tehran."""

    def __init__(self, month: Month) -> None:
        first = month.first_day
        self.dates = [first + dt.timedelta(days=day) for day in range(month.days)]
        self.starts = [int(day_start(date).timestamp() * 1000) for date in self.dates]
        self.end = int(month.end.timestamp() * 1000)

    def day_of(self, at: int) -> int:
        """Index of the day that holds an instant of the month."""
        return bisect_right(self.starts, at) - 1

    def within(self, at: int) -> int:
        """The instant, or the month's last second where it lies beyond: no journey leaves its month."""
        return min(at, self.end - 1000)

    def last_second(self, day: int) -> int:
        """The last second of a day."""
        return (self.starts[day + 1] if day + 1 < len(self.starts) else self.end) - 1000


@dataclass(frozen=True, slots=True)
class OfferedService:
    """What a journey needs to know of a service."""

    service_id: str
    level: str
    audience: str
    channels: frozenset[str]


@dataclass(slots=True)
class Person:
    """Who makes a journey, as far as the agency tells: any part may be missing."""

    user_key: str | None = None
    audience: str = "citizen"
    age_band: str | None = None
    authn_level: str | None = None
    province: str | None = None
    district: str | None = None

    def written(self) -> str:
        """What is told of the person, as members of a JSON object; ids and codes need no escaping."""
        text = f'"audience":"{self.audience}"'
        if self.user_key is not None:
            text += f',"user_key":"{self.user_key}"'
        if self.province is not None:
            text += f',"province":"{self.province}"'
        if self.district is not None:
            text += f',"district":"{self.district}"'
        if self.age_band is not None:
            text += f',"age_band":"{self.age_band}"'
        if self.authn_level is not None:
            text += f',"authn_level":"{self.authn_level}"'
        return text


class Reporter:
    """One agency saying events; ``random`` decides the ids' free bits."""

    def __init__(self, agency_id: str, random: Random) -> None:
        self.agency_id = agency_id
        self.random = random
        self._source = envelope.source_of(agency_id)

    def say(self, kind: str, at: int, data: dict[str, Any]) -> Said:
        """One event at ``at`` milliseconds."""
        return self.say_written(kind, at, envelope.written(data))

    def say_written(self, kind: str, at: int, data: str) -> Said:
        """The same, of data that are written as JSON already."""
        event_id = seeded_event_id(at, self.random)
        value = envelope.encode_written(event_id, self._source, _FULL_TYPES[kind], written_time(at), data)
        return Said(at, kind, event_id, value)


def written_time(at: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    minute, rest = divmod(at, 60_000)
    return f"{_written_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _written_minute(minute: int) -> str:
    return dt.datetime.fromtimestamp(minute * 60, dt.UTC).isoformat()[:16]


def start_of_journey(random: Random, clock: MonthClock, day: int, channel: str) -> int:
    """When somebody sets out on a day: office hours in person, any hour else."""
    hours: Sequence[int] = _OFFICE_HOURS if channel in IN_PERSON else _ONLINE_HOURS
    moment = random.random() * len(hours)
    hour = hours[int(moment)]
    return clock.within(clock.starts[day] + hour * 3_600_000 + int(moment % 1 * 3_600_000))


def visit(reporter: Reporter, at: int, visit_id: str, channel: str, person: Person, **more: Any) -> Said:
    """Somebody came."""
    others = f",{envelope.written(more)[1:-1]}" if more else ""
    data = f'{{"visit_id":"{visit_id}","channel":"{channel}",{person.written()}{others}}}'
    return reporter.say_written(VISIT, at, data)


def transaction(
    reporter: Reporter,
    clock: MonthClock,
    at: int,
    *,
    transaction_id: str,
    visit_id: str,
    service: OfferedService,
    channel: str,
    person: Person,
    is_test: bool = False,
    completes: bool = True,
    latest: int | None = None,
    reasons: Sequence[str] = _REASONS,
) -> list[Said]:
    """A transaction that begins at ``at``: received, then completed by ``latest`` unless it stays open.

    ``reasons`` are what people who come in person give as theirs, each as often as it stands there.
    """
    random = reporter.random
    if channel in IN_PERSON:
        reason = reasons[int(random.random() * len(reasons))]
        assisted = f'"assisted_by":"{channel}","reason_in_person":"{reason}"'
    else:
        assisted = '"assisted_by":"none"'
    data = (
        f'{{"transaction_id":"{transaction_id}","service_id":"{service.service_id}","channel":"{channel}",'
        f'{person.written()},"visit_id":"{visit_id}",{assisted}{_IS_TEST if is_test else ""}'
    )
    end = clock.end - 1000 if latest is None else latest
    received_at = min(at + 15_000 + int(random.random() * 300_000), end)
    said = [reporter.say_written(RECEIVED, received_at, f"{data}}}")]
    if completes:
        completed_at = min(received_at + _milliseconds_taken(random, service.level, channel), end)
        outcome = _OUTCOMES[int(random.random() * len(_OUTCOMES))]
        seconds = (completed_at - received_at) // 1000
        steps = "".join([f'"{name}":{count},' for name, count in _steps(random, service.level, channel).items()])
        ended = f'{data},"outcome":"{outcome}",{steps}"duration_seconds":{seconds}}}'
        said.append(reporter.say_written(COMPLETED, completed_at, ended))
    return said


def _milliseconds_taken(random: Random, level: str, channel: str) -> int:
    """How long a transaction takes: seconds where no human is asked, minutes at a desk, days where files travel."""
    chance = random.random()
    if level == "smart":
        return 1_000 + int(chance * 40_000)
    if level == "full":
        return int((600_000 if channel in IN_PERSON else 45_000) * (1 + 9 * chance**3))
    return int(3_600_000 * (1 + 110 * chance**4))


def _steps(random: Random, level: str, channel: str) -> dict[str, int]:
    """What the service's level looks like from outside; nothing is said of a service whose level is unknown."""
    if level == "unknown":
        return {}
    # At a counter office somebody else sits at the same portal: the service itself asks nobody to come.
    in_person = int(channel == "service_desk")
    if level == "smart":
        return {"in_person_steps": in_person, "human_steps": in_person, "documents_requested": 0}
    chance = random.random()
    if level == "full":
        return {
            "in_person_steps": in_person,
            "human_steps": int(chance < 0.6),
            "documents_requested": int(chance < 0.3),
        }
    return {
        "in_person_steps": 1 + int(chance < 0.2),
        "human_steps": 1 + int(chance < 0.5),
        "documents_requested": 1 + int(chance < 0.4),
    }
