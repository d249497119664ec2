"""What an operator decides on rejected records reaches the published tables without anybody asking for it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.decisions import decide, drop
from landing.decode import Rejected
from landing.quarantine import as_table
from pipeline import progress, steps
from warehouse.connection import memory_connection
from warehouse.lake import Lake, arrow_schema
from warehouse.landing_log import commit, marks, open_table, write_file
from warehouse.published import open_published
from warehouse.quarantine_states import TABLE

TOPIC = "egov.events.v1.tax"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A home whose one agency visited and had three records set aside: landed, gated, built and published."""
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    steps.initialise(settings)
    now = dt.datetime.now(dt.UTC)
    records = [Rejected(TOPIC, 0, offset, 0, "tax", "future", "envelope", "", b"d", 1, "") for offset in range(3)]
    visit = {"event_id": "e-3", "source": "/agencies/tax", "agency_id": "tax", "visit_id": "v-3", "channel": "portal"}
    visit |= {"event_type": "ir.egov.visit.recorded.v1", "occurred_at": now, "landed_at": now, "batch_id": "b-1"}
    visit |= {"topic": TOPIC, "partition": 0, "offset": 3}
    columns = lake_tables()["events"]
    landed = pa.Table.from_pylist([{name: visit.get(name) for name in columns}], schema=arrow_schema(columns))
    with memory_connection() as connection:
        for name, rows in (("quarantine", as_table(records, "b-1", now)), ("events", landed)):
            snapshot = open_table(Lake(settings), name)
            connection.register("given", rows)
            file = write_file(connection, "SELECT * FROM given", snapshot, "b-1.parquet")
            assert file is not None
            commit(snapshot, [file], marks({f"{TOPIC}/0": 4, TOPIC: 1}), {"kind": "land", "batch_id": "b-1"})
    assert go_on(settings) == 1
    return settings


def go_on(settings: Settings) -> int:
    """What Airflow runs behind a landing; the version in service."""
    steps.gate_batches(settings)
    steps.update_facts(settings)
    return steps.publish_marts(settings).version


def rejected(settings: Settings) -> int:
    """The agency's open records, as analysts read them."""
    with open_published(settings) as connection:
        ((count,),) = connection.execute("SELECT rejected FROM marts.agency_status WHERE agency_id = 'tax'").fetchall()
    return int(count)


def work_waits(settings: Settings) -> bool:
    return any(steps._lake_waits(settings))


def test_what_is_decided_on_rejected_records_waits_to_be_published_though_it_brings_no_batch(home: Settings) -> None:
    assert rejected(home) == 3
    assert not work_waits(home)
    # A replay that refuses every record again decides nothing, and nobody is woken.
    decide(open_table(Lake(home), TABLE), {}, batch_id="r-0", by="replay", note="")
    assert not work_waits(home)
    # One that finds nothing but duplicates lands no batch for the gate; the open records are fewer all the same.
    decide(open_table(Lake(home), TABLE), {(TOPIC, 0, 1): "duplicate"}, batch_id="r-1", by="replay", note="")
    assert progress.noted(home, "gate") == progress.landed_state(home)
    assert work_waits(home)
    # So with a drop, also one that comes after the facts were taken and before they are published.
    steps.update_facts(home)
    assert drop(home, reason="future", by="Sara", note="a clock that was wrong") == 2
    assert steps.publish_marts(home).version == 2
    assert rejected(home) == 2
    assert work_waits(home)
