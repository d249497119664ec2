"""The transport key is replaced under a new id: the old one is retired at an instant, a run that died is finished."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from catalogue.read import known
from catalogue.tables import create
from contracts.errors import UsageError
from contracts.event import Event, Known, Record, Rejection, parse
from contracts.failpoints import Faulted
from contracts.keys import create_keys, current_key_id, read_key, transport_key_of
from contracts.settings import Settings
from pipeline.progress import counted_state
from pipeline.transport_key import parsed_instant, replace_transport_key
from warehouse.lake import Lake
from warehouse.transport_keys import key_changes

WHY = {"by": "Keeper", "reason": "a lost laptop"}
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create_keys(settings)
    Lake(settings).create()
    create(settings)
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    return settings


def judged(known_now: Known, key_id: str | None, happened: dt.datetime) -> str | None:
    """The reason of the rejection of an event that came with a key; None where it is accepted."""
    data = {"visit_id": "v-1", "channel": "portal", "user_key": "ab" * 32, "user_key_id": key_id}
    document = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/agencies/tax",
        "type": "ir.egov.visit.recorded.v1",
        "time": happened.isoformat(),
        "data": data,
    }
    found = parse(Record(json.dumps(document).encode(), "tax"), dt.datetime.now(dt.UTC), known_now)
    assert isinstance(found, Event | Rejection)
    return found.reason_code if isinstance(found, Rejection) else None


def test_the_old_key_holds_for_what_happened_before_and_is_unknown_from_then_on(home: Settings):
    old = read_key(home.transport_key_file)
    state = counted_state(home)
    done = replace_transport_key(home, **WHY)
    assert (done.old_key_id, done.new_key_id, current_key_id(home)) == ("t1", "t2", "t2")
    assert read_key(home.transport_key_file) != old == read_key(transport_key_of(home, "t1"))
    assert not transport_key_of(home, "t2").exists()
    assert counted_state(home) != state  # so that the flag is published
    now = known(home)
    before, after = done.retired_at - HOUR, done.retired_at
    assert [judged(now, "t1", before), judged(now, "t1", after)] == [None, "key_unknown"]
    assert [judged(now, "t2", before), judged(now, "t2", after)] == [None, None]
    assert [judged(now, None, before), judged(now, None, after)] == [None, None]
    assert judged(now, "t3", before) == "key_unknown"


def test_a_later_instant_gives_agencies_time(home: Settings):
    replace_transport_key(home, **WHY, retire_at=dt.datetime.now(dt.UTC) + 24 * HOUR)
    assert known(home).user_key_ids == {"t1", "t2"}
    assert judged(known(home), "t1", dt.datetime.now(dt.UTC)) is None


def test_a_key_may_leak_again(home: Settings):
    replace_transport_key(home, **WHY)
    replace_transport_key(home, **WHY)
    assert current_key_id(home) == "t3"
    assert known(home).user_key_ids == {"t3"}
    assert set(known(home).retired_key_ids) == {"t1", "t2"}
    assert len({read_key(path) for path in home.keys.glob("transport.key*") if not path.name.endswith(".id")}) == 3


@pytest.mark.parametrize("where", ["replace.keys", "replace.noted", "replace.put", "replace.bundles"])
def test_failed_anywhere_the_same_command_ends_with_one_new_key(
    home: Settings, monkeypatch: pytest.MonkeyPatch, where: str
):
    old = read_key(home.transport_key_file)
    monkeypatch.setenv("MIZAN_HOME", str(home.home))
    monkeypatch.setattr("contracts.failpoints._passes", {})
    monkeypatch.setenv("FAULTPOINT", f"{where}:raise")
    with pytest.raises(Faulted):
        replace_transport_key(home, **WHY)
    monkeypatch.delenv("FAULTPOINT")
    replace_transport_key(home, **WHY)
    assert [(one.old_key_id, one.new_key_id) for one in key_changes(Lake(home))] == [("t1", "t2")]
    assert current_key_id(home) == "t2"
    assert read_key(transport_key_of(home, "t1")) == old != read_key(home.transport_key_file)


def test_an_instant_has_a_zone():
    assert parsed_instant("2026-12-22T00:00+03:30") == dt.datetime(2026, 12, 21, 20, 30, tzinfo=dt.UTC)
    for text in ("2026-12-22T00:00", "tomorrow", ""):
        with pytest.raises(UsageError):
            parsed_instant(text)
