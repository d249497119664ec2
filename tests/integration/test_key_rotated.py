"""The platform key is rotated beside a real broker: what lands, or is read from Kafka again, is under the new key."""

from __future__ import annotations

import datetime as dt
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from landing_stage import Stage, await_stopped, ended, visit

from catalogue.read import known
from contracts.errors import Fenced
from contracts.event import Known
from contracts.platform_key import read_platform_key
from contracts.settings import Settings
from landing import drain
from landing.drain import land
from landing.replay import replay
from landing.rotation import rotate
from landing.verify import verify
from pipeline.backup import backup
from pipeline.keys import rotate_platform_key
from pipeline.restore import restore
from warehouse.lake import Lake
from warehouse.maintenance import compact

pytestmark = pytest.mark.integration
WHY = {"by": "Keeper", "reason": "yearly"}
ROWS = 'SELECT * FROM t ORDER BY topic, partition, "offset"'
PEOPLE = [f"{n:02x}" * 32 for n in range(1, 8)]


def visits(agency: str, prefix: str, people: list[str]) -> list[bytes]:
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(days=40)).isoformat()  # few months to build
    return [visit(agency, f"{prefix}-{n}", time=at, data={"user_key": person}) for n, person in enumerate(people)]


def test_whoever_comes_again_is_known_and_what_is_sent_again_is_a_duplicate(stage: Stage):
    agency = stage.agency()
    sent = visits(agency, "e", PEOPLE[:5])
    stage.send(agency, [*sent, b"{broken"])
    land(stage.settings)
    old = {pid for (pid,) in stage.rows("events", "SELECT DISTINCT pid FROM t")}
    rotate_platform_key(stage.settings, **WHY)
    assert not old & {pid for (pid,) in stage.rows("events", "SELECT DISTINCT pid FROM t")}
    stage.send(agency, [sent[0], *visits(agency, "later", [PEOPLE[0], PEOPLE[1], PEOPLE[6]])])
    landed = land(stage.settings)
    assert (landed.events, landed.duplicates) == (3, 1)
    chain = read_platform_key(stage.settings.platform_key_file)
    now = {bytes(pid) for (pid,) in stage.rows("events", "SELECT DISTINCT pid FROM t")}
    assert now == set(map(chain.pid, (*PEOPLE[:5], PEOPLE[6])))
    assert verify(stage.settings, deep=True).ok


def test_lost_files_and_rejected_records_of_before_come_back_under_the_new_key(stage: Stage):
    agency = stage.agency(partitions=1)
    unknown = visit(agency, "t", data={"province": "qom", "user_key": PEOPLE[0]})
    stage.send(agency, [*visits(agency, "e", PEOPLE[:3]), unknown, b"{broken"])
    ids = known(stage.settings).user_key_ids
    land(stage.settings, known=Known({}, {}, ids))
    stage.send(agency, visits(agency, "late", PEOPLE[1:4]))
    land(stage.settings, known=Known({}, {}, ids))
    rotate_platform_key(stage.settings, **WHY)
    replay(stage.settings, known=Known({}, {"qom": "province"}, ids))
    assert sorted(stage.ids(agency)) == ["e-0", "e-1", "e-2", "late-0", "late-1", "late-2", "t"]
    assert stage.rows("events", "SELECT count(DISTINCT pid) FROM t") == [(4,)]
    events, aside = stage.rows("events", ROWS), stage.rows("quarantine", ROWS)
    compact(stage.settings, fewest_files=2)
    # The files of before the rotation are still there, whole, under the old key: they may not be taken for copies.
    for name in ("events", "quarantine"):
        for path in Lake(stage.settings).open(name).files:
            Path(path).unlink()
    proof = verify(stage.settings, deep=True, refetch=True)
    assert proof.ok, (proof.problems, proof.notes)
    assert stage.rows("events", ROWS) == events
    validator = [row[:9] for row in aside]
    assert [row[:9] for row in stage.rows("quarantine", ROWS)] == validator


