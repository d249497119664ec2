"""Builds of one lake by both engines, to be compared."""

from pathlib import Path

import pytest

from contracts.settings import Settings
from transforms import refresh
from warehouse.connection import build_connection
from warehouse.spark import environment

needs_spark = pytest.mark.skipif(
    not (environment() / "ready").exists(),
    reason="Spark's environment is not here (make spark): nothing was built by it",
)


def beside(settings: Settings, folder: Path, engine: str) -> Settings:
    """A home of its own, with nothing in it, on the lake of another one."""
    folder.mkdir()
    named = {"MIZAN_HOME": str(folder), "MIZAN_LAKE_URI": settings.lake_uri, "MIZAN_ENGINE": engine}
    return Settings.load(named, folder=folder)


def content(settings: Settings) -> str:
    """What all published tables of a build hold, as one digest."""
    with build_connection(settings) as connection:
        assert refresh.pending(connection) == []
        return refresh.content_hash(connection)


def assert_both_engines_agree(settings: Settings, folder: Path) -> None:
    """The lake of a home gives the same published tables, to the last cell, built from nothing by either engine."""
    duckdb, spark = (beside(settings, folder / engine, engine) for engine in ("duckdb", "spark"))
    assert refresh.update(duckdb).months == refresh.update(spark).months != ()
    assert (spark.home / "build" / "spark" / "spark.log").exists()
    assert content(spark) == content(duckdb)
