"""Vintages and restatements: a month that changes says so, and keeps what stood there before."""

from __future__ import annotations

import datetime as dt
import json

from contracts.reporting_time import day_start, parse_month
from warehouse.lake import Lake
from warehouse.publish import publish

FARVARDIN_END = parse_month("1399-01").end
STATES = "SELECT month, state, vintage, expected, reported FROM marts.month_states ORDER BY ALL"


def test_a_month_that_changes_in_any_table_is_a_new_vintage_in_all(settings, build, look):
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", "1399-02", active_users=55)
    build.put("monthly_transactions", completed=70, received=80)
    publish(settings)
    build.put("monthly_transactions", completed=71, received=80)
    publish(settings)
    assert look("SELECT month, vintage FROM marts.monthly_users ORDER BY ALL") == [("1399-01", 2), ("1399-02", 1)]
    assert look("SELECT completed, vintage FROM marts.monthly_transactions") == [(71, 2)]
    assert look("SELECT completed, vintage FROM marts.monthly_transactions_vintages") == [(70, 1)]
    # Complete rows of the superseded vintage, in every monthly table.
    assert look("SELECT month, active_users, vintage FROM marts.monthly_users_vintages") == [("1399-01", 50, 1)]
    columns = "table_name, key, vintage, old_value, new_value, reason, published_version"
    (row,) = look(f"SELECT {columns} FROM marts.restatements")
    assert row[0] == "monthly_transactions"
    assert json.loads(row[1]) == {
        "calendar": "jalali",
        "month": "1399-01",
        "scope": "national",
        "scope_id": "IR",
        "channel": "all",
        "measure": "completed",
    }
    assert row[2:] == (2, 70.0, 71.0, "late_events", 2)
    build.put("monthly_transactions", completed=72, received=80)
    publish(settings)
    assert look("SELECT completed, vintage FROM marts.monthly_transactions_vintages ORDER BY ALL") == [(70, 1), (71, 2)]
    assert look("SELECT count(*) FROM marts.restatements") == [(2,)]


def test_rows_that_come_and_go_are_changes_too(settings, build, look):
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", channel="portal", active_users=30)
    publish(settings)
    build.run("DELETE FROM monthly_users_v1 WHERE channel = 'portal'")
    publish(settings)
    assert look("SELECT channel, vintage FROM marts.monthly_users") == [("all", 2)]
    assert look("SELECT old_value, old_status, new_value, new_status FROM marts.restatements WHERE old_value > 0") == [
        (30.0, "value", None, None)
    ]
    build.run("DELETE FROM monthly_users_v1")
    publish(settings)
    assert look("SELECT count(*) FROM marts.monthly_users") == [(0,)]
    assert look(STATES) == [("1399-01", "provisional", 3, 0, 0)]
    build.put("monthly_users", active_users=50)
    publish(settings)
    assert look("SELECT vintage FROM marts.monthly_users") == [(4,)]


def test_a_value_that_becomes_a_zero_or_unknown_is_restated(settings, build, look):
    build.put("monthly_transactions", completed=0, declared=5)
    publish(settings)
    build.put("monthly_transactions", completed=0, declared=None)
    publish(settings)
    assert look("SELECT old_value, old_status, new_value, new_status FROM marts.restatements") == [
        (5.0, "value", None, "not_provided")
    ]


def test_periods_have_vintages_of_their_own(settings, build, look):
    build.put("period_totals", "1399-Q1", active_users=500, days=93)
    build.put("period_totals", "1399-01/1399-05", declared=23_000_000, days=155)
    publish(settings)
    build.put("period_totals", "1399-Q1", active_users=501, days=93)
    publish(settings)
    assert look("SELECT period, vintage, state FROM marts.period_totals ORDER BY ALL") == [
        ("1399-01/1399-05", 1, "provisional"),
        ("1399-Q1", 2, "provisional"),
    ]
    assert look("SELECT period, active_users FROM marts.period_totals_vintages") == [("1399-Q1", 500)]
    assert look("SELECT count(*) FROM marts.restatements") == [(1,)]


