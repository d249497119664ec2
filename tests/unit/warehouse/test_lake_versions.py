"""An old copy of the lake is known for one: nothing is published of it, and nothing lands on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contracts.errors import Halted
from warehouse.lake import Lake
from warehouse.lake_versions import check_versions, note_versions, versions_file, went_back
from warehouse.landing_log import check_files, commit, write_file
from warehouse.publish import publish


@pytest.fixture
def lake(settings):
    lake = Lake(settings)
    lake.create()
    return lake


def step(lake: Lake, name: str = "events") -> None:
    snapshot = lake.open(name)
    commit(snapshot, [], {"land:a/0": snapshot.version}, {"kind": "land"})


def put_back(lake: Lake, copy: Path) -> None:
    shutil.rmtree(lake.uri)
    shutil.copytree(copy, lake.uri)


def test_a_lake_that_only_grows_is_never_old(settings, lake):
    for _ in range(3):
        note_versions(settings)
        step(lake)
        assert went_back(settings) == []
    check_versions(settings)


def test_an_old_copy_is_known_by_what_was_seen(settings, lake, tmp_path):
    shutil.copytree(lake.uri, tmp_path / "old")
    step(lake)
    note_versions(settings)
    put_back(lake, tmp_path / "old")
    (one,) = went_back(settings)
    assert (one.table, one.found, one.seen) == ("events", 0, 1)
    note_versions(settings)  # what was seen higher stays
    with pytest.raises(Halted, match="LAKE_VERSION_WENT_BACK") as halted:
        check_versions(settings)
    assert halted.value.exit_code == 4


def test_an_old_copy_is_known_by_what_was_published_and_is_never_published(settings, build, look, lake, tmp_path):
    shutil.copytree(lake.uri, tmp_path / "old")
    step(lake, "quarantine")
    build.put("monthly_users", active_users=50)
    publish(settings)
    put_back(lake, tmp_path / "old")
    versions_file(settings).unlink(missing_ok=True)
    build.put("monthly_users", active_users=40)
    with pytest.raises(Halted, match="LAKE_VERSION_WENT_BACK"):
        publish(settings)
    assert look("SELECT active_users FROM marts.monthly_users") == [(50,)]


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"elsewhere": {"events": 9}}'])
def test_an_unreadable_note_or_one_of_another_lake_says_nothing(settings, lake, text):
    versions_file(settings).parent.mkdir(parents=True, exist_ok=True)
    versions_file(settings).write_text(text)
    assert went_back(settings) == []
    note_versions(settings)
    assert went_back(settings) == []


@pytest.mark.parametrize("damage", ["gone", "shorter", "a folder"])
def test_a_file_that_is_not_as_committed_halts(lake, damage):
    from warehouse.connection import memory_connection

    snapshot = lake.open("events")
    columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in snapshot.columns.items())
    file = write_file(memory_connection(), f"SELECT {columns}", snapshot, "one.parquet")
    assert file is not None
    commit(snapshot, [file], {}, {"kind": "land"})
    check_files(lake.open("events"))
    path = Path(lake.location("events")) / "one.parquet"
    if damage == "shorter":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
        if damage == "a folder":
            path.mkdir()
    with pytest.raises(Halted, match="LAKE_FILE_MISSING: events/one"):
        check_files(lake.open("events"))
