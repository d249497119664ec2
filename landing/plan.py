"""What there is to land: each partition's [next offset, end offset), and the partitions that must halt."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.settings import KafkaLogin
from contracts.topics import sender_of
from landing.cluster import Cluster, Topic
from landing.consumer import Partition
from landing.incarnations import Reading, epoch_mark, in_lake, reader, shift_mark, shifts_of


@dataclass(frozen=True)
class Halt:
    """A partition (or a topic) that may not go on, by the names of docs/runbooks/halts.md."""

    reason: str
    where: str
    message: str


@dataclass(frozen=True)
class Shard:
    """The topics that one of several landers takes. Each topic is in one shard of ``of``, whoever runs, and when."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Of ``2/4``: the second shard of four. UsageError for anything else."""
        found = re.fullmatch(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})", text, re.ASCII)
        if found is None or int(found[1]) > int(found[2]):
            raise UsageError(f"no shard: {text!r}", hint="2/4 is the second of four")
        return cls(int(found[1]), int(found[2]))

    def has(self, topic: str) -> bool:
        """Whether a topic is of this shard."""
        return zlib.crc32(topic.encode()) % self.of == self.number - 1


EVERYTHING = Shard()


@dataclass(frozen=True)
class Plan:
    """The topics to land from, the offsets to read per partition (the lake's), and the halts found before reading.

    ``landed`` is what the plan was made on, ``epochs`` the leader epochs under which Kafka told the ends. ``firsts``
    and ``ends`` are of every partition: the oldest offset that is kept and the one after the last, the lake's too.
    """

    topics: tuple[Topic, ...]
    ranges: Mapping[Partition, tuple[int, int]]
    halts: tuple[Halt, ...]
    landed: Mapping[str, int]
    epochs: Mapping[Partition, int]
    firsts: Mapping[Partition, int]
    ends: Mapping[Partition, int]

    def reader(self, login: KafkaLogin, most: int) -> Reading:
        """A reader of the ranges, which tells a log that was cut below our next offset."""
        return reader(login, self.ranges, self.landed, most, checked=True)

    def epoch_marks(self, partitions: Iterable[Partition]) -> dict[str, int]:
        """What a commit on ``partitions`` notes beside their next offsets: epochs that are not noted yet."""
        told = {epoch_mark(partition): self.epochs[partition] for partition in partitions if partition in self.epochs}
        return {mark: epoch for mark, epoch in told.items() if self.landed.get(mark) != epoch}


def place(topic: str, partition: int) -> str:
    """A partition's name in the lake's log: ``topic/partition``."""
    return f"{topic}/{partition}"


def make_plan(cluster: Cluster, landed: Mapping[str, int], shard: Shard = EVERYTHING) -> Plan:
    """Compare the cluster with the lake's log (``landed``: next offset by place, topic id bits by topic, marks).

    A partition that misses what the log expects halts by name and is left out; all others of ``shard`` are planned.
    """
    topics = {name: topic for name, topic in cluster.topics().items() if shard.has(name)}
    partitions = [(topic.name, number) for topic in topics.values() for number in topic.partitions]
    told = cluster.ends(partitions)
    shifts = shifts_of(landed, partitions)
    ends = in_lake({partition: end for partition, (end, _) in told.items()}, shifts)
    firsts = in_lake(cluster.first_offsets(partitions), shifts)
    known = {name: numbers for name, numbers in landed_partitions(landed).items() if shard.has(name)}
    halts = _gone(topics, landed, known)
    ranges: dict[Partition, tuple[int, int]] = {}
    for partition in partitions:
        name, number = partition
        start = landed.get(place(name, number))
        halt = _trouble(topics[name], number, landed, known.get(name, ()), firsts[partition], ends[partition])
        if halt is not None:
            halts.append(halt)
        elif (start or 0) < ends[partition]:
            ranges[partition] = (start or 0, ends[partition])
    epochs = {partition: epoch for partition, (_, epoch) in told.items() if epoch is not None}
    return Plan(tuple(topics.values()), ranges, tuple(halts), landed, epochs, firsts, ends)


def is_fresh(landed: Mapping[str, int], partition: Partition) -> bool:
    """True where a new life of a known partition was begun by name, and nothing of it has landed yet."""
    shift = landed.get(shift_mark(partition))
    return shift is not None and shift == landed.get(place(*partition))


def landed_partitions(landed: Mapping[str, int]) -> dict[str, list[int]]:
    """The partitions that landed, by topic."""
    found: dict[str, list[int]] = {}
    for name in landed:
        topic, slash, number = name.rpartition("/")
        if slash and sender_of(topic) is not None:
            found.setdefault(topic, []).append(int(number))
    return found


def _gone(topics: Mapping[str, Topic], landed: Mapping[str, int], known: Mapping[str, Iterable[int]]) -> list[Halt]:
    halts = []
    for name, numbers in known.items():
        waited = [number for number in numbers if not is_fresh(landed, (name, number))]
        if name not in topics:
            if waited:
                halts.append(Halt("PARTITIONS_DELETED", name, "the topic is gone or may not be read"))
        elif topics[name].uuid_bits == landed.get(name):
            gone = sorted(set(waited) - set(topics[name].partitions))
            halts += [Halt("PARTITIONS_DELETED", place(name, number), "the partition is gone") for number in gone]
    return halts


def _trouble(
    topic: Topic, number: int, landed: Mapping[str, int], known: Iterable[int], first: int, end: int
) -> Halt | None:
    where, start = place(topic.name, number), landed.get(place(topic.name, number))
    noted = landed.get(topic.name)
    # A topic that was accepted as gone may come back as another one.
    awaited = all(is_fresh(landed, (topic.name, one)) for one in known)
    if noted is not None and noted != topic.uuid_bits and not awaited:
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
