"""Events that join a batch are written as the library writes them, and the library's splitting keeps their futures."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.structs import TopicPartition

from contracts.errors import TryAgain
from producers import batches, publisher
from producers.batches import Batches

PLACE = TopicPartition("events", 3)
ZSTD, BATCH_BYTES = 4, 4_096


class Producer:
    """KafkaProducer's way to its accumulator, which is the real one; no network and no sender thread."""

    def __init__(self) -> None:
        self._accumulator = RecordAccumulator(
            batch_size=BATCH_BYTES, compression_attrs=ZSTD, linger_ms=20, request_timeout_ms=1_000
        )

    def send(self, _: str, value: bytes) -> Any:
        return self._accumulator.append(PLACE, None, None, value, [])[0]

    @property
    def waiting(self) -> deque[ProducerBatch]:
        found: deque[ProducerBatch] = self._accumulator._batches[PLACE]
        return found


def values_in(batch: ProducerBatch) -> list[bytes]:
    batch.records.close()
    return [record.value for records in MemoryRecords(batch.records.buffer()) for record in records]


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.binary(min_size=1, max_size=3_000) | st.just(b"x" * 63) | st.just(b"x" * 64), min_size=1),
    ticks=st.lists(st.sampled_from([-3_000, -1, 0, 0, 0, 1, 63, 64, 9_000, 20_000, 2_000_000]), min_size=1),
)
def test_a_batch_has_the_bytes_that_the_library_alone_would_write(values: list[bytes], ticks: list[int]) -> None:
    """Sizes, room and clocks of all kinds: those too that step back."""
    moments = [1_700_000_000.0]
    for place in range(len(values)):
        moments.append(moments[-1] + ticks[place % len(ticks)] / 1000)
    theirs, ours = (MemoryRecordsBuilder(2, ZSTD, BATCH_BYTES) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        for place, value in enumerate(values):
            patch.setattr(batches, "time", SimpleNamespace(time=lambda place=place: moments[place]))
            joined = theirs.append(int(moments[place] * 1000), None, value, []) is not None
            if place == 0:
                ours.append(int(moments[0] * 1000), None, value, [])
            else:
                assert batches._append(ours, value, BATCH_BYTES) == joined
    for builder in (theirs, ours):
        builder.set_producer_state(7, 1, 40, False)
        builder.close()
    assert ours.next_offset() == theirs.next_offset()
    assert ours.buffer() == theirs.buffer()


def test_events_join_the_open_batch_until_it_is_full_or_sent() -> None:
    producer = Producer()
    sending = Batches(producer, "events", BATCH_BYTES)
    sent = [b"%04d" % number + b"-" * 96 for number in range(100)]
    begun = [batch for value in sent[:60] if (batch := sending.send(value)) is not None]
    assert len(begun) == len(producer.waiting) == 2
    taken = producer.waiting.pop()  # the sender takes it, full or not
    taken.records.close()
    begun += [batch for value in sent[60:] if (batch := sending.send(value)) is not None]
    everything = [producer.waiting[0], taken, *list(producer.waiting)[1:]]
    assert [value for batch in everything for value in values_in(batch)] == sent
    assert [batch.count for batch in begun] == [batch.record_count for batch in everything]


def test_a_batch_has_arrived_when_the_broker_said_so_and_failed_as_a_whole() -> None:
    producer = Producer()
    sending = Batches(producer, "events", BATCH_BYTES)
    first = sending.send(b"{}")
    assert first is not None
    assert sending.send(b"[]") is None
    assert not first.arrived
    producer.waiting[0].complete(1_000, -1)
    assert first.arrived
    producer.waiting[0].records.close()
    second = sending.send(b"{}")
    assert second is not None
    producer.waiting[-1].complete_exceptionally(KafkaTimeoutError("late"), lambda _: KafkaTimeoutError("late"))
    assert not second.arrived
    assert [future.failed() for future, _ in second.parts()] == [True]


def test_a_batch_that_the_broker_finds_too_big_is_split_and_each_event_followed() -> None:
    producer = Producer()
    sending = Batches(producer, "events", BATCH_BYTES)
    whole = sending.send(b"{0}")
    assert whole is not None
    for number in range(1, 9):
        assert sending.send(b"{%d}" % number) is None
    too_big = producer.waiting.popleft()
    too_big.records.close()
    producer._accumulator.split_and_reenqueue(too_big)
    parts = list(producer.waiting)
    assert [values_in(part) for part in parts] == [
        [b"{%d}" % number for number in range(5)], [b"{%d}" % number for number in range(5, 9)]
    ]  # fmt: skip
    parts[0].complete(1_000, -1)
    assert not whole.arrived
    assert [(future.succeeded(), count) for future, count in whole.parts()] == [(True, 1)] * 5 + [(False, 1)] * 4
    parts[1].complete(1_005, -1)
    assert whole.arrived
    assert whole.count == 9


def test_an_endless_row_of_events_takes_no_endless_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "MOST_WAITING", 4)
    monkeypatch.setattr(publisher, "DELIVERY_SECONDS", 0.2)
    producer = Producer()
    sender = publisher.Publisher.__new__(publisher.Publisher)
    sender.topic, sender._producer = "events", producer
    sender._sent, sender._acknowledged = deque(), 0
    sender._batches = Batches(producer, "events", BATCH_BYTES)
    for number in range(1_000):
        if len(producer.waiting) == 4:
            producer.waiting.popleft().complete(number, -1)
        sender.send(b"-" * 1_000)
        assert len(sender._sent) <= 4

    def send_on() -> None:
        for _ in range(100):
            sender.send(b"-" * 1_000)

    with pytest.raises(TryAgain):  # nobody answers any more
        send_on()
    assert not sender._sent
