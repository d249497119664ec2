"""A late event for a final month, from the lake to the published tables: counted, said, and nothing forgotten."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from contracts.reporting_time import parse_month
from landing.verify import verify
from warehouse.publish import publish
from warehouse.release_checks import release_problems
from warehouse.releases import close

# tests/ is no package: the lake to fill is found by its folder.
sys.path.insert(0, str(Path(__file__).parents[1] / "transforms"))
from lake_bench import LakeBench

COMPLETED, RETRACTED = "ir.egov.transaction.completed.v1", "ir.egov.event.retracted.v1"
MEHR = parse_month("1399-07")
NATION = "calendar = 'jalali' AND scope = 'national' AND channel = 'all'"
STATES = "SELECT month, state, vintage FROM marts.month_states WHERE calendar = 'jalali' ORDER BY month"


def event(name: str, day: str, person: bytes, kind: str = COMPLETED, **more: str) -> dict[str, object]:
    data = {"transaction_id": f"t-{name}", "service_id": "s1", "channel": "portal", "outcome": "accepted"}
    return {
        "event_id": name,
        "source": "/agencies/water",
        "agency_id": "water",
        "event_type": kind,
        "occurred_at": dt.datetime.fromisoformat(f"{day}T09:00").replace(tzinfo=dt.UTC),
        "landed_at": dt.datetime.now(dt.UTC),
        **(data | {"pid": person} if kind == COMPLETED else {}),
        **more,
    }


@pytest.fixture
def bench(tmp_path):
    """Two months of one agency, published; the first closed by name."""
    bench = LakeBench(tmp_path / "lake-home")
    # 25 September 2020 is 4 Mehr 1399, 25 October 4 Aban.
    bench.land("first", [event("a", "2020-09-25", b"p" * 16), event("b", "2020-10-25", b"q" * 16)])
    _publish(bench)
    close(bench.settings, MEHR, by="Head of statistics", note="all provinces told")
    _publish(bench)
    return bench


def _publish(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.update(connection)
    publish(bench.settings)


def _look(bench: LakeBench, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(bench.settings.published / "analyst" / "current.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_late_event_makes_a_new_vintage_says_why_and_keeps_the_old_one_readable(bench):
    assert _look(bench, STATES) == [("1399-07", "final", 1), ("1399-08", "provisional", 1)]
    bench.land("late", [event("c", "2020-09-26", b"r" * 16)])
    _publish(bench)
    # The late person is registered from then on: the month after changes as well, and is no closed one.
    assert _look(bench, STATES) == [("1399-07", "revised", 2), ("1399-08", "provisional", 2)]
    completed = (
        f"SELECT month, completed, state, vintage FROM marts.monthly_transactions{{}} WHERE {NATION} ORDER BY ALL"
    )
    assert _look(bench, completed.format(""))[0] == ("1399-07", 2, "revised", 2)
    assert _look(bench, completed.format("_vintages"))[0] == ("1399-07", 1, "final", 1)
    restated = """
        SELECT old_value, new_value, vintage, reason FROM marts.restatements
        WHERE table_name = 'monthly_transactions' AND key ->> 'month' = '1399-07' AND key ->> 'measure' = 'completed'
        AND key ->> 'scope' = 'national' AND key ->> 'channel' = 'all'
    """
    assert _look(bench, restated) == [(1.0, 2.0, 2, "late_events")]
    folder = bench.settings.home / "releases" / "1399-07-1" / "cells"
    released = f"SELECT completed, state FROM '{folder}/monthly_transactions.parquet' WHERE {NATION}"
    assert duckdb.sql(released).fetchall() == [(1, "provisional")]
    assert release_problems(bench.settings) == []


def test_a_retraction_restates_its_final_month_with_its_own_reason(bench):
    bench.land("taken-back", [event("r", "2020-11-01", b"", RETRACTED, retracted_event_id="a")])
    _publish(bench)
    assert _look(bench, STATES)[0] == ("1399-07", "revised", 2)
    assert {reason for (reason,) in _look(bench, "SELECT reason FROM marts.restatements")} == {"retraction"}


def test_verify_names_a_release_that_is_not_what_was_signed(bench):
    cells = bench.settings.home / "releases" / "1399-07-1" / "cells" / "monthly_users.parquet"
    cells.chmod(0o640)
    cells.write_bytes(b"something else")
    proof = verify(bench.settings)
    found = [(problem.kind, problem.where) for problem in proof.problems if problem.kind.startswith("RELEASE")]
    assert found == [("RELEASE_DAMAGED", "releases/1399-07-1/cells/monthly_users.parquet")]
    assert proof.checked["releases"] == 1


def test_where_published_versions_are_lost_a_release_still_says_what_was_final(bench):
    shutil.rmtree(bench.settings.published)
    _publish(bench)
    assert _look(bench, STATES)[0] == ("1399-07", "final", 1)
    shutil.rmtree(bench.settings.published)
    bench.land("late", [event("c", "2020-09-26", b"r" * 16)])
    _publish(bench)
    assert _look(bench, STATES)[0] == ("1399-07", "revised", 2)
