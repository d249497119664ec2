"""How old a number is: from an event's acknowledgement to the first published version that counts it.

``python -m benchmarks.freshness [--probes 200] [--way follow|scheduler]``: a real broker over SASL_SSL, one process
that says RATE events a second through the SDK, and once `mizan run --follow`, once the DAGs on Airflow's scheduler.
A probe is one completed transaction of an agency that says nothing else, at a moment of its own; the published count
of that agency tells the first version that has it. Then nothing comes in any more, and what waiting alone costs is
measured: processor time of all processes of that way, as a share of one core. Exit 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.rows import keep

if TYPE_CHECKING:
    from contracts.settings import Settings

RATE = 1_000
GOALS = {"follow": 15.0, "scheduler": 60.0}  # seconds, the 99th of a hundred probes
NAMES = {"follow": "mizan run --follow", "scheduler": "DAGs on the scheduler"}
IDLE_GOAL = 0.05  # of one core
IDLE_SECONDS = 60.0
SCENARIO = "qom-1399-h1"  # its catalogue: who there is and what is offered
TELLERS = 4
PATIENCE_SECONDS = 300.0
_TICKS_A_SECOND = 20


def main() -> None:
    """Measure one way or both, print and keep the rows, and judge them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--probes", type=int, default=200)
    asked.add_argument("--way", choices=list(GOALS))
    asked.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    asked.add_argument("--do", choices=["tell"], help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.do:
        tell()
        return
    missed = []
    for way in [options.way] if options.way else list(GOALS):
        row = measure(way, options.probes, options.idle_seconds)
        keep("freshness", [row])
        if row["p99_seconds"] > GOALS[way] or row["idle_share_of_a_core"] > IDLE_GOAL:
            missed.append(row["measurement"])
    if missed:
        sys.exit(f"failed: {', '.join(missed)}")


def measure(way: str, probes: int, idle_seconds: float) -> dict[str, Any]:
    """One way's row, in a home of its own."""
    from broker import local
    from contracts.settings import Settings

    with tempfile.TemporaryDirectory(prefix="mizan-freshness-") as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        _begin(settings)
        try:
            with _running(way, settings) as process:
                with _telling(settings) as told, Watch(settings) as watch:
                    ages, spent = _probed(settings, watch, process, probes)
                _wait_until_quiet(settings)
                begun, used = time.monotonic(), _cpu_seconds(process)
                time.sleep(idle_seconds)
                idle = (_cpu_seconds(process) - used) / (time.monotonic() - begun)
        finally:
            local.down(settings)
    ages.sort()
    return {
        "measurement": NAMES[way],
        "probes": probes,
        "events_per_second": round(told["events"] / told["seconds"]),
        "versions": len(watch.seen),
        "p50_seconds": round(_percentile(ages, 0.5), 1),
        "p99_seconds": round(_percentile(ages, 0.99), 1),
        "max_seconds": round(ages[-1], 1),
        "p99_goal_seconds": GOALS[way],
        "busy_share_of_a_core": round(spent, 2),
        "idle_share_of_a_core": round(idle, 3),
        "idle_goal": IDLE_GOAL,
    }


class Watch:
    """A thread that notes when each version came into service and how many probes it counts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: dict[int, tuple[float, int]] = {}  # version: when, probes counted

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def counted(self, probes: int, seconds: float) -> float:
        """Wait for the first version with so many probes; when it came, in seconds since 1970."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for when, count in list(self.seen.values()):
                if count >= probes:
                    return when
            time.sleep(0.05)
        raise TimeoutError(f"{probes} probes are not published after {seconds:.0f} s: {self.seen}")

    def _look(self) -> None:
        from warehouse.published import current, open_published

        while not self._over.wait(0.02):
            found = current(self._settings)
            if found is None or found["version"] in self.seen:
                continue
            when = time.time()
            with open_published(self._settings) as tables:
                ((count,),) = tables.execute(
                    "SELECT coalesce(sum(completed), 0)::BIGINT FROM marts.monthly_transactions "
                    "WHERE calendar = 'gregorian' AND scope = 'agency' AND scope_id = $probe AND channel = 'all'",
                    {"probe": _agencies()[-1]},
                ).fetchall()
            self.seen[found["version"]] = (when, count)


def _probed(settings: Settings, watch: Watch, process: psutil.Process, probes: int) -> tuple[list[float], float]:
    """Ages of the probes in seconds, in order, and the way's share of one core meanwhile."""
    from producers import Agency

    moments = random.Random(5)
    name = _agencies()[-1]
    acknowledged: list[float] = []
    with Agency.from_bundle(settings.home / "agencies" / name) as agency:

        def probe() -> float:
            number = len(acknowledged)
            agency.completed(
                transaction_id=f"probe-{number}", service_id=f"{name}-01", channel="portal", outcome="accepted"
            )
            agency.flush()
            return time.time()

        # The first one waits for everything to start; it is not measured.
        acknowledged.append(probe())
        watch.counted(1, PATIENCE_SECONDS)
        begun, used = time.monotonic(), _cpu_seconds(process)
        for _ in range(probes):
            time.sleep(moments.uniform(1.0, 5.0))
            acknowledged.append(probe())
    ages = [watch.counted(number, PATIENCE_SECONDS) - at for number, at in enumerate(acknowledged, 1)][1:]
    return ages, (_cpu_seconds(process) - used) / (time.monotonic() - begun)


def _begin(settings: Settings) -> None:
    """A home with its broker up, the agencies onboarded and the catalogue loaded."""
    from broker import local
    from broker.bundle import keep_bundles
    from catalogue.load import load_tables
    from pipeline.steps import initialise
    from producers.scenarios.registry import scenario

    initialise(settings)
    local.up(settings)
    keep_bundles(settings, _agencies())
    load_tables(settings, "freshness", scenario(SCENARIO).catalogue())


def _agencies() -> list[str]:
    """Those who say the steady events, and at the end the one whose events are the probes."""
    from producers.scenarios.registry import scenario

    return list(scenario(SCENARIO).SENDERS[: TELLERS + 1])


@contextlib.contextmanager
def _running(way: str, settings: Settings) -> Iterator[psutil.Process]:
    """The pipeline at work: the process whose descendants are all of it."""
    environment = {**os.environ, "MIZAN_HOME": str(settings.home)}
    if way == "scheduler":
        from scheduler import local as airflow

        try:
            yield psutil.Process(airflow.up(settings).pid)
        finally:
            airflow.down(settings)
        return
    call = [sys.executable, "-m", "console.main", "run", "--follow"]
    with subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)


