"""A stream half of which is poison against a clean one: the same run, the same broker, records by CPU second.

``python -m benchmarks.poison [--events 200000]`` lands clean and poisoned streams by turns, each an agency's own topic,
and ends with exit 1 where the poisoned one keeps less than PASS of the clean rate, or the program's memory passes a
gigabyte. ``--backlog 5000000`` lands one clean backlog of that size instead, once, for its memory.
"""

import argparse
import datetime as dt
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.rows import keep, measured

PASS = 0.60
MOST_RSS_MB = 1000  # a gigabyte, of 10^9 bytes
JUDGED = 20_000
SERVICES, PLACES = 600, {"qom": "province", "kahak": "district"}
CHANNELS = ("portal", "mobile_app", "counter_office", "service_desk")
KEY_IDS = frozenset({"t1"})
ROUNDS = 2
Headers = list[tuple[str, bytes]]
Spoil = Callable[[bytes], bytes | tuple[bytes, Headers]]


def _put(old: bytes, new: bytes) -> Spoil:
    return lambda value: value.replace(old, new, 1)


# Every class of the corpus of bad input (tests/corpus) whose records are refused one by one, as faults of a good event.
# Not here: values above the size limit and bombs, each of which is as long as hundreds of events.
POISON: dict[str, tuple[Spoil, ...]] = {
    "wire.empty": (lambda _: b"",),
    "wire.encoding": (lambda value: value[:200] + b"\xff" + value[200:], lambda value: b"\xef\xbb\xbf" + value),
    "wire.format": (lambda value: value[:300], lambda value: value + value, lambda _: b"<event/>"),
    "wire.headers": (lambda value: (value, [("a", b"1"), ("a", b"2")]),),
    "json.shape": (lambda value: value.replace(b'"portal"', b"[" * 40 + b"]" * 40, 1).replace(b'"1.0"', b"[" * 40),),
    "json.dup_key": (_put(b'"audience":"citizen"', b'"audience":"citizen","audience":"citizen"'),),
    "json.number": (
        _put(b'"documents_requested":', b'"documents_requested":NaN,"x":'),
        _put(b'_steps":0', b'_steps":"0"'),
    ),
    "json.text": (_put(b'"trk-', '"trk-\u202e'.encode()),),
    "json.special": (_put(b'"audience"', b'"$ref"'), _put(b'"audience"', b'"__proto__"')),
    "env.required": (_put(b'"id"', b'"no"'), _put(b'"time"', b'"no"'), _put(b'"1.0"', b'"0.3"')),
    "env.source": (_put(b'"/agencies/', b'"/agencies/not-'),),
    "env.type": (_put(b"completed.v1", b"completed.v9"),),
    "env.id": (_put(b'"id":"', b'"id":"\xc3\xa9'),),
    "env.time": (_put(b'"2020', b'"2020-99'), _put(b'"2020', b'"2099')),
    "key.user": (_put(b'"user_key":"', b'"user_key":"F'), _put(b'"audience"', b'"user_key_id":"t9","audience"')),
    "pii.text": (_put(b'"trk-', b'"09123456789","visit_id":"'), _put(b'"18_34"', b'"a@example.ir"')),
    "dom.code": (_put(b'"channel":"', b'"channel":"fax '), _put(b'"svc', b'"gone'), _put(b'"qom"', b'"atlantis"')),
    "dom.value": (_put(b'"human_steps":', b'"human_steps":-'), _put(b'"duration_seconds":', b'"duration_seconds":-1')),
    "dom.test": (_put(b'"audience"', b'"is_test":"yes","audience"'),),
    "schema.add": (_put(b'"age_band":"18_34"', b'"note":"18_34"'),),
    "schema.break": (_put(b'"accepted"', b'"lost"'), _put(b'"service_id"', b'"service"')),
    "schema.mix": (_put(b'"data":', b'"dataschema":"urn:other","data":'),),
}


def stream(
    agency: str, count: int, seed: int, poison: float, classes: Sequence[str] = tuple(POISON)
) -> Iterator[tuple[bytes, Headers]]:
    """Completed transactions of about 540 bytes, ids ordered by time; ``poison`` is the share that is spoilt.

    The classes of poison come by turns, and within each its kinds.
    """
    draw = random.Random(seed)
    begin = dt.datetime(2020, 3, 21, tzinfo=dt.UTC)
    people = max(1, count * 3 // 10)
    kinds = {name: itertools.cycle(POISON[name]) for name in classes}
    turns = itertools.cycle(classes)
    for number in range(count):
        key = f"{draw.randrange(people) + 1:08x}" * 8
        at = (begin + dt.timedelta(milliseconds=10 * number)).isoformat(timespec="milliseconds")
        one = (
            f'{{"specversion":"1.0","id":"{number:012x}-{draw.getrandbits(80):020x}","source":"/agencies/{agency}",'
            f'"type":"ir.egov.transaction.completed.v1","time":"{at}","data":{{"transaction_id":"trk-{number:09x}",'
            f'"service_id":"svc-{draw.randrange(SERVICES)}","channel":"{draw.choice(CHANNELS)}","user_key":"{key}",'
            f'"audience":"citizen","province":"qom","district":"kahak","age_band":"18_34","authn_level":"declared",'
            f'"outcome":"accepted","in_person_steps":0,"human_steps":1,"documents_requested":2,'
            f'"duration_seconds":{draw.randrange(10_000)}}}}}'
        ).encode()
        spoilt = next(kinds[next(turns)])(one) if draw.random() < poison else one
        yield spoilt if isinstance(spoilt, tuple) else (spoilt, [])


def land() -> None:
    """Land everything there is, in this process; print what it took."""
    import confluent_kafka  # noqa: F401 imported before the clock starts, as everything below
    import deltalake  # noqa: F401
    import duckdb  # noqa: F401

    from contracts.event import Known
    from contracts.settings import Settings
    from landing.drain import land as drain

    known = Known({f"svc-{number}": None for number in range(SERVICES)}, PLACES, KEY_IDS)
    wall, cpu = time.monotonic(), time.process_time()
    landed = drain(Settings.load(), known=known)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(
        json.dumps(
            {
                "events": landed.events,
                "quarantined": landed.quarantined,
                "seconds": round(wall, 2),
                "cpu_seconds_per_million": round(cpu / landed.offsets * 1e6, 2),
                "records_per_cpu_second": round(landed.offsets / cpu),
                "peak_rss_mb": round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6),
            }
        )
    )


