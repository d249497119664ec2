"""What the command line and the tests say to Airflow: through its public REST API alone."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from contextlib import AbstractContextManager
from typing import Any

import httpx

from contracts.errors import MizanError
from contracts.settings import Settings
from scheduler.local import Standalone, password

ENDED = frozenset({"success", "failed"})


class Airflow(AbstractContextManager["Airflow"]):
    """A logged-in client of one Airflow; close it, or use it in a ``with`` block."""

    def __init__(self, settings: Settings, running: Standalone) -> None:
        login = {"username": "admin", "password": password(settings)}
        with httpx.Client(base_url=running.url, timeout=30.0) as client:
            answer = client.post("/auth/token", json=login)
            answer.raise_for_status()
        self.token = str(answer.json()["access_token"])
        self._client = httpx.Client(
            base_url=f"{running.url}/api/v2",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30.0,
        )

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """One request; the JSON answer. Raises MizanError with Airflow's own words.

        A server that is too busy to answer a question is asked again; an order is given once.
        """
        return self._said(method, path, self._answer(method, path, may_repeat=method == "GET", **request))

    def _answer(self, method: str, path: str, *, may_repeat: bool, **request: Any) -> httpx.Response:
        for patience in (True, True, False):
            try:
                answer = self._client.request(method, path, **request)
            except httpx.TransportError as error:
                if not (may_repeat and patience):
                    raise MizanError(f"Airflow does not answer {method} {path}: {error}") from error
                continue
            if not (answer.is_server_error and may_repeat and patience):
                break
            time.sleep(1.0)
        return answer

    def _said(self, method: str, path: str, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise MizanError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None

    def ensure_pool(self, name: str, slots: int) -> None:
        """Create a pool if it is not there. A server that is still busy starting is asked again."""
        pool = {"name": name, "slots": slots, "description": "one writer", "include_deferred": False}
        deadline = time.monotonic() + 120.0
        while True:
            try:
                answer = self._client.post("/pools", json=pool, timeout=10.0)
            except httpx.TransportError:
                busy, words = True, "no answer"
            else:
                if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
                    return
                busy, words = answer.is_server_error, answer.text[:300]
            if not busy or time.monotonic() > deadline:
                raise MizanError(f"Airflow refused the pool {name}: {words}")
            time.sleep(0.5)

    def dag_ids(self) -> set[str]:
        """Ids of the DAGs that Airflow has read."""
        return {dag["dag_id"] for dag in self.call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[dict[str, Any]]:
        """DAG files that failed to import."""
        found: list[dict[str, Any]] = self.call("GET", "/importErrors")["import_errors"]
        return found

    def wait_for_dags(self, wanted: set[str], seconds: float = 180.0) -> None:
        """Wait until every DAG is there; MizanError with the import errors otherwise."""
        deadline = time.monotonic() + seconds
        while not wanted <= self.dag_ids():
            if time.monotonic() > deadline:
                raise MizanError(f"missing DAGs {sorted(wanted - self.dag_ids())}: {self.import_errors()}")
            time.sleep(0.3)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; its id. It is made here, so that an order whose answer did not come can be given again."""
        run_id = f"manual__{dt.datetime.now(dt.UTC).isoformat()}_{secrets.token_hex(4)}"
        order = {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}}
        path = f"/dags/{dag_id}/dagRuns"
        answer = self._answer("POST", path, may_repeat=True, json=order)
        if answer.status_code != httpx.codes.CONFLICT:  # the first order was heard
            self._said("POST", path, answer)
        return run_id

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The newest runs of a DAG, newest first."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 50, "order_by": "-run_after"})
        found: list[dict[str, Any]] = answer["dag_runs"]
        return found

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Every task instance of a run, mapped ones included."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 500})
        found: list[dict[str, Any]] = answer["task_instances"]
        return found

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 600.0) -> str:
        """Wait until a run ends; its state."""
        deadline = time.monotonic() + seconds
        while True:
            state = str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            if state in ENDED:
                return state
            if time.monotonic() > deadline:
                raise MizanError(f"{dag_id} {run_id} did not end in {seconds:.0f} s: {state}")
            time.sleep(0.3)
