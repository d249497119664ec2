"""How far the lake is behind the broker, without reading an event or joining a group."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from contracts.settings import Settings
from landing.cluster import Cluster
from landing.plan import make_plan, place
from warehouse.lake import Lake
from warehouse.landing_log import next_offsets


@dataclass(frozen=True)
class Lag:
    """Offsets that wait to be landed in one agency's topic, and the halts of its partitions by name.

    ``held_back`` are offsets that nobody may read yet: a transaction of the agency's before them is open.
    """

    agency_id: str
    topic: str
    lag: int
    halts: tuple[str, ...]
    held_back: int = 0


def pending(settings: Settings) -> bool:
    """True where at least one partition has something to land. A halted partition alone does not count."""
    return bool(make_plan(Cluster(settings.kafka()), next_offsets(Lake(settings).open("events"))).ranges)


def lag(settings: Settings) -> list[Lag]:
    """Every agency topic the pipeline sees, in order of agency. Raises TryAgain where Kafka does not answer."""
    cluster = Cluster(settings.kafka())
    plan = make_plan(cluster, next_offsets(Lake(settings).open("events")))
    partitions = [(topic.name, number) for topic in plan.topics for number in topic.partitions]
    # The newest first: what is written in between is then not taken for held back.
    newest = cluster.newest_offsets(partitions)
    held_back: Counter[str] = Counter()
    for partition, end in cluster.end_offsets(partitions).items():
        held_back[partition[0]] += max(0, newest[partition] - end)
    found = []
    for topic in plan.topics:
        waiting = sum(end - start for (name, _), (start, end) in plan.ranges.items() if name == topic.name)
        places = {topic.name, *(place(topic.name, number) for number in topic.partitions)}
        halts = tuple(halt.reason for halt in plan.halts if halt.where in places)
        found.append(Lag(topic.agency_id, topic.name, waiting, halts, held_back[topic.name]))
    return sorted(found, key=lambda one: one.agency_id)
