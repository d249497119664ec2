"""How far the lake is behind the broker, without reading an event or joining a group."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from contracts.settings import Settings
from contracts.topics import sender_of
from landing.cluster import Cluster
from landing.incarnations import in_lake, shifts_of
from landing.plan import Plan, make_plan, place
from warehouse.lake import Lake
from warehouse.landing_log import next_offsets

# A record that waits is said to be older than one of these, in seconds: Kafka's time index is asked, never the record.
AGES = (60, 300, 900, 3600, 4 * 3600, 24 * 3600)


@dataclass(frozen=True)
class PartitionLag:
    """One partition, in the lake's offsets: the oldest that Kafka keeps, the next to land, the end."""

    number: int
    first: int
    next: int
    end: int
    held_back: int = 0


@dataclass(frozen=True)
class Lag:
    """Offsets that wait to be landed in one agency's topic, and the halts of its partitions by name.

    ``lag`` is None where the topic that landed is gone, which is a halt: nobody can count what it still held.
    ``held_back`` are offsets that nobody may read yet: a transaction of the agency's before them is open.
    ``older_than`` is the largest of AGES that some waiting record is older than; None where none is.
    """

    agency_id: str
    topic: str
    lag: int | None
    halts: tuple[str, ...]
    held_back: int = 0
    partitions: tuple[PartitionLag, ...] = ()
    older_than: int | None = None


def pending(settings: Settings) -> bool:
    """True where at least one partition has something to land. A halted partition alone does not count."""
    return bool(make_plan(Cluster(settings.kafka()), next_offsets(Lake(settings).open("events"))).ranges)


def lag(settings: Settings) -> list[Lag]:
    """Every agency topic the pipeline sees, in order of agency. Raises TryAgain where Kafka does not answer."""
    cluster = Cluster(settings.kafka())
    plan = make_plan(cluster, next_offsets(Lake(settings).open("events")))
    # The newest first: what is written in between is then not taken for held back.
    newest = cluster.newest_offsets(plan.ends)
    ends = cluster.end_offsets(plan.ends)
    ages = _ages(cluster, plan)
    found = []
    for topic in plan.topics:
        partitions = tuple(
            PartitionLag(
                number,
                plan.firsts[topic.name, number],
                plan.landed.get(place(topic.name, number), 0),
                plan.ends[topic.name, number],
                max(0, newest[topic.name, number] - ends[topic.name, number]),
            )
            for number in topic.partitions
        )
        waiting = sum(end - start for (name, _), (start, end) in plan.ranges.items() if name == topic.name)
        places = {topic.name, *(place(topic.name, number) for number in topic.partitions)}
        halts = tuple(halt.reason for halt in plan.halts if halt.where in places)
        older = max(
            (ages[topic.name, number] for number in topic.partitions if (topic.name, number) in ages), default=None
        )
        held_back = sum(one.held_back for one in partitions)
        found.append(Lag(topic.agency_id, topic.name, waiting, halts, held_back, partitions, older))
    there = {topic.name for topic in plan.topics}
    for halt in plan.halts:
        agency = sender_of(halt.where)
        if agency is not None and halt.where not in there:
            found.append(Lag(agency, halt.where, None, (halt.reason,)))
    return sorted(found, key=lambda one: one.agency_id)


def _ages(cluster: Cluster, plan: Plan) -> dict[tuple[str, int], int]:
    """Of each partition that waits, the largest of AGES that its oldest waiting record has passed."""
    now, found = dt.datetime.now(dt.UTC), {}
    left = {partition: start for partition, (start, _) in plan.ranges.items()}
    shifts = shifts_of(plan.landed, left)
    for age in AGES:
        since = cluster.offsets_since(left, now - dt.timedelta(seconds=age))
        younger = in_lake({at: offset for at, offset in since.items() if offset is not None}, shifts)
        left = {at: start for at, start in left.items() if younger.get(at, start + 1) > start}
        found.update(dict.fromkeys(left, age))
        if not left:
            break
    return found
