"""What a small batch costs on a small lake and on a large one: landing, dedupe, gate, facts, month and publish.

``python -m benchmarks.growth [--sizes 1,3,10] [--events 10000] [--folder DIR]`` lets one lake grow to each of the sizes
(in millions of events, as many months: benchmarks/growing_lake.py), builds and publishes it, and then takes a batch of
new events of its newest month through a real broker and every step, each a process of its own. A row is a size and a
step: ``cpu_us_per_event`` is per new event, the ratio is to the same step on the smallest history of the run. Half of
the batch's persons and half of its completed transactions were there before; REPEATS more of its records are in the
lake already and must be found. A step's start is in its cost, what it loads included. ``rebuild`` is all of the history
built from nothing, per event of it. The catalogue is a small one (12 agencies, 36 services), because publishing grows
with what there is to publish. A lake of 100 needs some 12 GB in DIR; without it a folder for temporary files serves.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks import growing_lake
from benchmarks.growing_lake import AGENCIES, MONTHLY, REPEATS
from benchmarks.peers.cost import measured as cost
from benchmarks.rows import keep, measured

if TYPE_CHECKING:
    from contracts.settings import Settings

STEPS = ("land", "gate", "facts", "month", "publish")


def main() -> None:
    """Grow, build, and take a batch through, size by size."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", default="1,3,10")
    arguments.add_argument("--events", type=int, default=10_000)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--do", choices=sorted(DOING), help=argparse.SUPPRESS)
    arguments.add_argument("--months", default="0,0", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.do:
        first, last = (int(number) for number in asked.months.split(","))
        print(json.dumps(DOING[asked.do](first, last, asked.events)))
        return
    from broker import local
    from contracts.settings import Settings

    sizes = sorted({int(size) for size in asked.sizes.split(",")})
    least: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="mizan-growth-", dir=asked.folder) as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        plain = _begin(settings)
        try:
            before = 0
            for size in sizes:
                for row in _rows(folder, plain, before, size, asked.events):
                    base = least.setdefault(row["step"], row["cpu_us_per_event"])
                    row["cpu_ratio_to_smallest"] = round(row["cpu_us_per_event"] / base, 2)
                    keep("growth", [row])
                before = size
        finally:
            local.down(settings)


def _begin(settings: Settings) -> str:
    """A home with a catalogue and its broker up; the broker's address for reading and writing without a login."""
    from broker import local
    from broker.administration import add_agencies
    from catalogue.load import load_tables
    from pipeline.steps import initialise

    initialise(settings)
    plain = local.up(settings, benchmark_plaintext=True)["plaintext_bootstrap"]
    add_agencies(settings, list(AGENCIES))
    load_tables(settings, "growth", growing_lake.catalogue())
    return plain


