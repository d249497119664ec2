"""What a folder says about itself is so."""

from __future__ import annotations

import datetime as dt

import pytest
from lake_bench import LakeBench, random_events

from contracts.reporting_time import CALENDARS, all_months, month_of, tehran_date
from transforms import changes, model, reference
from warehouse.connection import Connection


@pytest.mark.parametrize("shelf", ["staging", "facts", "metrics", "evaluations"])
def test_a_contract_names_the_tables_its_query_reads(shelf: str) -> None:
    for found in model.models(shelf).values():
        assert found.reads == set(found.contract.get("reads", ())), found.name


def test_a_metric_runs_after_those_it_reads() -> None:
    order = [found.table for found in model.models("metrics").values()]
    for found in model.models("metrics").values():
        for read in found.reads & set(order):
            assert order.index(read) < order.index(found.table)


def test_every_query_opens_with_its_grain() -> None:
    for shelf in ("staging", "facts", "metrics", "evaluations"):
        for found in model.models(shelf).values():
            if found.query:
                header = found.query.split("\n--\n", 1)
                assert header[0].startswith("-- "), found.name
                assert "-- Definition" in header[1], found.name
                assert "-- Grain" in header[1], found.name


def test_an_increment_takes_the_events_that_the_full_build_takes(bench: LakeBench) -> None:
    """The increment's own filter and stg_counted are two texts of one rule."""
    bench.land("b1", random_events.world(9, 400).events)
    with bench.build() as connection:
        bench.update(connection)
        counted = model.models("staging")["stg_counted"].query
        from_staging = _names(connection, f"SELECT * FROM ({counted})")
        assert from_staging == _names(connection, "SELECT * FROM chg_added")
        columns = connection.execute(f"DESCRIBE {counted}").fetchall()
        assert [row[0] for row in columns] == [name.strip().removeprefix("e.") for name in changes.COLUMNS.split(",")]


def _names(connection: Connection, select: str) -> set[tuple[str, str]]:
    return set(connection.execute(f"SELECT source, event_id FROM ({select})").fetchall())


def test_the_day_table_agrees_with_the_reporting_calendar(bench: LakeBench) -> None:
    with bench.build() as connection:
        bench.update(connection)
        for edge in random_events.EDGES:
            for moment in (edge - random_events.MICRO, edge, edge + dt.timedelta(hours=-1)):
                ((jalali, gregorian),) = connection.execute(
                    """SELECT
                        CASE WHEN $t < turns_at THEN jalali_no_before ELSE jalali_no_after END,
                        CASE WHEN $t < turns_at THEN gregorian_no_before ELSE gregorian_no_after END
                    FROM dim_day WHERE utc_date = CAST($t AS DATE)""",
                    {"t": moment},
                ).fetchall()
                day = tehran_date(moment)
                assert reference.month_of_number("jalali", jalali) == month_of("jalali", day)
                assert reference.month_of_number("gregorian", gregorian) == month_of("gregorian", day)
        ((months,),) = connection.execute("SELECT COUNT(*) FROM dim_month").fetchall()
        assert months == sum(len(all_months(calendar)) for calendar in CALENDARS)


def test_scopes_have_names_parents_and_an_order(bench: LakeBench) -> None:
    bench.land("b1", random_events.world(3, 60).events)
    with bench.build() as connection:
        bench.update(connection)
        rows = connection.execute("SELECT scope_key, parent_key FROM dim_scope ORDER BY sort_order").fetchall()
        parents = dict(rows)
        assert rows[0] == ("national:IR", None)
        assert parents["district:kahak"] == "county:qom-county"
        assert parents["county:qom-county"] == "province:qom"
        assert parents["agency:water"] == "ministry:energy"
        assert set(parents.values()) <= {None, *parents}
        built = connection.execute("SELECT DISTINCT scope || ':' || scope_id FROM monthly_users_v1").fetchall()
        assert {key for (key,) in built} <= set(parents)
