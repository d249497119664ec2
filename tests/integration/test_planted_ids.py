"""Fifty persons through the whole pipeline, by the SDK and by a hostile client: no store holds one of them (V1, V2).

The real broker, landing, gate, build, publication, report and backup; Airflow's stores are searched the same way in
test_dags_on_the_scheduler.py. Each defence is then switched off, and the search must find what it let through.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from faults.canaries import Needles, sweep
from landing_stage import Stage
from planted_home import Planted, is_broker_log

from contracts.settings import Settings
from pipeline import steps

pytestmark = pytest.mark.integration
COUNT = int(os.environ.get("PLANTED_IDS", "50"))  # `make planted` asks for more


class Whole:
    """A home in which everything that keeps something has run, and what its commands printed."""

    def __init__(self, stage: Stage, backups: Path, count: int = COUNT) -> None:
        self.stage, self.backups, self.heard = stage, backups, [""]
        self.planted = Planted(stage.settings, stage.agency(), stage.agency(), count)
        self.planted.say()

    def run(self) -> None:
        for call in ("run", "status", "quarantine show", "quarantine replay", "compact", f"backup {self.backups}"):
            code, out, err = self.stage.run(*call.split())
            self.heard += [out, err]
            assert code == 0, (call, err)


@pytest.fixture(scope="module")
def whole(landing_broker: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("planted")
    stage = Stage(landing_broker, folder / "home")
    whole = Whole(stage, folder / "backup")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "tmp"))  # what any step leaves in temporary files is searched too
        (folder / "tmp").mkdir()
        whole.run()
    yield whole
    stage.clear()


def test_what_was_planted_came_as_far_as_it_may(whole: Whole) -> None:
    """Or the search below would find nothing for want of anything to find."""
    planted = whole.planted
    assert len(planted.pids()) == len(planted.persons)
    assert len(whole.stage.rows("quarantine", "SELECT * FROM t")) >= planted.refused
    assert planted.in_kafka(planted.ids(), planted.hostile) >= set(planted.persons)
    assert len(planted.in_kafka(Needles((), planted.user_keys), planted.reporting)) == len(planted.persons)


def test_no_store_of_a_home_holds_a_planted_id(whole: Whole, tmp_path: Path) -> None:
    planted, folder = whole.planted, whole.backups.parent
    stores = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    for store in ("home/lake/events/", "home/lake/quarantine/", "home/build/mizan.duckdb", "home/published/public/",
                  "home/published/analyst/", "home/published/validation/", "home/gate/", "backup/"):  # fmt: skip
        assert any(name.startswith(store) for name in stores), store
    assert sweep(folder, planted.every_needle(), whole.heard) == []


def test_of_the_broker_s_files_a_hostile_client_s_own_log_alone_holds_one(whole: Whole) -> None:
    planted, folder = whole.planted, whole.stage.settings.kafka().ca_file
    assert folder is not None
    home = next(parent for parent in folder.parents if (parent / "broker.json").exists())
    assert (home / "broker" / "logs" / "server.log").exists()
    assert sweep(home, planted.ids(), spared=is_broker_log(planted.hostile)) == []
    assert planted.in_kafka(planted.ids(), planted.reporting) == set()
    its_own = is_broker_log(planted.hostile)
    assert sweep(home, planted.ids(), spared=lambda name: not its_own(name))


def test_neither_key_is_in_what_is_published(whole: Whole) -> None:
    planted = whole.planted
    keys = planted.user_keys | planted.pids()
    assert sweep(whole.stage.settings.published, Needles((), keys)) == []
    assert sweep(whole.stage.settings.home / "lake", Needles((), planted.pids()))  # the lake is where they are


@pytest.fixture
def small(landing_broker: Settings, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(landing_broker, tmp_path / "home")
    yield stage
    stage.clear()


def without_key(_: bytes, canonical: str) -> str:
    return canonical.encode().hex().ljust(64, "f")


def unkeyed_hash(_: bytes, canonical: str) -> str:
    return hashlib.sha256(canonical.removeprefix("nid:").encode()).hexdigest()


@pytest.mark.parametrize("keying", [without_key, unkeyed_hash])
def test_without_the_sdk_s_keying_the_search_finds_every_person(small: Stage, keying, monkeypatch) -> None:
    monkeypatch.setattr("producers.agency.user_key_maker", lambda key: partial(keying, key))
    planted = Planted(small.settings, small.agency(), small.agency(), 5)
    planted.say()
    found = " ".join(planted.in_kafka(planted.ids(), planted.reporting))
    assert all(one in found for one in planted.persons)


@pytest.mark.parametrize(
    "rekeying",
    [lambda key: bytes.fromhex(key)[:16], lambda key: hashlib.sha256(key.encode()).digest()[:16]],
    ids=["none", "SHA-256"],
)
def test_without_keying_anew_the_search_finds_every_key_in_the_lake(small: Stage, rekeying, monkeypatch) -> None:
    monkeypatch.setattr("contracts.platform_key.PlatformKey.pid_maker", lambda _: rekeying)
    planted = Planted(small.settings, small.agency(), small.agency(), 5)
    planted.say()
    steps.land_events(small.settings)
    found = sweep(small.settings.home, planted.every_needle())
    assert [one for one in found if "lake/events" in str(one) and "holds 5 " in str(one)], found


def test_a_person_in_a_temporary_file_a_core_or_a_word_of_a_command_is_found(whole: Whole) -> None:
    one = whole.planted.persons[0]
    for name in ("mizan.log", "core.4711", "duckdb_temp_storage-0.tmp"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(b"\0\x7fELF" + one.encode() + b"\0")
            assert sweep(Path(folder), whole.planted.ids())