def _rows(home: str, plain: str, before: int, size: int, count: int) -> list[dict[str, Any]]:
    """Grow the lake from ``before`` to ``size`` months, then take a batch through: the rows of this size."""
    environment = {
        "MIZAN_HOME": home,
        "KAFKA_BOOTSTRAP_SERVERS": plain,
        "MIZAN_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    }

    def do(step: str, first: int = before, last: int = size) -> dict[str, Any]:
        asking = ("--do", step, "--months", f"{first},{last}", "--events", str(count))
        return measured("growth", *asking, environment=environment)

    do("grow")
    done = {"rebuild": do("build")}
    do("publish")  # what is measured is a version after another
    do("send")
    for step in STEPS:
        told = do(step)
        if "dedupe" in told:
            done["dedupe"] = told.pop("dedupe")
        done[step] = told
    return [
        {
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "history": size * MONTHLY,
            "step": step,
            "events": events,
            **one,
            "cpu_us_per_event": round(one["cpu_seconds"] * 1e6 / events, 2),
        }
        for step, one in done.items()
        for events in [size * MONTHLY if step == "rebuild" else count]
    ]


def _grow(first: int, last: int, _: int) -> dict[str, Any]:
    from contracts.settings import Settings

    growing_lake.grow(Settings.load(), first, last)
    return {}


def _send(_: int, months: int, count: int) -> dict[str, Any]:
    """The batch to the broker, each agency's events into its topic."""
    from confluent_kafka import Producer

    from contracts.settings import Settings
    from contracts.topics import topic_of

    settings = Settings.load()
    producer = Producer({**settings.kafka().for_librdkafka(), "linger.ms": 20, "log_level": 0})
    for agency, value in growing_lake.batch(settings, months, count):
        producer.produce(topic_of(agency), value)
    if producer.flush(120):
        sys.exit("the broker did not take every event")
    return {}


def _land(_: int, __: int, count: int) -> dict[str, Any]:
    """Land the batch; what looking for repeats took of that is told apart, its memory is the process's."""
    from contracts.settings import Settings
    from landing import drain

    settings, spent = Settings.load(), {"seconds": 0.0, "cpu_seconds": 0.0}
    take_out_repeats = drain.take_out_repeats

    def timed(*given: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return take_out_repeats(*given)
        finally:
            spent["seconds"] += time.perf_counter() - wall
            spent["cpu_seconds"] += time.process_time() - cpu

    with mock.patch.object(drain, "take_out_repeats", timed):
        landed, told = cost(lambda: drain.land(settings, until_empty=True))
    if (landed.events, landed.duplicates, landed.quarantined) != (count, REPEATS, 0):
        sys.exit(f"landed {landed.document()} of {count} new events and {REPEATS} repeats")
    dedupe = {"seconds": round(spent["seconds"], 2), "cpu_seconds": round(spent["cpu_seconds"], 3)}
    return {
        "seconds": round(told["seconds"] - dedupe["seconds"], 2),
        "cpu_seconds": round(told["cpu_seconds"] - dedupe["cpu_seconds"], 3),
        "peak_rss_mb": told["peak_rss_mb"],
        "dedupe": {**dedupe, "peak_rss_mb": told["peak_rss_mb"]},
    }


def _gate(_: int, __: int, ___: int) -> dict[str, Any]:
    from contracts.settings import Settings
    from pipeline.steps import judge_batches

    (result, _report), told = cost(lambda: judge_batches(Settings.load()))
    if result.held or len(result.judged) < len(AGENCIES):
        sys.exit(f"held: {result.held}, judged: {len(result.judged)}")
    return told


def _build(_: int, __: int, ___: int) -> dict[str, Any]:
    from contracts.settings import Settings
    from transforms.refresh import update

    return cost(lambda: update(Settings.load(), full=True))[1]


def _facts(_: int, __: int, ___: int) -> dict[str, Any]:
    from contracts.settings import Settings
    from pipeline import steps

    found, told = cost(lambda: steps.update_facts(Settings.load()))
    if not 2 <= len(found) <= 3:
        sys.exit(f"a batch of one month touched {found}")
    return told


def _month(_: int, __: int, ___: int) -> dict[str, Any]:
    """Every month that waits: one of each calendar, and the periods that hold them."""
    from contracts.settings import Settings
    from pipeline import steps
    from transforms.refresh import pending_months

    settings = Settings.load()
    labels = [month.label for month in pending_months(settings)]
    return cost(lambda: [steps.refresh_month(label, settings) for label in labels])[1]


def _publish(_: int, __: int, ___: int) -> dict[str, Any]:
    from contracts.settings import Settings
    from pipeline.steps import publish_marts

    published, told = cost(lambda: publish_marts(Settings.load()))
    if not published.is_new:
        sys.exit("nothing new was published")
    return told


DOING: Mapping[str, Callable[[int, int, int], dict[str, Any]]] = {
    "grow": _grow,
    "build": _build,
    "send": _send,
    "land": _land,
    "gate": _gate,
    "facts": _facts,
    "month": _month,
    "publish": _publish,
}


if __name__ == "__main__":
    main()
