"""Everything at once for two hours, from one seed, in one home; in the end every promise is checked (Z1).

Two agencies of raw streams and one that reports through the SDK send all the while; network and broker fail by a
schedule of their own; and one fault after another befalls landing, compaction, builds and publications. The faults
and their order are the seed's; how much is sent between two of them is the machine's.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from landing_stage import ended

from faults import disclosed, oracle, schedule
from faults.build_run import PUBLISH, UPDATE
from faults.cluster import Cluster, shared
from faults.proxy import drawn
from faults.registry import ALL, Row, Violation
from faults.reported_run import ReportedRun, Reporter
from faults.rig import Rig
from faults.rows import publishing, transforms
from faults.rows.landing import BEFORE_COMMIT, COMPACTING, FAILPOINTS, GIGABYTE
from faults.schedule import Stream

MINUTES = float(os.environ.get("MINUTES") or 120)
DIED = -signal.SIGKILL
# Beside a broker that comes and goes a command may say `try again`.
PASSING = 75


class SoakRun(ReportedRun):
    """One home, three agencies, and what was published when."""

    def __init__(self, rig: Rig, cluster: Cluster) -> None:
        from catalogue.load import load_tables

        super().__init__(rig, cluster)
        self.settings = self.stage.settings
        for number in range(2):
            own = random.Random(f"Z1:{rig.seed}:{number}")
            self.streams.append(Stream(own, self.stage.agency(2 + number), conflicting=0))
        self.catalogue = schedule.catalogue(stream.agency for stream in self.streams)
        load_tables(self.settings, "catalogue", self.catalogue)
        self.reported: list[schedule.Said] = []
        self.newest = 0
        self.reporter: Reporter | None = None

    def process(self, code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Python of its own on this home."""
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **self.stage.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ends(self, process: subprocess.Popen[str], allowed: tuple[int, ...], within: float = 240.0) -> int:
        """Wait for its end; I12 where that is none of ``allowed``, I10 where it took a gigabyte, I9 where it hangs."""
        peak, deadline = 0, time.monotonic() + within
        while process.poll() is None and time.monotonic() < deadline:
            peak = max(peak, _peak(process.pid))
            time.sleep(0.05)
        if process.poll() is None:
            process.kill()
            self.broke("I9", f"{process.args} hangs")
        _, err = process.communicate()
        self.ended(process.returncode, err, (*allowed, DIED))
        if peak > GIGABYTE:
            self.broke("I10", f"{process.args} took {peak} KiB")
        return process.returncode

    def next_reporter(self) -> None:
        """Kill the agency's program and start it again, or let it say more where it has said all."""
        if self.reporter is not None and not self.reporter.has_ended():
            self.reporter.kill()
            self.reporter.start()
            return
        if self.reporter is not None:
            code, err = self.reporter.ended()
            if code != 0:  # it died where it was told to: it goes on
                self.ended(code, err, (DIED,))
                self.reporter.start()
                return
        before = len(self.records)
        fault = self.rng.choice(("", "deliver.handed_over:kill", "deliver.acknowledged:kill", "deliver.marked:kill"))
        environment = {"FAULTPOINT": fault} if fault else {}
        self.reporter = self.report(self.rng.randrange(100, 600), rate=60, seconds=MINUTES * 60 + 600, **environment)
        self.reported += [said for said in self.records[before:] if said.agency == self.agency]


def soak(rig: Rig, seed: int) -> list[Violation]:
    """Faults until the time is over, then everything is landed, built, published and checked."""
    cluster = shared()
    run = SoakRun(rig, cluster)
    over, deadline = threading.Event(), time.monotonic() + MINUTES * 60
    threads = [threading.Thread(target=_send_on, args=(run, stream, over)) for stream in run.streams[1:]]
    threads.append(threading.Thread(target=_weather, args=(run, random.Random(f"Z1:{seed}:weather"), over)))
    for thread in threads:
        thread.start()
    try:
        run.next_reporter()
        while time.monotonic() < deadline and not run.violations:
            rig.rng.choice(FAULTS)(run)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    cluster.heal()
    assert run.reporter is not None
    run.reporter.kill()
    run.reporter.start()
    run.wait(run.reporter, "after the soak")
    _check(run)
    return run.violations


def _send_on(run: SoakRun, stream: Stream, over: threading.Event) -> None:
    """Waves of records, good and bad, late and early; what the broker does not acknowledge may be there or not."""
    while not over.is_set():
        batch = stream.take(stream.rng.randrange(5, 60))
        schedule.produce(run.login, batch, seconds=30, **{"enable.idempotence": True})
        run.records += batch
        over.wait(stream.rng.uniform(0.5, 4.0))


def _weather(run: SoakRun, rng: random.Random, over: threading.Event) -> None:
    (node,) = run.cluster.nodes
    while not over.wait(rng.uniform(10, 40)):
        try:
            if rng.random() < 0.6:
                node.proxy.play(drawn(rng, count=rng.randrange(1, 4), longest=6.0)).result()
            else:
                run.cluster.kill(node)
                time.sleep(rng.uniform(0.0, 3.0))
                run.cluster.start(node)
        except Exception as error:
            run.broke("I9", f"the broker: {type(error).__name__}: {error}")
            return


def _land(run: SoakRun) -> None:
    run.ends(run.stage.start("land", "--until-empty"), (0, PASSING))


def _land_killed(run: SoakRun) -> None:
    fault = f"{run.rng.choice(FAILPOINTS)}:kill@{run.rng.choice((1, 1, 2))}"
    run.ends(run.stage.start("land", FAULTPOINT=fault), (0, PASSING))


