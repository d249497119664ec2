"""`mizan gate` and `mizan gate release`: what they print, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from catalogue.tables import create
from contracts.settings import Settings
from expectations.gate import gate


@pytest.fixture
def mizan(settings: Settings):
    create(settings)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "console.main", *arguments],
            env={**os.environ, "MIZAN_HOME": str(settings.home)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_gate_exits_three_until_the_batch_is_released(settings, catalogue, event, land, mizan):
    land([event(service_id="withdrawn"), event("agency-b")])
    gate(settings, catalogue=catalogue)
    closed = mizan("gate", "--json")
    assert closed.returncode == 3
    found: list[dict[str, Any]] = json.loads(closed.stdout)["agencies"]
    assert [(one["agency_id"], one["batch"], one["verdict"]) for one in found] == [
        ("agency-a", "b1", "held"),
        ("agency-b", "b1", "passed"),
    ]
    assert "agency-a" in closed.stderr
    report = settings.published / "validation" / "index.html"
    assert "references_known" in report.read_text()
    said = ("--agency", "agency-a", "--by", "N. Azar", "--reason", "checked by hand")
    assert mizan("gate", "release", "b9", *said).returncode == 2
    released = mizan("gate", "release", "b1", *said)
    assert released.returncode == 0, released.stderr
    assert mizan("gate", "release", "b1", *said).returncode == 2
    assert mizan("gate", "--json").returncode == 0
    assert "checked by hand" in report.read_text()


def test_publishing_without_a_build_is_a_usage_error(mizan):
    assert mizan("publish", "--json").returncode == 2
