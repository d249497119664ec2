"""What `make compose-check` is made of, where no engine is needed: who may run it, what failed, what was sent."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy"))
from compose_check import __main__ as check
from compose_check import traffic
from compose_check.steps import StepFailed, Steps, until

from contracts.identity import is_national_id


class Gateway(ThreadingHTTPServer):
    """Answers as its list says, then 202; keeps the ids of what it took."""

    answers: list[int | None]
    taken: list[str]
    offered: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ids = [json.loads(line)["id"] for line in body.splitlines()]
        self.server.offered += ids
        answer = self.server.answers.pop(0) if self.server.answers else 202
        if answer is None:
            self.connection.close()  # killed before it could answer
            return
        if answer == 202:
            self.server.taken += ids
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(("127.0.0.1", 0), Handler) as server:
        server.answers, server.taken, server.offered = [], [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    document = {"agency_id": "desk", "bootstrap": "kafka:9092", "transport_key_file": "transport.key"}
    (tmp_path / "bundle.json").write_text(json.dumps(document))
    (tmp_path / "transport.key").write_text("ab" * 32)
    (tmp_path / "transport.key").chmod(0o600)
    return tmp_path


def sent_through(gateway: Gateway, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> traffic.ByHttp:
    monkeypatch.setattr(traffic, "_PAUSE_SECONDS", 0.01)
    sender = traffic.ByHttp(1, gateway.server_address[1], "token", bundle)
    sender.start()
    until(lambda: sender.moving or not sender.is_alive(), 20, "events")
    sender.finish()
    return sender


def test_what_was_not_acknowledged_is_sent_again_under_the_same_ids_and_counted_once(
    gateway: Gateway, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answers = [None, 503, 202, 207]
    sender = sent_through(gateway, bundle, monkeypatch)
    assert sender.acknowledged == len(gateway.taken) == len(set(gateway.taken))
    assert set(gateway.offered) == set(gateway.taken)
    assert len(gateway.offered) == len(gateway.taken) + 3 * 20


def test_a_refusal_is_no_passing_trouble(gateway: Gateway, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.answers = [202, 422]
    with pytest.raises(RuntimeError, match="422"):
        sent_through(gateway, bundle, monkeypatch)


def test_persons_are_valid_and_enough_for_the_public_tier() -> None:
    persons = {traffic.national_id(number) for number in range(40)}
    assert len(persons) == 40
    assert all(map(is_national_id, persons))


def test_who_is_not_root_is_told_why_not_and_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(check, "WORK", tmp_path / "work")
    monkeypatch.setattr(sys, "argv", ["compose_check"])
    assert check.main() == 2
    assert "not root" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_the_step_that_failed_is_named_and_those_before_it_are_kept() -> None:
    steps = Steps()
    with steps.step("up") as step:
        step.seen = "8 services"
    with pytest.raises(StepFailed, match="lag 3") as failed, steps.step("figures out"):
        raise AssertionError("lag 3")
    assert failed.value.step == "figures out"
    assert [(one.name, one.seen) for one in steps.done] == [("up", "8 services")]


def test_what_never_holds_ends_by_its_name() -> None:
    with pytest.raises(TimeoutError, match="a figure: not within"):
        until(lambda: None, 0.1, "a figure")
