"""The service desk in Tehran province, Mordad to Mehr 1398: why people come in person, as they and as agencies say.

Nationally 40 % of services are electronic and in the province 44 % (see ``tehran_catalogue``). Every one of the eighty
offices completes transactions at its desk. Those who come say that they prefer to or did not know better; the agencies
declare that telecom tariffs and the cost of infrastructure bring people in. A service may be declared fully electronic
and still be done at the desk: what is observed is then another level than what is declared.

Exactly ``max(240, round(24,000,000 x scale))`` transactions are completed; the number is the scenario's, not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random

from contracts.event_contract import event_contract
from contracts.reporting_time import Month
from producers.apportionment import apportion, scatter, spread
from producers.citizens import Population, seeded
from producers.journeys import MonthClock, OfferedService, Person, Reporter, Said
from producers.scenarios import iran_places, tehran_catalogue
from producers.scenarios.office_days import OfficeMonth, Served, work_days
from producers.scenarios.registry import Tables
from producers.scenarios.tehran_catalogue import Office, offices

NAME = "tehran-service-desk-1398"
TITLE = {
    "fa": "میز خدمت استان تهران در ۱۳۹۸: ۴۰ درصد خدمات کشور و ۴۴ درصد خدمات استان الکترونیکی",
    "en": "Service desk of Tehran province, 1398: 40 % of services electronic nationally, 44 % in the province",
}
MONTHS = tuple(Month("jalali", 1398, number) for number in (5, 6, 7))
TRANSACTIONS, FEWEST = 24_000_000, 240
EVENTS_AT_FULL_SCALE = 3 * TRANSACTIONS
SENDERS = tuple(office.agency_id for office in offices())

_AGES = (("under_18", 0.02), ("18_34", 0.40), ("35_49", 0.34), ("50_64", 0.18), ("65_plus", 0.06))
_AT_THE_DESK = 0.6
# What people say, and what agencies say that they hear: the same list, told by two.
_REASONS = (
    "prefers_in_person", "prefers_in_person", "prefers_in_person", "prefers_in_person", "not_aware", "not_aware",
    "not_aware", "original_document", "original_document", "no_access", "no_access", "system_down",
    "telecom_tariff", "infrastructure_cost", "other",
)  # fmt: skip
_HEARD = (
    ("telecom_tariff", 36),
    ("infrastructure_cost", 28),
    ("prefers_in_person", 12),
    ("not_aware", 8),
    ("no_access", 7),
    ("original_document", 5),
    ("system_down", 3),
    ("other", 1),
)
_SILENT_EVERY = 10  # every tenth office was asked and did not say why people come


def catalogue() -> Tables:
    """The catalogue's rows; they depend on neither scale nor seed."""
    return {
        "places": iran_places.provinces(),
        "agencies": tehran_catalogue.agencies(),
        "services": tehran_catalogue.services(),
        "mandates": tehran_catalogue.MANDATES,
    }


def events(month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """What reaches the broker in a month: day by day, in a day office by office."""
    return _Telling(scale, seed).month(month)


class _Telling:
    """The scenario at one scale and seed."""

    def __init__(self, scale: float, seed: int) -> None:
        self.total = max(FEWEST, round(TRANSACTIONS * scale))
        self.seed_text, self.tag = seeded(NAME, seed, scale)
        self.people = Population(NAME, seed, _AGES, [("tehran", 1.0)])
        self.citizens = max(200, round(self.total * 0.6))

    def quotas(self, month: Month) -> list[int]:
        """Completed transactions of a month by office, at least one each."""
        weights = [1 + 3 * spread(11 * place + 5) for place in range(len(SENDERS))]
        whole = apportion(self.total, [1] * len(MONTHS))[MONTHS.index(month)]
        return [1 + count for count in apportion(whole - len(weights), weights)]

    def month(self, month: Month) -> Iterator[tuple[str, bytes]]:
        """Everything that arrives in the month."""
        clock = MonthClock(month)
        last = len(clock.dates) - 1
        plans = [
            scatter(count, work_days(clock), spread(13 * place + month.number))
            for place, count in enumerate(self.quotas(month))
        ]
        told = [OfficeMonth(clock, self.tag, _REASONS) for _ in SENDERS]
        desk = [0] * len(SENDERS)
        for day in range(len(clock.dates)):
            for place, office in enumerate(offices()):
                if not plans[place][day] and not told[place].has(day) and day % 7 and day != last:
                    continue
                reporter = Reporter(office.agency_id, Random(f"{self.seed_text}|{office.agency_id}|{clock.dates[day]}"))
                before = sum(plans[place][:day])
                come = self._come(office, before, desk, place)
                for said in told[place].day(reporter, day, plans[place][day], come):
                    yield office.agency_id, said.value
                for said in self._reports(reporter, clock, month, day, place, desk[place]):
                    yield office.agency_id, said.value

    def _come(self, office: Office, before: int, desk: list[int], place: int) -> Callable[[Random, int], Served]:
        services = _services(office)

        def come(random: Random, number: int) -> Served:
            # The first of a month comes to the desk: every office takes part in it.
            if before + number == 0 or spread(before + number) < _AT_THE_DESK:
                channel = "service_desk"
                desk[place] += 1
            else:
                channel = "portal"
            offered = services[channel]
            return Served(offered[int(random.random() * len(offered))], channel, self._person(random))

        return come

    def _person(self, random: Random) -> Person:
        citizen = self.people.citizen(int(self.citizens * random.random()))
        if random.random() < 0.04:
            return Person(None, "citizen", citizen.age_band, "none", "tehran")
        return Person(citizen.user_key, "citizen", citizen.age_band, "national_id", "tehran")

    @staticmethod
    def _reports(
        reporter: Reporter, clock: MonthClock, month: Month, day: int, place: int, desk: int
    ) -> Iterator[Said]:
        """A weekly sign of life; at the month's end, why people came as the office heard it."""
        end = clock.last_second(day)
        if day % 7 == 0:
            yield reporter.say("agency.heartbeat", end, {"contract_version": event_contract().version})
        if day != len(clock.dates) - 1:
            return
        told = apportion(desk, [weight for _, weight in _HEARD])
        for (reason, _), count in zip(_HEARD, told, strict=True):
            yield reporter.say(
                "agency.declaration",
                end,
                {
                    "period": month.label,
                    "calendar": "jalali",
                    "measure": f"in_person_{reason}",
                    "value": "not_provided" if place % _SILENT_EVERY == _SILENT_EVERY - 1 else count,
                    "method": "manual_count",
                    "verified_by": "self",
                },
            )


@lru_cache(maxsize=128)
def _services(office: Office) -> dict[str, tuple[OfferedService, ...]]:
    """What an office's people use, by channel; nobody transacts where a service only informs."""
    found = [
        OfferedService(row["service_id"], row["declared_level"], "citizen", frozenset(row["channels"].split("|")))
        for row in tehran_catalogue.services_of(office)
        if row["nature"] != "informational"
    ]
    return {
        channel: tuple(service for service in found if channel in service.channels)
        for channel in ("service_desk", "portal")
    }
