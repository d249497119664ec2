"""Airflow in its containers, through its public API: its parts, its DAGs, and whether an operator can read a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from compose_check.steps import until

DAGS = len(list((Path(__file__).resolve().parents[2] / "dags").glob("*.py")))
FLOW = ("land_events", "gate_and_build", "publish_warehouse")


class Airflow:
    """A client that logs in as the admin whom deploy/prepare.sh made."""

    def __init__(self, port: int, home: Path) -> None:
        self._url = f"http://127.0.0.1:{port}"
        login = {
            "username": "admin",
            "password": json.loads((home / "keys/airflow-passwords.json").read_text())["admin"],
        }
        self._token = (
            httpx.post(f"{self._url}/auth/token", json=login, timeout=60).raise_for_status().json()["access_token"]
        )

    def alive(self) -> str:
        """Its parts, once each says that it is healthy."""
        parts: dict[str, Any] = until(self._healthy, 120, "every part of Airflow healthy")
        return ", ".join(parts)

    def dags(self) -> str:
        """How many DAGs there are, once it has read them all. AssertionError where one is broken."""
        until(lambda: len(self._asked("/dags")["dags"]) == DAGS, 180, f"{DAGS} DAGs")
        broken = self._asked("/importErrors")["import_errors"]
        if broken:
            raise AssertionError(f"DAGs do not import: {broken}")
        return f"{DAGS} DAGs, none broken"

    def flowed(self) -> str:
        """The DAGs that brought figures out, each with runs that succeeded; AssertionError where one has none."""
        runs = {dag: self._asked(f"/dags/{dag}/dagRuns", state="success", limit=100)["total_entries"] for dag in FLOW}
        if not all(runs.values()):
            raise AssertionError(f"runs that succeeded: {runs}")
        return ", ".join(f"{dag} {count}×" for dag, count in runs.items())

    def log(self) -> str:
        """Lines of a task's log, which the scheduler's container has and the API's must get; AssertionError without."""
        dag, task = "publish_warehouse", "publish"
        run = self._asked(f"/dags/{dag}/dagRuns", state="success", limit=1)["dag_runs"][0]["dag_run_id"]
        said = self._asked(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1")["content"]
        lines = [line for line in said if line.get("logger") and line.get("timestamp")]
        if not lines:
            raise AssertionError(f"the log of {dag}.{task} cannot be read: {said}")
        return f"{len(lines)} lines of a task's log"

    def _healthy(self) -> dict[str, Any] | None:
        told = self._asked("/monitor/health")
        return told if {part["status"] for part in told.values()} == {"healthy"} else None

    def _asked(self, path: str, **wanted: str | int) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        return (
            httpx.get(f"{self._url}/api/v2{path}", params=wanted, headers=headers, timeout=60).raise_for_status().json()
        )
