"""The DAGs on the real scheduler (scheduler/keeper.py), watched through its REST API alone."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import airflow_progress
import httpx
import psutil
import pytest
from faults.canaries import Needles, sweep
from home_secrets import Onlooker, keeps_secrets, secrets_of
from planted_home import Planted, is_broker_log

from broker import local as broker
from broker.administration import add_agencies
from contracts.settings import Settings
from pipeline.steps import initialise
from scheduler import local as scheduler
from scheduler.api import Airflow
from warehouse.published import manifest, open_published

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

DAGS = {
    "land_events",
    "gate_and_build",
    "publish_warehouse",
    "backfill_months",
    "sync_catalogue",
    "evaluate_agencies",
    "maintain_lake",
    "replay_quarantine",
    "close_month",
    "release_batch",
}


@dataclass
class Stack:
    settings: Settings
    airflow: Airflow
    url: str
    keeper: int
    onlooker: Onlooker
    planted: Planted
    heard: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # runs that had to fail

    def mizan(self, *call: str) -> str:
        environment = os.environ | {"MIZAN_HOME": str(self.settings.home)}
        done = subprocess.run(
            [sys.executable, "-m", "console.main", *call], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self.heard += [done.stdout, done.stderr]
        return done.stdout

    def until(self, holds: Callable[[], Any]) -> Any:
        return airflow_progress.wait(self.settings, self.airflow, holds)

    def version(self) -> int:
        found = manifest(self.settings, "analyst")
        return 0 if found is None else found.version

    def settle(self) -> None:
        """Wait until every event is in a published version and no run is under way."""
        self.until(lambda: airflow_progress.is_settled(self.settings, self.airflow))

    def value(self, query: str) -> Any:
        with open_published(self.settings, "analyst") as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("scheduled")
    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    onlooker = Onlooker(home)
    onlooker.start()
    initialise(settings)
    try:
        running = scheduler.start(settings)
        broker.up(settings)
        scheduler.wait_until_ready(settings, running)
        with Airflow(settings, running) as airflow:
            airflow.wait_for_dags(DAGS)
            planted = Planted(settings, "planted-desk", "planted-rogue", 20)
            yield Stack(settings, airflow, running.url, running.pid, onlooker, planted)
    finally:
        scheduler.down(settings)
        broker.down(settings)


COMPLETED = """
    SELECT month, completed, vintage FROM marts.monthly_transactions
    WHERE calendar = 'jalali' AND scope_key = 'province:qom' AND channel = 'all' ORDER BY month
