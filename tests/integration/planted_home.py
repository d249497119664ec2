"""Persons who are planted: said to the SDK by their agency, and by a hostile client wherever no id belongs (V1, V2)."""

from __future__ import annotations

import datetime as dt
import hmac
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from faults.canaries import PERSIAN, Needles, national_id, personal, records, unkeyed

from broker.bundle import keep_bundles
from catalogue.load import load_tables
from contracts.settings import TOPIC_PREFIX, Settings
from producers import Agency
from warehouse.connection import memory_connection, view_files
from warehouse.lake import Lake

FIRST = dt.datetime(2020, 4, 1, tzinfo=dt.UTC)
GOOD = 2  # events of the hostile agency before each one that is refused: wherever landing cuts a batch, it is not held


class Planted:
    """``count`` national ids and some mobile numbers and addresses that nobody has, said in a home."""

    def __init__(self, settings: Settings, reporting: str, hostile: str, count: int = 50, seed: int = 7) -> None:
        rng = random.Random(seed)
        self.settings, self.reporting, self.hostile = settings, reporting, hostile
        self.persons = [national_id(rng) for _ in range(count)]
        self.others = [personal(rng) for _ in range(6)]
        self.times = (FIRST + dt.timedelta(seconds=37 * n) for n in range(10**6))
        self.numbers = (f"n-{n}" for n in range(10**6))
        self.refused = 0

    def say(self) -> None:
        """Both agencies' part; the hostile client logs in as its agency and speaks Kafka itself."""
        told = [{"agency_id": name, "name_en": name} for name in (self.reporting, self.hostile)]
        load_tables(
            self.settings,
            "planted",
            {"agencies": told, "services": [{"service_id": "s0", "agency_id": self.reporting}]},
        )
        folders = keep_bundles(self.settings, [self.reporting, self.hostile])
        self._report(folders[self.reporting])
        self._attack(folders[self.hostile])

    def _report(self, bundle: Path) -> None:
        with Agency.from_bundle(bundle) as agency:
            for one in self.persons:
                for said in (one, f"nid:{one}", f"{one[:3]}-{one[3:9]}-{one[9]}", one.translate(PERSIAN)):
                    time, number = next(self.times), next(self.numbers)
                    agency.received(person=said, time=time, transaction_id=number, service_id="s0", channel="portal")
                    agency.visited(person=said, time=time, visit_id=number, channel="phone")

    def _attack(self, bundle: Path) -> None:
        from producers.login import read_bundle

        producer = Producer(read_bundle(bundle).kafka.for_librdkafka() | {"linger.ms": 20, "log_level": 0})
        topic = TOPIC_PREFIX + self.hostile

        def send(value: bytes, **more: Any) -> None:
            producer.produce(topic, value, **more)
            producer.poll(0)

        good = (self._event(f"good-{n}") for n in range(10**6))
        for number, one in enumerate([*self.persons, *self.others]):
            wrong = list(records(json.loads(self._event(f"bad-{number}")), one))
            # Every place with the first few; then a share for each, so that every id has been everywhere.
            for value in wrong if number < 3 else wrong[number % 7 :: 7]:
                for value_before in itertools.islice(good, GOOD):
                    send(value_before)
                send(value)
                self.refused += 1
            send(self._event(f"header-{number}"), key=one, headers=[("person", one), (one, "x")])
        assert producer.flush(60) == 0

    def _event(self, event_id: str) -> bytes:
        return json.dumps(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": f"/agencies/{self.hostile}",
                "type": "ir.egov.visit.recorded.v1",
                "time": next(self.times).isoformat(),
                "data": {"visit_id": f"v-{event_id}", "channel": "portal"},
            }
        ).encode()

    @property
    def user_keys(self) -> set[bytes]:
        """What the SDK must have made of the persons (docs/agencies.md), worked out here."""
        key = bytes.fromhex(self.settings.transport_key_file.read_text().strip())
        return {hmac.digest(key, f"nid:{one}".encode(), "sha256") for one in self.persons}

    def pids(self) -> set[bytes]:
        """What the lake keeps of the persons whom the reporting agency spoke of."""
        snapshot = Lake(self.settings).open("events")
        connection = memory_connection()
        view_files(connection, "t", snapshot.files, dict(snapshot.columns))
        found = connection.execute("SELECT DISTINCT pid FROM t WHERE agency_id = ?", [self.reporting]).fetchall()
        connection.close()
        return {bytes(one) for (one,) in found}

    def ids(self) -> Needles:
        """The ids in all spellings, and what can be computed of them without a key (V1 and the first half of V2)."""
        said = [*self.persons, *self.others]
        return Needles(said, digests=unkeyed(self.persons, (self.reporting, self.hostile, "mizan")))

    def every_needle(self) -> Needles:
        """And the keys that agencies send, with their digests: what the platform must not keep."""
        keys = self.user_keys
        of_keys = {digest: f"{name} (user_key)" for digest, name in unkeyed([key.hex() for key in keys], ()).items()}
        digests = unkeyed(self.persons, (self.reporting, self.hostile, "mizan")) | of_keys
        return Needles([*self.persons, *self.others], keys, digests)

    def in_kafka(self, needles: Needles, agency: str) -> set[str]:
        """What an agency's topic holds of it, read back record by record, whatever compression it lies under."""
        found: set[str] = set()
        for part in records_of(self.settings, TOPIC_PREFIX + agency):
            found |= needles.in_bytes(part)
        return found


def is_broker_log(agency: str) -> Callable[[str], bool]:
    """Says of a file below a home or a broker's home whether it is that agency's own log in Kafka."""
    return lambda name: f"/{TOPIC_PREFIX}{agency}-" in f"/{name}"


def records_of(settings: Settings, topic: str) -> Iterator[bytes]:
    """What is in a topic: key, value and headers of a record each. Only the administrator may read without a group."""
    consumer = Consumer(
        settings.kafka_admin().for_librdkafka() | {"group.id": "never-committed", "enable.auto.commit": False}
    )
    try:
        partitions: Sequence[int] = list(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
        for number in partitions:
            place = TopicPartition(topic, number, 0)
            at, end = consumer.get_watermark_offsets(place, timeout=20)
            place.offset = at
            consumer.assign([place])
            while at < end:
                message = consumer.poll(20)
                assert message is not None
                assert message.error() is None, message.error()
                at = message.offset() + 1
                header = b"\n".join(name.encode() + b"\n" + (value or b"") for name, value in message.headers() or ())
                yield b"\n".join((message.key() or b"", message.value() or b"", header))
    finally:
        consumer.close()
