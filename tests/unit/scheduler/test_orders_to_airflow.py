"""Orders to Airflow whose answer does not come: given again, heard once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import MizanError
from contracts.settings import Settings
from scheduler.api import Airflow
from scheduler.local import Standalone, airflow_home


class BusyAirflow(ThreadingHTTPServer):
    """Hears every order, and hangs up without an answer to the first ``silent`` of them."""

    def __init__(self, silent: int) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.silent = silent
        self.heard: list[str] = []


class Answers(BaseHTTPRequestHandler):
    server: BusyAirflow

    def do_POST(self) -> None:
        said: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            return self.answer(201, {"access_token": "t"})
        run_id = said["dag_run_id"]
        known = run_id in self.server.heard
        self.server.heard.append(run_id)
        if len(self.server.heard) <= self.server.silent:
            self.close_connection = True
            return None
        return self.answer(409 if known else 200, {"dag_run_id": run_id})

    def answer(self, code: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path)
    airflow_home(settings).mkdir(parents=True)
    (airflow_home(settings) / "passwords.json").write_text('{"admin": "p"}')
    return settings


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Iterator[BusyAirflow]:
    with BusyAirflow(request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("busy", [0, 1, 2], indirect=True)
def test_a_run_is_ordered_until_it_is_heard_and_under_one_id(busy: BusyAirflow, settings: Settings) -> None:
    with Airflow(settings, Standalone(pid=0, started=0.0, port=busy.server_port)) as airflow:
        run_id = airflow.trigger("land_events", {"a": 1})
    assert busy.heard == [run_id] * (busy.silent + 1)


@pytest.mark.parametrize("busy", [9], indirect=True)
def test_an_airflow_that_never_answers_is_named(busy: BusyAirflow, settings: Settings) -> None:
    with (
        Airflow(settings, Standalone(pid=0, started=0.0, port=busy.server_port)) as airflow,
        pytest.raises(MizanError, match="does not answer POST /dags/land_events/dagRuns"),
    ):
        airflow.trigger("land_events")
    assert len(set(busy.heard)) == 1
