"""Kafka as landing reads it: this module alone opens a consumer.

Positions come from the lake and go back into it; no consumer group is joined, and what a group's offsets say is never
read. A position that the broker no longer holds is an error, never a jump.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, repeat
from operator import is_, itemgetter, lt
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.errors import MizanError, TryAgain
from contracts.settings import KafkaLogin

Partition = tuple[str, int]  # topic and partition number

log = logging.getLogger("mizan.landing")

MIRROR_GROUP = "mizan-landing"
CHUNK_RECORDS = 20_000
CHUNK_BYTES = 24 * 2**20
SILENCE_SECONDS = 60.0
# Topics are read side by side as long as they hold fewer records than this together. Of a longer backlog a batch then
# holds a short stretch of few senders' ids, and a later id is looked up in few files: read all at once, each batch of
# 120 M events spanned a month of everybody's, and landing an event came to cost more with each file.
SIDE_BY_SIDE = 200_000
# The client tells it within the words of another error.
_LOG_CUT = KafkaError(KafkaError._LOG_TRUNCATION).str()


@dataclass
class Chunk:
    """Records as they came, a few thousand: parallel lists, one entry a record."""

    topics: list[str] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: list[Sequence[tuple[str, bytes | None]] | None] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # Kafka's timestamp, milliseconds since 1970
    size: int = 0

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True)
class Stopped:
    """A partition that cannot be read on: the name of the halt and what the client said."""

    reason: str
    message: str


class Reader:
    """Reads each partition from its start to its end, once, in chunks.

    ``position`` tells how far each partition has been read: every record below it was handed out, and what is missing
    below it (aborted transactions, markers, compacted records) will never come. ``stopped`` holds the partitions that
    failed. ``epochs`` are the leader epochs that the records before the start were read under: a log that was cut
    below the start since is told by them. Use it as a context; close frees the connection.
    """

    def __init__(
        self,
        login: KafkaLogin,
        ranges: Mapping[Partition, tuple[int, int]],
        chunk_records: int = CHUNK_RECORDS,
        epochs: Mapping[Partition, int] | None = None,
    ) -> None:
        self._chunk_records = min(chunk_records, CHUNK_RECORDS)
        self._chunk_bytes = max(2**20, CHUNK_BYTES * self._chunk_records // CHUNK_RECORDS)
        self.position = {partition: start for partition, (start, _) in ranges.items()}
        self.ends = {partition: end for partition, (_, end) in ranges.items()}
        self.stopped: dict[Partition, Stopped] = {}
        self.trouble = ""
        self._epochs = epochs or {}
        self._open: set[Partition] = set()
        self._later = self._in_turn([partition for partition, (start, end) in ranges.items() if start < end])
        self._consumer = Consumer(
            {
                **login.for_librdkafka(),
                "group.id": MIRROR_GROUP,  # demanded by the library; the group is never joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "check.crcs": True,
                "allow.auto.create.topics": False,
                "queued.max.messages.kbytes": 16_384,
                "queued.min.messages": 20_000,
                # A second, else, each time that the queue was full: landing then waited half of its time.
                "fetch.queue.backoff.ms": 10,
                "fetch.message.max.bytes": 2**20,
                "fetch.max.bytes": 8 * 2**20,
                "fetch.wait.max.ms": 50,
                "log_level": 0,
                "error_cb": self._note,
            }
        )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def mirror(self) -> None:
        """Copy the landed positions to the offsets of a group, for the lag tools that operators know. A hint only."""
        landed = [TopicPartition(topic, number, offset) for (topic, number), offset in sorted(self.position.items())]
        try:
            self._consumer.commit(offsets=landed, asynchronous=False)
        except KafkaException as error:
            log.info("offsets are not mirrored: %s", error)

    def chunks(self) -> Iterator[Chunk]:
        """Chunks until every partition is at its end. Raises TryAgain when Kafka falls silent for a minute."""
        heard, asked = time.monotonic(), max(1, self._chunk_records // 200)
        while self._open or self._later:
            self._take_up()
            messages = self._consumer.consume(asked, 0.25)
            # Asked for by number, wide records would come by the gigabyte; at first nobody knows how wide they are.
            size = sum(map(len, messages))
            asked = max(1, min(self._chunk_records, self._chunk_bytes * len(messages) // max(1, size)))
            # An error told again and again is no answer.
            if any(message.error() is None or _is_end(message) for message in messages):
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise TryAgain(f"Kafka has not answered for {SILENCE_SECONDS:.0f} s {self.trouble}".strip())
            yield from self._taken(messages)

    def _in_turn(self, partitions: Sequence[Partition]) -> deque[list[Partition]]:
        """The partitions by topic, in the order of being read: a long backlog of one keeps no other waiting."""
        topics = [list(same) for _, same in groupby(sorted(partitions), itemgetter(0))]
        return deque(sorted(topics, key=lambda topic: self._left(topic) >= SIDE_BY_SIDE))

    def _left(self, partitions: Iterable[Partition]) -> int:
        return sum(self.ends[partition] - self.position[partition] for partition in partitions)

    def _take_up(self) -> None:
        """Begin to read the next topics once the others have little left."""
        if not self._later:
            return
        left, coming = self._left(self._open), []
        while self._later and left < SIDE_BY_SIDE:
            topic = self._later.popleft()
            coming += topic
            left += self._left(topic)
        if coming:
            self._open.update(coming)
            self._consumer.incremental_assign(
                [
                    TopicPartition(t, p, self.position[t, p], leader_epoch=self._epochs.get((t, p), -1))
                    for t, p in coming
                ]
            )

    def _taken(self, messages: list[Message]) -> Iterator[Chunk]:
        """The messages as chunks. They come in runs of one partition; a run in order, within its range, goes whole."""
        given = _Given(messages)
        chunk = Chunk()
        finished: set[Partition] = set()
        begin = 0
        for place, same in groupby(zip(given.topics, given.partitions, strict=True)):
            end = begin + sum(1 for _ in same)
            if place not in finished and given.follow_on(begin, end, self, place):
                size = sum(map(len, filter(None, given.values[begin:end])))
                if chunk.size + size < self._chunk_bytes:
                    given.move(begin, end, chunk, size)
                    self.position[place] = given.offsets[end - 1] + 1
                    if self.position[place] >= self.ends[place]:
                        finished.add(place)
                    begin = end
                    continue
            for i in range(begin, end):
                if given.errors[i] is not None:
                    finished |= self._failed(messages[i])
                elif place not in finished and self._comes(place, given.offsets[i], finished):
                    given.move(i, i + 1, chunk, len(given.values[i] or b""))
                if chunk.size >= self._chunk_bytes:
                    yield chunk
                    chunk = Chunk()
            begin = end
        if finished & self._open:
            leaving = finished & self._open
            self._open -= leaving
            self._consumer.incremental_unassign([TopicPartition(t, p) for t, p in leaving])
        if chunk:
            yield chunk

    def awaits(self, place: Partition, first: int, last: int) -> bool:
        """True where offsets from ``first`` to ``last`` of a partition are still to come, and within its range."""
        return place in self._open and self.position[place] <= first and last < self.ends[place]

    def _comes(self, place: Partition, offset: int, finished: set[Partition]) -> bool:
        """True for a record that belongs to the drain; notes how far its partition came."""
        if place not in self._open:
            return False  # read ahead of the planned end: the next drain's
        if offset < self.position[place]:
            self.stopped[place] = Stopped("START_OFFSET_RESET", f"offset {offset} came after {self.position[place]}")
            finished.add(place)
            return False
        end = self.ends[place]
        self.position[place] = min(offset + 1, end)
        if offset + 1 >= end:
            finished.add(place)
        return offset < end

    def _failed(self, message: Message) -> set[Partition]:
        """What an error event means: an end reached, a partition that cannot go on, or a passing trouble."""
        error, place = message.error(), (message.topic(), message.partition())
        if place not in self._open:
            return set()
        if _is_end(message):
            # The position the client fetches from next: markers and aborted records behind the last one count too.
            if message.offset() >= self.ends[place]:
                self.position[place] = self.ends[place]
                return {place}
            return set()
        if _LOG_CUT in error.str():
            self.stopped[place] = Stopped("PARTITION_OFFSET_CHANGED", str(error.str()))
            return {place}
        lost = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._BAD_MSG)
        unread = (KafkaError.INVALID_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED)  # an unknown codec
        if error.code() in (*lost, *unread):
            self.stopped[place] = Stopped("COULD_NOT_READ_OFFSET_RANGE", str(error.str()))
            return {place}
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
            self.stopped[place] = Stopped("PARTITIONS_DELETED", str(error.str()))
            return {place}
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise MizanError(f"Kafka refuses to let us read {place[0]}", hint="grant READ on the topic to the pipeline")
        self._note(error)
        return set()

    def _note(self, error: Any) -> None:
        self.trouble = f"({error.str()})"
        if error.fatal():
            raise KafkaException(error)


class _Given:
    """Messages of the client as parallel lists, made without a step of Python for each."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.errors: list[KafkaError | None] = list(map(Message.error, messages))
        self.topics: list[str] = list(map(Message.topic, messages))
        self.partitions: list[int] = list(map(Message.partition, messages))
        self.offsets: list[int] = list(map(Message.offset, messages))
        self.values: list[bytes | None] = list(map(Message.value, messages))
        self.headers = _headers(messages)
        self.times: list[int] = list(map(itemgetter(1), map(Message.timestamp, messages)))

    def follow_on(self, begin: int, end: int, reader: Reader, place: Partition) -> bool:
        """True where the run holds records with values alone, in order, which the reader awaits."""
        offsets = self.offsets[begin:end]
        return (
            # By identity: compared with None, the client's error sets an exception and returns all the same.
            all(map(is_, self.errors[begin:end], repeat(None)))
            and None not in self.values[begin:end]
            and all(map(lt, offsets, offsets[1:]))
            and reader.awaits(place, offsets[0], offsets[-1])
        )

    def move(self, begin: int, end: int, chunk: Chunk, size: int) -> None:
        """Append a run to a chunk."""
        chunk.topics += self.topics[begin:end]
        chunk.partitions += self.partitions[begin:end]
        chunk.offsets += self.offsets[begin:end]
        chunk.values += self.values[begin:end]
        chunk.headers += self.headers[begin:end]
        chunk.times += self.times[begin:end]
        chunk.size += size


# Stands for headers that the client cannot hand over; the contract refuses it as it would refuse them.
_UNREADABLE: list[tuple[str, bytes | None]] = [("headers", b"\xff")]


def _headers(messages: Sequence[Message]) -> list[list[tuple[str, bytes | None]] | None]:
    """Each record's headers. A name that is not UTF-8 must not stop every partition for one sender.

    The client then hands over a list with a hole in it while an exception is set. Called from Python code that runs
    often, that goes unseen: the interpreter leaves the check out, the exception comes up at a later record and reading
    the list ends the process. ``map`` always checks. No message is asked twice: the client keeps the broken list.
    """
    found: list[list[tuple[str, bytes | None]] | None] = []
    left = iter(messages)
    while len(found) < len(messages):
        try:
            found.extend(map(Message.headers, left))
        except (SystemError, UnicodeDecodeError):
            found.append(_UNREADABLE)  # what came before the failing one is in the list
    return found


def _is_end(message: Message) -> bool:
    """True for the client's word that a partition has been read to its end."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
