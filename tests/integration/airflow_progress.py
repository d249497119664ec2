"""Wait for the real Airflow as long as it moves: a time for the whole says more about who else uses the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from contracts.settings import Settings
from pipeline.steps import waiting
from scheduler.api import Airflow

FLOW = ("land_events", "gate_and_build", "publish_warehouse")
# How long nothing at all may move before it counts as stuck: a wake-up that got lost is made good after four minutes
# (pipeline.steps.LEFT_BEHIND_AFTER).
STILL_SECONDS = 420.0


class Stuck(Exception):
    """Nothing moved for STILL_SECONDS; the message is what stood still."""


def wait(settings: Settings, airflow: Airflow, holds: Callable[[], Any]) -> Any:
    """What ``holds`` gives as soon as that is something. Raises Stuck; a caller's own limit ends what only moves."""
    seen, since, looks = "", time.monotonic(), 0
    while not (found := holds()):
        if looks % 10 == 0 and (words := standing(settings, airflow)) != seen:
            seen, since = words, time.monotonic()
        if time.monotonic() - since > STILL_SECONDS:
            raise Stuck(f"nothing moves for {STILL_SECONDS:.0f} s: {seen}")
        looks += 1
        time.sleep(0.7)
    return found


def is_settled(settings: Settings, airflow: Airflow) -> bool:
    """Nothing waits, and nothing that builds or publishes is under way."""
    busy = [run for dag in FLOW[1:] for run in airflow.runs(dag) if run["state"] in ("queued", "running")]
    return not busy and not waiting(settings).anything


def standing(settings: Settings, airflow: Airflow) -> str:
    """What waits, and how far the newest runs behind landing are. Landing runs each minute, whatever happens."""
    try:
        newest = {dag: airflow.runs(dag)[:1] for dag in FLOW[1:]}
        tasks = [
            (one["dag_id"], one["dag_run_id"], one["task_id"], one["map_index"], one["state"], one["try_number"])
            for dag, runs in newest.items()
            for run in runs
            for one in airflow.task_instances(dag, run["dag_run_id"])
        ]
        return f"{waiting(settings).words()}; the newest runs: {tasks}"
    except Exception as error:  # whatever is away or busy: that is what to say
        return type(error).__name__
