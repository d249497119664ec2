"""Dropping the pids of old events in a lake as landing writes it: killed, rotated, forgotten, damaged, proved."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from landed_people import NOON, TOPIC, land, pids, rows, user_key, visit

from catalogue.tables import create as create_catalogue
from contracts.errors import Fenced, Halted, UsageError
from contracts.event import OFFLINE
from contracts.failpoints import Faulted
from contracts.keys import create_keys
from contracts.platform_key import read_platform_key
from contracts.settings import Settings
from landing import rotation
from landing.cluster import Topic
from landing.confidential import unspilling_connection
from landing.consumer import Chunk
from landing.decode import Decoder
from landing.dedupe import take_out_repeats
from landing.rekeying import keys_for
from landing.rotation import rotate
from landing.verify import verify
from pipeline.erasure import forget
from pipeline.retention import drop_old_pids
from provenance.evidence import LakeThen
from provenance.selections import asked_for, recount_of
from transforms import refresh
from warehouse.connection import build_connection
from warehouse.lake import Lake
from warehouse.lake_files import known_checksums, pin
from warehouse.landing_log import commit, open_table
from warehouse.signing import create_signing_key

WHY = {"by": "Keeper", "reason": "yearly"}
LONG_AGO = NOON - dt.timedelta(days=1000)
FAILS_AT = ["drop.files", "drop.person_months", "drop.session_starts", "drop.events", "drop.built"]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Persons 1 and 2 came long ago, 2 and 3 lately."""
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create_keys(settings)
    create_signing_key(settings)
    Lake(settings).create()
    create_catalogue(settings)
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    counted(settings, [visit("e-0", 1, LONG_AGO), visit("e-1", 2, LONG_AGO), visit("e-2", None, LONG_AGO), b"{broken"])
    counted(settings, [visit("e-3", 2), visit("e-4", 3)])
    refresh.update(settings)
    return settings


def counted(settings: Settings, values: list[bytes]) -> None:
    """Land values in one batch that passes its gate."""
    batch_id = land(settings, values)
    verdict = {"batch_id": batch_id, "agency_id": "tax", "verdict": "passed", "decided_at": dt.datetime.now(dt.UTC)}
    Lake(settings).append("verdicts", [verdict])


def received(event_id: str, person: int, at: dt.datetime) -> bytes:
    """An event of a session: it names no visit."""
    event = json.loads(visit(event_id, person, at)) | {"type": "ir.egov.transaction.received.v1"}
    event["data"] |= {"transaction_id": event_id, "service_id": "10011234000", "visit_id": None}
    event["data"] = {name: value for name, value in event["data"].items() if value is not None}
    return json.dumps(event).encode()


def users(settings: Settings) -> list[tuple[Any, ...]]:
    """Month by month: new and registered persons of the nation."""
    refresh.update(settings)
    with build_connection(settings) as connection:
        return connection.sql("""
            SELECT month, active_users, registered_users FROM monthly_users_v1
            WHERE calendar = 'gregorian' AND scope = 'national' AND channel = 'all' AND active_users > 0 ORDER BY ALL
        """).fetchall()


def drop(settings: Settings) -> Any:
    return drop_old_pids(settings, by="Keeper", now=NOON)


def problems(settings: Settings) -> list[Any]:
    return verify(settings, deep=True).problems


def old_pids(settings: Settings) -> int:
    found = rows(settings, "events", "SELECT pid FROM t WHERE occurred_at < '2018-01-01' AND pid IS NOT NULL")
    return len(found)


COUNTED = [("2017-07", 2, 2), ("2020-04", 2, 3)]


def test_old_events_are_of_nobody_every_figure_stays_and_the_lake_is_proved(home: Settings):
    assert users(home) == COUNTED
    done = drop(home).dropped
    assert (done.rows, done.files, done.person_months, done.sessions) == (2, 1, 4, 0)
    assert (old_pids(home), len(pids(home)), users(home)) == (0, 2, COUNTED)
    proof = verify(home, deep=True)
    assert (proof.problems, proof.checked["drops"]) == ([], 1)
    assert drop(home).dropped is None


