"""The runbooks of leaked keys, followed to the letter: they end in a lake that is proved."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from landing_stage import Stage, visit
from typer.testing import CliRunner

from console.commands import register
from contracts.keys import current_key_id, read_key
from contracts.platform_key import read_platform_key
from contracts.reporting_time import CALENDARS, month_of, tehran_date
from landing.drain import land
from pipeline.steps import initialise, run
from transforms.refresh import content_hash
from warehouse.connection import build_connection
from warehouse.published import open_published

pytestmark = pytest.mark.integration
RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
COMMANDS = typer.Typer()
register(COMMANDS)
PEOPLE = [f"{n:02x}" * 32 for n in range(1, 6)]


def follow(stage: Stage, runbook: str, given: Mapping[str, str]) -> dict[str, str]:
    """Run the commands of a runbook one by one, the words in capitals filled in; what each said."""
    said = {}
    for line in (RUNBOOKS / runbook).read_text(encoding="utf-8").split("```")[1].strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "mizan"
        done = CliRunner().invoke(COMMANDS, [given.get(word, word) for word in words], env=stage.environment)
        assert done.exit_code == 0, (line, done.output, done.exception)
        said[line] = done.output
    return said


def built_hash(stage: Stage) -> str:
    """The content hash of every table to be published."""
    with build_connection(stage.settings) as connection:
        return content_hash(connection)


def users(stage: Stage) -> list[tuple[object, ...]]:
    with open_published(stage.settings) as published:
        return published.execute(
            "SELECT calendar, month, scope, scope_id, channel, active_users, registered_users, new_users "
            "FROM marts.monthly_users ORDER BY ALL"
        ).fetchall()


def flags(stage: Stage) -> dict[str, str]:
    """What is said of the users of each month of both calendars."""
    with open_published(stage.settings) as published:
        return dict(published.execute("SELECT month, users FROM marts.month_states").fetchall())


def test_the_runbook_of_a_leaked_platform_key_changes_every_pid_and_no_figure(stage: Stage, tmp_path: Path):
    initialise(stage.settings)
    agency = stage.agency()
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(days=40)).isoformat()
    stage.send(agency, [visit(agency, f"e-{n}", time=at, data={"user_key": key}) for n, key in enumerate(PEOPLE)])
    run(stage.settings)
    before, built = users(stage), built_hash(stage)
    old = {pid for (pid,) in stage.rows("events", "SELECT pid FROM t")}
    names = {"NAME": "Keeper", "REASON": "a lost disk", "DIR": str(tmp_path / "dir"), "KEYDIR": str(tmp_path / "keys")}
    said = follow(stage, "leaked-platform-key.md", names)
    chain = read_platform_key(stage.settings.platform_key_file)
    assert chain.fingerprint in said["mizan key ls"]
    assert (tmp_path / "keys" / "platform.key").read_text() == stage.settings.platform_key_file.read_text()
    assert (users(stage), built_hash(stage)) == (before, built)
    now = {bytes(pid) for (pid,) in stage.rows("events", "SELECT pid FROM t")}
    assert now == set(map(chain.pid, PEOPLE))
    assert not now & old


def test_the_runbook_of_a_leaked_transport_key_retires_it_and_flags_the_months(stage: Stage, tmp_path: Path):
    initialise(stage.settings)
    agency = stage.agency()
    old_key = read_key(stage.settings.transport_key_file)
    now = dt.datetime.now(dt.UTC)
    before, after = ((now + away).isoformat() for away in (dt.timedelta(days=-40), dt.timedelta(minutes=4)))
    stage.send(agency, [visit(agency, "e-0", time=before, data={"user_key": PEOPLE[0], "user_key_id": "t1"})])
    land(stage.settings)
    # What happened before and comes late, and what happens under each key after it is replaced.
    stage.send(
        agency,
        [
            visit(agency, "spooled", time=before, data={"user_key": PEOPLE[1], "user_key_id": "t1"}),
            visit(agency, "stolen", time=after, data={"user_key": PEOPLE[2], "user_key_id": "t1"}),
            visit(agency, "new", time=after, data={"user_key": PEOPLE[3], "user_key_id": "t2"}),
        ],
    )
    names = {"NAME": "Keeper", "REASON": "a lost laptop", "AGENCY": agency, "DIR": str(tmp_path / "bundle")}
    names |= {"BACKUPS": str(tmp_path / "backups"), "KEYDIR": str(tmp_path / "keys")}
    follow(stage, "leaked-transport-key.md", names)
    assert current_key_id(stage.settings) == "t2"
    new_key = read_key(stage.settings.transport_key_file)
    assert old_key != new_key == read_key(tmp_path / "bundle" / "transport.key")
    assert (tmp_path / "bundle" / "user_key_id").read_text().strip() == "t2"
    assert read_key(tmp_path / "keys" / "transport.key.t1") == old_key
    assert sorted(stage.ids(agency)) == ["e-0", "new", "spooled"]
    assert stage.reasons(agency) == ["key_unknown"]
    labels = {month_of(calendar, tehran_date(now)).label for calendar in CALENDARS}
    found = flags(stage)
    assert {found[label] for label in labels} == {"discontinuity"}
    assert {users for month, users in found.items() if month not in labels} == {"comparable"}
