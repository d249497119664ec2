import socket
from pathlib import Path

import pytest

from broker import doctor
from contracts.settings import Settings


def findings(home: Path) -> dict[str, doctor.Finding]:
    return {found.name: found for found in doctor.diagnose(Settings.load({"MIZAN_HOME": str(home)}, folder=home))}


def test_every_check_is_always_listed_and_this_machine_lacks_nothing(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert set(found) == {"python", "java", "kafka", "home", "disk", "open files", "loopback"}
    assert [name for name, finding in found.items() if not finding.ok] == []


def test_a_missing_java_comes_with_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    java = findings(tmp_path)["java"]
    assert not java.ok
    assert "install a Java 17" in (java.fix or "")


@pytest.mark.parametrize(("version", "ok"), [("1.8.0_392", False), ("11.0.2", False), ("17.0.9", True), ("25", True)])
def test_java_must_be_17_or_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, ok: bool) -> None:
    launcher = tmp_path / "bin" / "java"
    launcher.parent.mkdir()
    launcher.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert findings(tmp_path)["java"].ok is ok


def test_maven_is_missed_only_while_there_are_no_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.jars.shared_folder", lambda: tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not findings(tmp_path)["kafka"].ok
    (tmp_path / "kafka-4.3.1").mkdir()
    assert findings(tmp_path)["kafka"].ok


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = doctor._home(Settings.load({"MIZAN_HOME": str(tmp_path / "file" / "var")}, folder=tmp_path))
    assert not home.ok
    assert "MIZAN_HOME" in (home.fix or "")


def test_too_few_open_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    assert not findings(tmp_path)["open files"].ok


def test_a_full_disk_and_a_dead_loopback_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("network is down")

    monkeypatch.setattr(doctor, "FREE_BYTES", 2**60)
    monkeypatch.setattr(socket, "create_connection", refuse)
    found = findings(tmp_path)
    assert not found["disk"].ok
    assert not found["loopback"].ok
