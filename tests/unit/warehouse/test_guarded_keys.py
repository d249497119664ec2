"""No step makes a fresh key silently where a lake was landed under another one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from landed_home import landed

from broker import container
from contracts.errors import UsageError
from contracts.settings import Settings
from landing.decode import Rejected
from landing.quarantine import as_table
from pipeline.steps import initialise
from warehouse.connection import memory_connection
from warehouse.guarded_keys import UNFINISHED_RESTORE, make_keys
from warehouse.lake import Lake
from warehouse.landing_log import commit, write_file


def simulate(settings: Settings) -> None:
    from console.simulation import stream
    from producers.scenarios import registry

    scenario = registry.scenario("qom-1399-h1")
    stream(settings, scenario, scenario.MONTHS[:1], 0.0001, 1399)


def import_canada(settings: Settings) -> None:
    from console.catalogue import canada_service_inventory

    canada_service_inventory(file=None, as_events=False, scale=None, to="kafka", as_json=False)


def prepare_container(settings: Settings) -> None:
    container.prepare(settings, settings.home / "kafka-config")


STEPS = {"init": initialise, "simulate": simulate, "import": import_canada, "broker": prepare_container}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose lake holds events, and the address of a broker that nobody asks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIZAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    settings = Settings.load()
    initialise(settings)
    landed(settings, 0, 3)
    return settings


@pytest.mark.parametrize("key", ["platform.key", "transport.key"])
@pytest.mark.parametrize("step", STEPS)
def test_no_step_makes_a_key_that_is_gone_from_a_lake_with_events(home: Settings, step: str, key: str) -> None:
    path = home.keys / key
    path.unlink()
    with pytest.raises(UsageError, match=f"{key} is gone, and the lake holds events"):
        STEPS[step](home)
    assert not path.exists()


@pytest.mark.parametrize("step", STEPS)
def test_no_step_makes_a_key_while_a_restore_is_not_finished(home: Settings, step: str) -> None:
    (home.home / UNFINISHED_RESTORE).write_text("mizan restore DIR --at MOMENT --force\n")
    home.platform_key_file.unlink()
    with pytest.raises(UsageError, match="begun and not finished") as refused:
        STEPS[step](home)
    assert "mizan restore DIR --at MOMENT --force" in str(refused.value.hint)
    assert not home.platform_key_file.exists()


def test_a_lake_whose_log_cannot_be_read_may_hold_events(home: Settings) -> None:
    home.platform_key_file.unlink()
    for entry in (Path(Lake(home).location("events")) / "_delta_log").glob("*.json"):
        entry.write_text("{")
    with pytest.raises(UsageError, match="is gone"):
        make_keys(home)


def test_records_that_were_all_rejected_are_known_by_the_key_too(home: Settings) -> None:
    home.platform_key_file.unlink()
    lake = Path(Lake(home).uri)
    (lake / "events").rename(lake / "aside")
    rejected = Rejected("egov.events.v1.tax", 0, 3, 0, "tax", "not_json", "json", "", b"digest", 1, "")
    with memory_connection() as connection:
        connection.register("given", as_table([rejected], "b-1", dt.datetime.now(dt.UTC)))
        snapshot = Lake(home).open("quarantine")
        file = write_file(connection, "SELECT * FROM given", snapshot, "b-1.parquet")
        assert file is not None
        commit(snapshot, [file], {}, {"kind": "land", "batch_id": "b-1"})
    with pytest.raises(UsageError, match="is gone"):
        make_keys(home)
    # As the runbook of a lost key says: what was landed goes aside, and then a new key is no danger.
    (lake / "quarantine").rename(lake / "aside-too")
    assert make_keys(home) == [home.platform_key_file]


def test_a_new_home_gets_its_keys(tmp_path: Path) -> None:
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    assert len(make_keys(settings)) == 3
    assert make_keys(settings) == []
