"""Many agencies' topics on one real broker: what a plan takes, and whether one landing's means grow with the topics.

``python -m benchmarks.many_topics [--agencies 1000]`` makes the topics in steps, sends an event to every partition and
lands each step in one process. Exit 1 where a plan over all topics takes longer than PLAN_SECONDS, or the landing
opens more files for all topics than for the first tenth and SPARE.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import keep, measured

PARTITIONS = 3
PLAN_SECONDS = 5.0
SPARE = 24
PLANS = 3


def open_files() -> int:
    """Descriptors of this process: files, sockets and pipes."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 a count, many times a second


@contextlib.contextmanager
def most_open_files(seen: list[int]) -> Iterator[None]:
    """Append the largest number of descriptors that were open in the block."""
    done = threading.Event()
    most = [open_files()]

    def look() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], open_files())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        seen.append(most[0])


def land() -> None:
    """Plan PLANS times, then land everything there is, in this process; print what it took."""
    from contracts.event import OFFLINE
    from contracts.settings import Settings
    from landing.cluster import Cluster
    from landing.drain import land as drain
    from landing.plan import make_plan
    from warehouse.lake import Lake
    from warehouse.landing_log import next_offsets

    settings = Settings.load()
    landed, cluster = next_offsets(Lake(settings).open("events")), Cluster(settings.kafka())
    plans = []
    for _ in range(PLANS):
        wall, cpu = time.monotonic(), time.process_time()
        plan = make_plan(cluster, landed)
        plans.append((time.monotonic() - wall, time.process_time() - cpu))
    files: list[int] = []
    wall, cpu = time.monotonic(), time.process_time()
    with most_open_files(files):
        done = drain(settings, until_empty=True, known=OFFLINE)
    status = Path("/proc/self/status").read_text()
    print(
        json.dumps(
            {
                "topics": len(plan.topics),
                "partitions": sum(len(topic.partitions) for topic in plan.topics),
                "plan_seconds": round(sorted(plans)[PLANS // 2][0], 2),
                "plan_cpu_seconds": round(sorted(one for _, one in plans)[PLANS // 2], 2),
                "landed": done.events,
                "commits": len(done.batches),
                "land_seconds": round(time.monotonic() - wall, 2),
                "land_cpu_seconds": round(time.process_time() - cpu, 2),
                "most_open_files": files[0],
                "peak_rss_mb": round(int(status.partition("VmHWM:")[2].split()[0]) / 1024),
            }
        )
    )


def judged(few: dict[str, float], many: dict[str, float]) -> list[str]:
    """What misses its mark; empty where nothing does."""
    missed = []
    if many["plan_seconds"] > PLAN_SECONDS:
        missed.append(f"a plan of {many['topics']} topics took {many['plan_seconds']} s (at most {PLAN_SECONDS})")
    if many["most_open_files"] > few["most_open_files"] + SPARE:
        missed.append(f"{many['most_open_files']} files open, {few['most_open_files']} with a tenth of the topics")
    return missed


def steps(agencies: int) -> list[dict[str, float]]:
    """Land a tenth of the agencies, then all of them, from one broker into one lake."""
    from confluent_kafka import Producer

    from broker import local
    from broker.administration import add_agencies
    from contracts.keys import create_keys
    from contracts.settings import Settings
    from warehouse.lake import Lake

    with tempfile.TemporaryDirectory(prefix="mizan-bench-") as folder:
        environment = {"MIZAN_HOME": folder}
        settings = Settings.load(environment, folder=Path(folder))
        create_keys(settings)
        Lake(settings).create()
        local.up(settings)
        try:
            rows, made = [], 0
            for count in (max(1, agencies // 10), agencies):
                names = [f"bench-{number:05d}" for number in range(made, count)]
                add_agencies(settings, names, partitions=PARTITIONS)
                made = count
                producer = Producer({**settings.kafka_admin().for_librdkafka(), "linger.ms": 20, "log_level": 0})
                everybody = [f"bench-{number:05d}" for number in range(count)]
                for name in everybody:
                    for partition in range(PARTITIONS):
                        producer.produce(f"egov.events.v1.{name}", event(name, count, partition), partition=partition)
                        producer.poll(0)
                assert producer.flush(300) == 0
                rows.append(measured("many_topics", "--only-land", environment=environment))
                assert rows[-1]["landed"] == count * PARTITIONS, rows
            return rows
        finally:
            local.down(settings)


def event(agency: str, step: int, partition: int) -> bytes:
    """A visit that needs nothing of the catalogue."""
    document = {
        "specversion": "1.0", "id": f"e-{step}-{partition}", "source": f"/agencies/{agency}",
        "type": "ir.egov.visit.recorded.v1", "time": "2020-04-01T12:00:00Z",
        "data": {"visit_id": f"v-{step}-{partition}", "channel": "portal", "user_key": f"{step + partition:064x}"},
    }  # fmt: skip
    return json.dumps(document).encode()


def main() -> None:
    """Measure, print and keep the rows, and judge them."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--agencies", type=int, default=1000)
    asked.add_argument("--only-land", action="store_true")
    options = asked.parse_args()
    if options.only_land:
        land()
        return
    rows = steps(options.agencies)
    keep("many_topics", rows)
    missed = judged(*rows)
    if missed:
        sys.exit("failed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
