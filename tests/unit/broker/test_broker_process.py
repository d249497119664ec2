import json
import os
from pathlib import Path

import pytest

from broker import process
from broker.process import MARK, Running


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Java: a shell that keeps its command line and sleeps."""
    launcher = tmp_path / "bin" / "java"
    launcher.parent.mkdir()
    launcher.write_text("#!/bin/sh\nwhile :; do sleep 0.05; done\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    folder = tmp_path / "broker"
    folder.mkdir()
    return folder


def test_a_started_broker_is_found_in_a_session_of_its_own_and_stopped(sleeper: Path) -> None:
    running = process.start(sleeper, [], sleeper / "console.log")
    try:
        assert process.find(sleeper) == running
        assert os.getsid(running.pid) == running.pid != os.getsid(0)
    finally:
        process.stop(sleeper, running)
    assert process.find(sleeper) is None
    assert not (sleeper / "pid.json").exists()


def test_a_broker_is_found_without_its_pid_file(sleeper: Path) -> None:
    running = process.start(sleeper, [], sleeper / "console.log")
    try:
        (sleeper / "pid.json").unlink()
        assert process.find(sleeper) == running
    finally:
        process.stop(sleeper, running)


@pytest.mark.parametrize("noted", ["", "{}", "[]", '{"pid": "x", "started": 1}', '{"pid": 99999999, "started": 1}'])
def test_a_damaged_or_stale_pid_file_is_not_believed(tmp_path: Path, noted: str) -> None:
    (tmp_path / "pid.json").write_text(noted)
    assert process.find(tmp_path) is None


def test_a_pid_that_now_belongs_to_another_program_is_not_ours(tmp_path: Path) -> None:
    mine = process.psutil.Process()
    (tmp_path / "pid.json").write_text(json.dumps({"pid": mine.pid, "started": mine.create_time()}))
    assert process.find(tmp_path) is None


def test_another_folders_broker_is_not_ours(sleeper: Path) -> None:
    running = process.start(sleeper, [], sleeper / "console.log")
    try:
        assert process.find(sleeper.parent / "brok") is None
        assert process.find(sleeper.parent) is None
    finally:
        process.stop(sleeper, running)


def test_a_broker_that_ended_but_was_not_reaped_is_not_alive(sleeper: Path) -> None:
    running = process.start(sleeper, [], sleeper / "console.log")
    os.kill(running.pid, 9)
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive(running)
    process.stop(sleeper, running)


def test_a_broker_that_does_not_heed_sigterm_is_killed(sleeper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = sleeper.parent / "bin" / "java"
    launcher.write_text("#!/bin/sh\ntrap '' TERM\ntouch ready\nwhile :; do sleep 0.05; done\n")
    monkeypatch.chdir(sleeper)
    monkeypatch.setattr(process, "STOP_SECONDS", 0.3)
    running = process.start(sleeper, [], sleeper / "console.log")
    while not (sleeper / "ready").exists():
        assert process.is_alive(running)
    process.stop(sleeper, running)
    assert not process.is_alive(running)


def test_no_setting_of_ours_and_no_jvm_option_of_the_caller_reaches_java(
    sleeper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    monkeypatch.setenv("MIZAN_KAFKA_PASSWORD_FILE", "/somewhere")
    running = process.start(sleeper, [], sleeper / "console.log")
    try:
        environment = Path(f"/proc/{running.pid}/environ").read_text()
        assert "JAVA_TOOL_OPTIONS" not in environment
        assert "MIZAN_" not in environment
        assert MARK + str(sleeper) in Path(f"/proc/{running.pid}/cmdline").read_text()
    finally:
        process.stop(sleeper, running)


def test_a_process_that_never_was_is_not_alive() -> None:
    assert not process.is_alive(Running(99999999, 0.0))
