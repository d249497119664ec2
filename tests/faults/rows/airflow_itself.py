"""Airflow fails around the pipeline: A1 to A5, on the real scheduler, one for all runs of a process.

Whatever happens to it, events land once and the published numbers are the oracle's, without anybody's help: what must
be done again is taken from the lake's own log, and what is done twice changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from faults import airflow_home
from faults.airflow_home import FLOW, AirflowHome
from faults.registry import ALL, Row, Violation
from faults.rig import Rig
from scheduler import local as scheduler

LANDING_SECONDS = 240.0  # one comes each minute; on a starved machine it is a while until it runs


def killed_in_mid_run(rig: Rig, seed: int) -> list[Violation]:
    """kill -9 of the scheduler alone, of one of its tasks' keepers, or of all of Airflow, while events flow."""
    here = airflow_home.begun(rig)
    here.send(rig.rng.randrange(50, 300))
    time.sleep(rig.rng.uniform(0.0, 12.0))
    if seed % 4 == 0:
        victims = here.processes()
    else:
        name = "scheduler" if seed % 4 < 3 else rig.rng.choice(("triggerer", "api-server", "dag-processor"))
        victims = here.components(name)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.kill()
    time.sleep(rig.rng.uniform(0.0, 3.0))
    here.send(rig.rng.randrange(10, 100))
    return here.settled()


def overlapped(rig: Rig, seed: int) -> list[Violation]:
    """A task and its supervisor are stopped; Airflow misses the heartbeats and retries beside them; they go on."""
    here = airflow_home.begun(rig)
    found = here.wait(here.has_landed)
    lake = Path(here.settings.lake_uri) / "events"
    before = {path.name for path in lake.glob("*.parquet")}
    here.send(rig.rng.randrange(200, 600))
    # Half of them between the files of a batch and its commit, where an overlap would do the most harm.
    at_files = seed % 2 == 1
    task = _running_landing(here, lambda: _new_files(lake, before) if at_files else _nap(rig))
    if task is None:
        return [*found, Violation("I9", "no landing came")]
    supervisor = task.parent()
    stopped = [one for one in (supervisor, task) if one is not None]
    rig.finally_(_go_on, stopped)
    here.send(rig.rng.randrange(10, 60))
    found += here.wait(here.has_landed)
    for one in reversed(stopped) if seed % 4 < 2 else stopped:
        _go_on([one])
        time.sleep(rig.rng.uniform(0.0, 2.0))
    here.send(rig.rng.randrange(10, 60))
    return found + here.settled()


def cleared_and_run_again(rig: Rig, seed: int) -> list[Violation]:
    """Tasks of past runs are cleared in a drawn order, up to three times, beside a backfill and beside new events."""
    here = airflow_home.begun(rig)
    here.send(rig.rng.randrange(50, 300))
    if seed % 2:
        found = here.wait(here.has_landed)
        if found:
            return found
    for _ in range(rig.rng.randint(1, 3)):
        past = [(dag, run["dag_run_id"]) for dag in FLOW for run in here.airflow.runs(dag)[:4]
                if run["state"] in ("success", "failed")]  # fmt: skip
        for dag, run in rig.rng.sample(past, min(2, len(past))):
            tasks = sorted({one["task_id"] for one in here.airflow.task_instances(dag, run)})
            order = {
                "dry_run": False, "dag_run_id": run, "only_failed": False, "reset_dag_runs": True,
                "task_ids": rig.rng.sample(tasks, rig.rng.randint(1, len(tasks))),
                "include_downstream": rig.rng.random() < 0.5,
            }  # fmt: skip
            here.order("POST", f"/dags/{dag}/clearTaskInstances", order)
        if rig.rng.random() < 0.5:
            months = {"from": "1398-12", "to": "1398-12"}
            here.order("POST", "/dags/backfill_months/dagRuns", {"logical_date": None, "conf": months})
        here.send(rig.rng.randrange(10, 60))
        time.sleep(rig.rng.uniform(0.0, 5.0))
    return here.settled()


