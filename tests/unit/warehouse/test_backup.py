"""Backups: of one moment, each content once, keys apart; and a home brought back from one, checked before it moves."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import stat
import subprocess

import pytest
from landed_home import TOPIC, files_of, landed, lost
from typer.testing import CliRunner

from console.main import app
from contracts.errors import BadInput, Halted, UsageError
from contracts.keys import read_key
from contracts.reporting_time import parse_month
from contracts.settings import Settings
from landing.verify import verify
from pipeline.backup import backup
from pipeline.backup_store import BackupStore
from pipeline.restore import check, restore
from pipeline.steps import initialise
from warehouse.connection import build_connection
from warehouse.lake import Lake
from warehouse.landing_log import next_offsets
from warehouse.maintenance import compact
from warehouse.publish import in_service, publish
from warehouse.published import current
from warehouse.releases import close
from warehouse.version_floor import floor_file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tmp_path_factory.mktemp("model") / "home"


@pytest.fixture
def home(model, settings, request):
    """A home with two versions, a release and 40 events; made once and copied, because publishing takes seconds."""
    if not model.exists():
        build = request.getfixturevalue("build")
        initialise(settings)
        build.put("monthly_users", active_users=50)
        publish(settings)
        close(settings, parse_month("1399-01"), by="Head of statistics", note="looked at")
        publish(settings)
        landed(settings, 0, 30)
        landed(settings, 30, 10)
        # Files of tables without rows say nothing here; there are hundreds.
        for name in ("parquet", ".csv"):
            for folder in settings.published.glob(f"*/{name}"):
                shutil.rmtree(folder)
        subprocess.run(["cp", "-a", str(settings.home), str(model)], check=True)
    elif not settings.home.exists():
        # cp keeps hard links, modes and times, as the home has them.
        subprocess.run(["cp", "-a", str(model), str(settings.home)], check=True)
    return settings


def test_a_destroyed_home_comes_back_as_it_was_and_is_verified(home, tmp_path):
    published, releases = files_of(home.published), files_of(home.home / "releases")
    made = backup(home, tmp_path / "backup")
    landed(home, 40, 5)
    lost(home)
    done = restore(home, tmp_path / "backup")
    assert done.replaced is None
    assert files_of(home.published) == published
    assert files_of(home.home / "releases") == releases
    assert (home.published / "analyst" / "current.duckdb").samefile(home.published / "analyst" / "v000002.duckdb")
    assert stat.S_IMODE((home.published / "analyst").stat().st_mode) == 0o750
    assert stat.S_IMODE((home.published / "analyst" / "v000002.duckdb").stat().st_mode) == 0o440
    assert next_offsets(Lake(home).open("events"))[f"{TOPIC}/0"] == made.manifest.next_offsets[f"{TOPIC}/0"] == 40
    assert current(home)["version"] == made.manifest.published["analyst"] == 2
    proof = verify(home, deep=True)
    assert proof.ok, proof.problems
    assert (proof.checked["events"], proof.checked["releases"]) == (40, 1)
    landed(home, 40, 5)
    assert verify(home).ok


def test_a_second_backup_copies_only_what_is_new_and_the_first_stays(home, tmp_path):
    first = backup(home, tmp_path / "backup")
    again = backup(home, tmp_path / "backup")
    assert again.copied_files == 0
    landed(home, 40, 5)
    third = backup(home, tmp_path / "backup")
    assert third.copied_files == 2  # one data file, one log entry
    assert BackupStore(tmp_path / "backup").moments() == [one.manifest.made_at for one in (first, again, third)]
    lost(home)
    restore(home, tmp_path / "backup", at=first.manifest.made_at)
    assert verify(home).checked["events"] == 40
    restore(home, tmp_path / "backup", force=True)
    assert verify(home).checked["events"] == 45


def test_a_backup_made_after_a_compaction_holds_the_merged_files_alone_and_verifies(home, tmp_path):
    compact(home, fewest_files=2)
    made = backup(home, tmp_path / "backup")
    data = [
        one.path for one in made.manifest.files if one.path.startswith("lake/events/") and "_delta_log" not in one.path
    ]
    assert len(data) == 1
    lost(home)
    restore(home, tmp_path / "backup")
    assert verify(home, deep=True).ok


def test_what_the_pinned_version_does_not_know_is_not_in_the_backup(home, tmp_path):
    (home.home / "lake" / "events" / "b-40.parquet").write_bytes(b"of a landing that was killed")
    (home.published / ".work" / "half").parent.mkdir(exist_ok=True)
    (home.published / ".work" / "half").write_bytes(b"half a version")
    made = backup(home, tmp_path / "backup")
    assert not [one.path for one in made.manifest.files if "b-40" in one.path or ".work" in one.path]


def test_no_key_and_no_password_is_in_a_backup_unless_asked_for_and_then_apart(home, tmp_path):
    backup(home, tmp_path / "backup")
    contents = b"".join(files_of(tmp_path / "backup").values())
    for path in home.keys.iterdir():
        if path.name != "transport.key.id":
            assert path.read_bytes().strip() not in contents
    backup(home, tmp_path / "backup", keys_folder=tmp_path / "keys")
    assert files_of(tmp_path / "keys") == files_of(home.keys)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}


@pytest.mark.parametrize("keys", ["backup/keys", ".", "home/elsewhere"])
def test_keys_beside_the_data_are_refused(home, tmp_path, keys):
    with pytest.raises(UsageError, match="kept apart"):
        backup(home, tmp_path / "backup", keys_folder=home.home / "k" if keys.startswith("home") else tmp_path / keys)
    assert not (tmp_path / "backup").exists()


def test_a_backup_inside_the_home_is_refused(home):
    with pytest.raises(UsageError, match="is inside"):
        backup(home, home.home / "backup")


def test_a_home_without_a_lake_is_refused_and_leaves_no_folder(settings, tmp_path):
    with pytest.raises(UsageError, match="there is no lake"):
        backup(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_damaged_lake_file_is_never_backed_up_as_if_it_were_good(home, tmp_path):
    path = home.home / "lake" / "events" / "b-30.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        backup(home, tmp_path / "backup")
    path.unlink()
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        backup(home, tmp_path / "backup")
    assert BackupStore(tmp_path / "backup").moments() == []


def test_a_home_that_holds_data_is_refused_and_with_force_moved_aside_not_removed(home, tmp_path):
    backup(home, tmp_path / "backup")
    landed(home, 40, 5)
    (home.home / "broker").mkdir()
    (home.home / "broker" / "log").write_text("the local broker's own")
    with pytest.raises(UsageError, match="is not empty: it has releases, published, lake"):
        restore(home, tmp_path / "backup")
    assert verify(home).checked["events"] == 45
    replaced = restore(home, tmp_path / "backup", force=True).replaced
    assert verify(home).checked["events"] == 40
    assert (replaced / "lake" / "events" / "b-40.parquet").exists()
    assert (home.home / "broker" / "log").exists()
    assert not home.build_file.exists()
    assert not list(home.home.glob(".restoring-*"))


@pytest.mark.parametrize("damage", ["content", "missing", "manifest"])
def test_a_damaged_backup_is_named_and_nothing_is_restored(home, tmp_path, damage):
    made = backup(home, tmp_path / "backup")
    store = BackupStore(tmp_path / "backup")
    (one,) = [file for file in made.manifest.files if file.path.endswith("b-0.parquet")]
    path = store.content(one.sha256) if damage != "manifest" else made.manifest_file
    path.chmod(0o600)
    if damage == "missing":
        path.unlink()
    else:
        text = path.read_bytes()
        path.write_bytes(text[:99] + bytes([text[99] ^ 1]) + text[100:])
    lost(home)
    for call in (restore, check):
        with pytest.raises(BadInput, match="is damaged" if damage == "manifest" else "b-0.parquet"):
            call(home, tmp_path / "backup")
    assert not (home.home / "lake").exists()
    assert not list(home.home.glob(".restoring-*"))


def test_another_platform_key_is_refused_and_a_missing_one_must_be_declared_lost(home, tmp_path):
    backup(home, tmp_path / "backup", keys_folder=tmp_path / "keys")
    right = read_key(home.platform_key_file)
    lost(home)
    home.platform_key_file.unlink()
    with pytest.raises(UsageError, match="is not in this home"):
        restore(home, tmp_path / "backup")
    other = Settings.load({"MIZAN_HOME": str(tmp_path / "other")}, folder=tmp_path)
    initialise(other)
    with pytest.raises(UsageError, match="is not the platform key of this backup"):
        restore(home, tmp_path / "backup", keys_folder=other.keys)
    assert not (home.home / "lake").exists()
    done = restore(home, tmp_path / "backup", keys_folder=tmp_path / "keys")
    assert done.keys == (home.platform_key_file,)
    assert read_key(home.platform_key_file) == right
    home.platform_key_file.unlink()
    restore(home, tmp_path / "backup", force=True, lost_platform_key=True)
    assert not home.platform_key_file.exists()


def test_a_lost_platform_key_is_not_replaced_where_a_lake_holds_events(home, tmp_path):
    home.platform_key_file.unlink()
    with pytest.raises(UsageError, match="the lake holds events"):
        initialise(home)
    assert not home.platform_key_file.exists()
    shutil.rmtree(home.home / "lake" / "events")
    initialise(home)
    read_key(home.platform_key_file)


def test_only_the_newest_backups_are_kept_and_each_of_these_is_whole(home, tmp_path):
    folder = tmp_path / "backup"
    backup(home, folder)
    landed(home, 40, 5)
    second = backup(home, folder)
    compact(home, fewest_files=2)
    third = backup(home, folder, keep=2)
    store = BackupStore(folder)
    assert store.moments() == [second.manifest.made_at, third.manifest.made_at]
    for moment in store.moments():
        check(home, folder, at=moment)
    # Of what the second alone had nothing stays, of what both have everything does.
    last = backup(home, folder, keep=1)
    assert store.moments() == [last.manifest.made_at]
    kept = {path.name for path in (folder / "files").glob("??/*")}
    assert kept == {file.sha256 for file in last.manifest.files}
    check(home, folder)


def test_nothing_is_removed_where_a_page_that_stays_is_damaged(home, tmp_path):
    folder = tmp_path / "backup"
    backup(home, folder)
    backup(home, folder).manifest_file.write_text("{")
    before = set(files_of(folder / "files"))
    with pytest.raises(BadInput, match="is damaged"):
        backup(home, folder, keep=2)
    assert len(BackupStore(folder).moments()) == 3
    assert set(files_of(folder / "files")) >= before


def test_a_number_that_readers_saw_is_never_given_again(home, build, tmp_path):
    folder = tmp_path / "backup"
    backup(home, folder)  # v2 is in service
    build.put("monthly_users", active_users=60)
    assert publish(home).version == 3
    kept = home.build_file.read_bytes()
    restore(home, folder, force=True)
    assert current(home)["version"] == 2
    home.build_file.write_bytes(kept)
    assert publish(home).version == 4
    # The home is gone with its note: a newer backup still knows, and for what no backup saw there is a word.
    backup(home, folder)
    lost(home)
    floor_file(home).unlink()
    oldest = BackupStore(folder).moments()[0]
    assert restore(home, folder, at=oldest).versions_from == 5
    assert restore(home, folder, at=oldest, force=True, after_version=9).versions_from == 10
    # Nor where somebody moves what is published away, as a runbook says.
    (home.home / "published").rename(tmp_path / "published-aside")
    home.build_file.write_bytes(kept)
    assert publish(home).version == 10


def test_a_restored_version_stays_in_service_until_the_build_says_otherwise(home, tmp_path):
    before = current(home)
    backup(home, tmp_path / "backup")
    kept = home.build_file.read_bytes()
    lost(home)
    restore(home, tmp_path / "backup")
    home.build_file.write_bytes(kept)
    assert current(home) == before
    with build_connection(home) as build:
        assert in_service(build, home, dt.datetime.now(dt.UTC)) is not None


def test_the_commands_say_what_they_did_and_end_with_the_documented_codes(home, tmp_path, monkeypatch):
    monkeypatch.setenv("MIZAN_HOME", str(home.home))
    runner, folder = CliRunner(), str(tmp_path / "backup")
    from console import commands

    if not app.registered_commands:
        commands.register(app)
    runner.invoke(app, ["backup", folder])
    made = runner.invoke(app, ["backup", folder, "--keep", "1", "--json"])
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert (document["keys"], document["next_offsets"]) == (False, {f"{TOPIC}/0": 40})
    assert len(document["removed"]) == 1
    assert runner.invoke(app, ["restore", folder, "--check"]).exit_code == 0
    refused = runner.invoke(app, ["restore", folder])
    assert isinstance(refused.exception, UsageError)
    assert runner.invoke(app, ["restore", folder, "--check", "--force"]).exception.exit_code == 2
    assert runner.invoke(app, ["restore", folder, "--at", "yesterday"]).exception.exit_code == 2
    assert runner.invoke(app, ["restore", folder, "--force"]).exit_code == 0
    assert verify(home).ok
