"""What an agency learns of its connection with `mizan ping`, from the SDK's install and a bundle alone."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from topic_content import values_on_topic

from broker.administration import add_agencies, add_agency, revoke
from broker.bundle import hand_out
from contracts.errors import TryAgain, UsageError
from contracts.event import Event, Record, parse
from contracts.event_contract import event_contract
from contracts.keys import write_secret
from contracts.settings import Settings
from producers.login import read_bundle
from producers.ping import ping

pytestmark = pytest.mark.integration
# No module of the platform can be imported: what is left is what the wheel of the SDK brings.
ALONE = """
import importlib.abc, sys
PLATFORM = {"airflow", "confluent_kafka", "cryptography", "deltalake", "duckdb", "great_expectations", "pandas",
    "psutil", "pyarrow", "starlette", "uvicorn"}
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PLATFORM:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from console.main import main
main()
"""


@pytest.fixture
def bundle(broker: Settings, tmp_path: Path) -> tuple[str, Path]:
    name = f"pg-{uuid.uuid4().hex[:8]}"
    hand_out(broker, name, directory=tmp_path / "bundle")
    return name, tmp_path / "bundle"


def mizan(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", ALONE, *words]
    root = Path(__file__).parents[2]
    return subprocess.run(call, cwd=folder, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False)


def test_in_order_everything_is_ok_and_the_ping_is_a_heartbeat(
    broker: Settings, bundle: tuple[str, Path], tmp_path: Path
) -> None:
    name, folder = bundle
    done = mizan(tmp_path, "ping", "--bundle", str(folder), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert {one["name"]: one["ok"] for one in told["findings"]} == dict.fromkeys(
        ("key", "contract", "login", "topic", "clock"), True
    )
    (value,) = values_on_topic(broker, name)
    event = parse(Record(value, name), dt.datetime.now(dt.UTC))
    assert isinstance(event, Event)
    assert event.event_type == "ir.egov.agency.heartbeat.v1"

    assert ping(read_bundle(folder), quiet=True)[0][-1].ok is None
    assert len(values_on_topic(broker, name)) == 1


@pytest.mark.parametrize(("off", "said"), [(600.0, "ahead of"), (-600.0, "behind")])
def test_a_clock_that_is_off_is_told_by_how_much(bundle: tuple[str, Path], off: float, said: str) -> None:
    findings, error = ping(read_bundle(bundle[1]), now=lambda: time.time() + off)
    clock = findings[-1]
    assert error is None
    assert (clock.name, clock.ok) == ("clock", False)
    assert said in clock.found
    assert abs(int(clock.found.split()[0]) - 600) <= 5
    assert clock.fix is not None
    assert clock.fix.keys() == {"fa", "en"}


def test_a_refused_login_a_lost_topic_and_an_absent_broker_are_three_things(
    broker: Settings, bundle: tuple[str, Path]
) -> None:
    _, folder = bundle
    kept = (folder / "password").read_text()
    write_secret(folder / "password", "wrong")
    findings, error = ping(read_bundle(folder))
    assert isinstance(error, UsageError)
    assert [(one.name, one.ok) for one in findings[2:]] == [("login", False), ("topic", None), ("clock", None)]
    assert "authentication failed" in findings[2].found
    write_secret(folder / "password", kept.strip())

    findings, error = ping(read_bundle(folder).at("127.0.0.1:1"))
    assert isinstance(error, TryAgain)
    assert "no answer" in findings[2].found

    # Another agency's topic: the login is good, the right is not there.
    other = f"pg-{uuid.uuid4().hex[:8]}"
    add_agencies(broker, [other])
    login = read_bundle(folder)
    findings, error = ping(type(login)(**{**vars(login), "agency_id": other}))
    assert isinstance(error, UsageError)
    assert [(one.name, one.ok) for one in findings[-2:]] == [("topic", False), ("clock", None)]


def test_a_bundle_of_another_contract_or_without_a_key_is_told(bundle: tuple[str, Path]) -> None:
    _, folder = bundle
    document = json.loads((folder / "bundle.json").read_text())
    assert document["contract_version"] == event_contract().version
    write_secret(folder / "bundle.json", json.dumps(document | {"contract_version": "0.9", "transport_key_file": None}))
    findings, error = ping(read_bundle(folder), quiet=True)
    assert error is None
    assert {one.name: one.ok for one in findings[:3]} == {"key": False, "contract": False, "login": True}


def test_a_system_pings_with_its_own_login_and_source(broker: Settings, tmp_path: Path) -> None:
    name = f"pg-{uuid.uuid4().hex[:8]}"
    add_agency(broker, name)
    hand_out(broker, name, "portal", tmp_path / "portal")
    assert ping(read_bundle(tmp_path / "portal"))[1] is None
    (value,) = values_on_topic(broker, name)
    assert json.loads(value)["source"] == f"/agencies/{name}/portal"
    revoke(broker, name, "portal")
    assert isinstance(ping(read_bundle(tmp_path / "portal"))[1], UsageError)
