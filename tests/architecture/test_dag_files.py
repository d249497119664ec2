"""The DAG files as Airflow reads them, in a process of their own with no broker and no lake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, logging, socket, sys, time
from airflow.utils.db import initdb
initdb()
logging.disable(logging.CRITICAL)
import airflow.sdk, airflow.timetables.assets  # Airflow's own import time is not ours

def refuse(*_, **__):
    raise AssertionError("parsing opened a network connection")

socket.socket.connect = refuse
from airflow.dag_processing.dagbag import DagBag
started = time.process_time()
bag = DagBag(sys.argv[1])
seconds = time.process_time() - started
rooms = {"landing", "transforms", "warehouse", "expectations", "catalogue", "producers", "broker"}
print("\\n@@" + json.dumps({
    "errors": bag.import_errors,
    "seconds": seconds,
    "rooms": sorted(rooms & set(sys.modules)),
    "dags": {
        dag_id: {
            "doc": dag.doc_md, "tags": sorted(dag.tags), "owner": dag.owner, "params": sorted(dag.params),
            "tasks": {
                t.task_id: {"retries": t.retries, "pool": t.pool, "timeout": str(t.execution_timeout)}
                for t in dag.tasks
            },
        }
        for dag_id, dag in bag.dags.items()
    },
}))
"""


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "MIZAN_HOME": str(home),
    }
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT / "dags")], env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout.rpartition("@@")[2])


def test_every_dag_file_imports(bag):
    assert bag["errors"] == {}


def test_the_dags_are_exactly_the_ones_promised(bag):
    assert set(bag["dags"]) == {
        "land_events",
        "gate_and_build",
        "publish_warehouse",
        "backfill_months",
        "sync_catalogue",
        "maintain_lake",
        "evaluate_agencies",
        "replay_quarantine",
    }


def test_parsing_imports_no_room_that_does_work_and_takes_under_a_second(bag):
    assert bag["rooms"] == []
    assert bag["seconds"] < 1.0


def test_every_dag_says_what_it_does_and_who_owns_it(bag):
    for dag in bag["dags"].values():
        assert len(dag["doc"]) > 80
        assert "mizan" in dag["tags"]
        assert dag["owner"] == "data-engineering"


def test_every_task_retries_but_the_one_that_only_reports(bag):
    for dag in bag["dags"].values():
        for name, task in dag["tasks"].items():
            assert task["retries"] == (0 if name == "report_closed_gates" else 3)


def test_every_task_has_an_end(bag):
    for dag in bag["dags"].values():
        assert all(task["timeout"] != "None" for task in dag["tasks"].values())


def test_what_writes_the_build_database_shares_one_pool(bag):
    writers = {
        ("gate_and_build", "update_facts"),
        ("gate_and_build", "refresh_month"),
        ("backfill_months", "refresh_month"),
        ("evaluate_agencies", "list_rounds"),
        ("evaluate_agencies", "evaluate_round"),
        ("publish_warehouse", "publish"),
    }
    pooled = {
        (dag_id, task_id)
        for dag_id, dag in bag["dags"].items()
        for task_id, task in dag["tasks"].items()
        if task["pool"] == "build_database"
    }
    assert pooled == writers


def test_a_backfill_asks_for_both_ends(bag):
    assert bag["dags"]["backfill_months"]["params"] == ["from", "to"]


def test_an_evaluation_may_ask_for_one_round(bag):
    assert bag["dags"]["evaluate_agencies"]["params"] == ["round"]


def test_a_replay_may_be_narrowed_to_a_reason_and_an_agency(bag):
    assert bag["dags"]["replay_quarantine"]["params"] == ["agency", "reason"]
