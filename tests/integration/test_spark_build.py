"""MIZAN_ENGINE=spark: the five reports' home built by Spark from its Delta tables; and where there is no Spark."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from spark_builds import beside, content, needs_spark

from transforms import refresh
from warehouse import spark, spark_build

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def mizan(settings, *words):
    environment = os.environ | {name: value for name, value in settings.values.items() if value is not None}
    call = [sys.executable, "-m", "console.main", *words]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=False)


@needs_spark
def test_the_command_builds_by_spark_what_duckdb_builds(scenarios_home, tmp_path):
    by_spark, by_duckdb = (beside(scenarios_home, tmp_path / engine, engine) for engine in ("spark", "duckdb"))
    done = mizan(by_spark, "build", "--full")
    assert done.returncode == 0, done.stderr
    assert "1399-01" in done.stdout
    refresh.update(by_duckdb)
    assert content(by_spark) == content(by_duckdb)
    # What is counted already is DuckDB's: no session is started for it, and its rows are not left lying about.
    log = by_spark.home / "build" / "spark" / "spark.log"
    began = log.stat().st_mtime_ns
    assert mizan(by_spark, "build").returncode == 0
    assert log.stat().st_mtime_ns == began
    assert [path.name for path in log.parent.iterdir()] == ["spark.log"]


def test_without_a_spark_the_command_says_so_and_nothing_is_built(scenarios_home, tmp_path, monkeypatch):
    settings = beside(scenarios_home, tmp_path / "home", "spark")
    monkeypatch.setattr(spark, "environment", lambda: Path("/nowhere"))
    with pytest.raises(spark.UsageError, match="SPARK_MISSING") as raised:
        refresh.update(settings)
    assert raised.value.exit_code == 2
    assert "make spark" in str(raised.value.hint)
    assert refresh.pending_months(settings) == []


@needs_spark
def test_a_refused_statement_is_named_and_the_build_that_was_there_stands(scenarios_home, tmp_path, monkeypatch):
    settings = beside(scenarios_home, tmp_path / "home", "duckdb")
    refresh.update(settings)
    before = content(settings)
    monkeypatch.setattr(spark_build.dialect, "spark_type", lambda kind: "NO_TYPE")
    by_spark = type(settings).load({**settings.values, "MIZAN_ENGINE": "spark"}, folder=settings.home)
    with pytest.raises(spark.SparkFailed, match=r"Spark refused: \[[A-Z]"):
        refresh.update(by_spark, full=True)
    assert content(settings) == before
