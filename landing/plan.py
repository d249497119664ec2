"""What there is to land: each partition's [next offset, end offset), and the partitions that must halt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.topics import sender_of
from landing.cluster import Cluster, Topic
from landing.consumer import Partition


@dataclass(frozen=True)
class Halt:
    """A partition (or a topic) that may not go on, by the names of docs/runbooks/halts.md."""

    reason: str
    where: str
    message: str


@dataclass(frozen=True)
class Plan:
    """The topics to land from, the offsets to read per partition, and the halts found before reading."""

    topics: tuple[Topic, ...]
    ranges: Mapping[Partition, tuple[int, int]]
    halts: tuple[Halt, ...]


def place(topic: str, partition: int) -> str:
    """A partition's name in the lake's log: ``topic/partition``."""
    return f"{topic}/{partition}"


def make_plan(cluster: Cluster, landed: Mapping[str, int]) -> Plan:
    """Compare the cluster with the lake's log (``landed``: next offset by place, topic id bits by topic).

    A partition that misses what the log expects halts by name and is left out; all others are planned.
    """
    topics = cluster.topics()
    partitions = [(topic.name, number) for topic in topics.values() for number in topic.partitions]
    ends = cluster.end_offsets(partitions)
    firsts = cluster.first_offsets(partitions)
    halts = _gone(topics, landed)
    ranges: dict[Partition, tuple[int, int]] = {}
    for partition in partitions:
        name, number = partition
        topic = topics[name]
        start = landed.get(place(name, number))
        halt = _trouble(topic, number, landed, firsts[partition], ends[partition])
        if halt is not None:
            halts.append(halt)
        elif (start or 0) < ends[partition]:
            ranges[partition] = (start or 0, ends[partition])
    return Plan(tuple(topics.values()), ranges, tuple(halts))


def _gone(topics: Mapping[str, Topic], landed: Mapping[str, int]) -> list[Halt]:
    halts = []
    for name in landed:
        topic, slash, number = name.rpartition("/")
        if not slash:
            topic = name
        if sender_of(topic) is None:
            continue
        if topic not in topics:
            if not slash:
                halts.append(Halt("PARTITIONS_DELETED", topic, "the topic is gone or may not be read"))
        elif slash and int(number) not in topics[topic].partitions and topics[topic].uuid_bits == landed.get(topic):
            halts.append(Halt("PARTITIONS_DELETED", name, "the partition is gone"))
    return halts


def _trouble(topic: Topic, number: int, landed: Mapping[str, int], first: int, end: int) -> Halt | None:
    where, start = place(topic.name, number), landed.get(place(topic.name, number))
    noted = landed.get(topic.name)
    if noted is not None and noted != topic.uuid_bits:
        return Halt("PARTITION_OFFSET_CHANGED", where, "the topic was deleted and made anew")
    if start is None:
        if first > 0 and noted is None:
            return Halt("INITIAL_OFFSET_NOT_FOUND_FOR_PARTITIONS", where, f"the oldest record kept is {first}, not 0")
        if first > 0:
            message = f"a new partition whose oldest record kept is {first}"
            return Halt("ADDED_PARTITION_DOES_NOT_START_FROM_OFFSET_ZERO", where, message)
        return None
    if end < start:
        return Halt("PARTITION_OFFSET_CHANGED", where, f"the partition ends at {end}, the lake holds up to {start}")
    if first > start:
        return Halt("COULD_NOT_READ_OFFSET_RANGE", where, f"offsets {start} to {first - 1} are gone before they landed")
    return None
