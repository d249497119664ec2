"""What saying an event costs an agency: the SDK beside kafka-python alone sending the very same bytes, on one core.

``python -m benchmarks.producer [--events 200000]``: a real broker over SASL_SSL with acks=all, each row in a process of
its own bound to one core. The SDK's rows key a person, check the event against the contract and wait for every
acknowledgement; the spool's rows also wait until each event is on disk before the next is said. Exit 1 where the SDK
says fewer than EVENTS_A_CPU_SECOND of its processor's time; seconds of the clock depend on who else runs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import keep, measured

AGENCY = "bench-producer"
EVENTS_A_CPU_SECOND = 25_000
TOGETHER = 100
WARMED_UP = 2_000
FLUSHED_AT = 10_000
# An fsync for each event takes the disk's time, whoever asks: fewer events show it as well.
LESS = {"sdk, spool, fsync an event": 20}


def people(count: int) -> list[str]:
    """So many national ids, made before the time is taken."""
    from producers.citizens import national_id

    return [f"nid:{national_id(number)}" for number in range(count)]


def said(persons: Sequence[str], first: int, count: int) -> Iterator[dict[str, Any]]:
    """What is said of so many completed transactions, each of another person."""
    for number in range(first, first + count):
        yield {
            "person": persons[number],
            "transaction_id": f"bench-{number}",
            "service_id": f"s-{number % 40}",
            "channel": ("portal", "app", "counter_office")[number % 3],
            "outcome": "accepted",
            "province": "qom",
            "duration_seconds": number % 900,
        }


def send_with_kafka_python(bundle: Path, count: int, _: Path) -> dict[str, Any]:
    """The limit: the same bytes, made beforehand, with the options that the SDK sends with."""
    from kafka import KafkaProducer
    from kafka.partitioner import StickyPartitioner

    from contracts.identity import canonical_id, user_key_maker
    from contracts.topics import topic_of
    from producers import envelope
    from producers.identifiers import new_event_id
    from producers.login import read_bundle
    from producers.publisher import BATCH_BYTES

    login = read_bundle(bundle)
    assert login.transport_key is not None
    key_of = user_key_maker(login.transport_key)
    source, kind = envelope.source_of(AGENCY), envelope.full_type("transaction.completed")
    values = []
    for fields in said(people(WARMED_UP + count), 0, WARMED_UP + count):
        key = key_of(canonical_id(fields.pop("person")))
        data = {**fields, "user_key": key, "user_key_id": login.user_key_id}
        values.append(envelope.encode(envelope.build(new_event_id(), source, kind, dt.datetime.now(dt.UTC), data)))
    producer = KafkaProducer(
        **login.kafka.for_kafka_python(),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=20,
        batch_size=BATCH_BYTES,
        partitioner=StickyPartitioner(),
        metrics_enabled=False,
    )
    topic = topic_of(AGENCY)

    def send(some: list[bytes]) -> None:
        futures = []
        for value in some:
            futures.append(producer.send(topic, value=value))
            if len(futures) == FLUSHED_AT:
                producer.flush()
                assert all(future.succeeded() for future in futures)
                futures.clear()
        producer.flush()
        assert all(future.succeeded() for future in futures)

    send(values[:WARMED_UP])
    row = _timed(count, lambda: send(values[WARMED_UP:]))
    producer.close()
    return row


def send_with_sdk(bundle: Path, count: int, _: Path) -> dict[str, Any]:
    """Without a spool: every event acknowledged by the broker at the end."""
    return _say(bundle, count, {})


def send_through_spool(bundle: Path, count: int, spool: Path) -> dict[str, Any]:
    """On disk before the next is said, as far as the system is concerned: a crash of the program loses nothing."""
    return _say(bundle, count, {"spool": spool, "durable": False})


def send_durably_together(bundle: Path, count: int, spool: Path) -> dict[str, Any]:
    """TOGETHER events on disk, with one fsync, before the next are said."""
    return _say(bundle, count, {"spool": spool}, TOGETHER)


def send_durably(bundle: Path, count: int, spool: Path) -> dict[str, Any]:
    """Each event on disk, with an fsync of its own, before the next is said."""
    return _say(bundle, count, {"spool": spool})


ROWS: dict[str, Callable[[Path, int, Path], dict[str, Any]]] = {
    "kafka-python, the same bytes": send_with_kafka_python,
    "sdk": send_with_sdk,
    "sdk, spool without fsync": send_through_spool,
    f"sdk, spool, fsync {TOGETHER} events": send_durably_together,
    "sdk, spool, fsync an event": send_durably,
}


def _say(bundle: Path, count: int, options: dict[str, Any], together: int = 1) -> dict[str, Any]:
    from producers import Agency

    persons = people(WARMED_UP + count)
    with Agency.from_bundle(bundle, **options) as agency:

        def say(first: int, many: int) -> None:
            events = said(persons, first, many)
            if together == 1:
                for fields in events:
                    agency.completed(**fields)
            else:
                for _ in range(0, many, together):
                    with agency.together():
                        for fields, _ in zip(events, range(together), strict=False):
                            agency.completed(**fields)
            agency.flush()

        say(0, WARMED_UP)
        return _timed(count, lambda: say(WARMED_UP, count))


def _timed(count: int, work: Callable[[], None]) -> dict[str, Any]:
    wall, cpu = time.monotonic(), time.process_time()
    work()
    seconds, used = time.monotonic() - wall, time.process_time() - cpu
    return {
        "events": count,
        "seconds": round(seconds, 2),
        "events_per_second": round(count / seconds),
        "events_per_cpu_second": round(count / used),
        "cpu_seconds_per_million": round(used / count * 1e6, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
    }


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Every row, from one broker; the ratios are to the first."""
    from broker import local
    from broker.bundle import keep_bundles
    from contracts.keys import create_keys
    from contracts.settings import Settings

    with tempfile.TemporaryDirectory(prefix="mizan-bench-") as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        create_keys(settings)
        local.up(settings)
        try:
            bundle = keep_bundles(settings, [AGENCY])[AGENCY]
            limit = None
            for place, name in enumerate(ROWS):
                options = ("--row", name, "--bundle", str(bundle), "--spool", str(Path(folder) / f"spool-{place}"))
                found = measured("producer", *options, "--events", str(count // LESS.get(name, 1)), environment={})
                limit = limit or found["events_per_cpu_second"]
                yield {**found, "cpu_ratio_to_limit": round(limit / found["events_per_cpu_second"], 2)}
        finally:
            local.down(settings)


def main() -> None:
    """Measure, print and keep the rows, and judge the SDK's."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--events", type=int, default=200_000)
    asked.add_argument("--row", choices=list(ROWS), help=argparse.SUPPRESS)
    asked.add_argument("--bundle", type=Path, help=argparse.SUPPRESS)
    asked.add_argument("--spool", type=Path, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.row:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        found = ROWS[options.row](options.bundle, options.events, options.spool)
        print(json.dumps({"measurement": options.row, **found}))
        return
    slow = []
    for row in rows(options.events):
        keep("producer", [row])
        if row["measurement"] == "sdk" and row["events_per_cpu_second"] < EVENTS_A_CPU_SECOND:
            slow.append(row)
    if slow:
        sys.exit(f"failed: fewer than {EVENTS_A_CPU_SECOND:,} events a second of one core: {slow}")


if __name__ == "__main__":
    main()
