"""`mizan month` as an operator meets it: what is printed, what it exits with, what readers see afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from warehouse.publish import publish

MIZAN = Path(sys.executable).with_name("mizan")
SAID = ("--by", "Head of statistics", "--note", "looked at with the provinces")


def mizan(settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MIZAN_HOME": str(settings.home)}
    return subprocess.run([MIZAN, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_months_are_listed_closed_and_reopened_from_the_command_line(settings, build, look):
    none = mizan(settings, "month", "ls", "--json")
    assert (none.returncode, json.loads(none.stdout)) == (0, [])
    build.put("monthly_users", active_users=50, new_users=10, registered_users=50)
    publish(settings)
    refused = mizan(settings, "month", "close", "1399-02", *SAID)
    assert refused.returncode == 2
    assert "1399-02 is not published" in refused.stderr
    assert "mizan month ls" in refused.stderr
    assert mizan(settings, "month", "close", "1399-01", "--by", "Head of statistics").returncode == 2
    closed = mizan(settings, "month", "close", "1399-01", *SAID, "--json")
    assert closed.returncode == 0, closed.stderr
    told = json.loads(closed.stdout)
    assert (told["month"], told["vintage"], told["is_new"]) == ("1399-01", 1, True)
    assert Path(told["release"]).is_dir()
    (row,) = json.loads(mizan(settings, "month", "ls", "--json").stdout)
    assert {name: row[name] for name in ("calendar", "month", "state", "vintage", "closed_by", "release")} == {
        "calendar": "jalali",
        "month": "1399-01",
        "state": "final",
        "vintage": 1,
        "closed_by": "Head of statistics",
        "release": told["release"],
    }
    assert "final" in mizan(settings, "month", "ls").stdout
    assert mizan(settings, "month", "reopen", "1399-01", "--by", "Successor", "--note", "too early").returncode == 0
    assert look("SELECT state, note FROM marts.month_states") == [("provisional", "reopened by Successor: too early")]
    assert mizan(settings, "month", "reopen", "1399-01").returncode == 2
