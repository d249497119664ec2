"""A run whose events an agency's own program says, through the SDK: what it accepted must be in the lake at the end."""

from __future__ import annotations

import hmac
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from broker.bundle import keep_bundles
from faults import canaries, oracle
from faults.cluster import Cluster
from faults.landing_run import LandingRun
from faults.rig import Rig
from faults.schedule import Said, Stream, wire

REPORTER = Path(__file__).with_name("reporter.py")


class ReportedRun(LandingRun):
    """Beside ``cluster``, through its proxies. ``report`` starts the agency's program; the events are good ones."""

    def __init__(self, rig: Rig, cluster: Cluster, *, direct: bool = False) -> None:
        rig.broker = cluster.settings if direct else cluster.proxied
        super().__init__(rig, agencies=1)
        self.cluster = cluster
        self.agency = self.streams[0].agency
        self.streams[0] = Stream(rig.rng, self.agency, broken=0, repeated=0, conflicting=0)
        self.bundle = keep_bundles(self.stage.settings, [self.agency])[self.agency]
        self._files = 0
        self._persons: dict[bytes, str] = {}

    def report(self, count: int, rate: float = 10_000.0, seconds: float = 120.0, **environment: str) -> Reporter:
        """Start the program that says ``count`` new events."""
        events = [self.streams[0].event(event_id=f"r-{self._files}-{number}") for number in range(count)]
        self.records += [Said(self.agency, wire(event), event) for event in events]
        self._files += 1
        file = self.rig.folder / f"report-{self._files}.ndjson"
        file.write_bytes(b"\n".join(self._told(event) for event in events) + b"\n")
        reporter = Reporter(self, file, rate, seconds)
        self.rig.finally_(reporter.kill)
        reporter.start(**environment)
        return reporter

    def _told(self, event: dict[str, Any]) -> bytes:
        """What the program is told: the person by a national id, as its agency knows people; the SDK makes the key."""
        document = json.loads(wire(event))
        if event["pid"] is not None:
            del document["data"]["user_key"]
            document["data"]["person"] = canaries.spelled(self.rng, self._person(event["pid"]))
        return json.dumps(document).encode()

    def _person(self, pid: bytes) -> str:
        if pid not in self._persons:
            self._persons[pid] = canaries.national_id(random.Random(pid))
        return self._persons[pid]

    def check_ids(self) -> None:
        """I8: also the persons whom the program knows, and the keys that the SDK made of them (docs/agencies.md)."""
        super().check_ids()
        transport_key = bytes.fromhex((self.bundle / "transport.key").read_text().strip())
        persons = sorted(self._persons.values())
        keys = {hmac.digest(transport_key, f"nid:{person}".encode(), "sha256") for person in persons}
        needles = canaries.Needles(persons[: canaries.MOST], keys)
        self.violations += canaries.sweep(self.stage.settings.home, needles, self.heard)
        spool = self.rig.folder / "spool"
        if spool.exists():
            self.violations += canaries.sweep(spool, canaries.Needles(persons[: canaries.MOST]))

    def wait(self, reporter: Reporter, what: str) -> None:
        """I9: the program ends, with everything sent, without anybody's help."""
        code, err = reporter.ended()
        if code != 0:
            self.broke("I9", f"the agency's program ended with {code} {what}: {err[-400:]}")

    def landing(self) -> subprocess.Popen[str]:
        """A `mizan land --until-empty` in the background, ended with the run."""
        process = self.stage.start("land", "--until-empty")
        self.rig.finally_(_kill, process)
        return process

    def landed(self, process: subprocess.Popen[str], allowed: tuple[int, ...] = (0, 75)) -> None:
        """A landing in trouble ends by itself, with a documented code."""
        try:
            _, err = process.communicate(timeout=150)
        except subprocess.TimeoutExpired:
            self.broke("I9", "a landing hangs")
            return
        self.ended(process.returncode, err, allowed)

    def check_all_counted(self, *, once_in_kafka: bool = False) -> list[dict[str, Any]]:
        """Everything the program said is landed, once. ``once_in_kafka``: nothing was sent twice either."""
        self.check()
        said = {record.event["event_id"]: record.event for record in self.records if record.event is not None}
        there = set(self.stage.ids(self.agency))
        if lost := said.keys() - there:
            self.broke("I1", f"{len(lost)} of {len(said)} events are lost, such as {min(lost)}")
        if once_in_kafka:
            offsets = sum(oracle.end_offsets(self.login, self.records).values())
            if offsets != len(said):
                self.broke("I2", f"{len(said)} events take {offsets} offsets: the producer is not idempotent")
        return list(said.values())


class Reporter:
    """The agency's program: started, killed, started again."""

    def __init__(self, run: ReportedRun, file: Path, rate: float, seconds: float) -> None:
        self._run, self._file, self._rate, self._seconds = run, file, rate, seconds
        self._process: subprocess.Popen[str] | None = None

    def start(self, **environment: str) -> None:
        """Start it, or start it again after its end."""
        spool = self._run.rig.folder / "spool"
        call = [sys.executable, str(REPORTER), *map(str, (self._run.bundle, spool, self._file))]
        self._process = subprocess.Popen(
            [*call, str(self._rate), str(self._seconds)],
            env={**os.environ, **self._run.stage.environment, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self) -> int:
        """How many events it knows to be on its spool."""
        record = self._file.with_suffix(".said")
        return record.read_bytes().count(b"\n") if record.exists() else 0

    def await_said(self, count: int, seconds: float = 60.0) -> None:
        """Until it has said ``count`` events."""
        deadline = time.monotonic() + seconds
        while self.said() < count and time.monotonic() < deadline:
            time.sleep(0.02)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; exit code and what it complained of."""
        assert self._process is not None
        try:
            _, err = self._process.communicate(timeout=self._seconds + 60)
        except subprocess.TimeoutExpired:
            self.kill()
            return -1, "it hangs"
        return self._process.returncode, err

    def has_ended(self) -> bool:
        """Whether it runs no more, by itself or killed."""
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """kill -9, where it runs."""
        if self._process is not None:
            _kill(self._process)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()
