"""A report's real volume, whole: events through the broker, landed, judged, built and published by the commands.

``python -m benchmarks.whole_run [--events 2000000] [--folder DIR]`` tells Qom's half-year as so many events (23 M of
them: 6.8 million transactions of 3 million persons; the whole is 78 M) and prints a row for each step: seconds,
processor seconds of the step's own process, its peak memory, and what is on disk after it. Everything but the telling
is done by Mizan's commands, over SASL_SSL; events reach the broker through a listener for benchmarks, without a login.
It ends with exit 1 where the published figure is not the one that the scenario was told with. DIR needs some 500 bytes
an event; without it a folder for temporary files serves.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rows import keep

if TYPE_CHECKING:
    from contracts.settings import Settings

SCENARIO, SEED = "qom-1399-h1", 1399
# Each step as its user calls it; what comes first is done by this module, as ``--do``.
COMMANDS = {
    "land": ("land", "--until-empty"),
    "gate": ("gate",),
    "build": ("build",),
    "publish": ("publish",),
    "verify": ("verify",),
}
KEPT = ("broker", "lake", "build", "published")


def main() -> None:
    """Run the steps one after another, in one home."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--do", choices=["produce", "figure"], help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.do:
        {"produce": produce, "figure": figure}[asked.do](asked.events)
        return
    from broker import local
    from contracts.settings import Settings

    with tempfile.TemporaryDirectory(prefix="mizan-whole-run-", dir=asked.folder) as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        _begin(settings)
        try:
            ours = [sys.executable, "-m", "benchmarks.whole_run", "--events", str(asked.events), "--do"]
            keep("whole_run", [_step(settings, "produce", [*ours, "produce"])])
            for name, command in COMMANDS.items():
                keep("whole_run", [_step(settings, name, [sys.executable, "-m", "console.main", *command])])
            found = _step(settings, "figure", [*ours, "figure"])
        finally:
            local.down(settings)
    keep("whole_run", [found])
    if found["published"] != found["told"]:
        sys.exit(f"published is {found['published']:,}, told were {found['told']:,}")


def scale_of(events: int) -> float:
    """The part of the scenario that has about so many events."""
    from producers.scenarios.registry import scenario

    return min(1.0, events / scenario(SCENARIO).EVENTS_AT_FULL_SCALE)


def produce(events: int) -> None:
    """Tell the scenario to the broker, each agency's events into its topic; librdkafka, one process."""
    from confluent_kafka import Producer

    from contracts.settings import Settings
    from contracts.topics import topic_of
    from producers.scenarios.registry import scenario
    from producers.streaming import told

    chosen = scenario(SCENARIO)
    address = json.loads(Settings.load().broker_file.read_text())["plaintext_bootstrap"]
    limits = {"linger.ms": 200, "compression.type": "zstd", "queue.buffering.max.messages": 400_000}
    producer = Producer({"bootstrap.servers": address, **limits, "log_level": 0})
    count = 0
    for agency, value in told(chosen, chosen.MONTHS, scale_of(events), SEED):
        while True:
            try:
                producer.produce(topic_of(agency), value)
                break
            except BufferError:
                producer.poll(0.5)
        count += 1
        if count % 5_000 == 0:
            producer.poll(0)
    if producer.flush(300):
        sys.exit("the broker did not take every event")
    print(json.dumps({"events": count}))


def figure(events: int) -> None:
    """The half-year's completed transactions: as published, and as the scenario was told."""
    from contracts.settings import Settings
    from producers.scenarios.qom_1399_h1 import TRANSACTIONS
    from warehouse.published import open_published

    with open_published(Settings.load()) as tables:
        rows = tables.execute(
            "SELECT completed FROM marts.period_totals "
            "WHERE period = '1399-H1' AND scope_key = 'province:qom' AND channel = 'all'"
        ).fetchall()
    print(json.dumps({"published": rows[0][0] if rows else None, "told": round(TRANSACTIONS * scale_of(events))}))


def _begin(settings: Settings) -> None:
    """A home with its broker up, the scenario's agencies onboarded and its catalogue loaded."""
    from broker import local
    from broker.administration import add_agencies
    from catalogue.load import load_tables
    from pipeline.steps import initialise
    from producers.scenarios.registry import scenario

    chosen = scenario(SCENARIO)
    initialise(settings)
    local.up(settings, benchmark_plaintext=True)
    add_agencies(settings, list(chosen.SENDERS))
    load_tables(settings, f"simulate:{chosen.NAME}", chosen.catalogue())


def _step(settings: Settings, name: str, command: Sequence[str]) -> dict[str, object]:
    """Run one step; what it cost, what is on disk after it, and what it printed of its own."""
    begun = time.monotonic()
    running = subprocess.Popen(
        command, env={**os.environ, "MIZAN_HOME": str(settings.home)}, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    said = running.stdout.read()
    _, status, spent = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, list(command), said)
    return {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "step": name,
        "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(spent.ru_utime + spent.ru_stime, 1),
        "peak_rss_mb": round(spent.ru_maxrss * 1024 / 1e6),
        **{f"{part}_mb": round(_bytes(settings.home / part) / 1e6) for part in KEPT},
        **(json.loads(said.splitlines()[-1]) if name in ("produce", "figure") else {}),
    }


def _bytes(folder: Path) -> int:
    """What a folder's files take on the disk; a file under two names counts once."""
    return sum({(s := path.lstat()).st_ino: 512 * s.st_blocks for path in folder.rglob("*") if path.is_file()}.values())


if __name__ == "__main__":
    main()
