"""A home destroyed and brought back from its backup; a lake made anew after its key was lost: both rehearsed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_stage import Stage, visit

from contracts.settings import Settings
from landing.drain import land
from landing.verify import verify
from pipeline.backup import backup
from pipeline.backup_store import BackupStore
from pipeline.restore import restore

pytestmark = pytest.mark.integration
RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "lost-platform-key.md"


@pytest.fixture
def stage(landing_broker: Settings, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(landing_broker, tmp_path / "home", MIZAN_LAND_CAP="40")
    yield stage
    stage.clear()


def send(stage: Stage, agency: str, begin: int, count: int) -> set[str]:
    """Visits of two persons by turns, every tenth record bad. The ids of the good ones."""
    numbers = range(begin, begin + count)
    people = ("aa" * 32, "bb" * 32)
    good = {n: visit(agency, f"e-{n}", data={"user_key": people[n % 2]}) for n in numbers if n % 10}
    stage.send(agency, [good.get(n, b"{broken") for n in numbers])
    return {f"e-{n}" for n in good}


def test_a_destroyed_home_is_restored_and_every_acknowledged_event_is_there_once(stage: Stage, tmp_path: Path):
    agency, folder = stage.agency(), str(tmp_path / "backup")
    sent = send(stage, agency, 1, 120)
    land(stage.settings)
    code, _, err = stage.run("backup", folder)
    assert code == 0, err
    # Landed, compacted and backed up again; then more is landed that no backup has, and more that nobody landed.
    sent |= send(stage, agency, 201, 60)
    land(stage.settings, until_empty=True)
    assert stage.run("compact")[0] == 0
    code, _, err = stage.run("backup", folder, "--with-keys", str(tmp_path / "keys"))
    assert code == 0, err
    sent |= send(stage, agency, 301, 50)
    land(stage.settings, until_empty=True)
    sent |= send(stage, agency, 401, 30)
    # The home is gone, keys and all; only how to reach Kafka is configuration of another place.
    address = stage.settings.broker_file.read_text()
    shutil.rmtree(stage.settings.home)
    stage.settings.home.mkdir()
    stage.settings.broker_file.write_text(address)
    code, out, err = stage.run("restore", folder, "--with-keys", str(tmp_path / "keys"))
    assert code == 0, (out, err)
    code, out, err = stage.run("verify", "--deep")
    assert code == 0, (out, err)
    landed = land(stage.settings, until_empty=True)
    assert not landed.halts
    assert sorted(stage.ids(agency)) == sorted(sent)
    assert stage.reasons(agency) == ["not_json"] * (12 + 6 + 5 + 3)
    assert stage.rows("events", "SELECT count(DISTINCT pid) FROM t") == [(2,)]
    proof = verify(stage.settings, deep=True)
    assert proof.ok, proof.problems


def test_a_backup_made_while_landing_goes_on_is_of_one_moment(stage: Stage, tmp_path: Path):
    agency = stage.agency()
    sent = send(stage, agency, 1, 900)
    process = stage.start("land", "--until-empty")
    made = 0
    while process.poll() is None:
        backup(stage.settings, tmp_path / "backup")
        made += 1
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert made > 1
    moments = BackupStore(tmp_path / "backup").moments()
    for moment in moments[:: max(1, len(moments) // 4)]:
        restore(stage.settings, tmp_path / "backup", at=moment, force=True)
        proof = verify(stage.settings)
        assert proof.ok, (moment, proof.problems)
    land(stage.settings, until_empty=True)
    assert sorted(stage.ids(agency)) == sorted(sent)


def test_the_runbook_of_a_lost_platform_key_ends_in_a_verified_lake_with_the_same_counts(stage: Stage, tmp_path: Path):
    agency, home = stage.agency(), stage.settings.home
    sent = send(stage, agency, 1, 60)
    assert stage.run("run")[0] == 0  # published: what is in service must not take the lake made anew for an old copy
    people = {row[0] for row in stage.rows("events", "SELECT DISTINCT pid FROM t")}
    stage.settings.platform_key_file.unlink()
    assert stage.run("land")[0] == 2
    code, _, err = stage.run("init")
    assert code == 2
    assert "lost-platform-key" in err
    # Step 2, 3 and on, as they are written.
    assert stage.run("backup", str(tmp_path / "DIR"))[0] == 0
    (moving,) = re.findall(r"^   `(cd [^`]*)`$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    subprocess.run(["bash", "-euc", moving], check=True, env={"MIZAN_HOME": str(home), "PATH": "/usr/bin:/bin"})
    for step in (["init"], ["land", "--until-empty"], ["verify"]):
        code, out, err = stage.run(*step)
        assert code == 0, (step, out, err)
    assert stage.run("backup", str(tmp_path / "DIR2"), "--with-keys", str(tmp_path / "KEYDIR"))[0] == 0
    assert sorted(stage.ids(agency)) == sorted(sent)
    anew = {row[0] for row in stage.rows("events", "SELECT DISTINCT pid FROM t")}
    assert len(anew) == len(people) == 2
    assert not anew & people
    assert verify(stage.settings, deep=True).ok
