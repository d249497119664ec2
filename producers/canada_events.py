"""The Service Inventory as events: every figure as a declaration and, scaled down, as transactions.

Declarations say per service and channel what the file says: a number, *not provided* or *not applicable*. Sums over
services and channels are nobody's statement and are left to the transforms.

Transactions of a fiscal year, a department and a channel are exactly ``round(total * scale)``, half to even, where the
total adds up the department's numbers. They are spread over its services by largest remainder (ties to the service
that comes first in the file) and evenly over the twelve months. The file tells neither persons nor outcomes: persons
are invented (about three distinct ones in five transactions), the outcome is ``accepted`` throughout.

Ids and all else follow from the content, so the same import twice sends the same events; event n of a service and
channel is the same at every scale, so a larger scale only adds events.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from contracts.errors import UsageError
from contracts.reporting_time import Month, day_start
from producers import envelope
from producers.canada_inventory import CHANNELS, Inventory, Service

DEFAULT_SCALE = "0.001"
MEASURE = "transactions_completed"
SHARED_PERSONS = 5_000
# Of 100 transactions: how many are by somebody known in every department, how many by one who came before.
SHARED, RETURNING = 15, 25
_SCALE = re.compile(r"\d?(\.\d{1,12})?|\d{1,9}/\d{1,9}", re.ASCII)


def scale_of(text: str) -> Fraction:
    """A scale above 0 and up to 1, exactly as written. Raises UsageError."""
    # The pattern first: 1e-999999999 is a short text and an endless number.
    try:
        scale = Fraction(text) if _SCALE.fullmatch(text) else Fraction(0)
    except (ValueError, ZeroDivisionError):
        scale = Fraction(0)
    if not 0 < scale <= 1:
        raise UsageError(f"--scale must be a number above 0 and up to 1, not {text[:20]!r}", hint="such as 0.001")
    return scale


def declarations(inventory: Inventory, agency: str) -> Iterator[bytes]:
    """An encoded event for every service and channel of one department."""
    for service in inventory.of(agency):
        declared_at = _declared_at(inventory, service)
        # The file's digest is in the id: another file's figure is another statement, the same file's the same.
        name = f"ca-{inventory.digest[:12]}-{int(declared_at.timestamp())}-{service.fiscal_year}"
        for channel, value in service.volumes.items():
            yield _encoded(
                f"{name}-{service.service_id}-{channel}",
                agency,
                "agency.declaration",
                declared_at,
                {
                    "period": service.period,
                    "calendar": "gregorian",
                    "measure": MEASURE,
                    "value": value,
                    "service_id": service.service_id,
                    "channel": channel,
                },
            )


def transactions(inventory: Inventory, agency: str, scale: Fraction) -> Iterator[bytes]:
    """An encoded event for every transaction of one department's scaled volumes."""
    years: dict[str, list[Service]] = defaultdict(list)
    for service in inventory.of(agency):
        years[service.fiscal_year].append(service)
    for services in years.values():
        for channel in CHANNELS:
            for service, count in zip(services, scaled(services, channel, scale), strict=True):
                yield from _of_service(service, channel, count)


def scaled(services: Sequence[Service], channel: str, scale: Fraction) -> list[int]:
    """Events of each of a department's services in one channel: together the rounded, scaled total."""
    volumes = [volume if isinstance(volume, int) else 0 for volume in (s.volumes[channel] for s in services)]
    exact = [volume * scale for volume in volumes]
    counts = [int(quota) for quota in exact]
    missing = round(sum(exact, Fraction(0))) - sum(counts)
    order = sorted(range(len(exact)), key=lambda place: (counts[place] - exact[place], place))
    for place in order[:missing]:
        counts[place] += 1
    return counts


def _of_service(service: Service, channel: str, count: int) -> Iterator[bytes]:
    name = f"ca-{service.fiscal_year}-{service.service_id}-{channel}"
    months = _months(service.first_year)
    first_month = hashlib.sha256(name.encode()).digest()[0]
    persons: list[str] = []
    for number in range(count):
        chance = hashlib.sha256(f"{name}-{number}".encode()).digest()
        persons.append(_person(name, number, chance, persons))
        start, seconds = months[(first_month + number) % 12]
        yield _encoded(
            f"{name}-{number}",
            service.agency_id,
            "transaction.completed",
            start + dt.timedelta(seconds=int.from_bytes(chance[:4], "big") % seconds),
            {
                "transaction_id": f"{name}-{number}",
                "service_id": service.service_id,
                "channel": channel,
                "outcome": "accepted",
                "user_key": persons[-1],
            },
        )


def _person(name: str, number: int, chance: bytes, before: Sequence[str]) -> str:
    """A key of nobody: 64 hexadecimal digits, not made from any id."""
    share, pick = int.from_bytes(chance[4:8], "big") % 100, int.from_bytes(chance[8:16], "big")
    if share < SHARED:
        return hashlib.sha256(f"nobody|{pick % SHARED_PERSONS}".encode()).hexdigest()
    if share < SHARED + RETURNING and before:
        return before[pick % len(before)]
    return hashlib.sha256(f"nobody|{name}|{number}".encode()).hexdigest()


def _months(first_year: int) -> list[tuple[dt.datetime, int]]:
    """Start and length in seconds of the fiscal year's months, April to March, as Tehran counts days."""
    months = [Month("gregorian", first_year + (number > 12), (number - 1) % 12 + 1) for number in range(4, 16)]
    return [(month.start, int((month.end - month.start).total_seconds())) for month in months]


def _declared_at(inventory: Inventory, service: Service) -> dt.datetime:
    """When the figure was stated: the day after the year's end; for another file its last change, so it replaces."""
    year_end = day_start(dt.date(service.first_year + 1, 4, 1))
    if inventory.changed_at is None:
        return year_end
    return max(year_end, inventory.changed_at)


def _encoded(event_id: str, agency: str, name: str, moment: dt.datetime, data: Mapping[str, Any]) -> bytes:
    written = moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = envelope.source_of(agency)
    return envelope.encode(envelope.document(event_id, source, envelope.full_type(name), written, data))