def judged(name: str) -> "dict[str, object]":
    """What a batch costs to judge, without Kafka and lake, where half of it is poison of one class; "" is none."""
    from contracts.event import Known
    from landing.cluster import Topic
    from landing.confidential import unspilling_connection
    from landing.consumer import Chunk
    from landing.decode import Decoder
    from landing.quarantine import as_table
    from landing.rekeying import LandingKeys

    values, headers = zip(*stream("bench", JUDGED, 1, 0.5 if name else 0.0, [name] if name else []), strict=True)
    known = Known({f"svc-{number}": None for number in range(SERVICES)}, PLACES, KEY_IDS)
    connection = unspilling_connection()
    decoder = Decoder(connection, [Topic("bench", "bench", "", 1, (0,))], known, LandingKeys.of(b"k" * 32))
    begun = time.process_time()
    decoder.add(
        Chunk(
            ["bench"] * JUDGED, [0] * JUDGED, list(range(JUDGED)), list(values), [given or None for given in headers],
            [0] * JUDGED,
        )
    )  # fmt: skip
    rejected = decoder.decode()
    as_table(rejected, "bench", dt.datetime.now(dt.UTC))
    spent = time.process_time() - begun
    connection.close()
    return {
        "stream": f"judging alone: {name or 'clean'}",
        "records": JUDGED,
        "events": JUDGED - len(rejected),
        "quarantined": len(rejected),
        "cpu_seconds_per_million": round(spent / JUDGED * 1e6, 2),
        "records_per_cpu_second": round(JUDGED / spent),
    }


class Bench:
    """A broker and a lake of their own."""

    def __init__(self, folder: str) -> None:
        from broker import local
        from contracts.keys import create_keys
        from contracts.settings import Settings
        from warehouse.lake import Lake

        self.environment = {"MIZAN_HOME": folder}
        self.settings = Settings.load(self.environment, folder=Path(folder))
        create_keys(self.settings)
        Lake(self.settings).create()
        self.address = local.up(self.settings, benchmark_plaintext=True)["plaintext_bootstrap"]
        self.environment |= {"KAFKA_BOOTSTRAP_SERVERS": self.address, "MIZAN_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}

    def close(self) -> None:
        """Stop the broker."""
        from broker import local

        local.down(self.settings)

    def measure(self, agency: str, count: int, seed: int, poison: float) -> "dict[str, object]":
        """Send a stream of an agency's own, then land it in a process of its own."""
        from confluent_kafka import Producer

        from broker.administration import add_agency

        add_agency(self.settings, agency)
        producer = Producer({
            "bootstrap.servers": self.address, "linger.ms": 50, "log_level": 0, "compression.type": "zstd",
            "queue.buffering.max.messages": 200_000,
        })  # fmt: skip
        for value, headers in stream(agency, count, seed, poison):
            while True:
                try:
                    producer.produce(f"egov.events.v1.{agency}", value, headers=headers)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(300) == 0
        row = measured("poison", "--only-land", environment=self.environment)
        assert int(str(row["events"])) + int(str(row["quarantined"])) == count, row
        return {"stream": agency, "records": count, **row}


def main() -> None:
    """Bring a broker up, land the streams by turns, print and keep the rows, and judge the ratio."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--events", type=int, default=200_000)
    asked.add_argument("--backlog", type=int, default=0)
    asked.add_argument("--only-land", action="store_true")
    options = asked.parse_args()
    if options.only_land:
        land()
        return
    with tempfile.TemporaryDirectory(prefix="mizan-bench-") as folder:
        bench = Bench(folder)
        try:
            if options.backlog:
                rows = [bench.measure("backlog", options.backlog, 1, 0.0)]
            else:
                bench.measure("warm-up", 2_000, 0, 0.5)
                rows = [
                    bench.measure(f"{name}-{turn}", options.events, turn, share)
                    for turn in range(1, ROUNDS + 1)
                    for name, share in (("clean", 0.0), ("poisoned", 0.5))
                ]
        finally:
            bench.close()
    cost = {
        name: sum(float(str(row["cpu_seconds_per_million"])) for row in rows if str(row["stream"]).startswith(name))
        for name in ("clean", "poisoned")
    }
    ratio = cost["clean"] / cost["poisoned"] if cost["poisoned"] else None
    if ratio is not None:
        for row in rows:
            row["rate_against_clean"] = round(ratio, 2) if str(row["stream"]).startswith("poisoned") else 1.0
    keep("poison", rows)
    most = max(int(str(row["peak_rss_mb"])) for row in rows)
    if ratio is not None:
        judged("")  # what is made once
        keep("poison", map(judged, ("", *POISON)))
    if (ratio is not None and ratio < PASS) or most > MOST_RSS_MB:
        sys.exit(f"failed: {ratio} of the clean rate (at least {PASS}), {most} MB (at most {MOST_RSS_MB})")


if __name__ == "__main__":
    main()
