"""The public tier withholds what rests on too few people, in every table and every file."""

from __future__ import annotations

import duckdb
import pytest

from contracts.settings import Settings
from warehouse.publish import publish

CELLS = "SELECT channel, active_users, active_users_status FROM marts.monthly_users ORDER BY channel"


def test_a_cell_of_fewer_than_ten_persons_is_withheld(settings, build, look):
    build.put("monthly_users", channel="all", active_users=30, new_users=9, registered_users=100, keys=30)
    build.run("UPDATE monthly_users_v1 SET new_users_keys = 9, registered_users_keys = 100")
    build.put("monthly_users", channel="paper", active_users=9, keys=9)
    build.put("monthly_users", channel="phone", active_users=10, keys=10)
    build.put("monthly_users", channel="portal", active_users=0, keys=0)
    publish(settings)
    assert look(CELLS, "public") == [
        ("all", 30, "value"),
        ("paper", None, "suppressed"),
        ("phone", 10, "value"),
        ("portal", None, "suppressed"),
    ]
    # A running total beside its only month would give that month away.
    others = "SELECT new_users_status, registered_users FROM marts.monthly_users WHERE channel = 'all'"
    assert look(others, "public") == [("suppressed", None)]
    assert look(CELLS) == [
        ("all", 30, "value"),
        ("paper", 9, "value"),
        ("phone", 10, "value"),
        ("portal", 0, "value"),
    ]


def test_the_threshold_is_a_setting(settings, build, look, tmp_path):
    build.put("monthly_users", active_users=12, keys=12)
    publish(settings)
    assert look("SELECT active_users_status FROM marts.monthly_users", "public") == [("value",)]
    stricter = Settings.load({"MIZAN_HOME": str(settings.home), "MIZAN_MIN_CELL": "13"}, folder=tmp_path)
    assert publish(stricter).is_new
    assert look("SELECT active_users_status FROM marts.monthly_users", "public") == [("suppressed",)]


def test_declared_figures_are_not_people(settings, build, look):
    build.put("monthly_transactions", declared=3, completed=3, keys=3)
    publish(settings)
    assert look("SELECT declared, completed FROM marts.monthly_transactions", "public") == [(3, None)]


def test_a_channel_the_service_does_not_have_is_a_zero_that_is_shown(settings, build, look):
    for service in ("passport", "open"):
        for channel in ("portal", "phone"):
            build.put("monthly_users", scope="service", scope_id=service, channel=channel, active_users=0, keys=0)
    # Somebody used a channel that the catalogue does not know of: that is a person, not a structural zero.
    build.put("monthly_users", "1399-02", scope="service", scope_id="passport", channel="phone", active_users=1, keys=1)
    publish(settings)
    found = look("SELECT scope_id, channel, month, active_users FROM marts.monthly_users ORDER BY ALL", "public")
    assert found == [
        ("open", "phone", "1399-01", None),
        ("open", "portal", "1399-01", None),
        ("passport", "phone", "1399-01", 0),
        ("passport", "phone", "1399-02", None),
        ("passport", "portal", "1399-01", None),
    ]


def test_a_total_repeated_in_such_a_channel_is_no_structural_zero(settings, build, look):
    cell = {"transactions": 0, "total_transactions": 0}
    build.put("monthly_channel_share", channel="phone", scope="service", scope_id="passport", keys=0, **cell)
    publish(settings)
    shares = "SELECT transactions, total_transactions, share_status FROM marts.monthly_channel_share"
    assert look(shares, "public") == [(0, None, "suppressed")]


def test_what_is_computed_from_a_withheld_number_is_withheld_with_it(settings, build, look):
    build.put("monthly_channel_share", channel="paper", transactions=4, total_transactions=40, share=0.1)
    build.put("monthly_channel_share", channel="portal", transactions=36, total_transactions=40, share=0.9)
    build.run("UPDATE monthly_channel_share_v1 SET transactions_keys = 4 WHERE channel = 'paper'")
    # Another month: two numbers for one thing are no table.
    build.put("monthly_transactions", "1399-02", completed=9, reject_rate=0.5, duration_p50=60.0, duration_p90=90.0)
    build.run("UPDATE monthly_transactions_v1 SET completed_keys = 9")
    build.put("monthly_visits", visits=100, visits_per_active_user=12.5)
    build.put("monthly_users", active_users=8, keys=8)
    publish(settings)
    shares = "SELECT transactions, total_transactions, share, share_status FROM marts.monthly_channel_share"
    shares += " WHERE channel = 'paper'"
    assert look(shares, "public") == [(None, 40, None, "suppressed")]
    assert look(
        "SELECT reject_rate_status, duration_p50_status, duration_p90 FROM marts.monthly_transactions", "public"
    ) == [("suppressed", "suppressed", None)]
    assert look("SELECT visits, visits_per_active_user_status FROM marts.monthly_visits", "public") == [
        (100, "suppressed")
    ]


def test_nothing_to_divide_by_is_withheld_where_it_tells_a_withheld_zero(settings, build, look):
    build.put("monthly_channel_share", transactions=0, total_transactions=0, keys=0)
    nothing = "'not_applicable'"
    build.run(f"UPDATE monthly_channel_share_v1 SET share_status = {nothing}, users_share_status = {nothing}")
    publish(settings)
    assert look("SELECT share_status, users_share_status FROM marts.monthly_channel_share", "public") == [
        ("suppressed", "suppressed")
    ]


