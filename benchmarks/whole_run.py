"""A report's real volume, whole: events through the broker, landed, judged, built and published by the commands.

``python -m benchmarks.whole_run [--scenario national-window-1402] [--events 2000000] [--home DIR]`` tells a report as
so many events and prints a row for each step: seconds, processor seconds of the step's own process, its peak memory,
and what is on disk after it. Qom's half-year is 78 M events (23 M of them: 6.8 million transactions of 3 million
persons); of the national window it is one month in which all 35 million persons make 80 million visits, 120 M events.
Everything but the telling is done by Mizan's commands, over SASL_SSL; events reach the broker through a listener for
benchmarks, without a login. It ends with exit 1 where a published figure is not the one that the report was told with.
DIR needs some 500 bytes an event and stays: a run that was stopped goes on there with its first step not done. Without
it a folder for temporary files serves.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rows import keep

if TYPE_CHECKING:
    from contracts.settings import Settings

SEED = 1399


@dataclass(frozen=True)
class Figure:
    """A published number, as a query of one row, and how much of it the report was told with at full scale."""

    name: str
    query: str
    told: int


@dataclass(frozen=True)
class Report:
    """What is told of a scenario: a stream of (agency, event) at a scale, its events at full scale, its figures."""

    events: int
    tell: Callable[[float], Iterator[tuple[str, bytes]]]
    figures: Sequence[Figure]


def _reports() -> Mapping[str, Report]:
    """By the scenario's name."""
    from producers.scenarios import national_window_1402 as window
    from producers.scenarios import qom_1399_h1 as qom
    from producers.streaming import told

    nation = (
        "FROM marts.{} WHERE calendar = 'jalali' AND month = '" + window.ALL_IN.label + "' "
        "AND scope = 'national' AND channel = 'national_window'"
    )
    return {
        qom.NAME: Report(
            qom.EVENTS_AT_FULL_SCALE,
            lambda scale: told(qom, qom.MONTHS, scale, SEED),
            [
                Figure(
                    "transactions",
                    "SELECT completed FROM marts.period_totals "
                    "WHERE period = '1399-H1' AND scope_key = 'province:qom' AND channel = 'all'",
                    qom.TRANSACTIONS,
                )
            ],
        ),
        window.NAME: Report(
            window.EVENTS_OF_ALL,
            lambda scale: window.month_of_all(scale, SEED),
            [
                Figure("visits", f"SELECT visits {nation.format('monthly_visits')}", window.MONTHLY_VISITS),
                Figure("users", f"SELECT active_users {nation.format('monthly_users')}", window.USERS),
            ],
        ),
    }


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
    arguments.add_argument("--scenario", choices=["qom-1399-h1", "national-window-1402"], default="qom-1399-h1")
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--home", type=Path)
    arguments.add_argument("--do", choices=["produce", "figure"], help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.do:
        {"produce": produce, "figure": figure}[asked.do](_reports()[asked.scenario], asked.events)
        return
    if asked.home:
        asked.home.mkdir(parents=True, exist_ok=True)
        _run(asked.home.resolve(), asked.scenario, asked.events)
        return
    with tempfile.TemporaryDirectory(prefix="mizan-whole-run-") as folder:
        _run(Path(folder), asked.scenario, asked.events)


def _run(home: Path, scenario_name: str, events: int) -> None:
    """The steps that the home has not done yet; it keeps the rows of those it has."""
    from broker import local
    from contracts.settings import Settings

    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    rows = home / "steps.jsonl"
    done = [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []
    ours = [sys.executable, "-m", "benchmarks.whole_run", "--scenario", scenario_name, "--events", str(events), "--do"]
    steps = {
        "produce": [*ours, "produce"],
        **{name: [sys.executable, "-m", "console.main", *command] for name, command in COMMANDS.items()},
        "figure": [*ours, "figure"],
    }
    if done:
        local.up(settings, benchmark_plaintext=True)
    else:
        _begin(settings, scenario_name)
    try:
        for name in list(steps)[len(done) :]:
            done.append({"scenario": scenario_name, **_step(settings, name, steps[name])})
            rows.write_text("".join(f"{json.dumps(row)}\n" for row in done))
    finally:
        local.down(settings)
    keep("whole_run", done)
    if done[-1]["published"] != done[-1]["told"]:
        sys.exit(f"published is {done[-1]['published']}, told were {done[-1]['told']}")


def scale_of(report: Report, events: int) -> float:
    """The part of the report that has about so many events."""
    return min(1.0, events / report.events)


def produce(report: Report, events: int) -> None:
    """Tell the report to the broker, each agency's events into its topic; librdkafka, one process."""
    from confluent_kafka import Producer

    from contracts.settings import Settings
    from contracts.topics import topic_of

    address = json.loads(Settings.load().broker_file.read_text())["plaintext_bootstrap"]
    limits = {"linger.ms": 200, "compression.type": "zstd", "queue.buffering.max.messages": 400_000}
    producer = Producer({"bootstrap.servers": address, **limits, "log_level": 0})
    count = 0
    topics: dict[str, str] = {}
    for agency, value in report.tell(scale_of(report, events)):
        topic = topics.get(agency) or topics.setdefault(agency, topic_of(agency))
        while True:
            try:
                producer.produce(topic, value)
                break
            except BufferError:
                producer.poll(0.5)
        count += 1
        if count % 5_000 == 0:
            producer.poll(0)
    if producer.flush(300):
        sys.exit("the broker did not take every event")
    print(json.dumps({"events": count}))


def figure(report: Report, events: int) -> None:
    """The report's figures by name: as published, and as it was told."""
    from contracts.settings import Settings
    from warehouse.published import open_published

    published: dict[str, Any] = {}
    with open_published(Settings.load()) as tables:
        for one in report.figures:
            rows = tables.execute(one.query).fetchall()
            published[one.name] = rows[0][0] if rows else None
    told = {one.name: round(one.told * scale_of(report, events)) for one in report.figures}
    print(json.dumps({"published": published, "told": told}))


def _begin(settings: Settings, scenario_name: str) -> None:
    """A home with its broker up, the scenario's agencies onboarded and its catalogue loaded."""
    from broker import local
    from broker.administration import add_agencies
    from catalogue.load import load_tables
    from pipeline.steps import initialise
    from producers.scenarios.registry import scenario

    chosen = scenario(scenario_name)
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
