"""What Airflow is told by our environment, and what an operator's shell may say to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contracts.settings import Settings
from scheduler.local import TIMES, environment

COMPOSE = yaml.safe_load((Path(__file__).resolve().parents[3] / "docker-compose.yml").read_text(encoding="utf-8"))
PREPARE = Path(__file__).resolve().parents[3] / "deploy" / "prepare.sh"
SERVICES = COMPOSE["services"]
TIMEOUT = "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"
ORPHANS = "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL"


def told(tmp_path: Path) -> dict[str, str]:
    return environment(Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path), 1, (2, 3))


def test_what_died_is_noticed_within_the_minute(tmp_path: Path) -> None:
    assert float(told(tmp_path)[ORPHANS]) <= 60
    assert float(told(tmp_path)[TIMEOUT]) <= 60


def test_containers_are_told_the_same(tmp_path: Path) -> None:
    inside = COMPOSE["x-airflow"]["environment"]
    assert (inside[ORPHANS], inside[TIMEOUT]) == (TIMES[ORPHANS], TIMES[TIMEOUT])


def test_a_caller_may_say_how_fast_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(TIMEOUT, "20")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////elsewhere.db")
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    found = told(tmp_path)
    assert found[TIMEOUT] == "20"
    assert found["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in found


def test_every_container_that_stays_up_says_whether_it_is_well_and_is_started_again() -> None:
    for name, service in SERVICES.items():
        if name not in ("prepare", "migrate"):
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_what_containers_publish_is_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_a_database_that_still_sets_itself_up_is_not_called_healthy() -> None:
    # Until then the image's server answers on its socket alone, and who migrates comes by TCP.
    assert "--host" in SERVICES["postgres"]["healthcheck"]["test"]


def test_the_report_site_owns_nothing_and_writes_nothing() -> None:
    site = SERVICES["dashboard"]
    owners = {"0", "1000", "999", "50000"}  # whom deploy/prepare.sh gives files to
    assert not owners & set(site["user"].split(":"))
    assert site["read_only"]
    assert site["cap_drop"] == ["ALL"]
    assert all(volume.endswith(":ro") for volume in site["volumes"])


@pytest.mark.parametrize("maker", ["random", "fernet", "database_url"])
def test_a_secret_that_airflow_takes_to_the_byte_ends_in_no_line_end(maker: str) -> None:
    makers = "\n".join(line for line in PREPARE.read_text(encoding="utf-8").splitlines() if "() {" in line)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    call = ["bash", "-c", f"{makers}\n{maker}"]
    said = subprocess.run(call, env={"PATH": path}, capture_output=True, text=True, check=True).stdout
    assert said
    assert said == said.rstrip()
