"""A topic to Parquet: ours, what else one would use, and the limit, from the same topic in the same run.

``python -m benchmarks.landing_peers [--events 200000] [--peer bytewax]`` fills a topic as benchmarks/landing.py does,
without login and TLS, and lets each program of benchmarks/peers/landing take it to Parquet files, each in an
environment and a process of its own. The work is unequal, to our disadvantage: ours alone judges each event by the
contract, makes pids of the persons' keys, takes out repeats and sets bad records aside. Of the others one bad record
ends the program, or is dropped unseen (Spark); exactly once are ours, Spark and Iceberg's sink. ``parts`` says what
each does. Spark and the sink run in a virtual machine of Java that is started, but has done nothing, when the clock
starts: what it learns first is in their figures, and the fewer events, the more of it in each.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from benchmarks.landing import TOPIC, FilledTopic, filled_topic
from benchmarks.peers.environment import HERE, is_here, told_by
from benchmarks.peers.jars import jars_of
from benchmarks.rows import keep, measured


class Peer(NamedTuple):
    """A program of peers/landing: whose environment it runs in (peers/environment.py), its name and what it does.

    ``jars``: what it needs beside that (peers/jars.py). ``from_files``: it is given the topic as files of text.
    """

    script: str
    environment: str
    name: str
    parts: str
    jars: str | None = None
    from_files: bool = False


SPARK = "JSON, types, Parquet; exactly once"
PEERS = (
    Peer("kafka_python_read", "ours", "kafka-python", "reads"),
    Peer("bytewax_flow", "bytewax", "Bytewax", "JSON, Parquet; at least once"),
    Peer("quix_stream", "quixstreams", "Quix Streams", "JSON, Parquet; at least once"),
    Peer("dlt_pipeline", "dlt", "dlt", "JSON, types, Parquet; at least once"),
    Peer("spark_kafka", "spark", "Spark streaming", f"{SPARK}, bad rows dropped", jars="spark-sql-kafka-0-10_2.13"),
    Peer(
        "spark_text",
        "spark",
        "Spark from text files",
        f"no Kafka (upper bound), {SPARK}, bad rows dropped",
        from_files=True,
    ),
    Peer(
        "iceberg_connect",
        "connect",
        "Kafka Connect, Iceberg sink",
        "JSON, Iceberg; exactly once; a bad record ends the task",
        jars="iceberg-kafka-connect",
    ),
)
OURS = (
    ("consume", "librdkafka (limit)", "reads"),
    ("land", "ours", "contract, pids, repeats, Parquet, bad records aside; exactly once"),
)
FILES = 8  # of text: some for each core of a small machine
OWN = {".dlt", "_dlt_loads", "_dlt_version", "_dlt_pipeline_state"}  # what dlt keeps for itself


def main() -> None:
    """Fill the topic, let everybody land it, keep the rows."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000)
    arguments.add_argument("--peer", choices=sorted({peer.environment for peer in PEERS}), help="that one alone")
    asked = arguments.parse_args()
    with filled_topic(asked.events) as topic:
        told = []
        if asked.peer in (None, "ours"):
            options = ("--events", str(asked.events), "--only")
            told += [
                (name, parts, measured("landing", *options, step, environment=topic.plaintext))
                for step, name, parts in OURS
            ]
        for peer in PEERS:
            if asked.peer in (None, peer.environment) and is_here(peer.environment):
                told.append((peer.name, peer.parts, _ask(peer, topic, asked.events)))
    limit = told[0][2]["cpu_seconds_per_million"] if asked.peer in (None, "ours") else None
    keep("landing_peers", [_row(*one, events=asked.events, size=topic.bytes, limit=limit) for one in told])


def _ask(peer: Peer, topic: FilledTopic, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mizan_peer_") as folder:
        script = HERE / "landing" / f"{peer.script}.py"
        if peer.from_files:
            _write_text(topic, count, Path(folder) / "topic")
        jars = jars_of(peer.jars) if peer.jars else None
        row = told_by(peer.environment, script, topic.bootstrap, TOPIC, str(count), folder, jars=jars)
        files = [path for path in Path(folder).rglob("*.parquet") if not OWN & set(path.parts)]
        rows = sum(pq.read_metadata(path).num_rows for path in files)
    if peer.parts != "reads" and rows != count:
        sys.exit(f"{peer.name} left {rows} rows of {count}")
    row["cpu_seconds_per_million"] = round(row["cpu_seconds"] / count * 1e6, 2)
    return row


def _write_text(topic: FilledTopic, count: int, folder: Path) -> None:
    """The topic's values as lines of FILES files of text."""
    from confluent_kafka import Consumer

    folder.mkdir()
    reading = {"bootstrap.servers": topic.bootstrap, "group.id": "bench-text", "auto.offset.reset": "earliest"}
    consumer = Consumer(reading)
    consumer.subscribe([TOPIC])
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context((folder / f"{number}.txt").open("wb")) for number in range(FILES)]
        written = 0
        while written < count:
            for message in consumer.consume(10_000, timeout=1.0):
                files[written % FILES].write(message.value() + b"\n")
                written += 1
    consumer.close()


def _row(name: str, parts: str, told: dict[str, Any], *, events: int, size: int, limit: float | None) -> dict[str, Any]:
    cost = told["cpu_seconds_per_million"]
    return {
        "measurement": name,
        "parts": parts,
        "events": events,
        "bytes": size,
        "events_per_second": round(events / told["seconds"]),
        "cpu_seconds_per_million": cost,
        "peak_rss_mb": told["peak_rss_mb"],
        "cpu_ratio_to_limit": round(cost / limit, 1) if limit else None,
    }


if __name__ == "__main__":
    main()
