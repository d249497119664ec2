"""Whole batches to kafka-python: the only file that knows what is inside its producer.

``KafkaProducer.send`` makes a future, takes four locks and copies a record twice for every event; that is most of what
sending costs. Here it is called once a batch: it chooses the partition, waits for metadata, begins the batch and wakes
the sender. The events that follow are put into that batch as it stands, under the lock that its sender takes too; when
it is full, lingers no more or was sent, the next event begins another. Everything after that is the library's.

Written against the version that pyproject.toml pins. A test holds each batch to the bytes that ``send`` alone makes.
"""

from __future__ import annotations

import time
from typing import Any

from kafka.producer.future import FutureRecordMetadata
from kafka.record.util import encode_varint


class Batch:
    """Events that travel together: ``count`` of them, by the future of the first."""

    def __init__(self, first: Any, batch: Any) -> None:
        self.count = 1
        self.first = first
        self._split = _Futures(first, batch)
        batch._record_futures = self._split

    @property
    def arrived(self) -> bool:
        """True once the broker has acknowledged every event."""
        return all(future.succeeded() for future, _ in self.parts())

    def parts(self) -> list[tuple[Any, int]]:
        """Futures, in order, and for how many events each of them speaks."""
        if not self._split.made:
            return [(self.first, self.count)]
        return [(future, 1) for future in (self.first, *self._split.made)]


class Batches:
    """What is sent to one topic through one KafkaProducer. Not for use by several threads at once."""

    def __init__(self, producer: Any, topic: str, batch_bytes: int) -> None:
        self._producer = producer
        self._topic = topic
        self._batch_bytes = batch_bytes
        self._open: tuple[Any, Any, Batch] | None = None  # the lock, the library's records, ours

    def send(self, value: bytes) -> Batch | None:
        """Hand over one event; the batch that it began, None where it joined the one before. Raises KafkaError."""
        if self._open is not None:
            lock, records, batch = self._open
            with lock:
                joined = not records._closed and _append(records, value, self._batch_bytes)
            if joined:
                batch.count += 1
                return None
        return self._begin(value)

    def _begin(self, value: bytes) -> Batch:
        self._open = None
        first = self._producer.send(self._topic, value=value)
        if first.is_done:
            return _Alone(first)  # refused before it had a partition
        accumulator = self._producer._accumulator
        place = first._produce_future.topic_partition
        lock = accumulator._tp_lock(place)
        with lock:
            theirs = next(iter(reversed(accumulator._batches[place])), None)
            if theirs is None or theirs.produce_future is not first._produce_future or theirs.record_count != 1:
                return _Alone(first)  # on its way already, or behind others
            batch = Batch(first, theirs)
            self._open = lock, theirs.records, batch
        return batch


class _Alone(Batch):
    """One event whose batch takes no other."""

    def __init__(self, first: Any) -> None:
        self.count = 1
        self.first = first

    def parts(self) -> list[tuple[Any, int]]:
        """The one."""
        return [(self.first, 1)]


class _Futures(list[Any]):
    """The futures of a batch's events. The library asks for them where it splits a batch that the broker finds too big.

    Only then there is one for every event; ``made`` has those of the second event and on.
    """

    def __init__(self, first: Any, batch: Any) -> None:
        super().__init__([first])
        self._batch = batch
        self.made: list[Any] = []

    def __len__(self) -> int:
        return int(self._batch.records.next_offset())

    def __getitem__(self, place: Any) -> Any:
        if place == 0:
            return super().__getitem__(0)
        while len(self.made) < place:
            number = len(self.made) + 1
            self.made.append(FutureRecordMetadata(self._batch.produce_future, number, None, None, -1, -1, -1))
        return self.made[place - 1]


def _append(records: Any, value: bytes, batch_bytes: int) -> bool:
    """Put a value without key and headers behind the others, as the library would; False where it has no room."""
    builder, offset = records._builder, records._next_offset
    now = int(time.time() * 1000)
    # Attributes, milliseconds since the first, place, no key, the value, no headers: record format 2 of Kafka.
    head = b"\0" + _varint(now - builder._first_timestamp) + _varint(offset) + b"\x01" + _varint(len(value))
    length = _varint(len(head) + len(value) + 1)
    buffer = builder._buffer
    if len(buffer) + len(length) + len(head) + len(value) + 1 > batch_bytes:
        return False
    buffer += b"%b%b%b\0" % (length, head, value)
    builder._max_timestamp = max(builder._max_timestamp, now)
    builder._num_records += 1
    builder._last_offset = offset
    records._next_offset = offset + 1
    return True


def _varint(number: int) -> bytes:
    return _SMALL[number] if 0 <= number < len(_SMALL) else _encoded(number)


def _encoded(number: int) -> bytes:
    made = bytearray()
    encode_varint(number, made.append)
    return bytes(made)


_SMALL = [_encoded(number) for number in range(8_192)]
