"""One home, one broker and one real Airflow for all runs of a process: each run has an agency of its own in them.

Topics, lake and Airflow only grow, so every run's proof is over everything that was ever sent.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import airflow_progress
import psutil
from airflow_progress import FLOW, STILL_SECONDS
from landing_stage import Stage

from contracts.errors import MizanError
from faults import oracle, schedule
from faults.build_run import monthly_tables
from faults.cluster import Cluster
from faults.registry import Violation
from faults.rig import Rig
from faults.schedule import FIRST, SERVICES, Said, Stream
from scheduler import local as scheduler
from scheduler.api import Airflow

# Gate, build and publication of a run cost a minute of processor time. The first run of a process waits for them, and
# every fourth after it, for all runs before it: what these left undone shows then.
PUBLISHED_EVERY = 4
# The product's own times (30, 60, 30, 10 s) would make each loss cost a minute of waiting; what happens is the same.
TIMES = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
}


class FewDays(Stream):
    """Events of ten days, which lie in one month of either calendar: a mapped task each."""

    def event(self, **given: Any) -> dict[str, Any]:
        """One good event that was never said before."""
        import datetime as dt

        at = FIRST + dt.timedelta(seconds=self.rng.randrange(10 * 86_400))
        return super().event(**{"occurred_at": at, **given})


class AirflowHome:
    """What the runs share. ``begin`` gives a run its agency, ``settled`` waits and proves."""

    def __init__(self, home: Path) -> None:
        self.cluster = Cluster(home / "kafka", 1).__enter__()
        atexit.register(self.close)
        self.stage = Stage(self.cluster.settings, home / "home")
        self.settings = self.stage.settings
        self.records: list[Said] = []
        self.streams: list[FewDays] = []
        self._airflow: Airflow | None = None
        self._proofs = 0

    @property
    def airflow(self) -> Airflow:
        """A client of the Airflow that runs."""
        assert self._airflow is not None
        return self._airflow

    def up(self) -> None:
        """Airflow, started unless it runs, with every DAG of the flow read and in service."""
        running = scheduler.find(self.settings)
        if running is not None and self._airflow is not None:
            return
        with _environment(TIMES):
            running = scheduler.start(self.settings)
        for patience in (True, True, False):  # several shards start theirs beside each other
            try:
                scheduler.wait_until_ready(self.settings, running)
                break
            except MizanError:
                if not patience or not psutil.pid_exists(running.pid):
                    raise
        self._airflow = Airflow(self.settings, running)
        self._airflow.wait_for_dags({*FLOW, "backfill_months"}, seconds=600.0)

    def down(self) -> None:
        """End Airflow, every process of it."""
        scheduler.down(self.settings)
        self._airflow = None

    def close(self) -> None:
        """End Airflow and the broker."""
        if hasattr(self, "settings"):
            self.down()
        self.cluster.close()

    def begin(self, rig: Rig) -> None:
        """A new agency for this run, in the catalogue with those before it."""
        from catalogue.load import load_tables

        self.cluster.heal()
        self.up()
        self.streams.append(FewDays(rig.rng, self.stage.agency(2), broken=0.02, conflicting=0))
        load_tables(self.settings, "catalogue", self.catalogue)

    @property
    def catalogue(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of the catalogue in which every run's events are good."""
        found = schedule.catalogue(stream.agency for stream in self.streams)
        found["services"] = [{"service_id": one, "agency_id": self.streams[0].agency} for one in SERVICES]
        return found

    def send(self, count: int) -> None:
        """``count`` records of this run's agency, all acknowledged."""
        batch = self.streams[-1].take(count)
        schedule.produce(self.settings.kafka_admin().for_librdkafka(), batch)
        self.records += batch

    def order(self, method: str, path: str, json: dict[str, Any]) -> None:
        """Ask Airflow to do something, again where its database is busy: such an order was not carried out."""
        deadline = time.monotonic() + STILL_SECONDS
        while True:
            try:
                self.airflow.call(method, path, json=json)
                return
            except MizanError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(2.0)

    def components(self, name: str) -> list[psutil.Process]:
        """Processes of `airflow <name>`, without what they started."""
        running = scheduler.find(self.settings)
        assert running is not None
        found = []
        for process in psutil.Process(running.pid).children():
            with contextlib.suppress(psutil.Error):
                if name in " ".join(process.cmdline()).replace("_", "-"):  # it calls itself api_server
                    found.append(process)
        return found

    def processes(self) -> list[psutil.Process]:
        """Every process of Airflow but the keeper."""
        running = scheduler.find(self.settings)
        return [] if running is None else psutil.Process(running.pid).children(recursive=True)

    def is_settled(self) -> bool:
        """Nothing waits, and nothing that builds or publishes is under way."""
        with contextlib.suppress(Exception):  # the lake, Airflow or its database are busy: ask again
            return airflow_progress.is_settled(self.settings, self.airflow)
        return False

    def has_landed(self) -> bool:
        """Nothing that was sent waits for landing."""
        from pipeline.steps import offsets_ahead

        return not offsets_ahead(self.settings)

    def wait(self, holds: Callable[[], bool]) -> list[Violation]:
        """I9: it comes to hold without anybody's help. A row's own time ends what moves and never arrives."""
        try:
            airflow_progress.wait(self.settings, self.airflow, holds)
        except airflow_progress.Stuck as stuck:
            return [Violation("I9", str(stuck))]
        return []

    def settled(self) -> list[Violation]:
        """I9, then I1 to I4 of the lake; for every fourth run also I6 of what is published and I7 of the build."""
        from faults.build_run import numbers
        from landing.verify import verify
        from warehouse.published import open_published

        is_published = self._proofs % PUBLISHED_EVERY == 0
        self._proofs += 1
        found = self.wait(self.is_settled if is_published else self.has_landed)
        if found:
            return found
        login = self.settings.kafka_admin().for_librdkafka()
        ends = oracle.end_offsets(login, self.records)
        found, kept = oracle.check_landing(Path(self.settings.lake_uri), self.records, ends)
        found += [Violation("I4", f"verify: {one.kind} {one.where}") for one in verify(self.settings).problems]
        if is_published:
            wanted = oracle.monthly(kept, self.catalogue["agencies"])
            with open_published(self.settings, "analyst") as connection:
                found += oracle.compare(wanted, monthly_tables(connection, "marts.{}"))
            found += numbers(self.settings, self.catalogue, kept)
        return found


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


_shared: list[AirflowHome] = []


def begun(rig: Rig) -> AirflowHome:
    """The one of this process, with an agency for this run; started by the first that asks, ended with the process."""
    if not _shared:
        home = Path(tempfile.mkdtemp(prefix="mizan-airflow-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        _shared.append(AirflowHome(home))
    _shared[0].begin(rig)
    return _shared[0]
