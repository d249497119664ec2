"""A changed definition is a new version beside the old one: both are computed and published, and the change says so."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import duckdb
import pytest
import random_events
from lake_bench import LakeBench

from transforms import model
from warehouse.publish import publish


@pytest.fixture
def redefined(tmp_path, monkeypatch):
    """Call it to define visits anew in a copy of the models: visits without a visit_id are not counted any more."""

    def define() -> Path:
        room = tmp_path / "transforms"
        shutil.copytree(model.ROOM, room)
        shelf = room / "metrics"
        shutil.copytree(shelf / "monthly_visits", shelf / "monthly_visits@1")
        contract, query = shelf / "monthly_visits" / "contract.yaml", shelf / "monthly_visits" / "query.sql"
        contract.write_text(contract.read_text().replace("version: 1", "version: 2"))
        text = query.read_text().replace("1 AS metric_version", "2 AS metric_version")
        with_an_id = """(
            SELECT
                'jalali' AS calendar, jalali_no AS month_no, 'national' AS scope, 'IR' AS scope_id, 'all' AS channel,
                COUNT(*) AS visits
            FROM fct_visits GROUP BY jalali_no
        )"""
        query.write_text(text.replace("LEFT JOIN fct_cell_counts AS t", f"LEFT JOIN {with_an_id} AS t"))
        monkeypatch.setattr(model, "ROOM", room)
        model.models.cache_clear()
        model.fingerprint.cache_clear()
        return room

    yield define
    monkeypatch.undo()
    model.models.cache_clear()
    model.fingerprint.cache_clear()


def visit(name: str, **more: object) -> dict[str, object]:
    return {
        "event_id": name,
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": random_events.COMPLETED,
        "occurred_at": dt.datetime(2020, 4, 1, 9, tzinfo=dt.UTC),
        "landed_at": dt.datetime(2020, 4, 1, 10, tzinfo=dt.UTC),
        "transaction_id": f"t-{name}",
        "service_id": "s1",
        "channel": "portal",
        "outcome": "accepted",
        "pid": name.encode() * 16,
        **more,
    }


def _publish(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.update(connection)
    publish(bench.settings)


def test_both_versions_are_published_and_the_change_is_restated_as_one_of_definition(tmp_path, redefined) -> None:
    bench = LakeBench(tmp_path / "home")
    bench.land("b1", [visit("a", visit_id="v-1"), visit("b")])
    _publish(bench)
    redefined()
    bench.settings.build_file.unlink()  # a build of other models is made anew
    _publish(bench)

    def look(sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(bench.settings.published / "analyst" / "current.duckdb"), read_only=True) as snapshot:
            return snapshot.execute(sql).fetchall()

    nation = "WHERE calendar = 'jalali' AND scope = 'national' AND channel = 'all' ORDER BY ALL"
    assert look(f"SELECT visits, metric_version, vintage FROM marts.monthly_visits {nation}") == [(1, 2, 2)]
    assert look(f"SELECT visits, metric_version, vintage FROM marts.monthly_visits_v1 {nation}") == [(2, 1, 2)]
    assert look(f"SELECT visits, metric_version, vintage FROM marts.monthly_visits_vintages {nation}") == [(2, 1, 1)]
    restated = "SELECT DISTINCT table_name, reason FROM marts.restatements"
    assert look(restated) == [("monthly_visits", "definition")]


def test_the_folder_of_an_older_version_says_which_it_is() -> None:
    for shelf in model.PUBLISHED:
        newest = {found.name: found.version for found in model.models(shelf).values() if "@" not in found.name}
        for found in model.models(shelf).values():
            name, _, version = found.name.partition("@")
            if version:
                assert found.version == int(version)
                assert found.version < (newest[name] or 0)
