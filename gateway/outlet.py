"""From the gateway to the broker: the only file here that opens a Kafka producer.

librdkafka, not the SDK's client: its threads work outside Python's lock, an event costs it an eighth of the time, and
a topic that refuses one agency's events fails these alone (decision 0027).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from contracts.settings import TOPIC_PREFIX, KafkaLogin

# Kept a moment by the client after the broker is gone, then given back to the sender: it may try again.
ACKNOWLEDGE_SECONDS = 20.0
QUEUE_BYTES = 64 * 2**20
QUEUE_EVENTS = 200_000
_ANSWER_SECONDS = 2.0
_log = logging.getLogger("mizan.gateway")


class Outlet:
    """One idempotent producer for all agencies, with acks=all. Made and used in one event loop; ``close`` ends it."""

    def __init__(self, login: KafkaLogin, *, acknowledge_seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        self._options: dict[str, Any] = {
            **login.for_librdkafka(),
            "client.id": "mizan-gateway",
            "enable.idempotence": True,  # acks=all, order kept, no event twice by the client's own retries
            "linger.ms": 5,
            "compression.type": "zstd",
            "message.timeout.ms": int(acknowledge_seconds * 1000),
            "topic.metadata.propagation.max.ms": 2_000,
            "queue.buffering.max.kbytes": QUEUE_BYTES // 1024,
            "queue.buffering.max.messages": QUEUE_EVENTS,
            "allow.auto.create.topics": False,
            "log_level": 0,
            "error_cb": self._trouble,
        }
        self._fatal = threading.Event()
        self._ended = threading.Event()
        self._producer = Producer(self._options)
        self._serving = threading.Thread(target=self._serve, name="outlet", daemon=True)
        self._serving.start()

    async def send(self, topic: str, values: Sequence[bytes]) -> list[str | None]:
        """Hand the values over and wait for the broker: of each None where every in-sync replica has it, or the error.

        An error is a name of Kafka's; the event may have arrived all the same. Comes back within the seconds given.
        """
        waiting = _Waiting(len(values), asyncio.get_running_loop())
        for place, value in enumerate(values):
            try:
                self._producer.produce(topic, value, on_delivery=partial(waiting.done, place))
            except BufferError:
                waiting.failed(place, "QUEUE_FULL")
            except KafkaException as error:
                waiting.failed(place, str(error.args[0].name()))
        return await waiting.outcomes

    async def answers(self) -> bool:
        """Whether the broker answers this login, asked now."""
        return await asyncio.to_thread(self._answers)

    def close(self) -> None:
        """Wait shortly for what is on its way, then end; nobody was told that the rest is accepted."""
        self._producer.flush(5)
        self._ended.set()
        self._serving.join()

    def _answers(self) -> bool:
        try:
            # One name that is no topic: the answer is short however many agencies there are.
            self._producer.list_topics(TOPIC_PREFIX + "-", timeout=_ANSWER_SECONDS)
        except KafkaException:
            return False
        return True

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(0.1)
            if self._fatal.is_set():
                # The client gave up for good: everything it holds fails now, and a new one takes its place.
                while len(self._producer):
                    self._producer.flush(1)
                self._fatal.clear()
                self._producer = Producer(self._options)

    def _trouble(self, error: KafkaError) -> None:
        if error.fatal():
            _log.error("the Kafka client ended: %s; it is started anew", error.name())
            self._fatal.set()
        elif error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION):
            _log.warning("Kafka: %s", error.name())


class _Waiting:
    """The outcomes of one call's events, gathered on the client's thread and handed to the loop once, as a whole."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.outcomes: asyncio.Future[list[str | None]] = loop.create_future()
        self._loop = loop
        self._found: list[str | None] = [None] * count
        self._left = count
        self._lock = threading.Lock()
        if not count:
            self.outcomes.set_result([])

    def done(self, place: int, error: KafkaError | None, _: object) -> None:
        self.failed(place, None if error is None else str(error.name()))

    def failed(self, place: int, error: str | None) -> None:
        self._found[place] = error
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self.outcomes.done():
            self.outcomes.set_result(self._found)
