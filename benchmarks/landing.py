"""Landing against bare consumption: the same topic, the same run, on a broker of its own.

``python -m benchmarks.landing [--events 500000] [--tls] [--small]`` prints one row per measurement and appends each as
a JSON line to ``var/bench/landing.jsonl``; ``--tls`` lands once more over SASL_SSL. CPU seconds are those of the
measuring process alone, all its threads included. The share of re-keying is that of the step that makes pids of keys.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from benchmarks.rows import keep, measured

if TYPE_CHECKING:
    from contracts.event import Known
    from contracts.settings import Settings

AGENCY = "bench-agency"
TOPIC_PREFIX = "egov.events.v1."
TOPIC = f"{TOPIC_PREFIX}{AGENCY}"
SERVICES, USERS_PER_EVENT = 600, 0.3


MEASURED = ("consume", "land")
SMALL = ("transaction_id", "service_id", "channel", "user_key", "outcome")


def events(count: int, seed: int, small: bool = False, agency: str = AGENCY) -> "list[bytes]":
    """Completed transactions of about 540 bytes, three or so a person, ids ordered by time.

    ``small`` ones have the required fields and the key alone, some 350 bytes.
    """
    draw = random.Random(seed)
    begin = dt.datetime(2020, 3, 21, tzinfo=dt.UTC)
    people = [f"{draw.getrandbits(256):064x}" for _ in range(max(1, int(count * USERS_PER_EVENT)))]
    channels = ("portal", "mobile_app", "counter_office", "service_desk")
    made = []
    for number in range(count):
        data = {
            "transaction_id": f"trk-{draw.getrandbits(36):09x}",
            "service_id": f"svc-{draw.randrange(SERVICES)}",
            "channel": draw.choice(channels),
            "user_key": draw.choice(people),
            "audience": "citizen",
            "province": "qom",
            "district": "kahak",
            "age_band": "18_34",
            "authn_level": "declared",
            "outcome": "accepted",
            "in_person_steps": 0,
            "human_steps": 1,
            "documents_requested": 2,
            "duration_seconds": draw.randrange(10_000),
        }
        document = {
            "specversion": "1.0",
            "id": f"{number:012x}-{draw.getrandbits(80):020x}",
            "source": f"/agencies/{agency}",
            "type": "ir.egov.transaction.completed.v1",
            "time": (begin + dt.timedelta(milliseconds=100 * number)).isoformat(timespec="milliseconds"),
            "data": {name: data[name] for name in SMALL} if small else data,
        }
        made.append(json.dumps(document, separators=(",", ":")).encode())
    return made


def consume(count: int) -> int:
    """Read the whole topic with librdkafka and look at each value, nothing else."""
    from contracts.settings import Settings
    from landing.cluster import Cluster
    from landing.consumer import Reader

    login = Settings.load().kafka()
    ends = Cluster(login).end_offsets([(TOPIC, number) for number in range(3)])
    with Reader(login, {partition: (0, end) for partition, end in ends.items()}) as reader:
        return sum(len(chunk) for chunk in reader.chunks())


def known() -> "Known":
    """What a catalogue would know of these events."""
    from contracts.event import Known

    services = {f"svc-{number}": None for number in range(SERVICES)}
    return Known(services, {"qom": "province", "kahak": "district"}, frozenset({"t1"}))


def land(count: int) -> int:
    """Land the whole topic."""
    from contracts.settings import Settings
    from landing.drain import land as drain

    landed = drain(Settings.load(), known=known())
    assert landed.events == count, landed
    return landed.events


def one(name: str, count: int) -> None:
    """The measurement itself; prints its row."""
    # Imported before the clock starts, with all that these import.
    from landing import drain
    from landing.decode import Decoder

    rekeying = 0.0
    step = Decoder._rekey

    def timed(decoder: Decoder) -> None:
        nonlocal rekeying
        begun = time.process_time()
        step(decoder)
        rekeying += time.process_time() - begun

    assert drain.Decoder is Decoder
    with mock.patch.object(Decoder, "_rekey", timed):
        wall, cpu = time.monotonic(), time.process_time()
        seen = {"consume": consume, "land": land}[name](count)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    rss = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    print(
        json.dumps(
            {
                "benchmark": f"landing.{name}",
                "events": seen,
                "seconds": round(wall, 2),
                "events_per_second": round(seen / wall),
                "cpu_seconds_per_million": round(cpu / seen * 1e6, 2),
                "events_per_cpu_second": round(seen / cpu),
                "peak_rss_mb": round(rss),
                "rekeying_share": round(rekeying / cpu, 3) if name == "land" else None,
            }
        )
    )


@dataclass(frozen=True)
class FilledTopic:
    """A home beside a broker of its own whose topic TOPIC holds events; ``bytes``: of an event on the average."""

    settings: "Settings"
    bootstrap: str
    bytes: int

    @property
    def plaintext(self) -> dict[str, str]:
        """The environment of a process that reads it without login and TLS."""
        return {
            "MIZAN_HOME": str(self.settings.home),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "MIZAN_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        }

    def empty_lake(self) -> None:
        """Begin with a new lake: one that went back would halt."""
        from contracts.settings import Settings
        from warehouse.lake import Lake

        for state in ("lake", "build"):
            shutil.rmtree(self.settings.home / state, ignore_errors=True)
        named = {name: os.environ[name] for name in ("MIZAN_LAKE_URI",) if name in os.environ}
        Lake(Settings.load({"MIZAN_HOME": str(self.settings.home), **named}, folder=self.settings.home)).create()


def filled_topic(count: int, *, small: bool = False) -> "contextlib.AbstractContextManager[FilledTopic]":
    """Bring a broker up, fill the topic TOPIC with ``count`` events, and end it all afterwards."""
    return filled_topics((AGENCY,), count, small=small)


@contextlib.contextmanager
def filled_topics(agencies: Sequence[str], count: int, *, small: bool = False) -> Iterator[FilledTopic]:
    """The same, with ``count`` events in all, an equal part of them in each agency's topic."""
    from confluent_kafka import Producer

    from broker import local
    from broker.administration import add_agencies
    from contracts.keys import create_keys
    from contracts.settings import Settings
    from warehouse.lake import Lake

    with tempfile.TemporaryDirectory(prefix="mizan-bench-") as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        create_keys(settings)
        Lake(settings).create()
        plain = local.up(settings, benchmark_plaintext=True)["plaintext_bootstrap"]
        try:
            add_agencies(settings, list(agencies))
            producer = Producer({
                "bootstrap.servers": plain, "linger.ms": 20, "log_level": 0, "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 2_000_000,
            })  # fmt: skip
            size = 0
            for seed, agency in enumerate(agencies, 1):
                for number, value in enumerate(events(count // len(agencies), seed, small, agency)):
                    size += len(value)
                    producer.produce(f"{TOPIC_PREFIX}{agency}", value)
                    if number % 10_000 == 0:
                        producer.poll(0)
            assert producer.flush(120) == 0
            yield FilledTopic(settings, plain, size // count)
        finally:
            local.down(settings)


def main() -> None:
    """Fill a topic, measure, print and keep the rows."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--events", type=int, default=500_000)
    asked.add_argument("--tls", action="store_true")
    asked.add_argument("--small", action="store_true")
    asked.add_argument("--only", choices=["consume", "land"])
    options = asked.parse_args()
    if options.only:
        one(options.only, options.events)
        return

    shape = f"{os.cpu_count()} CPUs, Python {platform.python_version()}"
    asking = ("--events", str(options.events), "--only")
    with filled_topic(options.events, small=options.small) as topic:
        rows = [measured("landing", *asking, name, environment=topic.plaintext) for name in MEASURED]
        if options.tls:
            topic.empty_lake()
            rows.append(measured("landing", *asking, "land", environment={"MIZAN_HOME": str(topic.settings.home)}))
    least, once, *_ = (float(str(row["cpu_seconds_per_million"])) for row in rows)
    for row, transport in zip(rows, ("PLAINTEXT", "PLAINTEXT", "SASL_SSL"), strict=False):
        cost = float(str(row["cpu_seconds_per_million"]))
        row |= {"transport": transport, "machine": shape, "bytes": topic.bytes}
        row |= {"cpu_ratio_to_consume": round(cost / least, 2), "rate_to_plaintext": round(once / cost, 2)}
    rows[0]["rate_to_plaintext"] = None
    now = dt.datetime.now(dt.UTC).isoformat()
    keep("landing", [{"at": now, **row} for row in rows])


if __name__ == "__main__":
    main()
