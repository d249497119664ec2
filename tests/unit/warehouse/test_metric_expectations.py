"""The built tables are judged before they are published: every rule can fail, and a good build passes."""

from __future__ import annotations

import pytest

from contracts.errors import GateClosed, UsageError
from expectations import metrics


@pytest.fixture
def good(build):
    for month in ("1399-01", "1399-02"):
        for channel, users, share in (("all", 30, 1.0), ("portal", 20, 0.75), ("paper", 15, 0.25)):
            build.put("monthly_users", month, channel, active_users=users, new_users=1, registered_users=40)
            build.put("monthly_visits", month, channel, visits=users)
            build.put("monthly_transactions", month, channel, received=9, completed=8, accepted=8, reject_rate=0.0)
            cell = {"transactions": 8 * share, "total_transactions": 8, "share": share, "users_share": 0.5}
            build.put("monthly_channel_share", month, channel, **cell)
    build.put("period_totals", "1399-Q1", active_users=30, days=93)
    return build


def test_a_good_build_passes(settings, good):
    assert metrics.check_metrics(settings) == []


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
        ("every_row_has_its_total", "monthly_users", "SET scope_id = 'XX' WHERE channel = 'paper'"),
    ],
)
def test_a_broken_rule_stops_publishing_and_names_table_and_rows(settings, good, rule, table, change):
    good.run(f"UPDATE {table}_v1 {change}")
    with pytest.raises(GateClosed, match=rf"{table}: \d+ rows? break {rule} \((jalali|gregorian)/1399-") as closed:
        metrics.check_metrics(settings)
    assert closed.value.exit_code == 3


def test_a_held_agency_nobody_knows_is_a_warning(settings, good):
    good.run("INSERT INTO held_scopes VALUES ('jalali', '1399-01', 'national', 'IR', 'nobody')")
    (warning,) = metrics.check_metrics(settings)
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
        metrics.check_metrics(settings)


def test_without_a_build_there_is_nothing_to_judge(settings):
    with pytest.raises(UsageError):
        metrics.check_metrics(settings)
