"""How much of what agencies say they sent is behind a row: beside every figure, and not provided where nobody said."""

from __future__ import annotations

from contracts.reporting_time import parse_month
from warehouse.publish import publish

ROWS = "SELECT scope, completeness, completeness_status FROM marts.{} ORDER BY ALL"


def test_a_row_says_how_complete_its_scope_is(settings, build, look):
    build.run("INSERT INTO dim_month (calendar, month, month_no) VALUES ('jalali', '1399-02', 16789)")
    build.run(
        "INSERT INTO scope_completeness VALUES ('jalali', 16788, 'national', 'IR', 95, 100, 2), "
        "('jalali', 16788, 'agency', 'tax', 9, 12, 1), ('jalali', 16788, 'agency', 'post', 0, 0, 1), "
        "('jalali', 16789, 'national', 'IR', 100, 100, 2)"
    )
    for scope, scope_id in (("national", "IR"), ("agency", "tax"), ("agency", "post"), ("province", "qom")):
        build.put("monthly_users", scope=scope, scope_id=scope_id, active_users=50)
    build.put("period_totals", "1399-Q1", active_users=50, days=93)
    build.put("period_totals", "1399", active_users=50, days=366)
    publish(settings)
    assert look(ROWS.format("monthly_users")) == [
        ("agency", 0.75, "value"),
        ("agency", None, "not_applicable"),
        ("national", 0.95, "value"),
        ("province", None, "not_provided"),
    ]
    # A period is as complete as its months together.
    assert look(ROWS.format("period_totals")) == [("national", 0.975, "value")] * 2
    # Nine events are too few to say how many they were.
    assert ("agency", None, "suppressed") in look(ROWS.format("monthly_users"), "public")
    assert ("national", 0.95, "value") in look(ROWS.format("monthly_users"), "public")


def test_a_late_control_total_is_a_new_version_and_no_new_vintage(settings, build, look):
    build.put("monthly_users", active_users=50)
    publish(settings)
    assert look(ROWS.format("monthly_users")) == [("national", None, "not_provided")]
    build.run("INSERT INTO scope_completeness VALUES ('jalali', 16788, 'national', 'IR', 100, 100, 1)")
    assert publish(settings).version == 2
    assert look(ROWS.format("monthly_users")) == [("national", 1.0, "value")]
    assert look("SELECT vintage FROM marts.monthly_users") == [(1,)]


def test_an_event_or_a_control_total_after_the_month_tells_of_it_and_a_heartbeat_does_not(settings, build, look):
    build.put("monthly_users", active_users=50)
    landed = "INSERT INTO fct_landed_days (agency_id, source, day, event_type, landed) VALUES "
    build.run(landed + "('tax', '/agencies/tax', '2020-04-20', 'ir.egov.agency.control_total.v1', 1)")
    build.run(landed + "('post', '/agencies/post', '2020-04-25', 'ir.egov.agency.heartbeat.v1', 1)")
    states = "SELECT state, expected, reported FROM marts.month_states"
    publish(settings, now=parse_month("1399-01").end)
    assert look(states) == [("open", 2, 1)]
    build.run(landed + "('post', '/agencies/post', '2020-04-20', 'ir.egov.visit.recorded.v1', 1)")
    publish(settings, now=parse_month("1399-01").end)
    assert look(states) == [("provisional", 2, 2)]
