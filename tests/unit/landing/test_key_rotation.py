"""The platform key is rotated by chaining: every pid is another one, every count is what it was."""

from __future__ import annotations

import hmac
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from landed_people import land, pids, rows, user_key, visit, visits

from contracts.errors import Fenced, Halted, MizanError, UsageError
from contracts.failpoints import Faulted
from contracts.identity import pid, rekeyed
from contracts.keys import create_keys
from contracts.platform_key import PlatformKey, add_link, read_platform_key
from contracts.settings import Settings
from landing import rekeying, rotation
from landing.rekeying import give_link, key_note, keys_for, rekeyed_sql
from landing.rotation import note, rotate
from landing.verify import verify
from pipeline.keys import rotate_platform_key
from warehouse.connection import memory_connection
from warehouse.lake import Lake
from warehouse.landing_log import commit, live_files, marks, open_table
from warehouse.maintenance import compact

WHY = {"by": "Keeper", "reason": "yearly"}
FAILS_AT = [
    "rotate.link",
    "rotate.file@2",
    "rotate.quarantine.pre_commit",
    "rotate.quarantine.post_commit",
    "rotate.events.pre_commit",
    "rotate.events.post_commit",
    "rotate.built",
]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create_keys(settings)
    Lake(settings).create()
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    return settings


