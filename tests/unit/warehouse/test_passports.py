"""Every published figure with a number has a passport, made of the tier's own rows."""

import datetime as dt
import json

import pytest

from warehouse.publish import publish

NOW = dt.datetime(2020, 6, 1, tzinfo=dt.UTC)
ASKED = "SELECT {} FROM marts.figure_passports WHERE table_name = '{}' AND measure = '{}'"


@pytest.fixture
def agencies(build):
    """Three agencies of Qom, one of which nobody says of whether it was asked; one of Yazd, asked and silent."""
    for agency, place, asked in (
        ("tax", "qom", True),
        ("post", "qom", True),
        ("road", "qom", None),
        ("gas", "yazd", True),
    ):
        build.run(
            "INSERT INTO dim_agency_history (agency_id, province, expected_to_report, valid_from, valid_before) "
            "VALUES ($agency, $place, $asked, '0001-01-01', '9999-12-31')",
            {"agency": agency, "place": place, "asked": asked},
        )
        for scope, scope_id in (("agency", agency), ("province", place)):
            build.run(
                "INSERT INTO dim_agency_scope VALUES ($agency, $scope, $scope_id, '0001-01-01', '9999-12-31')",
                {"agency": agency, "scope": scope, "scope_id": scope_id},
            )
    build.run(
        "INSERT INTO fct_activity (jalali_no, gregorian_no, channel, province, agency_id, service_id, events) "
        "VALUES (16788, 24242, 'portal', 'qom', 'tax', 'passport', 40), (16788, 24242, 'paper', 'qom', 'tax', NULL, 2)"
    )
    return build


def test_a_count_is_its_own_numerator_and_a_ratio_has_both_parts(agencies, settings, look):
    agencies.put("monthly_transactions", completed=200, reject_rate=0.05, duration_p50=86.5)
    agencies.put("monthly_visits", visits=300, visits_per_active_user=2.5)
    agencies.put("monthly_users", active_users=120)
    publish(settings, now=NOW)
    parts = "numerator, denominator, vintage, metric_version"
    assert look(ASKED.format(parts, "monthly_transactions", "completed")) == [(200.0, None, 1, 1)]
    assert look(ASKED.format(parts, "monthly_transactions", "reject_rate")) == [(10.0, 200.0, 1, 1)]
    assert look(ASKED.format(parts, "monthly_transactions", "duration_p50")) == [(None, None, 1, 1)]
    assert look(ASKED.format(parts, "monthly_visits", "visits_per_active_user")) == [(300.0, 120.0, 1, 1)]


def test_every_published_number_has_one_passport_and_nothing_else_has(agencies, settings, look):
    agencies.put("monthly_transactions", completed=200, received=250)
    agencies.put("monthly_transactions", channel="portal", completed=3, received=250, keys=3)
    agencies.put("monthly_transactions", channel="paper", completed=197)
    publish(settings, now=NOW)
    wanted = {"analyst": 5, "public": 0}
    for tier in wanted:
        ((numbers,),) = look(
            "SELECT sum((completed_status = 'value')::INT + (received_status = 'value')::INT) "
            "FROM marts.monthly_transactions",
            tier,
        )
        ((passports,),) = look("SELECT count(*) FROM marts.figure_passports", tier)
        assert passports == numbers
    assert look("SELECT count(DISTINCT (table_name, measure, key)) FROM marts.figure_passports") == [(5,)]
    assert look(ASKED.format("count(*)", "monthly_transactions", "completed"), "public") == [(1,)]


def test_coverage_is_not_provided_where_nobody_said_who_was_asked(agencies, settings, look):
    for scope, scope_id in (("province", "qom"), ("province", "yazd"), ("agency", "tax")):
        agencies.put("monthly_transactions", scope=scope, scope_id=scope_id, completed=20)
    publish(settings, now=NOW)
    found = look(
        "SELECT json_extract_string(key, 'scope_id'), population, coverage, coverage_status "
        "FROM marts.figure_passports WHERE measure = 'completed' ORDER BY ALL"
    )
    assert found == [("qom", None, None, "not_provided"), ("tax", 1, 1.0, "value"), ("yazd", 1, 0.0, "value")]


def test_a_declared_total_says_nothing_of_coverage(agencies, settings, look):
    agencies.put("monthly_transactions", scope="agency", scope_id="tax", completed=20, declared=25)
    publish(settings, now=NOW)
    assert look(ASKED.format("coverage_status", "monthly_transactions", "declared")) == [("not_applicable",)]


def test_inputs_name_window_and_events_and_the_public_sees_no_events(agencies, settings, look):
    agencies.put("monthly_transactions", scope="province", scope_id="qom", completed=20)
    publish(settings, now=NOW)
    asked = ASKED.format("inputs", "monthly_transactions", "completed")
    ((analyst,),), ((public,),) = look(asked), look(asked, "public")
    assert json.loads(analyst) == {
        "lake": {},
        "window": ["2020-03-20", "2020-04-20"],
        "events": 42,
        "agencies": 1,
    }
    assert json.loads(public) == {"lake": {}, "window": ["2020-03-20", "2020-04-20"]}


def test_a_share_of_users_who_are_withheld_has_no_passport(agencies, settings, look):
    agencies.put("monthly_channel_share", transactions=400, total_transactions=400, share=1.0, users_share=0.4)
    agencies.put("monthly_users", active_users=7, keys=7)
    publish(settings, now=NOW)
    asked = ASKED.format("numerator, denominator", "monthly_channel_share", "users_share")
    assert look(asked) == [(7.0, 7.0)]
    assert look(asked, "public") == []


def test_definitions_travel_with_the_numbers(agencies, settings, look):
    agencies.put("monthly_transactions", completed=200)
    publish(settings, now=NOW)
    ((contract, query),) = look(
        "SELECT contract, query FROM marts.metric_definitions WHERE table_name = 'monthly_transactions'", "public"
    )
    assert json.loads(contract)["grain"] == ["calendar", "month", "scope", "scope_id", "channel"]
    assert query.startswith("-- ")


def test_a_rolled_back_version_keeps_the_passports_it_had(agencies, settings, look):
    agencies.put("monthly_transactions", completed=200)
    publish(settings, now=NOW)
    agencies.put("monthly_transactions", completed=300)
    publish(settings, now=NOW)
    publish(settings, rollback="v1", now=NOW)
    assert look(ASKED.format("numerator, vintage", "monthly_transactions", "completed")) == [(200.0, 3)]
