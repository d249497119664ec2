"""Qom's five districts, Azar to Esfand 1398: a service desk that was to make processes electronic and became a desk.

Only Kahak has electronic processes, four of them, and they are observed to be what they are called. The county
governor's office calls its processes fully electronic; in every one of its transactions somebody came. Activity came
and went: but for Kahak's, each office falls silent for more than a month and then begins again.

``max(2,400, round(2,000,000 x scale))`` transactions are completed; the number is the scenario's, not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from random import Random

from contracts.event_contract import event_contract
from contracts.reporting_time import Month
from producers.apportionment import apportion, scatter, spread
from producers.citizens import Population, seeded
from producers.journeys import MonthClock, OfferedService, Person, Reporter, Said
from producers.scenarios import iran_places, qom_district_catalogue
from producers.scenarios.office_days import OfficeMonth, Served, work_days
from producers.scenarios.qom_district_catalogue import COUNTY, OFFICES, UNUSED, Office, services_of
from producers.scenarios.registry import Tables

NAME = "qom-districts-1398"
TITLE = {
    "fa": "پنج بخش شهرستان قم در ۱۳۹۸: تنها کهک چهار فرایند را الکترونیکی کرد",
    "en": "Five districts of Qom county, 1398: only Kahak made four processes electronic",
}
MONTHS = tuple(Month("jalali", 1398, number) for number in (9, 10, 11, 12))
TRANSACTIONS, FEWEST = 2_000_000, 2_400
EVENTS_AT_FULL_SCALE = 3 * TRANSACTIONS
SENDERS = tuple(office.agency_id for office in OFFICES)

_AGES = (("under_18", 0.02), ("18_34", 0.34), ("35_49", 0.34), ("50_64", 0.21), ("65_plus", 0.09))
_REASONS = ("original_document", "original_document", "no_access", "no_access", "not_aware", "prefers_in_person")
# First and last day without anything, by office: more than thirty days in a row.
_SILENCES = {
    "markazi-governor": (date(2019, 12, 9), date(2020, 1, 20)),
    "jafarieh-governor": (date(2019, 12, 9), date(2020, 1, 25)),
    "salafchegan-governor": (date(2019, 12, 22), date(2020, 2, 8)),
    "khalajestan-governor": (date(2019, 12, 4), date(2020, 2, 1)),
    COUNTY: (date(2020, 1, 4), date(2020, 2, 14)),
}


def catalogue() -> Tables:
    """The catalogue's rows; they depend on neither scale nor seed."""
    return {
        "places": iran_places.qom(),
        "agencies": qom_district_catalogue.agencies(),
        "services": qom_district_catalogue.services(),
        "mandates": qom_district_catalogue.MANDATES,
    }


def events(month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """What reaches the broker in a month: day by day, in a day office by office."""
    return _Telling(scale, seed).month(month)


class _Telling:
    """The scenario at one scale and seed."""

    def __init__(self, scale: float, seed: int) -> None:
        self.total = max(FEWEST, round(TRANSACTIONS * scale))
        self.seed_text, self.tag = seeded(NAME, seed, scale)
        self.people = Population(NAME, seed, _AGES, [("qom", 1.0)])
        self.neighbours = max(200, self.total // 8)  # people of one office

    @lru_cache(maxsize=8)  # noqa: B019 (a telling lives as long as its stream)
    def plan(self, place: int) -> dict[date, tuple[int, int]]:
        """An office's completed transactions by day: (how many before, how many on the day)."""
        office = OFFICES[place]
        count = apportion(self.total, [one.weight for one in OFFICES])[place]
        clocks = [MonthClock(month) for month in MONTHS]
        days = [day for clock in clocks for day in clock.dates]
        weights = [
            0.0 if _is_silent(office, day) else weight
            for clock in clocks
            for day, weight in zip(clock.dates, work_days(clock), strict=True)
        ]
        plan, before = {}, 0
        for day, planned in zip(days, scatter(count, weights, spread(13 * place + 3)), strict=True):
            plan[day] = before, planned
            before += planned
        return plan

    def month(self, month: Month) -> Iterator[tuple[str, bytes]]:
        """Everything that arrives in the month."""
        clock = MonthClock(month)
        told = [OfficeMonth(clock, self.tag, _REASONS) for _ in OFFICES]
        for day, today in enumerate(clock.dates):
            for place, office in enumerate(OFFICES):
                reporter = Reporter(office.agency_id, Random(f"{self.seed_text}|{office.agency_id}|{today}"))
                before, count = self.plan(place)[today]
                for said in told[place].day(reporter, day, count, self._come(place, before)):
                    yield office.agency_id, said.value
                for said in _reports(reporter, clock, month, day, office):
                    yield office.agency_id, said.value

    def _come(self, place: int, before: int) -> Callable[[Random, int], Served]:
        office = OFFICES[place]
        services = _services(office)

        def come(random: Random, number: int) -> Served:
            # In turn, so that every process is seen as often as the others.
            service, channels = services[(before + number) % len(services)]
            channel = channels[int(random.random() ** 3 * len(channels))]
            citizen = self.people.citizen(place * self.neighbours + int(self.neighbours * random.random()))
            known = random.random() >= 0.04
            person = Person(
                citizen.user_key if known else None,
                "citizen",
                citizen.age_band,
                "national_id" if known else "none",
                "qom",
                office.district or None,
            )
            return Served(service, channel, person)

        return come


def _is_silent(office: Office, day: date) -> bool:
    first, last = _SILENCES.get(office.agency_id, (date.max, date.min))
    return first <= day <= last


def _reports(reporter: Reporter, clock: MonthClock, month: Month, day: int, office: Office) -> Iterator[Said]:
    """A weekly sign of life while the office is active; at the end, how many of its processes are electronic."""
    end = clock.last_second(day)
    if day % 7 == 0 and not _is_silent(office, clock.dates[day]):
        yield reporter.say("agency.heartbeat", end, {"contract_version": event_contract().version})
    if month == MONTHS[-1] and day == len(clock.dates) - 1:
        for measure, value in (("services_total", len(office.levels)), ("services_full", office.levels.count("full"))):
            data = {"period": month.label, "calendar": "jalali", "measure": measure, "value": value}
            yield reporter.say("agency.declaration", end, {**data, "method": "manual_count", "verified_by": "self"})


@lru_cache
def _services(office: Office) -> tuple[tuple[OfferedService, tuple[str, ...]], ...]:
    """The processes that people use, each with its channels, the more usual first."""
    return tuple(
        (
            OfferedService(row["service_id"], row["declared_level"], "citizen", frozenset(row["channels"].split("|"))),
            tuple(row["channels"].split("|")),
        )
        for row in services_of(office)
        if row["service_id"] != UNUSED
    )
