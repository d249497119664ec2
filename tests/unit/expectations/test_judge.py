"""Whatever happens to Great Expectations, the gate is closed for what it could not judge, and for nothing else (G1)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from expectations import judge as judging
from expectations.judge import judge
from expectations.landed_events import Expectation

NONE_TOO_MANY = Expectation("none_too_many", "critical", "errors", "en", "fa", at_most=0)
FEW = Expectation("few", "warning", "oddities", "en", "fa", at_least=0.5, at_most=2)


def rows(count: int, **odd: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"batch_id": "b", "agency_id": f"a{n}", "errors": 0, "oddities": None, **odd.get(f"a{n}", {})}
        for n in range(count)
    ]


def closed(found: list[list[judging.Finding]]) -> list[int]:
    return [place for place, row in enumerate(found) if any(f.expectation == "gate_itself" for f in row)]


def test_findings_are_given_back_to_their_rows():
    given = rows(60, a3={"errors": 2}, a50={"oddities": 2.5}, a51={"oddities": 0.4, "errors": 1})
    found = judge(given, [NONE_TOO_MANY, FEW], group_by="agency_id")
    assert {
        place: [(f.expectation, f.severity, f.observed) for f in row] for place, row in enumerate(found) if row
    } == {
        3: [("none_too_many", "critical", 2)],
        50: [("few", "warning", 2.5)],
        51: [("none_too_many", "critical", 1), ("few", "warning", 0.4)],
    }


def test_an_agency_that_breaks_an_expectation_is_held_and_the_others_are_judged():
    # Text in a number's place: Great Expectations answers with exception_info and no result.
    given = rows(20, a7={"errors": "many"}, a8={"errors": 1})
    found = judge(given, [NONE_TOO_MANY, FEW], group_by="agency_id")
    assert closed(found) == [7]
    assert [place for place, row in enumerate(found) if row] == [7, 8]


@pytest.fixture
def fault(monkeypatch, tmp_path):
    (tmp_path / "ALLOW_FAULTPOINTS").touch()
    monkeypatch.setenv("MIZAN_HOME", str(tmp_path))
    return lambda what: monkeypatch.setenv("FAULTPOINT", f"gate.judge:{what}")


def test_a_judge_that_raises_once_is_asked_again(fault):
    fault("raise")
    assert closed(judge(rows(2), [NONE_TOO_MANY], group_by="agency_id")) == []


@pytest.mark.parametrize("what", ["kill", "sleep"])
def test_a_judge_that_always_dies_or_hangs_closes_every_gate(fault, what):
    # Each new process passes the failpoint anew, so every attempt fails.
    fault(what)
    found = judge(rows(2), [NONE_TOO_MANY], group_by="agency_id", seconds=1, retry_seconds=1)
    assert closed(found) == [0, 1]


def test_a_great_expectations_that_cannot_be_imported_closes_every_gate(monkeypatch, tmp_path: Path):
    (tmp_path / "great_expectations.py").write_text("raise ImportError('broken install')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = judge(rows(3), [NONE_TOO_MANY], group_by="agency_id")
    assert closed(found) == [0, 1, 2]
    assert "broken install" in str(found[0][0].note)


def test_a_judge_that_breaks_on_everything_is_given_up(monkeypatch):
    asked = []

    def broken(self: judging.Judge, given: Any, expectations: Any, seconds: float) -> Any:
        asked.append(len(given))
        raise judging.Broken("ill")

    monkeypatch.setattr(judging.Judge, "evaluate", broken)
    assert closed(judge(rows(1000), [NONE_TOO_MANY], group_by="agency_id")) == list(range(1000))
    assert len(asked) < 40


def test_the_judge_ends_with_the_process_that_asked_it():
    program = (
        "from expectations.judge import JUDGE, judge\n"
        "from expectations.landed_events import Expectation\n"
        "suite = [Expectation('none', 'critical', 'x', 'en', 'fa', at_most=0)]\n"
        "assert judge([{'x': 1}], suite, group_by='x')[0][0].expectation == 'none'\n"
        "print(JUDGE._process.pid)\n"
    )
    child = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
    assert not Path(f"/proc/{child}").exists()
