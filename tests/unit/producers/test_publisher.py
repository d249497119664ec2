"""What a publisher holds of events that the broker has not acknowledged, with the client's own buffers."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.structs import TopicPartition

from contracts.errors import TryAgain
from producers import publisher

PLACE = TopicPartition("events", 3)
ZSTD = 4


class Producer:
    """KafkaProducer's way to its accumulator, which is the real one; no network and no sender thread."""

    def __init__(self) -> None:
        self.accumulator = RecordAccumulator(
            batch_size=2_000, compression_attrs=ZSTD, linger_ms=20, request_timeout_ms=1_000
        )

    def send(self, _: str, value: bytes) -> Any:
        return self.accumulator.append(PLACE, None, None, value, [])[0]

    def flush(self, timeout: float) -> None:
        """Nothing travels."""

    def acknowledge(self, batches: int) -> None:
        waiting: deque[Any] = self.accumulator._batches[PLACE]
        for _ in range(min(batches, len(waiting))):
            waiting.popleft().complete(0, -1)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> publisher.Publisher:
    monkeypatch.setattr(publisher, "MOST_WAITING", 10)
    monkeypatch.setattr(publisher, "DELIVERY_SECONDS", 0.2)
    made = publisher.Publisher.__new__(publisher.Publisher)
    made.topic, made._producer = "events", Producer()
    made._sent, made._acknowledged = deque(), 0
    return made


def test_an_endless_row_of_events_takes_no_endless_memory_and_each_is_counted_once(sender: publisher.Publisher) -> None:
    for number in range(1_000):
        if number % 5 == 0:
            sender._producer.acknowledge(100)
        sender.send(b"-" * 100)
        assert len(sender._sent) <= 10
    sender._producer.acknowledge(100)
    assert sender.flush() == 1_000


def test_where_nobody_answers_any_more_the_caller_is_told_to_send_again(sender: publisher.Publisher) -> None:
    def send_on() -> None:
        for _ in range(100):
            sender.send(b"-" * 100)

    with pytest.raises(TryAgain):
        send_on()
    assert not sender._sent
