"""How published numbers hang together is read from the contracts: an attacker who knows it finds what follows."""

from __future__ import annotations

import datetime as dt

import pytest

from disclosure.attack import attack
from disclosure.complement import by_rows, complement
from warehouse import shaping
from warehouse.connection import build_connection
from warehouse.metric_tables import metric_tables
from warehouse.public_cells import flagged, problem

NOW = dt.datetime(2020, 12, 1, tzinfo=dt.UTC)
NATION = ("national", "IR")
NAMED = "SELECT concat_ws(' ', quantity, scope_id, channel, starts_on) FROM public_cells WHERE cell = $cell"


@pytest.fixture
def world(settings, build):
    """A problem of the build as it stands, and what the attacker infers of it, by names."""

    def look(defence=None):
        with build_connection(settings) as connection:
            connection.execute("SET preserve_insertion_order = true")
            tables = metric_tables(connection)
            shaping.shape(connection, tables, settings, NOW)
            asked = problem(connection, tables, flagged(connection, tables, 10), 10)
            shown = asked.shown if defence is None else defence(asked)
            assert asked.relations.hold(asked.numbers)
            found = [
                one for sums in asked.sums for one in attack(sums, asked.numbers, shown, asked.need, exact=True).exposed
            ]
            return {
                name: (round(one.low), round(one.high))
                for one in found
                for ((name,),) in [connection.execute(NAMED, {"cell": one.cell}).fetchall()]
            }

    return look


def put(build, month, scope, channel, completed):
    kind, name = scope
    build.put("monthly_transactions", month, channel, scope=kind, scope_id=name, completed=completed, keys=completed)


def after(asked):
    return asked.shown & ~complement(asked).complementary


def test_a_channel_follows_from_all_channels_and_the_others(build, world):
    for channel, completed in (("all", 36), ("portal", 30), ("paper", 6)):
        put(build, "1399-01", NATION, channel, completed)
    assert world() == {"completed IR paper 2020-03-20": (6, 6)}
    assert world(by_rows) == world(after) == {}


def test_an_agency_follows_from_the_nation_and_the_others(build, world):
    build.run(
        "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key) VALUES "
        "('national', 'IR', 'national:IR', NULL), ('agency', 'tax', 'agency:tax', 'national:IR'), "
        "('agency', 'post', 'agency:post', 'national:IR')"
    )
    for scope, completed in ((NATION, 47), (("agency", "tax"), 40), (("agency", "post"), 7)):
        for channel in ("all", "portal"):
            put(build, "1399-01", scope, channel, completed)
    assert set(world()) == {"completed post all 2020-03-20", "completed post portal 2020-03-20"}
    assert world(after) == {}


def test_a_month_follows_from_its_quarter_and_the_other_months(build, world):
    for month, completed in (("1399-01", 50), ("1399-02", 5), ("1399-03", 60)):
        put(build, month, NATION, "all", completed)
    build.put("period_totals", "1399-Q1", completed=115, keys=115)
    assert world() == {"completed IR all 2020-04-20": (5, 5)}
    assert world(after) == {}


def test_a_new_user_follows_from_two_running_totals(build, world):
    for month, new, registered in (("1399-01", 91, 91), ("1399-02", 9, 100)):
        build.put("monthly_users", month, active_users=95, new_users=new, registered_users=registered)
        build.run(
            "UPDATE monthly_users_v1 SET new_users_keys = new_users, registered_users_keys = registered_users, "
            "active_users_keys = active_users"
        )
    assert world() == {"new_users IR all 2020-04-20": (9, 9)}
    assert world(after) == {}


def test_the_other_calendar_gives_a_month_away(build, world):
    put(build, "1399-01", NATION, "all", 16)
    put(build, "1399-02", NATION, "all", 40)
    for month, completed in (("2020-03", 2), ("2020-04", 42), ("2020-05", 12)):
        build.run(
            "INSERT INTO monthly_transactions_v1 SELECT * REPLACE ('gregorian' AS calendar, $month AS month, "
            "$completed::BIGINT AS completed, $completed::BIGINT AS completed_keys) FROM monthly_transactions_v1 "
            "WHERE calendar = 'jalali' AND month = '1399-02'",
            {"month": month, "completed": completed},
        )
    # All 56 less April and May leave two for March.
    assert world() == {"completed IR all 2020-03-01": (2, 2)}
    assert world(after) == {}
