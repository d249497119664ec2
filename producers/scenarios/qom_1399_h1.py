"""Qom province, first half of 1399: 23 million transactions, scaled.

Exactly ``round(23,000,000 x scale)`` distinct transactions are completed in the province over the six months
(so 23,000 at 0.001), by 54 agencies. Besides, and without touching that number: visits that lead to nothing,
transactions that stay open, tests (1 in 200), events taken back, events sent twice, events without a person or a
district, and a few journeys that reach the broker a month late, never later than their own quarter's last month.

At a month's end each agency declares the month, at the last one's the half-year too: its own total, and ``not
provided`` for every service whose transactions cannot be counted (see ``qom_declarations``). The total is a floor.

A service once used is used in every month from then on (at 0.001 and above), so a new month adds no row to old ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from random import Random

from contracts.event_contract import event_contract
from contracts.reporting_time import Month
from producers.apportionment import apportion, choose, scatter, spread
from producers.citizens import Population, seeded
from producers.envelope import full_type
from producers.journeys import (
    COUNTED,
    MonthClock,
    OfferedService,
    Person,
    Reporter,
    Said,
    start_of_journey,
    transaction,
    visit,
)
from producers.scenarios import iran_places, qom_catalogue
from producers.scenarios import qom_declarations as declarations
from producers.scenarios.qom_agencies import AGENCIES, LEADING
from producers.scenarios.qom_offers import MONTHS, USE, Offer, Rota, offered, picked
from producers.scenarios.registry import Tables

NAME = "qom-1399-h1"
TITLE = {
    "fa": "گزارش نیم‌سال نخست ۱۳۹۹ استان قم: ۲۳ میلیون تراکنش، ۵۴ دستگاه، ۶۵۱ خدمت",
    "en": "Qom province, first half of 1399: 23 million transactions, 54 agencies, 651 services",
}
TRANSACTIONS = 23_000_000
EVENTS_AT_FULL_SCALE = 78_000_000
SENDERS = tuple(agency.agency_id for agency in AGENCIES)

# Farvardin is a holiday month, and 1399 began with the pandemic.
_MONTH_WEIGHTS = (118, 158, 172, 178, 184, 190)
_AGES = (("under_18", 0.03), ("18_34", 0.41), ("35_49", 0.33), ("50_64", 0.17), ("65_plus", 0.06))
_DISTRICTS = (("markazi", 0.90), ("salafchegan", 0.03), ("jafarieh", 0.03), ("kahak", 0.02), ("khalajestan", 0.02))
_LATE, _OPEN, _EMPTY, _TEST, _TAKEN_BACK, _TWICE = 0.003, 0.05, 0.08, 0.005, 0.001, 0.002
_NO_KEY, _NO_DISTRICT, _SAME_VISIT = 0.04, 0.06, 0.2
_LATE_SENDERS = 10
_HOUR = 3_600_000


def catalogue() -> Tables:
    """The catalogue's rows; they depend on neither scale nor seed."""
    return {
        "places": iran_places.qom(),
        "agencies": qom_catalogue.agencies(),
        "services": qom_catalogue.services(),
    }