def hints_wrong(rig: Rig, seed: int) -> list[Violation]:
    """Asset events come twice, for nothing, never, or to a paused DAG; a later run takes its work from the lake."""
    here = airflow_home.begun(rig)
    found: list[Violation] = []
    if seed % 3 == 0:
        assets = here.airflow.call("GET", "/assets", params={"limit": 50})["assets"]
        here.send(rig.rng.randrange(50, 200))
        for asset in rig.rng.choices(assets, k=rig.rng.randint(2, 6)):
            here.order("POST", "/assets/events", {"asset_id": asset["id"], "extra": {}})
    elif seed % 3 == 1:
        # Landed by hand: Airflow hears of none of it.
        here.send(rig.rng.randrange(50, 200))
        code, _, err = here.stage.run("land", "--until-empty")
        if code not in (0, 5):
            found.append(Violation("I12", f"a landing by hand ended with {code}: {err[-300:]}"))
    else:
        paused = rig.rng.sample(FLOW, rig.rng.randint(1, len(FLOW)))
        _pause(here, paused, True)
        try:
            here.send(rig.rng.randrange(50, 200))
            time.sleep(rig.rng.uniform(2.0, 10.0))
        finally:
            _pause(here, rig.rng.sample(paused, len(paused)), False)
    here.send(rig.rng.randrange(10, 60))
    return found + here.settled()


def metadata_locked(rig: Rig, seed: int) -> list[Violation]:
    """Airflow's database is locked for a while in mid-run: nothing happens to data, and work goes on afterwards."""
    here = airflow_home.begun(rig)
    here.send(rig.rng.randrange(50, 200))
    time.sleep(rig.rng.uniform(0.0, 8.0))
    file = scheduler.airflow_home(here.settings) / "airflow.db"
    with contextlib.closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(rig.rng.uniform(1.0, 60.0 if seed % 5 == 0 else 12.0))
        database.execute("ROLLBACK")
    here.send(rig.rng.randrange(10, 60))
    return here.settled()


def _running_landing(here: AirflowHome, moment: Callable[[], bool]) -> psutil.Process | None:
    """A landing's process, stopped with its supervisor when ``moment`` says so; None where none comes."""
    deadline = time.monotonic() + LANDING_SECONDS
    while time.monotonic() < deadline:
        for run in here.airflow.runs("land_events")[:3]:
            if run["state"] != "running":
                continue
            for one in here.airflow.task_instances("land_events", run["dag_run_id"]):
                task = _process(here, one["id"]) if one["state"] == "running" else None
                if task is None or not moment():
                    continue
                with contextlib.suppress(psutil.Error):
                    supervisor = task.parent()
                    task.send_signal(signal.SIGSTOP)
                    if supervisor is not None:
                        supervisor.send_signal(signal.SIGSTOP)
                    return task
        time.sleep(0.05)
    return None


def _process(here: AirflowHome, instance: str) -> psutil.Process | None:
    """The process that runs a task instance: Airflow names it after the instance."""
    for process in here.processes():
        with contextlib.suppress(psutil.Error):
            if " ".join(process.cmdline()) == f"airflow worker -- {instance}":
                return process
    return None


def _new_files(lake: Path, before: set[str]) -> bool:
    """Wait until landing has written a file of events; False where it does not in some seconds."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with os.scandir(lake) as entries:
            if any(entry.name.endswith(".parquet") and entry.name not in before for entry in entries):
                return True
        time.sleep(0.0005)
    return False


def _nap(rig: Rig) -> bool:
    time.sleep(rig.rng.uniform(0.0, 2.0))
    return True


def _go_on(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGCONT)


def _pause(here: AirflowHome, dags: list[str], paused: bool) -> None:
    for dag in dags:
        here.order("PATCH", f"/dags/{dag}", {"is_paused": paused})


AIRFLOW = ("airflow",)
SHARED = (
    "left out of every change: an Airflow costs 40 s to start, and tests/integration has its own; the first run of a "
    "process and every fourth after it wait for the published numbers of all runs before, the others for the lake"
)
ROWS = [
    Row("A1", "scheduler killed in mid-run", ALL, 0, 40, killed_in_mid_run, AIRFLOW, seconds=1_500,
        note=f"the scheduler, another component or all of them by turns; {SHARED}"),
    Row("A2", "heartbeat lost, a retry overlaps the live task", ("I1", "I2", "I4", "I6", "I9"), 0, 30, overlapped,
        AIRFLOW, seconds=1_500, note=f"heartbeats missed for 20 s, not the product's 60; {SHARED}"),
    Row("A3", "tasks cleared and run again in any order; backfill beside schedule", ("I2", "I6", "I7"), 0, 60,
        cleared_and_run_again, AIRFLOW, seconds=1_500, note=SHARED),
    Row("A4", "asset events doubled or missing; pause", ("I1", "I6", "I9"), 0, 30, hints_wrong, AIRFLOW, seconds=1_500,
        note=SHARED),
    Row("A5", "metadata database locked", ("I1", "I2", "I6", "I9"), 0, 20, metadata_locked, AIRFLOW, seconds=1_500,
        note=f"SQLite's exclusive lock, up to 60 s; a stopped PostgreSQL is not tried; {SHARED}"),
]  # fmt: skip
