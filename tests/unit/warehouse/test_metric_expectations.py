"""The built tables are judged before they are published: every rule can fail, and a good build passes."""

from __future__ import annotations

import pytest

from contracts.errors import GateClosed, UsageError
from expectations.metrics import check_metrics
from warehouse.connection import build_connection


@pytest.fixture
def good(build):
    for month in ("1399-01", "1399-02"):
        for channel, users, share in (("all", 30, 1.0), ("portal", 20, 0.75), ("paper", 15, 0.25)):
            build.put("monthly_users", month, channel, active_users=users, new_users=1, registered_users=40)
            build.put("monthly_visits", month, channel, visits=users)
            build.put("monthly_transactions", month, channel, received=9, completed=8, accepted=8, reject_rate=0.0)
            cell = {"transactions": 8 * share, "total_transactions": 8, "share": share, "users_share": 0.5}
            build.put("monthly_channel_share", month, channel, **cell)
        take_up = {"digital": 6, "digital_or_assisted": 7, "digital_take_up": 0.75, "digital_take_up_assisted": 0.875}
        build.put("monthly_digital_take_up", month, completed=8, **take_up)
        for reason, share in (("no_access", 0.75), ("other", 0.25)):
            named = {"reason": reason, "reported_by": "citizen", "rank": 1 + (share < 0.5)}
            build.put("reasons_in_person", month, transactions=8 * share, total_transactions=8, share=share, **named)
        build.run(
            "INSERT INTO inquiries_v1 BY NAME SELECT 'jalali' AS calendar, $month AS month, 'tax' AS agency_id, "
            "'all' AS counterpart_agency_id, 3 AS online, 'value' AS online_status, NULL AS paper, "
            "'not_provided' AS paper_status, NULL AS online_share, 'not_provided' AS online_share_status",
            {"month": month},
        )
    build.put("period_totals", "1399-Q1", active_users=30, days=93)
    return build


def checked(settings):
    with build_connection(settings) as connection:
        return check_metrics(connection, settings)


def test_a_good_build_passes(settings, good):
    assert checked(settings) == []


@pytest.mark.parametrize(
    ("rule", "table", "change"),
    [
        ("shares_sum_to_one", "monthly_channel_share", "SET share = 0.2500001 WHERE channel = 'paper'"),
        ("shares_between_zero_and_one", "monthly_channel_share", "SET users_share = 1.01 WHERE channel = 'paper'"),
        ("parts_within_total", "monthly_channel_share", "SET transactions = 9 WHERE channel = 'paper'"),
        ("accepted_within_completed", "monthly_transactions", "SET accepted = 9 WHERE channel = 'all'"),
        ("rates_between_zero_and_one", "monthly_transactions", "SET reject_rate = 1.5"),
        ("registered_never_fall", "monthly_users", "SET registered_users = 39 WHERE month = '1399-02'"),
        ("new_within_active", "monthly_users", "SET new_users = 21 WHERE channel = 'portal'"),
        ("channels_within_all", "monthly_users", "SET active_users = 31 WHERE channel = 'portal'"),
        ("codes_known", "monthly_visits", "SET channel = 'pigeon' WHERE channel = 'paper'"),
        ("numbers_not_negative", "period_totals", "SET active_users = -1"),
        ("number_or_reason", "monthly_visits", "SET visits = NULL WHERE channel = 'paper'"),
        ("months_without_holes", "monthly_visits", "SET month = '1399-03' WHERE month = '1399-02'"),
        ("rows_are_unique", "monthly_users", "SET month = '1399-01'"),
        ("reasons_sum_to_one", "reasons_in_person", "SET share = 0.26 WHERE reason = 'other'"),
        ("reasons_known", "reasons_in_person", "SET reason = 'rain' WHERE reason = 'other'"),
        ("take_up_in_order", "monthly_digital_take_up", "SET digital = 8"),
        (
            "online_share_of_what_was_told",
            "inquiries",
            "SET online_share = 1, online_share_status = 'value' WHERE month = '1399-02'",
        ),
        (
            "declared_as_much_as_was_told",
            "monthly_transactions",
            "SET declared_provided = 2, declared_provided_status = 'value', declared_applicable = 1, "
            "declared_applicable_status = 'value', declared = 5, declared_status = 'value'",
        ),
        ("every_row_has_its_total", "monthly_users", "SET scope_id = 'XX' WHERE channel = 'paper'"),
    ],
)
def test_a_broken_rule_stops_publishing_and_names_table_and_rows(settings, good, rule, table, change):
    good.run(f"UPDATE {table}_v1 {change}")
    with pytest.raises(GateClosed, match=rf"{table}: \d+ rows? break {rule} \((jalali|gregorian)/1399-") as closed:
        checked(settings)
    assert closed.value.exit_code == 3


def test_a_held_agency_nobody_knows_is_a_warning(settings, good):
    good.run("INSERT INTO held_scopes VALUES ('jalali', '1399-01', 'national', 'IR', 'nobody')")
    (warning,) = checked(settings)
    assert (warning.table, warning.rule, warning.severity, warning.rows) == (
        "held_scopes",
        "held_agencies_known",
        "warning",
        1,
    )


def test_a_judge_that_dies_stops_publishing(settings, good, monkeypatch, tmp_path):
    (tmp_path / "great_expectations.py").write_text("raise ImportError('broken install')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(GateClosed, match="not judged"):
        checked(settings)


def test_without_a_build_there_is_nothing_to_judge(settings):
    with pytest.raises(UsageError):
        checked(settings)
