"""`mizan forget`: a person's rows go, a signed tombstone says how many, and everything that is proved still ties."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from landed_people import TOPIC, land, pids, rows, user_key, visits

from contracts.errors import BadInput, Fenced, Halted, UsageError
from contracts.failpoints import Faulted
from contracts.keys import create_keys
from contracts.platform_key import read_platform_key
from contracts.settings import Settings
from landing import erasure
from landing.erasure import read_keys_of
from landing.rotation import rotate
from landing.verify import verify
from pipeline.erasure import forget
from warehouse.erasures import let_go
from warehouse.lake import Lake
from warehouse.landing_log import commits, open_table
from warehouse.maintenance import compact
from warehouse.signing import create_signing_key

WHY = {"by": "Keeper", "reason": "request 12"}
PLACES = 'SELECT "offset" FROM t ORDER BY 1'


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create_keys(settings)
    create_signing_key(settings)
    Lake(settings).create()
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    land(settings, [*visits([1, 2, None, 1]), b"{broken"])
    land(settings, visits([1, 3, 2], "late"))
    return settings


def problems(settings: Settings) -> list[Any]:
    return verify(settings, deep=True).problems


def test_a_person_s_rows_are_gone_everybody_else_s_stay_and_the_proof_counts_the_tombstone(home: Settings):
    chain = read_platform_key(home.platform_key_file)
    done = forget(home, [user_key(1), user_key(99)], **WHY)
    assert (done.erased.persons, done.erased.rows, done.erased.files) == (1, 3, 2)
    assert rows(home, "events", PLACES) == [(1,), (2,), (6,), (7,)]
    assert pids(home) == {chain.pid(user_key(2)), chain.pid(user_key(3))}
    proof = verify(home, deep=True)
    assert (proof.problems, proof.checked["erased"]) == ([], 3)
    # Whoever was erased and comes again is new, and counts.
    land(home, visits([1], "again"))
    assert len(pids(home)) == 3
    assert not problems(home)


def test_nothing_is_left_of_a_file_that_was_theirs_alone(home: Settings):
    land(home, visits([7, 7], "own"))
    assert forget(home, [user_key(7)], **WHY).erased.rows == 2
    assert len(Lake(home).open("events").files) == 2
    assert not problems(home)


def test_persons_are_found_under_whatever_key_the_lake_is_under_and_stay_erased(home: Settings):
    rotate(home, **WHY)
    assert forget(home, [user_key(1)], **WHY).erased.rows == 3
    rotate(home, **WHY)
    compact(home, fewest_files=2)
    assert forget(home, [user_key(2)], **WHY).erased.rows == 2
    assert rows(home, "events", PLACES) == [(2,), (6,)]
    assert not problems(home)
    assert forget(home, [user_key(1)], **WHY).erased.rows == 0


def test_a_tombstone_names_nobody_and_a_changed_one_is_found(home: Settings):
    pid = read_platform_key(home.platform_key_file).pid(user_key(1))
    forget(home, [user_key(1)], **WHY)
    written = b"".join(path.read_bytes() for path in Path(home.lake_uri).rglob("*.json"))
    assert user_key(1).encode() not in written
    assert pid.hex().encode() not in written
    (stone,) = [one.said["tombstone"] for one in commits(Lake(home), "events") if one.kind == "forget"]
    assert stone["rows"] == sum(sum(places.values()) for places in stone["erased"].values()) == 3
    assert {place for places in stone["erased"].values() for place in places} == {f"{TOPIC}/0"}
    log = Path(home.lake_uri) / "events" / "_delta_log"
    (entry,) = [path for path in log.glob("*.json") if "request 12" in path.read_text()]
    entry.write_text(entry.read_text().replace("request 12", "request 21"))
    assert {problem.kind for problem in problems(home)} == {"tombstone"}


def test_rows_that_went_without_a_tombstone_are_found(home: Settings, monkeypatch: pytest.MonkeyPatch):
    right = erasure.tombstone
    monkeypatch.setattr(erasure, "tombstone", lambda settings, name, erased, said: right(settings, name, {}, said))
    forget(home, [user_key(1)], **WHY)
    assert {problem.kind for problem in problems(home)} == {"compaction"}


@pytest.mark.parametrize("where", ["forget.places", "forget.files", "forget.events", "forget.built"])
def test_failed_anywhere_the_same_command_ends_the_same(home: Settings, monkeypatch: pytest.MonkeyPatch, where: str):
    monkeypatch.setenv("MIZAN_HOME", str(home.home))
    monkeypatch.setattr("contracts.failpoints._passes", {})
    monkeypatch.setenv("FAULTPOINT", f"{where}:raise")
    with pytest.raises(Faulted):
        forget(home, [user_key(1)], **WHY)
    monkeypatch.delenv("FAULTPOINT")
    assert not problems(home)
    forget(home, [user_key(1)], **WHY)
    assert rows(home, "events", PLACES) == [(1,), (2,), (6,), (7,)]
    proof = verify(home, deep=True)
    assert (proof.problems, proof.checked["erased"]) == ([], 3)


def test_of_an_erasure_and_a_compaction_at_once_one_is_fenced(home: Settings, monkeypatch: pytest.MonkeyPatch):
    right = erasure.keep_places

    def compaction_first(*rest: Any) -> None:
        compact(home, fewest_files=2)
        right(*rest)

    monkeypatch.setattr(erasure, "keep_places", compaction_first)
    with pytest.raises(Fenced):
        forget(home, [user_key(1)], **WHY)
    monkeypatch.setattr(erasure, "keep_places", right)
    assert forget(home, [user_key(1)], **WHY).erased.rows == 3
    assert not problems(home)


def test_a_damaged_file_is_not_given_a_checksum_that_says_it_is_whole(home: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("landing.lost_files.damage", lambda *_: "its SHA-256 is another")
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        forget(home, [user_key(1)], **WHY)


def test_without_the_signing_key_nothing_is_erased(home: Settings):
    (home.keys / "release-signing.key").unlink()
    version = open_table(Lake(home), "events").version
    with pytest.raises(UsageError):
        forget(home, [user_key(1)], **WHY)
    assert open_table(Lake(home), "events").version == version


def test_what_is_no_user_key_is_refused_by_its_line_and_never_repeated():
    assert read_keys_of([user_key(1) + "\n", "\n", f"  {user_key(2)}\n"]) == [user_key(1), user_key(2)]
    for wrong in ("0013542419", user_key(1).upper(), "0" * 64, user_key(1)[:-1]):
        with pytest.raises(BadInput, match="line 2") as refused:
            read_keys_of([user_key(1), wrong])
        assert wrong not in str(refused.value)
    with pytest.raises(UsageError):
        read_keys_of(["\n"])


def test_the_command_reads_standard_input_and_says_the_day(home: Settings):
    words = ["forget", "--by", "Keeper", "--reason", "request 12", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "console.main", *words],
        env={**os.environ, "MIZAN_HOME": str(home.home)},
        input=user_key(1) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said = json.loads(done.stdout)
    assert (said["rows"], said["persons"]) == (3, 1)
    assert said["complete_on"] >= said["kafka_until"]
    assert user_key(1) not in done.stdout + done.stderr


def test_places_are_kept_as_long_as_kafka_may_hold_the_records_and_no_longer(home: Settings):
    forget(home, [user_key(1)], **WHY, kafka_days=3)
    assert rows(home, "erased_records", PLACES) == [(0,), (3,), (5,)]

    let_go(Lake(home), dt.datetime.now(dt.UTC) + dt.timedelta(days=2), 168)
    assert rows(home, "erased_records", "SELECT count(*) FROM t") == [(3,)]
    let_go(Lake(home), dt.datetime.now(dt.UTC) + dt.timedelta(days=4), 168)
    assert rows(home, "erased_records", "SELECT count(*) FROM t") == [(0,)]
