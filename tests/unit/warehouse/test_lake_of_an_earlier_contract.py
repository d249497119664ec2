"""A lake that an earlier contract made is read as it is, and gets the new columns when it is initialised again."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from contracts.errors import UsageError
from contracts.event_contract import event_contract
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from warehouse.connection import memory_connection, view_files
from warehouse.lake import Lake, arrow_schema
from warehouse.landing_log import commit, open_table, write_file

NOW = dt.datetime(2020, 4, 1, tzinfo=dt.UTC)
NEW = [field.column for field in event_contract().types["ir.egov.assessment.scored.v1"].own.values()]
EARLIER = {name: kind for name, kind in lake_tables()["events"].items() if name not in NEW}
QUERY = "SELECT event_id, round, score, assessed_from FROM t ORDER BY event_id"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake of the contract before the evaluator's stream, with one event."""
    lake = Lake(Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path))
    lake.create({"events": EARLIER})
    row = {"event_id": "e-1", "agency_id": "a-1", "occurred_at": NOW, "landed_at": NOW}
    write_deltalake(
        DeltaTable(lake.location("events")), pa.Table.from_pylist([row], schema=arrow_schema(EARLIER)), mode="append"
    )
    return lake


def rows(lake: Lake) -> list[tuple[object, ...]]:
    connection = memory_connection()
    view_files(connection, "t", lake.open("events").files, dict(lake_tables()["events"]))
    return connection.sql(QUERY).fetchall()


def test_rows_of_an_earlier_contract_have_no_value_in_the_new_columns(lake: Lake) -> None:
    assert rows(lake) == [("e-1", None, None, None)]


def test_landing_says_that_the_lake_must_be_initialised_again(lake: Lake) -> None:
    with pytest.raises(UsageError, match=r"it lacks .*round") as refused:
        open_table(lake, "events")
    assert refused.value.hint == "mizan init"


def test_initialising_adds_the_columns_and_old_and_new_files_are_read_together(lake: Lake) -> None:
    lake.create()
    lake.create()
    snapshot = open_table(lake, "events")
    columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in lake_tables()["events"].items())
    connection = memory_connection()
    query = f"""SELECT * REPLACE (
        'e-2' AS event_id, 'evaluator' AS agency_id, '1396-06' AS round, 38.95::DOUBLE AS score,
        TIMESTAMPTZ '2020-04-01' AS occurred_at) FROM (SELECT {columns})"""
    file = write_file(connection, query, snapshot, "new.parquet", ("agency_id",))
    assert file is not None
    commit(snapshot, [file], {"land:t/0": 1}, {"kind": "land"})
    assert rows(lake) == [("e-1", None, None, None), ("e-2", "1396-06", 38.95, None)]
    names = {name for path in lake.open("events").files for name in pq.read_schema(path).names}
    assert names == set(lake_tables()["events"])
