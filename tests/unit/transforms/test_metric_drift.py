"""The parts of a change add up to it, in every random world, and each part is what a recount of the events gives."""

from __future__ import annotations

import pytest
import random_events
from lake_bench import LakeBench


@pytest.mark.parametrize("seed", [3, 8])
def test_the_parts_of_every_change_add_up_exactly(tmp_path, seed: int) -> None:
    world = random_events.world(seed, 600)
    bench = LakeBench(tmp_path, world.catalogue)
    bench.land("all", world.events)
    with bench.build() as connection:
        bench.update(connection)
        ((rows, wrong, coverage),) = connection.execute("""
            SELECT
                count(*),
                count(*) FILTER (
                    change <> real_change + definition_change + coverage_change + catalogue_change
                    OR change <> completed - completed_before
                ),
                count(*) FILTER (coverage_change <> 0)
            FROM metric_drift_v1
        """).fetchall()
        assert rows > 30
        assert wrong == 0
        assert coverage > 0
        # A row for every month of nation, provinces and ministries but their first.
        ((expected,),) = connection.execute("""
            SELECT count(*) - count(DISTINCT (calendar, scope, scope_id)) FROM monthly_transactions_v1
            WHERE channel = 'all' AND completed_status = 'value' AND scope IN ('national', 'province', 'ministry')
        """).fetchall()
        assert rows == expected
        # Who was heard in one of the two months alone, counted straight from the facts.
        found = connection.execute("""
            SELECT month, coverage_change FROM metric_drift_v1
            WHERE calendar = 'gregorian' AND scope = 'national' ORDER BY month
        """).fetchall()
        recount = connection.execute("""
            WITH heard AS (SELECT DISTINCT gregorian_no AS month_no, agency_id FROM fct_activity),
            done AS (
                SELECT gregorian_no AS month_no, agency_id, count(*) AS completed FROM fct_transactions
                WHERE kind = 'completed' GROUP BY ALL
            )
            SELECT m.month, coalesce(sum(d.completed) FILTER (d.month_no = m.month_no), 0)
                - coalesce(sum(d.completed) FILTER (d.month_no = m.month_no - 1), 0)
            FROM dim_month AS m
            LEFT JOIN done AS d ON d.month_no IN (m.month_no, m.month_no - 1) AND (
                SELECT count(*) FROM heard AS h
                WHERE h.agency_id = d.agency_id AND h.month_no IN (m.month_no, m.month_no - 1)
            ) = 1
            WHERE m.calendar = 'gregorian' AND m.month IN (
                SELECT month FROM metric_drift_v1 WHERE calendar = 'gregorian' AND scope = 'national'
            )
            GROUP BY ALL ORDER BY m.month
        """).fetchall()
        assert found == recount
