"""Every fact computed by Spark, those of a few rows too: of a random world they are DuckDB's, row by row."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench
from spark_builds import needs_spark

from transforms import refresh
from transforms.model import models
from warehouse import spark_build
from warehouse.connection import Connection

SPRING, SUMMER = dt.date(2020, 3, 1), dt.date(2020, 6, 15)


# About sixty statements, each a job of Spark's and more: minutes on a busy machine.
@pytest.mark.skipif("SPARK_WORLDS" not in os.environ, reason="minutes long: make spark-worlds")
@needs_spark
def test_with_no_limit_spark_computes_the_facts_of_persons_and_cells_as_duckdb_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_build, "SMALL", 0)
    events = [one for one in random_events.world(3, 300).events if SPRING <= one["occurred_at"].date() <= SUMMER]
    benches = [LakeBench(tmp_path / engine) for engine in ("spark", "duckdb")]
    for bench in benches:
        bench.land("b1", events)
    by_spark, by_duckdb = benches
    with by_spark.build() as connection:
        with spark_build.with_spark(connection, by_spark.settings) as engine:
            refresh.update_facts(engine, by_spark.lake, by_spark.catalogue)
        found = facts(connection)
    with by_duckdb.build() as connection:
        refresh.update_facts(connection, by_duckdb.lake, by_duckdb.catalogue)
        assert found == facts(connection)
    assert all(found[name] for name in ("fct_sessions", "fct_visits", "fct_transactions", "fct_cell_persons"))


def facts(connection: Connection) -> dict[str, list[Any]]:
    """Every fact's rows, without the numbers of persons: those are each build's own."""
    rows = {}
    for model in models("facts").values():
        columns = ", ".join(f'"{name}"' for name in model.physical if name != "user_no")
        rows[model.table] = sorted(map(repr, connection.execute(f'SELECT {columns} FROM "{model.table}"').fetchall()))
    return rows
