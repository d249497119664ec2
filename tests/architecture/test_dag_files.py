"""The DAG files as Airflow reads them, in a process of their own with no broker and no lake."""

import json
import os
import re
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
            "doc": dag.doc_md, "tags": sorted(dag.tags), "owner": dag.owner,
            "params": {name: param.schema | {"description": param.description} for name, param in dag.params.items()},
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
        "close_month",
        "release_batch",
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
        ("close_month", "close"),
        ("maintain_lake", "drop_pids"),
    }
    pooled = {
        (dag_id, task_id)
        for dag_id, dag in bag["dags"].items()
        for task_id, task in dag["tasks"].items()
        if task["pool"] == "build_database"
    }
    assert pooled == writers


def test_a_backfill_asks_for_both_ends(bag):
    assert bag["dags"]["backfill_months"]["params"].keys() == {"from", "to"}


def test_an_evaluation_may_ask_for_one_round(bag):
    assert bag["dags"]["evaluate_agencies"]["params"].keys() == {"round"}


def test_a_replay_may_be_narrowed_to_a_reason_and_an_agency(bag):
    assert bag["dags"]["replay_quarantine"]["params"].keys() == {"agency", "reason"}


def test_every_field_of_a_form_says_what_it_is_and_refuses_what_it_is_not(bag):
    bounded = {"pattern", "enum", "minLength", "maxLength"}
    fields = [field for dag in bag["dags"].values() for field in dag["params"].values()]
    assert len(fields) == 13
    for field in fields:
        assert field["title"]
        assert len(field["description"]) > 10
        assert bounded & field.keys()


def test_what_a_person_answers_for_must_be_filled_in(bag):
    for dag, names in (
        ("close_month", {"month", "by", "note"}),
        ("release_batch", {"batch", "agency", "by", "reason"}),
    ):
        asked = bag["dags"][dag]["params"]
        assert asked.keys() == names
        assert all(field["type"] == "string" for field in asked.values())


def test_a_choice_of_reasons_says_each_in_words(bag):
    reason = bag["dags"]["replay_quarantine"]["params"]["reason"]
    assert set(reason["values_display"]) == set(reason["enum"]) - {None}


def test_every_dag_names_the_page_that_says_what_to_do(bag):
    for dag_id, dag in bag["dags"].items():
        named = re.findall(r"(docs/[\w/-]+\.md)(?:#([\w-]+))?", dag["doc"])
        assert named, dag_id
        for page, heading in named:
            headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
            assert not heading or heading in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