def test_a_landing_that_was_stopped_over_a_rotation_is_fenced(stage: Stage):
    agency = stage.agency()
    stage.send(agency, visits(agency, "e", PEOPLE[:2]))
    land(stage.settings)
    stage.send(agency, visits(agency, "late", PEOPLE[1:3]))
    with ended(stage.start("land", FAULTPOINT="events.pre_commit:stop")) as process:
        await_stopped(process.pid)
        rotate_platform_key(stage.settings, **WHY)
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(60) == 5
    assert sorted(stage.ids(agency)) == ["e-0", "e-1"]
    land(stage.settings)
    chain = read_platform_key(stage.settings.platform_key_file)
    assert {bytes(pid) for (pid,) in stage.rows("events", "SELECT pid FROM t")} == set(map(chain.pid, PEOPLE[:3]))
    assert verify(stage.settings, deep=True).ok


def test_a_backup_of_before_is_restored_with_the_key_of_today_and_rotated_again(stage: Stage, tmp_path: Path):
    agency = stage.agency()
    stage.send(agency, visits(agency, "e", PEOPLE[:3]))
    land(stage.settings)
    backup(stage.settings, tmp_path / "backup", keys_folder=tmp_path / "keys")
    old = {pid for (pid,) in stage.rows("events", "SELECT pid FROM t")}
    rotate_platform_key(stage.settings, **WHY)
    stage.send(agency, visits(agency, "late", PEOPLE[2:4]))
    land(stage.settings)
    backup(stage.settings, tmp_path / "backup", keys_folder=tmp_path / "keys")
    key = stage.settings.platform_key_file.read_text()
    assert (tmp_path / "keys" / "platform.key").read_text() == key
    first, *_ = sorted(path.stem for path in (tmp_path / "backup" / "backups").glob("*.json"))
    restore(stage.settings, tmp_path / "backup", at=first, force=True, keys_folder=tmp_path / "keys")
    land(stage.settings, until_empty=True)
    # The lake of then is under the key of then, of which today's is a continuation.
    assert {pid for (pid,) in stage.rows("events", "SELECT pid FROM t")} > old
    assert stage.rows("events", "SELECT count(DISTINCT pid) FROM t") == [(4,)]
    assert rotate_platform_key(stage.settings, **WHY).rotated.resumed
    assert stage.settings.platform_key_file.read_text() == key
    chain = read_platform_key(stage.settings.platform_key_file)
    assert {bytes(pid) for (pid,) in stage.rows("events", "SELECT pid FROM t")} == set(map(chain.pid, PEOPLE[:4]))
    secrets = [link.hex().encode() for link in chain.links]
    secrets += list(chain.links)
    for path in (tmp_path / "backup").rglob("*"):
        assert not path.is_file() or not any(secret in path.read_bytes() for secret in secrets), path
    assert verify(stage.settings, deep=True).ok


def test_a_batch_read_before_a_rotation_is_not_landed_on_a_lake_loaded_after_it(
    landing_broker: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage = Stage(landing_broker, tmp_path / "home", MIZAN_LAND_CAP="4")
    agency = stage.agency(partitions=1)
    stage.send(agency, visits(agency, "e", PEOPLE * 3))
    right, landed = drain._Batch.land, []

    def rotating(batch: Any, *rest: Any) -> None:
        right(batch, *rest)
        if not landed:
            landed.append(rotate(stage.settings, **WHY))

    monkeypatch.setattr(drain._Batch, "land", rotating)
    with pytest.raises(Fenced, match="rotated"):
        land(stage.settings, until_empty=True)
    land(stage.settings, until_empty=True)
    assert len(stage.ids(agency)) == 3 * len(PEOPLE)
    assert stage.rows("events", "SELECT count(DISTINCT pid) FROM t") == [(len(PEOPLE),)]
    stage.clear()
