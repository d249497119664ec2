"""Days at offices: people come to a desk or to a portal, are served, and each agency's events come out in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from producers.journeys import MonthClock, OfferedService, Person, Reporter, Said, start_of_journey, transaction, visit


class Served(NamedTuple):
    """One journey to be told: a service, the channel it is used in, and who comes."""

    service: OfferedService
    channel: str
    person: Person


class OfficeMonth:
    """The events of one agency in a month, held until the day they happen on."""

    def __init__(self, clock: MonthClock, tag: str, reasons: Sequence[str]) -> None:
        self._clock = clock
        self._tag = tag
        self._reasons = reasons
        self._due: dict[int, list[Said]] = defaultdict(list)

    def day(self, reporter: Reporter, day: int, count: int, come: Callable[[Random, int], Served]) -> Iterator[Said]:
        """The agency's events of a day, among them ``count`` journeys that begin on it and are all completed."""
        for number in range(count):
            for said in self._journey(reporter, day, number, come(reporter.random, number)):
                self._due[self._clock.day_of(said.at)].append(said)
        yield from sorted(self._due.pop(day, ()), key=lambda said: said.at)

    def has(self, day: int) -> bool:
        """True where something begun before ends on the day."""
        return day in self._due

    def _journey(self, reporter: Reporter, day: int, number: int, served: Served) -> Iterator[Said]:
        at = start_of_journey(reporter.random, self._clock, day, served.channel)
        # The agency is part of the id: people of two agencies never share a visit.
        serial = f"{self._tag}-{reporter.agency_id}-{self._clock.dates[day]:%y%m%d}-{number}"
        yield visit(reporter, at, f"vis-{serial}", served.channel, served.person)
        yield from transaction(
            reporter,
            self._clock,
            at,
            transaction_id=f"trk-{serial}",
            visit_id=f"vis-{serial}",
            service=served.service,
            channel=served.channel,
            person=served.person,
            reasons=self._reasons,
        )


def work_days(clock: MonthClock) -> list[float]:
    """Weights of a month's days: offices are closed on Fridays and half open on Thursdays."""
    return [{3: 0.5, 4: 0.0}.get(date.weekday(), 1.0) for date in clock.dates]
