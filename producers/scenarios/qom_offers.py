"""Which services of Qom's agencies are used in a month, and how each gets its turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from contracts.reporting_time import Month
from producers.journeys import OfferedService
from producers.scenarios import qom_catalogue

MONTHS = tuple(Month("jalali", 1399, number) for number in range(1, 7))
# Shares of use in the first and in the last month; between them they change evenly: the province moved
# people from counters to portals and apps.
USE = (
    ("portal", 0.48, 0.56),
    ("mobile_app", 0.10, 0.15),
    ("counter_office", 0.30, 0.20),
    ("service_desk", 0.12, 0.09),
)
_AUDIENCE_WEIGHTS = {"citizen": 6, "business": 2, "government": 1}


@dataclass(frozen=True)
class Offer:
    """The services an agency's people use in a month; by channel, repeated by how often."""

    services: tuple[OfferedService, ...]
    by_channel: dict[str, tuple[OfferedService, ...]]


class Rota:
    """An agency's services of a month that nobody has used yet; each gets its turn among the month's completions."""

    def __init__(self, services: Sequence[OfferedService], completions: int) -> None:
        self.waiting = list(services)
        self.left = completions

    def next(self, channel: str) -> tuple[OfferedService | None, str]:
        """The next service that offers ``channel``, if one waits; near the month's end, the next in its own channel."""
        self.left -= 1
        for place, service in enumerate(self.waiting):
            if channel in service.channels:
                return self.waiting.pop(place), channel
        if len(self.waiting) > self.left:
            service = self.waiting.pop(0)
            return service, next(name for name, _, _ in USE if name in service.channels)
        return None, channel


@lru_cache(maxsize=1024)
def offered(agency_id: str, month: Month, most: int) -> Offer:
    """The ``most`` services that have been used the longest, and more where a channel would have none."""
    used = [
        (next(one for one in MONTHS if qom_catalogue.is_used(row, one.first_day)), row)
        for row in qom_catalogue.services()
        if row["agency_id"] == agency_id and qom_catalogue.is_used(row, month.first_day)
    ]
    used.sort(key=lambda found: (found[0], found[1]["service_id"]))
    services: list[OfferedService] = []
    by_channel: dict[str, list[OfferedService]] = defaultdict(list)
    for _, row in used:
        if len(services) >= most and all(by_channel[name] for name, _, _ in USE):
            break
        channels = frozenset(row["channels"].split("|"))
        service = OfferedService(row["service_id"], row["declared_level"], row["audience"], channels)
        services.append(service)
        for channel in channels:
            by_channel[channel] += [service] * _AUDIENCE_WEIGHTS[service.audience]
    return Offer(tuple(services), {channel: tuple(found) for channel, found in by_channel.items()})


def picked(random: Random, offer: Offer, channel: str) -> OfferedService:
    """One of the services that are used in a channel, by how often each is."""
    services = offer.by_channel[channel]
    return services[int(random.random() * len(services))]
