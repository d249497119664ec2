"""How far the lake is behind the broker, without reading an event or joining a group."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.settings import Settings
from landing.cluster import Cluster
from landing.plan import make_plan, place
from warehouse.lake import Lake
from warehouse.landing_log import next_offsets


@dataclass(frozen=True)
class Lag:
    """Offsets that wait to be landed in one agency's topic, and the halts of its partitions by name."""

    agency_id: str
    topic: str
    lag: int
    halts: tuple[str, ...]


def pending(settings: Settings) -> bool:
    """True where at least one partition has something to land. A halted partition alone does not count."""
    return bool(make_plan(Cluster(settings.kafka()), next_offsets(Lake(settings).open("events"))).ranges)


def lag(settings: Settings) -> list[Lag]:
    """Every agency topic the pipeline sees, in order of agency. Raises TryAgain where Kafka does not answer."""
    plan = make_plan(Cluster(settings.kafka()), next_offsets(Lake(settings).open("events")))
    found = []
    for topic in plan.topics:
        waiting = sum(end - start for (name, _), (start, end) in plan.ranges.items() if name == topic.name)
        places = {topic.name, *(place(topic.name, number) for number in topic.partitions)}
        found.append(
            Lag(topic.agency_id, topic.name, waiting, tuple(h.reason for h in plan.halts if h.where in places))
        )
    return sorted(found, key=lambda one: one.agency_id)
