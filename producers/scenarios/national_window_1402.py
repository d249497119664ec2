"""The national window of smart services, Farvardin to Shahrivar 1402.

At a scale s: ``round(35,000,000 s)`` people have used the window by the end, ``round(13,000,000 s)`` of them by the
end of Farvardin, and the six months have ``6 x round(80,000,000 s)`` visits, so that a month has exactly
``round(80,000,000 s)`` on average. (At 0.0001: 3,500 people, 1,300 in Farvardin, 8,000 visits a month.) All are
adults, known at least by their national id. An agency that serves a visitor repeats the window's visit id: agency
rows count the visit once each and do not add up to the nation's.

The few agencies that are not on the window serve people at their desks, apart from all these figures. Heartbeats tell
the connection's story: Welfare was among the first and is out since Khordad, Veterinary lost the standard in Tir, Rural
Cooperatives is not on the window yet, Fisheries was never heard of. Agencies answer each other's inquiries, about
``12,000,000 s`` a month; some of them on paper, and who has no paper left says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from contracts.event_contract import event_contract
from contracts.reporting_time import Month
from producers.apportionment import apportion, scatter, spread
from producers.citizens import Population, seeded
from producers.journeys import (
    MonthClock,
    OfferedService,
    Person,
    Reporter,
    Said,
    start_of_journey,
    transaction,
    visit,
)
from producers.scenarios import iran_places, national_catalogue
from producers.scenarios.iran_places import PROVINCES
from producers.scenarios.national_agencies import WINDOW
from producers.scenarios.national_catalogue import AGENCIES, WindowAgency
from producers.scenarios.office_days import work_days
from producers.scenarios.registry import Tables

NAME = "national-window-1402"
TITLE = {
    "fa": "پنجره ملی خدمات هوشمند دولت در ۱۴۰۲: ۳۵ میلیون کاربر، ماهانه ۸۰ میلیون مراجعه",
    "en": "National window of smart services, 1402: 35 million users, 80 million visits a month",
}
MONTHS = tuple(Month("jalali", 1402, number) for number in range(1, 7))
EVENTS_AT_FULL_SCALE = 717_000_000
# The month that month_of_all tells, and its events at full scale, roughly.
ALL_IN, EVENTS_OF_ALL = MONTHS[-1], 120_000_000
SENDERS = (WINDOW, *(agency.agency_id for agency in AGENCIES))
USERS, FIRST_MONTH_USERS, MONTHLY_VISITS = 35_000_000, 13_000_000, 80_000_000

_VISIT_WEIGHTS = (70, 76, 80, 82, 85, 87)
# How the 22 million who came after Farvardin spread over the five months.
_GROWTH_WEIGHTS = (5, 4, 4, 5, 4)
_HOUR_WEIGHTS = (6, 3, 1, 1, 1, 2, 8, 24, 50, 74, 80, 78, 70, 52, 44, 42, 42, 44, 46, 48, 50, 46, 32, 16)
_AGES = (("18_34", 0.44), ("35_49", 0.35), ("50_64", 0.16), ("65_plus", 0.05))
_SERVED, _SERVED_TWICE, _TWICE, _TEST = 0.15, 0.1, 0.001, 0.001
_CHANNEL = "national_window"
_DESK_PART = 0.15
_HOUR = 3_600_000
_AT_DESKS = len(_HOUR_WEIGHTS)  # desks speak after a day's last hour
# What agencies will have said by a day and hour of it.
Due = dict[tuple[int, int], list[tuple[str, Said]]]

# Of Agriculture: one lost the connection's standard after Khordad, one was not heard before Mordad.
STANDARD_LOST, OLD_CONTRACT = "veterinary", "0.9"
FIRST_HEARD_LATE = ("rural-cooperatives", 5)
# Who answers inquiries, its part of them, and the part it answers on paper.
MONTHLY_INQUIRIES = 12_000_000
ANSWERING = (
    ("civil-registration", 0.40, 0.0),
    ("tax-administration", 0.20, 0.05),
    ("social-security", 0.16, 0.1),
    ("national-post", 0.14, 0.0),
    ("customs", 0.06, 0.2),
    ("education-ministry", 0.04, 0.6),
)


def catalogue() -> Tables:
    """The catalogue's rows; they depend on neither scale nor seed."""
    return {
        "places": iran_places.provinces(),
        "agencies": national_catalogue.agencies(),
        "services": national_catalogue.services(),
        "mandates": national_catalogue.MANDATES,
    }


