"""What a seed decides: the events an agency sends, how they reach the broker, and which fault is chosen."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from faults import canaries

RECEIVED = "ir.egov.transaction.received.v1"
COMPLETED = "ir.egov.transaction.completed.v1"
VISITED = "ir.egov.visit.recorded.v1"
CHANNELS = ("portal", "mobile_app", "counter_office", "national_window", "phone")
SERVICES = ("s0", "s1", "s2")
FIRST, DAYS = dt.datetime(2020, 3, 1, tzinfo=dt.UTC), 120
BROKEN = (
    b"", b"{", b"[1, 2]", b"<event/>", b"a,b,c", b"\xff\xfe{", b'{"specversion": "1.0"}',
    b'{"specversion": "0.3", "id": "x", "source": "/agencies/x", "type": "x", "time": "x", "data": {}}', None,
)  # fmt: skip


@dataclass
class Said:
    """One record of an agency. ``event`` has the lake's column names; None where no parser may take the record."""

    agency: str
    value: bytes | None
    event: dict[str, Any] | None
    partition: int = -1  # where the broker acknowledged it; -1: not acknowledged
    offset: int = -1

    @property
    def topic(self) -> str:
        """The agency's topic."""
        return f"egov.events.v1.{self.agency}"

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset."""
        return (self.topic, self.partition, self.offset)

    @property
    def was_acknowledged(self) -> bool:
        """True where the broker said that it has the record."""
        return self.offset >= 0


@dataclass
class Stream:
    """Endless events of one agency, of one generator: good ones, repeats, conflicts and broken records.

    Of the broken ones a share holds a personal id where none belongs; those ids are kept in ``planted``.
    """

    rng: random.Random
    agency: str
    broken: float = 0.08
    repeated: float = 0.05
    conflicting: float = 0.01
    leaking: float = 0.4
    past: list[dict[str, Any]] = field(default_factory=list)
    planted: list[str] = field(default_factory=list)

    def take(self, count: int) -> list[Said]:
        """The next ``count`` records."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Said:
        chance = self.rng.random()
        if chance < self.broken:
            return Said(self.agency, self._broken(), None)
        if self.past and chance < self.broken + self.repeated:
            again = self.rng.choice(self.past)
            return Said(self.agency, wire(again), again)
        event = self.event()
        if self.past and chance < self.broken + self.repeated + self.conflicting:
            event["event_id"] = self.rng.choice(self.past)["event_id"]
        else:
            self.past.append(event)
        return Said(self.agency, wire(event), event)

    def _broken(self) -> bytes | None:
        if self.rng.random() >= self.leaking:
            return self.rng.choice(BROKEN)
        if len(self.planted) < canaries.MOST:
            self.planted.append(canaries.personal(self.rng))
        return canaries.record(self.rng, json.loads(wire(self.event())), self.rng.choice(self.planted))

    def event(self, **given: Any) -> dict[str, Any]:
        """One good event that was never said before."""
        rng, number = self.rng, len(self.past)
        kind = rng.choice((RECEIVED, COMPLETED, COMPLETED, VISITED))
        person = hashlib.sha256(f"{self.agency}:{rng.randrange(200)}".encode()).digest()
        event = {
            "event_id": f"e-{number}-{rng.randrange(10**6)}",
            "source": f"/agencies/{self.agency}",
            "agency_id": self.agency,
            "event_type": kind,
            "occurred_at": FIRST + dt.timedelta(seconds=rng.randrange(DAYS * 86_400)),
            "channel": rng.choice(CHANNELS),
            "pid": person if rng.random() < 0.9 else None,
            "visit_id": f"v-{rng.randrange(10**6)}" if kind == VISITED or rng.random() < 0.2 else None,
        }
        if kind != VISITED:
            event |= {"transaction_id": f"t-{rng.randrange(10**9)}", "service_id": rng.choice(SERVICES)}
        if kind == COMPLETED:
            event |= {"outcome": rng.choice(("accepted", "rejected")), "duration_seconds": rng.randrange(10_000)}
        return event | given


def wire(event: dict[str, Any]) -> bytes:
    """The event as an agency says it. ``pid`` stands for the person: as a key it is said in hex."""
    envelope = ("event_id", "source", "agency_id", "event_type", "occurred_at", "pid")
    data = {name: value for name, value in event.items() if name not in envelope and value is not None}
    if event["pid"] is not None:
        data["user_key"] = event["pid"].hex()
    document = {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": event["source"],
        "type": event["event_type"],
        "time": event["occurred_at"].isoformat(),
        "data": data,
    }
    return json.dumps(document).encode()


def catalogue(agencies: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of the catalogue in which these agencies' events are good."""
    names = sorted(agencies)
    return {
        "agencies": [{"agency_id": name, "parent_id": None, "valid_from": None, "valid_to": None} for name in names],
        "services": [{"service_id": service, "agency_id": names[0]} for service in SERVICES],
    }


def produce(login: dict[str, Any], records: Sequence[Said], seconds: float = 60, **more: Any) -> None:
    """Send records in order, wait until each is acknowledged or failed, and note where each came to lie."""
    producer = Producer({"linger.ms": 5, "log_level": 0, **login, **more})
    for said in records:
        _send(producer, said)
        producer.poll(0)
    producer.flush(seconds)


def _send(producer: Producer, said: Said) -> None:
    def note(error: Any, message: Any) -> None:
        if error is None:
            said.partition, said.offset = message.partition(), message.offset()

    while True:
        try:
            # Without a key: repeats come to lie in other partitions too.
            producer.produce(said.topic, said.value, on_delivery=note)
            return
        except BufferError:
            producer.poll(0.1)


def waves(rng: random.Random, count: int, most: int) -> Iterator[int]:
    """``count`` cut into 1 to ``most`` parts."""
    cuts = sorted(rng.randrange(count) for _ in range(rng.randint(0, most - 1)))
    for first, last in zip([0, *cuts], [*cuts, count], strict=True):
        if last > first:
            yield last - first