def _land_killed_at_random(run: SoakRun) -> None:
    with ended(run.stage.start("land", "--until-empty")) as landing:
        time.sleep(run.rng.random() * 4)
        landing.kill()


def _zombie(run: SoakRun) -> None:
    """Stopped before its commit, overtaken, continued: fenced, or it had no part in what was committed meanwhile."""
    with ended(run.stage.start("land", FAULTPOINT=f"{run.rng.choice(BEFORE_COMMIT)}:stop")) as stopped:
        deadline = time.monotonic() + 60
        while stopped.poll() is None and _state(stopped.pid) not in "Tt" and time.monotonic() < deadline:
            time.sleep(0.05)
        if stopped.poll() is None:
            _land(run)
            os.kill(stopped.pid, signal.SIGCONT)
        run.ends(stopped, (0, 5, PASSING))


def _compacted_beside(run: SoakRun) -> None:
    """Compaction beside a landing; every third time it is killed."""
    done = run.rig.folder / "done"
    done.unlink(missing_ok=True)
    with run.process(COMPACTING, str(done)) as tidying:
        _land(run)
        if run.rng.random() < 0.3:
            tidying.kill()
        done.touch()
        run.ends(tidying, (0,))


def _built(run: SoakRun) -> None:
    """A build, killed in two of three."""
    run.pass_all_batches()
    fault = run.rng.choice(("", *(f"{name.partition('@')[0]}:kill" for name in transforms.FAILPOINTS[:3])))
    run.ends(run.process(UPDATE, **({"FAULTPOINT": fault} if fault else {})), (0, PASSING))


def _published(run: SoakRun) -> None:
    """A publication, killed in two of three; what is in service is whole and never goes back."""
    run.pass_all_batches()
    run.ends(run.process(UPDATE), (0, PASSING))
    name, _, number = run.rng.choice(("", *publishing.FAILPOINTS)).partition("@")
    fault = f"{name}:kill" + (f"@{number}" if number else "")
    code = run.ends(run.process(PUBLISH, **({"FAULTPOINT": fault} if name and run.rng.random() < 0.7 else {})), (0,))
    if code == 0 or (run.settings.published / "public" / "CURRENT.json").exists():
        for tier in publishing.TIERS:
            served = publishing.check_service(run, tier, at_least=run.newest if tier == "analyst" else 0)
            run.newest = max(run.newest, served) if tier == "analyst" else run.newest


def _verified(run: SoakRun) -> None:
    """Nothing is amiss in between either."""
    run.ends(run.stage.start("verify"), (0, PASSING))


FAULTS: tuple[Callable[[SoakRun], None], ...] = (
    _land, _land_killed, _land_killed, _land_killed_at_random, _zombie, _compacted_beside, _built, _published,
    SoakRun.next_reporter, SoakRun.next_reporter, _verified,
)  # fmt: skip


def _check(run: SoakRun) -> None:
    """I1 to I12, after the last landing, build and publication."""
    run.land()
    kept = run.check()
    landed = oracle.read_table(run.lake / "events").rows("agency_id", "event_id", "batch_id")
    # By agency: the SDK says its system in the source.
    batches = {(row["agency_id"], row["event_id"]): row["batch_id"] for row in landed}
    known = {(event["agency_id"], event["event_id"]) for event in kept}
    for said in run.records:  # not acknowledged, and there all the same
        if said.event is not None and not said.was_acknowledged:
            name = (said.event["agency_id"], said.event["event_id"])
            if name in batches and name not in known:
                known.add(name)
                kept.append(said.event)
    names = {(said.event["agency_id"], said.event["event_id"]) for said in run.reported if said.event is not None}
    if lost := names - batches.keys():
        run.broke("I1", f"{len(lost)} of {len(names)} events that the SDK took are lost, such as {min(lost)}")
    if len(batches) != len(landed):
        run.broke("I2", "an event id is there twice")
    run.check_numbers(kept)
    run.ends(run.process(PUBLISH), (0,))
    for tier in publishing.TIERS:
        publishing.check_service(run, tier, at_least=run.newest)
        publishing.check_leftovers(run, tier)
    commits = _batches_by_commit(run.lake / "events" / "_delta_log")
    run.violations += disclosed.check_public(
        run.settings.published / "public",
        lambda version: [
            event
            for event in kept
            if commits.get(batches[event["agency_id"], event["event_id"]], version + 1) <= version
        ],
        run.catalogue["agencies"],
    )
    run.check_ids()


def _batches_by_commit(log: Path) -> dict[str, int]:
    """Batch to the version of the events table that brought it."""
    found: dict[str, int] = {}
    for entry in log.glob("*.json"):
        for line in entry.read_text(encoding="utf-8").splitlines():
            said: Any = json.loads(line).get("commitInfo", {}).get("landing")
            if said is not None:
                told = json.loads(said) if isinstance(said, str) else said
                found.setdefault(told["batch_id"], int(entry.stem))
    return found


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int((status.partition("VmHWM:")[2].split() or ["0"])[0])


ROWS = [
    Row(
        "Z1", f"{MINUTES:.0f} minutes of everything, from one seed", (*ALL, "I10", "I11", "I12"), 0, 3, soak,
        seconds=MINUTES * 60 + 3600,
        note="MINUTES says how long (default 120); the seconds a run say how long it was. No disk that fills or fails, "
        "no clock that is off; the gate passes every batch; I11 by the events that had landed when a version was made",
    ),
]  # fmt: skip