"""


def test_events_become_a_published_version_without_anyone_asking(stack: Stack) -> None:
    assert stack.airflow.import_errors() == []
    assert stack.airflow.dag_ids() == DAGS
    stack.mizan("simulate", "qom-1399-h1", "--scale", "0.0001", "--months", "1399-01/1399-02")
    stack.until(stack.version)
    stack.settle()
    rows = stack.value(COMPLETED)
    assert [month for month, _, _ in rows] == ["1399-01", "1399-02"]
    assert all(count > 0 for _, count, _ in rows)


def test_the_mapped_months_are_green_one_task_each(stack: Stack) -> None:
    run = next(run for run in reversed(stack.airflow.runs("gate_and_build")) if run["state"] == "success")
    tasks = stack.airflow.task_instances("gate_and_build", run["dag_run_id"])
    months = [task for task in tasks if task["task_id"] == "refresh_month"]
    assert len(months) >= 4  # two Jalali months and the Gregorian ones they fall into
    assert {task["state"] for task in months} == {"success"}
    assert len({task["map_index"] for task in months}) == len(months)
    assert {task["rendered_map_index"] for task in months} >= {"1399-01", "1399-02", "2020-03", "2020-04"}


def test_a_month_added_later_leaves_the_months_before_untouched(stack: Stack) -> None:
    before = {month: (count, vintage) for month, count, vintage in stack.value(COMPLETED)}
    version = stack.version()
    stack.mizan("simulate", "qom-1399-h1", "--scale", "0.0001", "--months", "1399-03")
    stack.until(lambda: stack.version() > version)
    stack.settle()
    after = {month: (count, vintage) for month, count, vintage in stack.value(COMPLETED)}
    assert "1399-03" in after
    assert after["1399-01"] == before["1399-01"]


def test_a_task_that_failed_is_retried_and_green(stack: Stack) -> None:
    key = stack.settings.platform_key_file
    key.chmod(0o644)  # a key that others may read is refused
    try:
        run = stack.airflow.trigger("land_events")
        stack.until(lambda: _land(stack, run)["state"] == "up_for_retry")
    finally:
        key.chmod(0o600)
    assert stack.airflow.wait_for_run("land_events", run) == "success"
    assert _land(stack, run)["try_number"] >= 2


def _land(stack: Stack, run: str) -> dict[str, Any]:
    return next(task for task in stack.airflow.task_instances("land_events", run) if task["task_id"] == "land")


def test_a_backfill_changes_no_number_and_makes_no_version(stack: Stack) -> None:
    before, version = stack.value(COMPLETED), stack.version()
    run = stack.airflow.trigger("backfill_months", {"from": "1399-01", "to": "1399-03"})
    assert stack.airflow.wait_for_run("backfill_months", run) == "success"
    stack.settle()
    assert (stack.value(COMPLETED), stack.version()) == (before, version)


def test_a_month_is_closed_from_a_form(stack: Stack) -> None:
    run = stack.airflow.trigger("close_month", {"month": "1399-01", "by": "Head of statistics", "note": "looked at"})
    assert stack.airflow.wait_for_run("close_month", run) == "success"
    stack.settle()
    query = "SELECT state, closed_by, note FROM marts.month_states WHERE month = '1399-01'"
    assert stack.value(query) == [("final", "Head of statistics", "looked at")]


def test_what_may_not_be_released_is_refused_at_once_and_not_tried_again(stack: Stack) -> None:
    form = {"batch": "20200101T000000-none", "agency": "nobody", "by": "Head of operations", "reason": "looked at"}
    run = stack.airflow.trigger("release_batch", form)
    assert stack.airflow.wait_for_run("release_batch", run) == "failed"
    (task,) = stack.airflow.task_instances("release_batch", run)
    assert task["try_number"] == 1
    assert "is not held: it has no verdict" in _last_words(stack, task)
    stack.refused.add(run)


def test_each_round_of_the_evaluation_is_a_task_of_its_own(stack: Stack, tmp_path: Path) -> None:
    columns = "agency_id,name_fa,name_en,parent_id,level,province,district,expected_to_report,valid_from,valid_to"
    (tmp_path / "agencies.csv").write_text(f"{columns}\nassessed-body,,,,,,,,,\n")
    columns = "framework_version,indicator,name_fa,name_en,weight,announced_on"
    (tmp_path / "frameworks.csv").write_text(f"{columns}\nv1,web_presence,,,1,\n")
    columns = "round,assessed_to,score,agency_id,framework_version,indicator,scope,method"
    rows = [f"{name},{ended},{score},assessed-body,v1,web_presence,full,desk,,,," for name, ended, score in ROUNDS]
    blank = "assessed_from,release_on,evaluator,scope_reason"
    (tmp_path / "assessments.csv").write_text("\n".join([f"{columns},{blank}", *rows]) + "\n")
    stack.mizan("catalogue", "load", str(tmp_path))
    run = stack.airflow.trigger("evaluate_agencies", {"round": None})
    assert stack.airflow.wait_for_run("evaluate_agencies", run) == "success"
    # The day's own run, which starts with the scheduler, may have come first and left nothing to do.
    runs = [one["dag_run_id"] for one in stack.airflow.runs("evaluate_agencies")]
    assert sorted(name for one in runs for name in _rounds(stack, one)) == ["r1", "r2"]
    found = "SELECT round, score, growth_points FROM marts.agency_ranking ORDER BY round"
    stack.until(lambda: stack.version() and stack.value(found) == [("r1", 20.0, None), ("r2", 30.0, 10.0)])
    stack.settle()
    run = stack.airflow.trigger("evaluate_agencies", {"round": "r2"})
    assert stack.airflow.wait_for_run("evaluate_agencies", run) == "success"
    assert _rounds(stack, run) == ["r2"]


def _rounds(stack: Stack, run: str) -> list[str]:
    tasks = stack.airflow.task_instances("evaluate_agencies", run)
    names = [task["rendered_map_index"] for task in tasks if task["task_id"] == "evaluate_round"]
    return [name for name in names if name is not None]


ROUNDS = (("r1", "2017-09-22", 20), ("r2", "2018-03-20", 30))


def test_the_lake_is_maintained_and_still_holds(stack: Stack) -> None:
    run = stack.airflow.trigger("maintain_lake")
    assert stack.airflow.wait_for_run("maintain_lake", run) == "success"
    assert "the lake holds" in stack.mizan("verify")


def test_airflow_answers_nobody_without_a_login(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/api/v2/dags", timeout=30.0).status_code == 401


def test_a_component_that_is_killed_is_started_again(stack: Stack) -> None:
    def triggerers() -> list[int]:
        found = psutil.Process(stack.keeper).children()
        return [one.pid for one in found if one.status() != psutil.STATUS_ZOMBIE and "triggerer" in one.cmdline()]

    (killed,) = triggerers()
    os.kill(killed, signal.SIGKILL)
    stack.until(lambda: triggerers() not in ([], [killed]))


def test_no_store_of_airflow_or_the_home_holds_a_planted_id(stack: Stack, tmp_path: Path) -> None:
    """V1 after whole runs on the scheduler; what lies where, and that the search bites, is test_planted_ids.py."""
    planted, home = stack.planted, stack.settings.home
    add_agencies(stack.settings, [planted.reporting, planted.hostile])
    planted.say()
    stack.until(lambda: len(planted.pids()) == len(planted.persons))
    stack.until(stack.version)
    stack.settle()
    stack.mizan("backup", str(tmp_path / "backup"))
    assert list((home / "airflow" / "logs").rglob("*.log"))
    spared = is_broker_log(planted.hostile)
    assert sweep(home, planted.ids(), stack.heard, spared) == []
    keys = Needles((), planted.user_keys)
    assert sweep(home, keys, stack.heard, lambda name: name.startswith("broker/data/")) == []
    assert sweep(tmp_path, planted.every_needle()) == []


def test_no_secret_is_in_a_process_a_log_or_airflow_s_database(stack: Stack) -> None:
    home = stack.settings.home
    secrets = secrets_of(home) | {stack.airflow.token: "a token of Airflow's API"}
    assert {"platform.key", "transport.key", "kafka-admin.password", "Airflow's admin", "Airflow's fernet_key"} <= set(
        secrets.values()
    )
    needles = Needles(secrets=secrets)
    shown = stack.onlooker.stop()
    assert any(name.startswith("python") for name in stack.onlooker.programs)
    assert "java" in stack.onlooker.programs
    assert needles.in_bytes(shown) == set()
    assert sweep(home, needles, [], keeps_secrets) == []
    # What holds one is closed to everybody else.
    kept = [path for path in home.rglob("*") if path.is_file() and keeps_secrets(str(path.relative_to(home)))]
    holding = [path for path in kept if needles.in_bytes(path.read_bytes())]
    assert {path.parent.name for path in holding} >= {"keys", "broker", "airflow"}
    assert not [path for path in holding if path.stat().st_mode & 0o077]


def test_a_task_s_log_is_a_line_of_json_for_each_thing_said(stack: Stack) -> None:
    """S17: whatever a message holds, it is no line of its own and moves no cursor."""
    lines = [
        line
        for log in (stack.settings.home / "airflow" / "logs").rglob("dag_id=*/**/*.log")
        for line in log.read_bytes().splitlines()
    ]
    assert len(lines) > 100
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert not [line for line in lines if re.search(rb"[\x00-\x1f\x7f]", line)]
    # What a step says of its work keeps its fields: a batch can be followed from task to task.
    said = [said for said in map(json.loads, lines) if "batch_id" in said]
    landed = {one["batch_id"] for one in said if one["event"] == "batch landed"}
    assert landed
    assert landed <= {one["batch_id"] for one in said if one["event"] == "batch judged"}
    assert landed <= {one["batch_id"] for one in said if one["event"] == "batch counted"}


def test_no_run_failed(stack: Stack) -> None:
    failed = [
        (dag, task["task_id"], task["rendered_map_index"], task["state"], _last_words(stack, task))
        for dag in DAGS
        for run in stack.airflow.runs(dag)
        if run["state"] == "failed" and run["dag_run_id"] not in stack.refused
        for task in stack.airflow.task_instances(dag, run["dag_run_id"])
        if task["state"] != "success"
    ]
    assert failed == []


def _last_words(stack: Stack, task: dict[str, Any]) -> str:
    logs = stack.settings.home / "airflow" / "logs"
    folder = logs / f"dag_id={task['dag_id']}" / f"run_id={task['dag_run_id']}" / f"task_id={task['task_id']}"
    return "".join(log.read_text()[-2000:] for log in sorted(folder.rglob("*.log"))[-1:])