def test_an_open_month_changes_without_restatements(settings, build, look):
    now = FARVARDIN_END - dt.timedelta(days=3)
    build.put("monthly_users", active_users=50)
    publish(settings, now=now)
    assert look(STATES) == [("1399-01", "open", 1, 2, 0)]
    for users in range(51, 60):
        build.put("monthly_users", active_users=users)
        publish(settings, now=now)
    assert look("SELECT count(*) FROM marts.restatements") == [(0,)]
    assert look("SELECT vintage FROM marts.monthly_users") == [(10,)]
    # An open month may change every minute: only its last five vintages are kept.
    assert look("SELECT vintage FROM marts.monthly_users_vintages ORDER BY ALL") == [(5,), (6,), (7,), (8,), (9,)]


def test_a_month_is_provisional_thirty_days_on_or_when_all_expected_reported_later(settings, build, look):
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", scope="agency", scope_id="tax", active_users=50)
    build.put("monthly_users", scope="agency", scope_id="post", active_users=20)
    publish(settings, now=FARVARDIN_END)
    assert look(STATES) == [("1399-01", "open", 1, 2, 0)]
    build.put("monthly_users", "1399-02", scope="agency", scope_id="tax", active_users=50)
    publish(settings, now=FARVARDIN_END)
    assert look(STATES)[0] == ("1399-01", "open", 1, 2, 1)
    build.put("monthly_users", "1399-02", scope="agency", scope_id="post", active_users=50)
    publish(settings, now=FARVARDIN_END)
    assert look(STATES) == [("1399-01", "provisional", 1, 2, 2), ("1399-02", "open", 2, 2, 0)]
    publish(settings, now=parse_month("1399-02").end + dt.timedelta(days=30))
    assert look(STATES)[1][1] == "provisional"


def test_rows_that_miss_a_held_batch_say_whose_and_its_release_is_the_reason(settings, build, look):
    now = FARVARDIN_END - dt.timedelta(days=3)
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", scope="province", scope_id="qom", active_users=20)
    build.put("period_totals", "1399-H1", active_users=50)
    build.run(
        "INSERT INTO held_scopes VALUES ('jalali', '1399-01', 'national', 'IR', 'tax'), "
        "('jalali', '1399-01', 'national', 'IR', 'post'), ('jalali', '1399-07', 'national', 'IR', 'mint')"
    )
    publish(settings, now=now)
    rows = "SELECT scope, state, held_agencies FROM marts.monthly_users ORDER BY ALL"
    assert look(rows) == [("national", "provisional", "post,tax"), ("province", "open", None)]
    assert look("SELECT state, held_agencies FROM marts.period_totals") == [("provisional", "post,tax")]
    assert look("SELECT state FROM marts.month_states") == [("open",)]
    later = FARVARDIN_END + dt.timedelta(days=31)
    publish(settings, now=later)
    build.run("DELETE FROM held_scopes")
    build.put("monthly_users", active_users=60)
    publish(settings, now=later)
    assert look("SELECT old_value, new_value, reason FROM marts.restatements") == [(50.0, 60.0, "release")]
    assert look("SELECT DISTINCT held_agencies FROM marts.monthly_users") == [(None,)]


def test_a_run_of_retractions_alone_is_the_reason(settings, build, look):
    lake = Lake(settings)
    lake.create()
    event = {
        "event_id": "e1",
        "source": "/agencies/tax",
        "agency_id": "tax",
        "event_type": "ir.egov.visit.recorded.v1",
        "occurred_at": day_start(dt.date(2020, 4, 1)),
        "landed_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "batch_id": "b1",
    }
    lake.append("events", [event])
    build.put("monthly_users", active_users=50)
    publish(settings)
    retraction = {"event_id": "r1", "event_type": "ir.egov.event.retracted.v1"}
    lake.append("events", [{**event, **retraction, "landed_at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)}])
    build.put("monthly_users", active_users=49)
    publish(settings)
    assert look("SELECT reason FROM marts.restatements") == [("retraction",)]
    assert dict(look("SELECT key, value FROM marts._meta"))["lake.events"] == "2"
