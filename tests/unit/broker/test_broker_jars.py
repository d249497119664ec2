from pathlib import Path

import pytest

from broker import jars
from contracts.errors import MizanError, UsageError


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Maven on a PATH of its own; tests write what it does."""
    launcher = tmp_path / "bin" / "mvn"
    launcher.parent.mkdir()
    launcher.touch(0o755)
    monkeypatch.setenv("PATH", f"{launcher.parent}:/usr/bin:/bin")
    return launcher


def test_every_pinned_jar_has_a_digest() -> None:
    expected = jars.expected_jars()
    assert len(expected) == 46
    assert "kafka-server-4.3.1.jar" in expected
    assert all(len(digest) == 64 for digest in expected.values())


def test_jars_that_are_there_are_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "kafka").mkdir()
    assert jars.fetch(tmp_path / "kafka") == tmp_path / "kafka"


def test_without_maven_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="Maven"):
        jars.fetch(tmp_path / "kafka")


def test_a_failed_fetch_leaves_nothing_behind(maven: Path, tmp_path: Path) -> None:
    maven.write_text("#!/bin/sh\necho '[ERROR] no network'\nexit 1\n")
    with pytest.raises(MizanError, match="no network"):
        jars.fetch(tmp_path / "out" / "kafka")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_jar_other_than_the_pinned_one_is_refused(maven: Path, tmp_path: Path) -> None:
    maven.write_text(
        '#!/bin/sh\nfor a in "$@"; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done\n'
        "mkdir -p $d; echo forged > $d/kafka-server-4.3.1.jar\n"
    )
    with pytest.raises(MizanError, match="kafka-server"):
        jars.fetch(tmp_path / "out" / "kafka")
    assert list((tmp_path / "out").iterdir()) == []