def events(month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """What reaches the broker in a month: day by day, in a day agency by agency."""
    return _Telling(scale, seed).month(month)


class _Telling:
    """The scenario at one scale and seed."""

    def __init__(self, scale: float, seed: int) -> None:
        self.total = round(TRANSACTIONS * scale)
        self.seed_text, self.tag = seeded(NAME, seed, scale)
        self.by_month = apportion(self.total, _MONTH_WEIGHTS)
        self.people = Population(NAME, seed, _AGES, _DISTRICTS)
        self.citizens = max(20, round(self.total * 0.46))
        self.businesses = max(5, self.citizens // 12)

    def quotas(self, month: Month) -> list[tuple[int, int]]:
        """Completed transactions of a month by agency: (sent in the month, sent a month late)."""
        place = MONTHS.index(month)
        shares = apportion(self.by_month[place], [agency.weight for agency in AGENCIES])
        late = [0] * len(shares)
        # A quarter's last month keeps nothing back: a finished quarter stays as it is.
        if month.number % 3:
            largest = sorted(range(len(shares)), key=lambda agency: (-shares[agency], agency))[:_LATE_SENDERS]
            for agency, count in zip(
                largest, apportion(round(self.by_month[place] * _LATE), [1] * _LATE_SENDERS), strict=True
            ):
                late[agency] = min(count, shares[agency])
        return [(share - kept, kept) for share, kept in zip(shares, late, strict=True)]

    @lru_cache(maxsize=1024)  # noqa: B019 (a telling lives as long as its stream)
    def offer(self, place: int, month: Month) -> Offer:
        """What an agency's people use in a month: as many services as every later month has use for, twice over."""
        later = MONTHS[MONTHS.index(month) :]
        return offered(AGENCIES[place].agency_id, month, min(self.quotas(one)[place][0] for one in later) // 2)

    def month(self, month: Month) -> Iterator[tuple[str, bytes]]:
        """Everything that arrives in the month."""
        clock = MonthClock(month)
        if month != MONTHS[0]:
            yield from self._late_arrivals(MONTHS[MONTHS.index(month) - 1])
        quotas = self.quotas(month)
        weights = [_day_weight(clock, day) for day in range(len(clock.dates))]
        plans = [
            scatter(count, weights, spread(17 * agency + month.number)) for agency, (count, _) in enumerate(quotas)
        ]
        held_back = {
            agency.agency_id: _by_day(clock, self._late_of(month, place))
            for place, agency in enumerate(AGENCIES)
            if agency.agency_id in LEADING
        }
        rotas = [Rota(self.offer(place, month).services, quotas[place][0]) for place in range(len(AGENCIES))]
        due: list[dict[int, list[Said]]] = [defaultdict(list) for _ in AGENCIES]
        number = 0
        for day in range(len(clock.dates)):
            for place, agency in enumerate(AGENCIES):
                count = plans[place][day]
                if not count and day not in due[place] and not self._has_reports(agency.agency_id, clock, day):
                    continue
                reporter = Reporter(agency.agency_id, Random(f"{self.seed_text}|{agency.agency_id}|{clock.dates[day]}"))
                offer = self.offer(place, month)
                for said in self._day(reporter, month, clock, day, number, count, offer, rotas[place]):
                    due[place][clock.day_of(said.at)].append(said)
                number += count
                today = sorted(due[place].pop(day, ()), key=lambda said: said.at)
                today += [said for said in today if reporter.random.random() < _TWICE]
                for said in (*today, *self._reports(reporter, clock, month, day, place, today, held_back)):
                    yield agency.agency_id, said.value

    def _day(
        self,
        reporter: Reporter,
        month: Month,
        clock: MonthClock,
        day: int,
        first: int,
        count: int,
        offer: Offer,
        rota: Rota,
    ) -> Iterator[Said]:
        """The journeys that begin on a day at one agency; ``count`` of them complete a transaction."""
        random = reporter.random
        date = f"{clock.dates[day]:%y%m%d}"
        shares = _shares(month)
        before: tuple[str, str, Person, int] | None = None
        serial = 0
        for number in range(first, first + count):
            waiting, channel = rota.next(choose(shares, spread(number)))
            service = waiting or picked(random, offer, channel)
            # Some do two things in one visit.
            if before is not None and before[1] == channel and random.random() < _SAME_VISIT:
                visit_id, _, person, at = before
                at = clock.within(at + 6 * 60_000)
            else:
                person = self._person(random, service.audience, channel)
                at = start_of_journey(random, clock, day, channel)
                visit_id = f"vis-{self.tag}-{date}-{serial}"
                yield visit(reporter, at, visit_id, channel, person)
            before = visit_id, channel, person, at
            yield from self._transaction(reporter, clock, at, f"{date}-{serial}", visit_id, service, channel, person)
            serial += 1
        for chance, tell in (
            (_OPEN, self._open),
            (_EMPTY, self._empty),
            (_TEST, self._test),
            (_TAKEN_BACK, self._taken_back),
        ):
            for _ in range(count):
                if random.random() < chance:
                    channel = choose(shares, random.random())
                    service = picked(random, offer, channel)
                    at = start_of_journey(random, clock, day, channel)
                    yield from tell(reporter, clock, at, f"{date}-{serial}", service, channel)
                    serial += 1

    def _transaction(
        self,
        reporter: Reporter,
        clock: MonthClock,
        at: int,
        serial: str,
        visit_id: str,
        service: OfferedService,
        channel: str,
        person: Person,
        *,
        is_test: bool = False,
        completes: bool = True,
    ) -> list[Said]:
        return transaction(
            reporter,
            clock,
            at,
            transaction_id=f"trk-{self.tag}-{serial}",
            visit_id=visit_id,
            service=service,
            channel=channel,
            person=person,
            is_test=is_test,
            completes=completes,
        )

    def _open(
        self, reporter: Reporter, clock: MonthClock, at: int, serial: str, service: OfferedService, channel: str
    ) -> Iterator[Said]:
        """Received, and still open when the half-year ends."""
        person = self._person(reporter.random, service.audience, channel)
        visit_id = f"vis-{self.tag}-{serial}"
        yield visit(reporter, at, visit_id, channel, person)
        yield from self._transaction(reporter, clock, at, serial, visit_id, service, channel, person, completes=False)

    def _empty(
        self, reporter: Reporter, clock: MonthClock, at: int, serial: str, service: OfferedService, channel: str
    ) -> Iterator[Said]:
        """A visit that leads to nothing."""
        person = self._person(reporter.random, service.audience, channel)
        yield visit(reporter, at, f"vis-{self.tag}-{serial}", channel, person)

    def _test(
        self, reporter: Reporter, clock: MonthClock, at: int, serial: str, service: OfferedService, channel: str
    ) -> Iterator[Said]:
        """The agency tries its own system; nobody is served."""
        person = Person(audience=service.audience, province="qom")
        visit_id = f"vis-{self.tag}-{serial}"
        yield visit(reporter, at, visit_id, channel, person, is_test=True)
        yield from self._transaction(reporter, clock, at, serial, visit_id, service, channel, person, is_test=True)

    def _taken_back(
        self, reporter: Reporter, clock: MonthClock, at: int, serial: str, service: OfferedService, channel: str
    ) -> Iterator[Said]:
        """A journey reported by mistake, and every event of it taken back an hour later."""
        person = self._person(reporter.random, service.audience, channel)
        visit_id = f"vis-{self.tag}-{serial}"
        told = [visit(reporter, at, visit_id, channel, person)]
        told += self._transaction(reporter, clock, at, serial, visit_id, service, channel, person)
        yield from told
        at = clock.within(max(said.at for said in told) + _HOUR)
        for said in told:
            yield reporter.say("event.retracted", at, {"event_id": said.event_id, "reason": "sent_in_error"})

    def _person(self, random: Random, audience: str, channel: str) -> Person:
        """Who comes: a citizen, a business or a public body, known as well as the channel knows people."""
        draw, known, placed, body = random.random(), random.random(), random.random(), random.random()
        authn = "verified" if channel in ("counter_office", "service_desk") else "national_id"
        if audience == "government":
            return Person(audience=audience, province="qom", district="markazi" if placed >= _NO_DISTRICT else None)
        if audience == "business":
            key = self.people.business_key(int(draw * self.businesses))
            return Person(
                key if known >= _NO_KEY else None,
                audience,
                authn_level=authn,
                province="qom",
                district="markazi" if placed >= _NO_DISTRICT else None,
            )
        # A few come often, most of them once or twice.
        citizen = self.people.citizen(int(self.citizens * draw**1.2))
        keyed = known >= _NO_KEY
        return Person(
            citizen.user_key if keyed else None,
            audience,
            citizen.age_band if body > 0.02 else None,
            authn if keyed else "none",
            "qom",
            citizen.place if placed >= _NO_DISTRICT else None,
        )

    @lru_cache(maxsize=256)  # noqa: B019 (a telling lives as long as its stream)
    def _late_of(self, month: Month, place: int) -> tuple[Said, ...]:
        """The journeys of a month that one agency sends in the month after."""
        agency = AGENCIES[place]
        count = self.quotas(month)[place][1]
        clock = MonthClock(month)
        reporter = Reporter(agency.agency_id, Random(f"{self.seed_text}|{agency.agency_id}|late {month.label}"))
        random, told = reporter.random, []
        for serial in range(count):
            day = int(random.random() * len(clock.dates))
            channel = choose(_shares(month), random.random())
            service = picked(random, self.offer(place, month), channel)
            person = self._person(random, service.audience, channel)
            at = start_of_journey(random, clock, day, channel)
            name = f"late-{month.label}-{serial}"
            told.append(visit(reporter, at, f"vis-{self.tag}-{name}", channel, person))
            told += self._transaction(reporter, clock, at, name, f"vis-{self.tag}-{name}", service, channel, person)
        return tuple(sorted(told, key=lambda said: said.at))

    def _late_arrivals(self, month: Month) -> Iterator[tuple[str, bytes]]:
        for place, agency in enumerate(AGENCIES):
            for said in self._late_of(month, place):
                yield agency.agency_id, said.value

    @staticmethod
    def _has_reports(agency_id: str, clock: MonthClock, day: int) -> bool:
        return day % 7 == 0 or day == len(clock.dates) - 1 or agency_id in LEADING

    def _reports(
        self,
        reporter: Reporter,
        clock: MonthClock,
        month: Month,
        day: int,
        place: int,
        today: list[Said],
        held_back: dict[str, list[Counter[str]]],
    ) -> Iterator[Said]:
        """What an agency says about itself: a weekly sign of life, daily totals of the leading six, the month's sum."""
        end = clock.last_second(day)
        if day % 7 == 0:
            yield reporter.say("agency.heartbeat", end, {"contract_version": event_contract().version})
        if reporter.agency_id in held_back:
            totals = Counter(kind for _, kind in {(said.event_id, said.kind) for said in today})
            totals += held_back[reporter.agency_id][day]
            for kind in COUNTED:
                if totals[kind]:
                    total = {"date": str(clock.dates[day]), "event_type": full_type(kind), "count": totals[kind]}
                    yield reporter.say("agency.control_total", end, total)
        if day == len(clock.dates) - 1:
            declared = [declarations.of_month(month, sum(self.quotas(month)[place]))]
            if month == MONTHS[-1]:
                # Said with the last month, so that no earlier month changes when the half-year is over.
                whole = sum(sum(self.quotas(one)[place]) for one in MONTHS)
                declared += declarations.of_half_year(reporter.agency_id, whole)
            for data in declared:
                yield reporter.say("agency.declaration", end, data)


def _by_day(clock: MonthClock, told: tuple[Said, ...]) -> list[Counter[str]]:
    counts: list[Counter[str]] = [Counter() for _ in clock.dates]
    for said in told:
        counts[clock.day_of(said.at)][said.kind] += 1
    return counts


def _day_weight(clock: MonthClock, day: int) -> float:
    """Fridays are quiet, Thursdays half so, and nothing much happens over Nowruz."""
    date = clock.dates[day]
    weight = {3: 0.6, 4: 0.25}.get(date.weekday(), 1.0)
    return weight * (0.35 if (date.month, date.day) < (4, 2) and date.month == 3 else 1.0)


@lru_cache
def _shares(month: Month) -> tuple[tuple[str, float], ...]:
    progress = MONTHS.index(month) / (len(MONTHS) - 1)
    return tuple((channel, first + (last - first) * progress) for channel, first, last in USE)