def test_vintages_and_restatements_withhold_what_the_cell_withholds(settings, build, look):
    build.put("monthly_users", active_users=9, keys=9)
    publish(settings)
    build.put("monthly_users", active_users=11, keys=11)
    publish(settings)
    build.put("monthly_users", active_users=12, keys=12)
    publish(settings)
    restated = "SELECT vintage, old_value, old_status, new_value, new_status FROM marts.restatements ORDER BY vintage"
    assert look(restated) == [(2, 9, "value", 11, "value"), (3, 11, "value", 12, "value")]
    # The twelfth person came alone: that is told when ten have come since eleven were told.
    assert look(restated, "public") == [(2, None, "suppressed", 11, "value")]
    vintages = "SELECT vintage, active_users FROM marts.monthly_users{} ORDER BY ALL"
    assert look(vintages.format("_vintages"), "public") == [(1, None)]
    assert look(vintages.format(""), "public") == [(2, 11)]


def insert(build, table: str, **row: object) -> None:
    build.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f'${name}' for name in row)})", row)


def test_counts_of_an_agencys_day_are_withheld_and_its_rates_only_where_they_tell_them(settings, build, look):
    build.put("monthly_users", active_users=50)
    for day, landed in (("2020-04-01", 9), ("2020-04-02", 90)):
        row = {"landed": landed, "control_total": 100, "landed_of_total": landed, "completeness": landed / 100}
        row |= {"rejected": 1, "arrived": landed + 1, "failure_rate": 1 / (landed + 1)}
        statuses = {f"{name}_status": "value" for name in row}
        insert(build, "agency_status_v1", agency_id="tax", day=day, connection_state="connected", **row, **statuses)
    silent = {"landed_status": "not_provided", "completeness_status": "not_provided"}
    insert(build, "agency_status_v1", agency_id="tax", day="2020-04-03", connection_state="connected", **silent)
    publish(settings)
    rows = (
        "SELECT landed, landed_status, arrived, completeness, completeness_status FROM marts.agency_status ORDER BY day"
    )
    assert look(rows, "public") == [
        (None, "suppressed", None, None, "suppressed"),
        (None, "suppressed", None, 0.9, "value"),
        (None, "not_provided", None, None, "not_provided"),
    ]
    assert look("SELECT landed, control_total, rejected FROM marts.agency_status ORDER BY day")[0] == (9, 100, 1)


def test_what_agencies_say_themselves_is_shown_beside_what_few_citizens_say(settings, build, look):
    build.put("monthly_users", active_users=50)
    cell = {"transactions": 3, "total_transactions": 6, "share": 0.5, "rank": 1}
    build.put("reasons_in_person", reason="no_access", reported_by="citizen", keys=3, **cell)
    build.put("reasons_in_person", reason="no_access", reported_by="agency", **cell)
    build.run(
        "UPDATE reasons_in_person_v1 SET transactions_keys = NULL, total_transactions_keys = NULL, "
        "share_keys = NULL, rank_keys = NULL WHERE reported_by = 'agency'"
    )
    publish(settings)
    rows = "SELECT reported_by, transactions, share_status, rank FROM marts.reasons_in_person ORDER BY ALL"
    assert look(rows, "public") == [("agency", 3, "value", 1), ("citizen", None, "suppressed", None)]


def test_a_finding_that_tells_a_withheld_number_is_withheld(settings, build, look):
    build.put("monthly_users", active_users=50)
    key = {"calendar": "jalali", "period": "1399-01", "scope": "agency", "scope_id": "tax"}
    # Two channels are withheld and hide each other.
    for channel, keys in (("all", 30), ("paper", 3), ("portal", 27)):
        number = keys
        numbers = {"declared": number, "completed": number, "difference": 0, "ratio": 1.0}
        inner = {f"{name}_keys": keys for name in ("completed", "difference", "ratio")}
        statuses = {f"{name}_status": "value" for name in numbers}
        insert(
            build,
            "declared_against_landed_v1",
            **key,
            channel=channel,
            finding="matches",
            **numbers,
            **inner,
            **statuses,
        )
    publish(settings)
    columns = "channel, declared, completed, difference, ratio, finding"
    assert look(f"SELECT {columns} FROM marts.declared_against_landed ORDER BY channel", "public") == [
        ("all", 30, 30, 0, 1.0, "matches"),
        ("paper", 3, None, None, None, None),
        ("portal", 27, None, None, None, None),
    ]


@pytest.mark.parametrize("number", [7])
def test_no_public_file_holds_a_withheld_number(settings, build, number):
    users = {"active_users": number, "new_users": number, "registered_users": number}
    build.put("monthly_users", channel="paper", keys=number, **users)
    build.put("monthly_visits", channel="paper", visits=number * 11, keys=number)
    publish(settings)
    folder = settings.published / "public"
    files = [path for path in folder.rglob("*") if path.suffix in {".csv", ".parquet"} and path.is_file()]
    assert len(files) > 10
    for path in files:
        rows = duckdb.sql(f"SELECT * FROM '{path}'").fetchall()
        assert not any(value in (number, number * 11) for row in rows for value in row if isinstance(value, int)), path