def mizan(settings: Settings, *words: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "console.main", *words],
        env={**os.environ, "MIZAN_HOME": str(settings.home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def problems(settings: Settings) -> list[Any]:
    return verify(settings, deep=True).problems


def test_a_link_in_columns_is_the_link_in_python():
    link = b"l" * 32
    values = [os.urandom(16) for _ in range(50)]
    with memory_connection() as connection:
        name = give_link(connection, "one", link)
        connection.execute("CREATE TABLE v (x BLOB)")
        connection.executemany("INSERT INTO v VALUES (?)", [(value,) for value in values])
        found = dict(connection.sql(f"SELECT x, {rekeyed_sql('x', name)} FROM v").fetchall())
        assert connection.sql(f"SELECT {rekeyed_sql('NULL::BLOB', name)}").fetchall() == [(None,)]
    assert found == {value: hmac.digest(link, value, "sha256")[:16] for value in values}


def test_every_pid_becomes_the_hmac_of_itself_and_every_count_stays(home: Settings):
    land(home, [*visits([1, 2, 3, 1, None, 2]), b"{broken"])
    land(home, visits([3, 4, None], "late"))
    before, events = pids(home), rows(home, "events", 'SELECT * EXCLUDE (pid, payload_digest) FROM t ORDER BY "offset"')
    rotate(home, **WHY)
    first, second = read_platform_key(home.platform_key_file).links
    assert pids(home) == {hmac.digest(second, one, "sha256")[:16] for one in before}
    assert pids(home) == {rekeyed(second, pid(first, user_key(person))) for person in (1, 2, 3, 4)}
    assert not pids(home) & before
    assert rows(home, "events", 'SELECT * EXCLUDE (pid, payload_digest) FROM t ORDER BY "offset"') == events
    assert not problems(home)
    # Whoever comes again is known, and the chain grows.
    land(home, visits([1, 4, 5], "again"))
    assert len(pids(home)) == 5
    note(Lake(home), rotate(home, **WHY), 0.0)
    assert len(read_platform_key(home.platform_key_file).links) == 2
    rotate(home, **WHY)
    land(home, visits([5, 6], "third"))
    assert (len(read_platform_key(home.platform_key_file).links), len(pids(home))) == (3, 6)
    assert not problems(home)


def test_without_the_new_link_neither_the_old_key_nor_an_old_copy_gives_a_pid_of_today(home: Settings):
    land(home, [*visits(range(20)), b"{broken"])
    old = read_platform_key(home.platform_key_file)
    before = {name: rows(home, name, "SELECT * FROM t") for name in ("events", "quarantine")}
    rotate(home, **WHY)
    assert not pids(home) & {old.pid(user_key(person)) for person in range(20)}
    for name, columns in {"events": ("pid", "payload_digest"), "quarantine": ("digest",)}.items():
        for column in columns:
            now = {value for (value,) in rows(home, name, f'SELECT "{column}" FROM t')}
            at = list(Lake(home).open(name).columns).index(column)
            assert not now & {row[at] for row in before[name]}, column


def test_digests_of_what_lands_later_are_those_of_what_was_rotated(home: Settings):
    values = [visit("e-0", 1), visit("e-1", None), b"{broken"]
    land(home, values)
    rotate(home, **WHY)
    land(home, values)
    digests = "SELECT event_id, count(DISTINCT payload_digest), count(*) FROM t GROUP BY 1 ORDER BY 1"
    assert rows(home, "events", digests) == [("e-0", 1, 2), ("e-1", 1, 2)]
    assert rows(home, "quarantine", "SELECT count(DISTINCT digest), count(*) FROM t") == [(1, 2)]


def test_a_rotation_that_skips_a_stored_user_is_refused_and_changes_nothing(
    home: Settings, monkeypatch: pytest.MonkeyPatch
):
    land(home, visits([1, 2, 3]))
    skipped = min(pids(home)).hex()
    right = rotation.rekeyed_sql

    def skipping(value: str, name: str) -> str:
        return f"CASE WHEN {value} = unhex('{skipped}') THEN {value} ELSE {right(value, name)} END"

    monkeypatch.setattr(rotation, "rekeyed_sql", skipping)
    before = pids(home)
    with pytest.raises(MizanError, match="1 are as they were"):
        rotate(home, **WHY)
    assert pids(home) == before
    monkeypatch.setattr(rotation, "rekeyed_sql", right)
    assert rotate(home, **WHY).resumed
    assert not pids(home) & before


def test_a_landing_that_began_before_the_rotation_commits_nothing(home: Settings):
    land(home, visits([1]))
    stale = {name: open_table(Lake(home), name) for name in ("events", "quarantine")}
    rotate(home, **WHY)
    before = pids(home)
    for name, snapshot in stale.items():
        # Another partition, another topic, a compaction: nothing of it touches what the rotation touched.
        for transactions in (marks({"egov.events.v1.new/0": 5, "egov.events.v1.new": 7}), {"compact": 1}):
            with pytest.raises(Fenced):
                commit(snapshot, [], transactions, {"kind": "land", "batch_id": name})
    assert pids(home) == before


def test_what_lands_while_a_rotation_writes_is_taken_along(home: Settings, monkeypatch: pytest.MonkeyPatch):
    land(home, visits([1, 2]))
    right, came = rotation.replace_all, []

    def landing_first(snapshot: Any, *rest: Any) -> int:
        if snapshot.name == "events" and not came:
            came.append(land(home, visits([2, 3], "between")))
        return right(snapshot, *rest)

    monkeypatch.setattr(rotation, "replace_all", landing_first)
    assert rotate(home, **WHY).rows["events"] == 4
    chain = read_platform_key(home.platform_key_file)
    assert pids(home) == {chain.pid(user_key(person)) for person in (1, 2, 3)}
    assert not problems(home)


def test_half_a_rotation_leaves_a_lake_to_land_on_and_to_prove(home: Settings, monkeypatch: pytest.MonkeyPatch):
    land(home, [*visits([1]), b"{broken"])
    right = rotation.replace_all

    def quarantine_alone(snapshot: Any, *rest: Any) -> int:
        if snapshot.name == "events":
            raise KeyboardInterrupt
        return right(snapshot, *rest)

    monkeypatch.setattr(rotation, "replace_all", quarantine_alone)
    with pytest.raises(KeyboardInterrupt):
        rotate(home, **WHY)
    keys = keys_for(home, open_table(Lake(home), "events"), open_table(Lake(home), "quarantine"))
    assert (len(keys.events.links), len(keys.quarantine.links)) == (1, 2)
    land(home, [*visits([1], "more"), b"{broken"])
    assert (len(pids(home)), rows(home, "quarantine", "SELECT count(DISTINCT digest) FROM t")) == (1, [(1,)])
    assert not problems(home)
    monkeypatch.setattr(rotation, "replace_all", right)
    assert rotate(home, **WHY).resumed
    land(home, [*visits([1], "last"), b"{broken"])
    assert (len(pids(home)), rows(home, "quarantine", "SELECT count(DISTINCT digest) FROM t")) == (1, [(1,)])


def test_failed_anywhere_the_same_command_ends_with_one_link_more(home: Settings, monkeypatch: pytest.MonkeyPatch):
    land(home, [*visits([1, 2]), b"{broken"])
    land(home, visits([2, 3], "late"))
    monkeypatch.setenv("MIZAN_HOME", str(home.home))
    for links, where in enumerate(FAILS_AT, start=2):
        name, _, turn = where.partition("@")
        monkeypatch.setattr("contracts.failpoints._passes", {})
        monkeypatch.setenv("FAULTPOINT", f"{name}:raise@{turn or 1}")
        with pytest.raises(Faulted):
            rotate_platform_key(home, **WHY)
        monkeypatch.delenv("FAULTPOINT")
        ends_with(home, links, where)
    assert not problems(home)


@pytest.mark.parametrize("where", ["rotate.quarantine.post_commit", "rotate.events.post_commit"])
def test_killed_between_its_commits_the_same_command_ends_with_one_link_more(home: Settings, where: str):
    land(home, [*visits([1, 2, 3]), b"{broken"])
    code, _, err = mizan(home, "key", "rotate", *words(), FAULTPOINT=f"{where}:kill")
    assert code < 0, err
    ends_with(home, 2, where)
    assert not problems(home)


def ends_with(home: Settings, links: int, where: str) -> None:
    """Land on what a run that died has left, run again: one link, and the three persons are still three."""
    land(home, visits([1, 3], f"after-{links}"))
    assert rotate_platform_key(home, **WHY).rotated.resumed, where
    chain = read_platform_key(home.platform_key_file)
    assert len(chain.links) == links, where
    assert pids(home) == {chain.pid(user_key(person)) for person in (1, 2, 3)}, where


def words() -> list[str]:
    return ["--by", WHY["by"], "--reason", WHY["reason"]]


def test_a_damaged_file_is_not_given_a_checksum_that_says_it_is_whole(home: Settings):
    land(home, visits([1, 2]))
    path = Path(Lake(home).open("events").files[0])
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        rotate(home, **WHY)


def test_another_key_than_the_lake_s_does_not_start(home: Settings):
    land(home, visits([1]))
    right = home.platform_key_file.read_text()
    home.platform_key_file.write_text("ab" * 32 + "\n")
    for attempt in (lambda: land(home, visits([2], "x")), lambda: rotate(home, **WHY)):
        with pytest.raises(UsageError, match="is not the platform key that"):
            attempt()
    home.platform_key_file.unlink()
    with pytest.raises(UsageError, match="not found"):
        land(home, visits([2], "x"))
    home.platform_key_file.write_text(right)
    home.platform_key_file.chmod(0o600)
    land(home, visits([2], "x"))


def test_a_lake_that_does_not_say_its_key_is_not_guessed_at(home: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("landed_people.key_note", lambda *_: {})
    land(home, visits([1]))
    monkeypatch.setattr("landed_people.key_note", key_note)
    add_link(home.platform_key_file)
    with pytest.raises(UsageError, match="does not say which of the 2 keys"):
        land(home, visits([2], "x"))


def test_no_old_pid_is_on_disk_after_the_vacuum(home: Settings, monkeypatch: pytest.MonkeyPatch):
    land(home, visits(range(30)))
    land(home, visits(range(30), "late"))
    before = pids(home)
    rotate(home, **WHY)
    folder = Path(Lake(home).location("events"))
    assert len(list(folder.glob("*.parquet"))) == 4
    monkeypatch.setattr("warehouse.maintenance.RETENTION_HOURS", 0)
    monkeypatch.setattr(
        "deltalake.DeltaTable.vacuum",
        vacuum_at_once(__import__("deltalake").DeltaTable.vacuum),
    )
    compact(home)
    left = list(folder.rglob("*.parquet"))
    assert {path.name for path in left if "_delta_log" not in path.parts} == set(live_files(Lake(home).open("events")))
    with memory_connection() as connection:
        listed = [str(path) for path in left if "_delta_log" not in path.parts]
        found = {
            bytes(one) for (one,) in connection.execute("SELECT pid FROM read_parquet($f)", {"f": listed}).fetchall()
        }
    assert not found & before
    assert not problems(home)


def vacuum_at_once(right: Callable[..., Any]) -> Callable[..., Any]:
    def vacuum(table: Any, retention: int, **rest: Any) -> Any:
        return right(table, retention, enforce_retention_duration=False, **rest)

    return vacuum


def test_no_key_is_in_a_message_a_representation_or_a_log(home: Settings):
    land(home, visits([1]))
    code, out, err = mizan(home, "key", "rotate", *words())
    assert code == 0, err
    code, listed, _ = mizan(home, "key", "ls", "--json")
    assert code == 0
    chain = read_platform_key(home.platform_key_file)
    said = out + err + listed + repr(chain) + repr(rekeying.LandingKeys(chain, chain))
    said += "".join(path.read_text(errors="ignore") for path in Path(home.lake_uri).rglob("*.json"))
    for link in chain.links:
        assert link.hex() not in said
        assert repr(link) not in said
    assert chain.fingerprint in listed


@pytest.mark.parametrize("text", ["ab" * 32 + "\n\n" + "cd" * 32, "ab" * 64, "", "ab" * 32 + "\n" + "cd" * 31])
def test_a_file_that_holds_no_chain_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "platform.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError) as refused:
        read_platform_key(path)
    assert "ab" * 16 not in str(refused.value)


def test_fingerprints_tell_chains_apart_whatever_their_length():
    a, b, c = (bytes([n]) * 32 for n in (1, 2, 3))
    chains = [PlatformKey(links) for links in ((a,), (b,), (a, b), (b, a), (a, b, c), (a, c))]
    assert len({one.fingerprint for one in chains}) == len({one.mark for one in chains}) == len(chains)
    assert PlatformKey((a, b, c)).as_marked(PlatformKey((a, b)).mark) == PlatformKey((a, b))
    assert PlatformKey((a, b, c)).as_marked(PlatformKey((b,)).mark) is None
