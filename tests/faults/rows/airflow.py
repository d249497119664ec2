"""What the scheduler may rely on: A6 and A7. Rows that break Airflow itself (A1 to A5) are in airflow_itself.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from landing_stage import await_stopped, ended

from faults.landing_run import LandingRun
from faults.registry import Row, Violation
from faults.rig import Rig
from scheduler import local as scheduler

DAGS = Path(scheduler.__file__).resolve().parents[1] / "dags"
# Airflow's own import is not ours; opening any connection is an error whose message names the address.
PARSING = """
import json, logging, sys, time
from airflow.utils.db import initdb
initdb()
logging.disable(logging.CRITICAL)
import airflow.sdk, airflow.timetables.assets
from airflow.dag_processing.dagbag import DagBag
reached = []
sys.addaudithook(lambda event, arguments: reached.append(str(arguments[1:])) if event == "socket.connect" else None)
begun = time.process_time()
bag = DagBag(sys.argv[1])
said = {"seconds": time.process_time() - begun, "reached": reached, "errors": bag.import_errors, "dags": len(bag.dags)}
print("@@" + json.dumps(said))
"""
# How Airflow ends a task at its execution_timeout: an exception raised wherever the task happens to be. DuckDB, where
# the task is in one of its statements, tells it as an error of its own; Airflow fails the task for either.
TIMED = """
import sys
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from pipeline.steps import land_events
try:
    with timeout(2.0):
        land_events()
except AirflowTaskTimeout:
    sys.exit(9)
except RuntimeError as error:
    if str(error) != "Query interrupted":
        raise
    sys.exit(9)
"""
STOPS = ("plan", "read", "decode", "quarantine.file", "quarantine.post_commit", "events.file", "events.pre_commit",
         "events.post_commit", "mirror")  # fmt: skip


def parsed_alone(rig: Rig, seed: int) -> list[Violation]:
    """DAG files are read with Kafka away or silent and without a lake: quickly, and asking nobody."""
    home = rig.folder / "home"
    home.mkdir()
    environment = os.environ | {
        "AIRFLOW_HOME": str(rig.folder / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "MIZAN_HOME": str(home),
    }  # fmt: skip
    if seed % 2:
        environment |= {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "MIZAN_LAKE_URI": str(home / "no-lake")}
    call = [sys.executable, "-c", PARSING, str(DAGS)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return [Violation("I9", f"the DAG files do not parse: {done.stderr[-500:]}")]
    said = json.loads(done.stdout.rpartition("@@")[2])
    found = [] if said["seconds"] < 2 else [Violation("I9", f"parsing takes {said['seconds']:.1f} CPU seconds")]
    found += [Violation("I9", f"parsing reaches for {address}") for address in said["reached"]]
    if said["errors"] or said["dags"] < 3:
        found.append(Violation("I9", f"{said['dags']} DAGs, errors {said['errors']}"))
    return found


def landing_terminated(rig: Rig, seed: int) -> list[Violation]:
    """SIGTERM, as a task gets that is marked or cleared, or its timeout; landing ends at once, the next goes on."""
    run = LandingRun(rig, agencies=2, cap=200)
    run.send(rig.rng.randrange(100, 600))
    place = STOPS[seed % len(STOPS)]
    if seed % 2:
        _terminated(run, place)
    else:
        _timed_out(run, place)
    run.send(rig.rng.randrange(10, 100))
    run.land()
    run.check()
    return run.violations


def _terminated(run: LandingRun, place: str) -> None:
    with ended(run.stage.start("land", FAULTPOINT=f"{place}:stop")) as landing:
        await_stopped(landing.pid)
        os.kill(landing.pid, signal.SIGTERM)
        os.kill(landing.pid, signal.SIGCONT)
        try:
            landing.wait(15)
        except subprocess.TimeoutExpired:
            run.broke("I9", f"at {place} landing outlives SIGTERM")


def _timed_out(run: LandingRun, place: str) -> None:
    environment = {**os.environ, **run.stage.environment, "FAULTPOINT": f"{place}:sleep"}
    environment["AIRFLOW_HOME"] = str(run.rig.folder / "airflow")
    try:
        done = subprocess.run(
            [sys.executable, "-c", TIMED], env=environment, capture_output=True, text=True, check=False, timeout=90
        )
    except subprocess.TimeoutExpired:
        run.broke("I9", f"at {place} landing outlives Airflow's timeout")
        return
    if done.returncode != 9:
        run.broke("I12", f"at {place} Airflow's timeout ended landing with {done.returncode}: {done.stderr[-400:]}")


ROWS = [
    Row("A6", "DAG files parsed with Kafka and lake down", ("I9",), 0, 5, parsed_alone,
        needs=("airflow",), note="every change parses them in tests/architecture"),
    Row("A7", "landing terminated", ("I1", "I2", "I3", "I4", "I9"), 0, 30, landing_terminated, needs=("airflow",),
        note="SIGTERM to the process itself and Airflow's own timeout around it by turns, at nine places"),
]  # fmt: skip