def test_failed_anywhere_no_figure_moves_and_the_same_command_ends_it(home: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIZAN_HOME", str(home.home))
    for turn, where in enumerate(FAILS_AT):
        counted(home, [visit(f"more-{turn}", 1, LONG_AGO)])
        monkeypatch.setattr("contracts.failpoints._passes", {})
        monkeypatch.setenv("FAULTPOINT", f"{where}:raise")
        with pytest.raises(Faulted):
            drop(home)
        monkeypatch.delenv("FAULTPOINT")
        assert users(home) == COUNTED, where
        assert not problems(home), where
        drop(home)
        assert (old_pids(home), users(home)) == (0, COUNTED), where
        assert not problems(home), where


def test_killed_between_its_commits_the_same_command_ends_it(home: Settings):
    words = ["key", "drop-pids", "--by", "Keeper"]
    code, _, err = mizan(home, *words, FAULTPOINT="drop.session_starts:kill")
    assert code < 0, err
    assert (old_pids(home), users(home)) == (2, COUNTED)
    code, out, err = mizan(home, *words)
    assert code == 0, err
    assert "4 events before" in out  # by today's clock all are old
    assert (old_pids(home), users(home)) == (0, COUNTED)
    assert not problems(home)
    code, out, err = mizan(home, *words)
    assert (code, "nothing was changed" in out) == (0, True), err


def mizan(settings: Settings, *words: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "console.main", *words],
        env={**os.environ, "MIZAN_HOME": str(settings.home), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_who_came_long_ago_is_known_again_after_a_rotation(home: Settings):
    drop(home)
    before = set(rows(home, "person_months", "SELECT DISTINCT pid FROM t"))
    assert rotate(home, **WHY).rows["person_months"] == 4
    after = set(rows(home, "person_months", "SELECT DISTINCT pid FROM t"))
    assert (len(before), len(after), before & after) == (2, 2, set())
    counted(home, [visit("again", 1)])
    assert users(home) == [("2017-07", 2, 2), ("2020-04", 3, 3)]
    assert not problems(home)


def test_a_rotation_that_reached_one_table_alone_builds_nothing_and_is_finished(
    home: Settings, monkeypatch: pytest.MonkeyPatch
):
    drop(home)
    right = rotation.replace_all

    def not_the_months(snapshot: Any, *rest: Any) -> int:
        if snapshot.name == "person_months":
            raise KeyboardInterrupt
        return right(snapshot, *rest)

    monkeypatch.setattr(rotation, "replace_all", not_the_months)
    with pytest.raises(KeyboardInterrupt):
        rotate(home, **WHY)
    with pytest.raises(UsageError, match="different platform keys"):
        refresh.update(home)
    monkeypatch.setattr(rotation, "replace_all", right)
    assert rotate(home, **WHY).resumed
    assert len(read_platform_key(home.platform_key_file).links) == 2
    assert users(home) == COUNTED


def test_a_drop_that_a_rotation_overtook_is_refused(home: Settings, monkeypatch: pytest.MonkeyPatch):
    drop(home)
    stale = open_table(Lake(home), "person_months")
    rotate(home, **WHY)
    with pytest.raises(Fenced):
        commit(stale, [], {"compact": stale.version}, {"kind": "drop-pids", "batch_id": ""})


def test_a_person_of_old_months_alone_can_be_forgotten(home: Settings):
    drop(home)
    done = forget(home, [user_key(1)], **WHY).erased
    assert (done.persons, done.rows, done.person_months, done.files) == (1, 0, 2, 0)
    assert users(home) == [("2017-07", 1, 1), ("2020-04", 2, 2)]
    assert not problems(home)
    done = forget(home, [user_key(2)], **WHY).erased
    assert (done.persons, done.rows, done.person_months) == (1, 1, 2)
    assert users(home) == [("2020-04", 1, 1)]
    assert not problems(home)
    assert forget(home, [user_key(1)], **WHY).erased.persons == 0


def test_forgetting_that_died_between_its_commits_is_done_again(home: Settings, monkeypatch: pytest.MonkeyPatch):
    drop(home)
    monkeypatch.setenv("MIZAN_HOME", str(home.home))
    monkeypatch.setenv("FAULTPOINT", "forget.events:raise")
    with pytest.raises(Faulted):
        forget(home, [user_key(1)], **WHY)
    monkeypatch.delenv("FAULTPOINT")
    assert users(home) == COUNTED
    assert forget(home, [user_key(1)], **WHY).erased.person_months == 2
    assert users(home) == [("2017-07", 1, 1), ("2020-04", 2, 2)]
    assert not problems(home)


@pytest.mark.parametrize("name", ["person_months", "session_starts"])
def test_what_is_kept_and_lost_again_is_noticed(home: Settings, name: str):
    counted(home, [received("r-0", 1, LONG_AGO)])
    drop(home)
    assert all(known_checksums(home, pin(home)).get(Path(path)) for path in Lake(home).open(name).files)
    (path,) = map(Path, Lake(home).open(name).files)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert [(one.kind, "put a copy back" in one.hint) for one in problems(home)] == [("LAKE_FILE_MISSING", True)]
    path.write_bytes(whole)
    assert not problems(home)
    folder = Path(Lake(home).location(name))
    folder.rename(folder.with_name("elsewhere"))
    assert [one.kind for one in problems(home)] == ["counts"]
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        refresh.update(home, full=True)


def test_an_event_that_lost_its_pid_has_no_digest_of_it_and_is_known_again_all_the_same(home: Settings):
    query = "SELECT event_id FROM t WHERE payload_digest IS NULL ORDER BY 1"
    assert rows(home, "events", query) == []
    drop(home)
    assert rows(home, "events", query) == [("e-0",), ("e-1",)]
    topics = [Topic(TOPIC, "tax", "u", 1, (0,))]
    again = [visit("e-0", 1, LONG_AGO), visit("e-1", 3, LONG_AGO), visit("e-3", 2), visit("e-4", 2)]
    with unspilling_connection() as connection:
        events = open_table(Lake(home), "events")
        decoder = Decoder(connection, topics, OFFLINE, keys_for(home, events, open_table(Lake(home), "quarantine")))
        decoder.add(Chunk([TOPIC] * 4, [0] * 4, [10, 11, 12, 13], list(again), [None] * 4, [0] * 4))
        assert decoder.decode() == []
        # What e-1 said of its person cannot be held against it any more; of e-4 it can.
        found = take_out_repeats(connection, events)
    assert (sum(found.duplicates.values()), found.conflicts) == (3, [3])


@pytest.mark.parametrize(
    ("month", "measure", "persons"), [("2017-07", "active_users", 2), ("2020-04", "registered_users", 3)]
)
def test_users_of_old_months_are_counted_again_where_they_come_from(
    home: Settings, month: str, measure: str, persons: int
):
    row = {"calendar": "gregorian", "month": month, "scope": "agency", "scope_id": "tax", "channel": "portal"}
    asked, expression = asked_for("monthly_users", measure, row), recount_of("monthly_users", measure, row)
    assert asked is not None
    assert expression is not None
    for _ in range(2):
        with contextlib.closing(LakeThen(home, {}, None)) as then:
            then.find(asked)
            assert then.number(expression) == persons
        drop(home)


def test_a_damaged_file_is_not_given_a_checksum_that_says_it_is_whole(home: Settings):
    for path in map(Path, Lake(home).open("events").files):
        whole = bytearray(path.read_bytes())
        whole[-2] ^= 1
        path.write_bytes(whole)
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        drop(home)