@contextlib.contextmanager
def _telling(settings: Settings) -> Iterator[dict[str, Any]]:
    """Steady events by a process of its own; how many, and in how many seconds, once the block is over."""
    told: dict[str, Any] = {}
    call = [sys.executable, "-m", "benchmarks.freshness", "--do", "tell"]
    environment = {**os.environ, "MIZAN_HOME": str(settings.home)}
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield told
        finally:
            process.terminate()
        assert process.stdout is not None
        told.update(json.loads(process.stdout.read()))


def tell() -> None:
    """Say RATE events a second, of persons, through the SDK, until SIGTERM; then print how many."""
    from contracts.settings import Settings
    from producers import Agency
    from producers.citizens import national_id

    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    settings, chance = Settings.load(), random.Random(6)
    count, begun = 0, time.monotonic()
    with contextlib.ExitStack() as opened:
        bundles = settings.home / "agencies"
        agencies = [opened.enter_context(Agency.from_bundle(bundles / name)) for name in _agencies()[:TELLERS]]
        while not over.wait(max(0.0, begun + count / RATE - time.monotonic())):
            for _ in range(RATE // _TICKS_A_SECOND):
                agency = agencies[count % TELLERS]
                agency.completed(
                    person=f"nid:{national_id(chance.randrange(1_000_000))}",
                    transaction_id=f"t-{count}",
                    service_id=f"{agency.agency_id}-{1 + count % 3:02d}",
                    channel=("portal", "app", "counter_office")[count % 3],
                    outcome="accepted",
                    duration_seconds=40,
                )
                count += 1
            for agency in agencies:
                agency.flush()
        seconds = time.monotonic() - begun
    print(json.dumps({"events": count, "seconds": seconds, "until": dt.datetime.now(dt.UTC).isoformat()}))


def _wait_until_quiet(settings: Settings) -> None:
    """Until no step has work, and for as long again as a landing takes to be followed by a version."""
    from pipeline.steps import waiting

    deadline = time.monotonic() + PATIENCE_SECONDS
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 20:
        if waiting(settings).anything:
            quiet_since = time.monotonic()
        if time.monotonic() > deadline:
            raise TimeoutError(f"still at work: {waiting(settings).words()}")
        time.sleep(2)


def _cpu_seconds(process: psutil.Process) -> float:
    """Processor time of a process and all below it, those that ended included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _percentile(ordered: list[float], share: float) -> float:
    """The smallest value that at least such a share of the values does not exceed."""
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


if __name__ == "__main__":
    main()