def events(month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """What reaches the broker in a month, hour by hour."""
    return _Telling(scale, seed).month(month)


def month_of_all(scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """ALL_IN as one month of its own: everybody who ever used the window comes in it.

    Exactly ``round(35,000,000 s)`` persons make exactly ``round(80,000,000 s)`` visits; nothing was before.
    """
    users, visits = round(USERS * scale), round(MONTHLY_VISITS * scale)
    telling = _Telling(scale, seed, f"{NAME}, all in a month")
    place = MONTHS.index(ALL_IN)
    telling.new_users = [users if number == place else 0 for number in range(len(MONTHS))]
    telling.registered = list(accumulate(telling.new_users))
    telling.visits[place] = visits
    return telling.month(ALL_IN)


class _Telling:
    """The scenario at one scale and seed."""

    def __init__(self, scale: float, seed: int, name: str = NAME) -> None:
        users, first = round(USERS * scale), round(FIRST_MONTH_USERS * scale)
        self.new_users = [first, *apportion(users - first, _GROWTH_WEIGHTS)]
        self.registered = list(accumulate(self.new_users))
        self.inquiries = round(MONTHLY_INQUIRIES * scale)
        self.visits = apportion(len(MONTHS) * round(MONTHLY_VISITS * scale), _VISIT_WEIGHTS)
        self.seed_text, self.tag = seeded(name, seed, scale)
        whole = sum(weight for *_, weight in PROVINCES)
        self.people = Population(NAME, seed, _AGES, [(place, weight / whole) for place, _, _, weight in PROVINCES])

    def month(self, month: Month) -> Iterator[tuple[str, bytes]]:
        """Everything that arrives in the month."""
        clock, place = MonthClock(month), MONTHS.index(month)
        days = [_day_weight(clock, day) for day in range(len(clock.dates))]
        visits = apportion(self.visits[place], days)
        desk_plans = self._desk_plans(month, days)
        inquiry_plans = [
            scatter(round(self.inquiries * weight), work_days(clock), spread(7 * answering + month.number))
            for answering, (_, weight, _) in enumerate(ANSWERING)
        ]
        # What is said later, by day and hour: an hour at full scale is all that is kept, and what takes longer.
        due: Due = defaultdict(list)
        first = 0
        for day, count in enumerate(visits):
            random = Random(f"{self.seed_text}|{clock.dates[day]}")
            reporters = {agency.agency_id: Reporter(agency.agency_id, random) for agency in AGENCIES}
            window = Reporter(WINDOW, random)
            yield from self._heartbeats(month, clock, day, window, reporters)
            yield from self._inquiries(month, clock, day, inquiry_plans)
            for hour, hourly in enumerate(apportion(count, _HOUR_WEIGHTS)):
                came = self._visits(month, clock, day, hour, first, hourly, window, reporters, due)
                for said in sorted(came, key=lambda said: said.at):
                    yield WINDOW, said.value
                    if random.random() < _TWICE:
                        yield WINDOW, said.value
                first += hourly
                yield from _said_in(due.pop((day, hour), ()))
            for agency, plan in desk_plans:
                for said in self._at_the_desk(clock, day, agency, plan[day], reporters[agency.agency_id]):
                    due[clock.day_of(said.at), _AT_DESKS].append((agency.agency_id, said))
            yield from _said_in(due.pop((day, _AT_DESKS), ()))

    def _visits(
        self,
        month: Month,
        clock: MonthClock,
        day: int,
        hour: int,
        first: int,
        count: int,
        window: Reporter,
        reporters: dict[str, Reporter],
        due: Due,
    ) -> Iterator[Said]:
        """The visits of one hour; what agencies do for the visitors is put where it is due."""
        place, random = MONTHS.index(month), window.random
        known, new, all_visits = (
            self.registered[place] - self.new_users[place],
            self.new_users[place],
            self.visits[place],
        )
        offers = _offers(month)
        for number in range(first, first + count):
            # New people come at even steps among the month's visits, so each of them comes in it at least once.
            arrived = -(-number * new // all_visits)
            if -(-(number + 1) * new // all_visits) > arrived:
                who = known + arrived
            else:
                who = int(random.random() * (known + arrived))
            person = self._person(who, random)
            at = clock.within(clock.starts[day] + hour * _HOUR + int(random.random() * _HOUR))
            visit_id = f"win-{self.tag}-{clock.dates[day]:%y%m%d}-{number}"
            yield visit(window, at, visit_id, _CHANNEL, person)
            served = random.random()
            if served < _SERVED:
                times = 2 if served < _SERVED * _SERVED_TWICE else 1
                for turn in range(times):
                    agency_id, services = offers[int(random.random() * len(offers))]
                    for said in transaction(
                        reporters[agency_id],
                        clock,
                        at,
                        transaction_id=f"trk-{self.tag}-{clock.dates[day]:%y%m%d}-{number}-{turn}",
                        visit_id=visit_id,
                        service=services[int(random.random() * len(services))],
                        channel=_CHANNEL,
                        person=person,
                    ):
                        due[_hour_of(clock, said.at)].append((agency_id, said))
            elif random.random() < _TEST:
                yield visit(window, at, f"{visit_id}-test", _CHANNEL, Person(audience="citizen"), is_test=True)

    def _person(self, number: int, random: Random) -> Person:
        citizen = self.people.citizen(number)
        authn = "verified" if random.random() < 0.4 else "national_id"
        return Person(citizen.user_key, "citizen", citizen.age_band, authn, citizen.place)

    def _desk_plans(self, month: Month, days: list[float]) -> list[tuple[WindowAgency, list[int]]]:
        """Transactions a day at the desks of the agencies that are not on the window this month."""
        whole = sum(agency.weight for agency in AGENCIES)
        plans = []
        for place, agency in enumerate(AGENCIES):
            if agency.connected_through < month.number:
                count = round(self.visits[MONTHS.index(month)] * _DESK_PART * agency.weight / whole)
                plans.append((agency, scatter(count, days, spread(17 * place + month.number))))
        return plans

    def _at_the_desk(
        self, clock: MonthClock, day: int, agency: WindowAgency, count: int, reporter: Reporter
    ) -> Iterator[Said]:
        random = reporter.random
        for number in range(count):
            person = self._person(int(random.random() * self.registered[-1]), random)
            at = start_of_journey(random, clock, day, "service_desk")
            serial = f"{self.tag}-{clock.dates[day]:%y%m%d}-{agency.agency_id}-{number}"
            yield visit(reporter, at, f"vis-{serial}", "service_desk", person)
            yield from transaction(
                reporter,
                clock,
                at,
                transaction_id=f"trk-{serial}",
                visit_id=f"vis-{serial}",
                service=_service(agency, int(random.random() * agency.services)),
                channel="service_desk",
                person=person,
            )

    @staticmethod
    def _heartbeats(
        month: Month, clock: MonthClock, day: int, window: Reporter, reporters: dict[str, Reporter]
    ) -> Iterator[tuple[str, bytes]]:
        """A weekly sign of life; an agency says whether it is on the window, and by which version of the contract."""
        if day % 7:
            return
        at = clock.starts[day] + 6 * _HOUR
        yield WINDOW, window.say("agency.heartbeat", at, _signs(month, None)).value
        for agency in AGENCIES:
            if agency.agency_id == FIRST_HEARD_LATE[0] and month.number < FIRST_HEARD_LATE[1]:
                continue
            yield agency.agency_id, reporters[agency.agency_id].say("agency.heartbeat", at, _signs(month, agency)).value

    def _inquiries(
        self, month: Month, clock: MonthClock, day: int, plans: list[list[int]]
    ) -> Iterator[tuple[str, bytes]]:
        """What agencies answer to each other on a day, on paper where they still do."""
        for place, (agency_id, _, paper) in enumerate(ANSWERING):
            count = plans[place]
            before = sum(count[:day])
            # A generator of their own: what is said of visits does not depend on them.
            reporter = Reporter(agency_id, Random(f"{self.seed_text}|inquiries|{agency_id}|{clock.dates[day]}"))
            said = []
            for number in range(before, before + count[day]):
                asking = ANSWERING[(place + 1 + number % (len(ANSWERING) - 1)) % len(ANSWERING)][0]
                data = {
                    "inquiry_id": f"inq-{self.tag}-{agency_id}-{month.label}-{number}",
                    "counterpart_agency_id": asking,
                    "mode": "paper" if spread(number) < paper else "online",
                }
                at = start_of_journey(reporter.random, clock, day, "service_desk")
                said.append(reporter.say("inquiry.answered", at, data))
            said.sort(key=lambda one: one.at)
            if day == len(clock.dates) - 1 and not paper:
                none = {"period": month.label, "calendar": "jalali", "measure": "inquiries_paper", "value": 0}
                said.append(reporter.say("agency.declaration", clock.last_second(day), none | {"method": "system"}))
            yield from ((agency_id, one.value) for one in said)


def _hour_of(clock: MonthClock, at: int) -> tuple[int, int]:
    """Day and hour of an instant; where a day has 25 hours, the last of them is its 24th."""
    day = clock.day_of(at)
    return day, min((at - clock.starts[day]) // _HOUR, len(_HOUR_WEIGHTS) - 1)


def _said_in(told: Iterable[tuple[str, Said]]) -> Iterator[tuple[str, bytes]]:
    """What agencies say in an hour, in its order."""
    for agency_id, said in sorted(told, key=lambda pair: pair[1].at):
        yield agency_id, said.value


def _signs(month: Month, agency: WindowAgency | None) -> dict[str, Any]:
    """What a heartbeat says. An agency that lost the standard believes itself on the window, by an old contract."""
    version = event_contract().version
    if agency is None:
        return {"contract_version": version, "window_connected": True}
    lost = agency.agency_id == STANDARD_LOST and agency.connected_through < month.number
    connected = lost or agency.connected_through >= month.number
    return {"contract_version": OLD_CONTRACT if lost else version, "window_connected": connected}


def _day_weight(clock: MonthClock, day: int) -> float:
    """The window never closes, but Fridays are quieter."""
    return {3: 0.9, 4: 0.7}.get(clock.dates[day].weekday(), 1.0)


def _service(agency: WindowAgency, number: int) -> OfferedService:
    channels = frozenset({_CHANNEL, "service_desk"})
    return OfferedService(
        national_catalogue.service_id(agency, number), national_catalogue.level(agency, number), "citizen", channels
    )


@lru_cache
def _offers(month: Month) -> tuple[tuple[str, tuple[OfferedService, ...]], ...]:
    """Agencies on the window with the services it offers, each repeated by its weight."""
    offers = []
    for agency in AGENCIES:
        if agency.connected_through >= month.number:
            services = tuple(
                service
                for service in (_service(agency, number) for number in range(agency.services))
                if service.level in ("full", "smart", "partial")
            )
            offers += [(agency.agency_id, services)] * agency.weight
    return tuple(offers)
