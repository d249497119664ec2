"""Every model run by Spark, those of a few rows too: the tables of a random world are DuckDB's to the last cell."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
import random_events
from lake_bench import TODAY, LakeBench
from spark_builds import needs_spark

from transforms import evaluation, refresh
from transforms.model import models
from warehouse import spark_build
from warehouse.connection import Connection

SPRING, SUMMER = dt.date(2020, 3, 1), dt.date(2020, 6, 15)


# About a hundred statements, each a job of Spark's and more: minutes.
@pytest.mark.skipif("SPARK_WORLDS" not in os.environ, reason="minutes long: make spark-worlds")
@needs_spark
def test_with_no_limit_spark_runs_the_models_and_gives_the_same_tables(
    bench: LakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_build, "SMALL", 0)
    made: list[str] = []
    make = spark_build.SparkConnection._make

    def noted(self: spark_build.SparkConnection, kind: str, target: str, *rest: object) -> object:
        made.append(target)
        return make(self, kind, target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(spark_build.SparkConnection, "_make", noted)
    # A few months: each year more is a dozen statements more, of the same models.
    events = [one for one in random_events.world(3, 300).events if SPRING <= one["occurred_at"].date() <= SUMMER]
    bench.land("b1", events)
    found = {}
    with bench.build() as connection:
        with spark_build.with_spark(connection, bench.settings) as by_spark:
            built(bench, by_spark)
        found["spark"] = refresh.content_hash(connection)
    other = LakeBench(tmp_path / "duckdb")
    other.land("b1", events)
    with other.build() as connection:
        built(other, connection)
        found["duckdb"] = refresh.content_hash(connection)
    assert found["spark"] == found["duckdb"]
    with_rows = {"fct_transactions", "fct_visits", "fct_sessions", "fct_user_activity", "fct_cell_persons"}
    assert with_rows | {model.table for model in models("metrics").values()} <= set(made)


def built(bench: LakeBench, connection: Connection) -> None:
    refresh.compute(connection, sorted(refresh.update_facts(connection, bench.lake, bench.catalogue)))
    evaluation.refresh(connection, TODAY)
