"""What Airflow is told by our environment, and what an operator's shell may say to it."""

from __future__ import annotations

from pathlib import Path

import yaml

from contracts.settings import Settings
from scheduler.local import TIMES, environment

COMPOSE = Path(__file__).resolve().parents[3] / "docker-compose.yml"
TIMEOUT = "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"
ORPHANS = "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL"


def told(tmp_path: Path) -> dict[str, str]:
    return environment(Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path), 1, (2, 3))


def test_what_died_is_noticed_within_the_minute(tmp_path: Path) -> None:
    assert float(told(tmp_path)[ORPHANS]) <= 60
    assert float(told(tmp_path)[TIMEOUT]) <= 60


def test_containers_are_told_the_same(tmp_path: Path) -> None:
    inside = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["x-airflow"]["environment"]
    assert (inside[ORPHANS], inside[TIMEOUT]) == (TIMES[ORPHANS], TIMES[TIMEOUT])


def test_a_caller_may_say_how_fast_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(TIMEOUT, "20")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////elsewhere.db")
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    found = told(tmp_path)
    assert found[TIMEOUT] == "20"
    assert found["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in found
