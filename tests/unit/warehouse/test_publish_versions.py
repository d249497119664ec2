"""Versions of the published tiers: when there is a new one, what it holds, who may read it."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from contracts.errors import UsageError
from contracts.settings import Settings
from transforms.model import models
from warehouse.connection import build_connection
from warehouse.publish import publish
from warehouse.published import manifest, monthly_table, open_published

METRICS = ("monthly_users", "monthly_visits", "monthly_transactions", "monthly_channel_share", "period_totals")


def test_without_a_build_there_is_nothing_to_publish(settings):
    with pytest.raises(UsageError, match="no metric tables"):
        publish(settings)


def test_nothing_changed_means_no_new_version(settings, build):
    build.put("monthly_users", active_users=50)
    first = publish(settings)
    again = publish(settings)
    assert (first.version, first.is_new, again.version, again.is_new) == (1, True, 1, False)
    assert publish(settings, force=True).version == 2
    build.put("monthly_users", active_users=51)
    assert publish(settings).version == 3


def test_a_version_has_every_table_and_the_common_columns(settings, build, look):
    for table, cell in zip(
        METRICS,
        ({"active_users": 50}, {"visits": 90}, {"completed": 40}, {"transactions": 40, "share": 1.0}, {"days": 93}),
        strict=True,
    ):
        build.put(table, "1399-Q1" if table == "period_totals" else "1399-01", **cell)
    publish(settings)
    tables = {row[0] for row in look("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'")}
    assert tables == {
        *models("metrics"),
        *(f"{name}_vintages" for name in models("metrics")),
        *models("evaluations"),
        "dim_agency",
        "dim_service",
        "dim_place",
        "dim_month",
        "dim_scope",
        "dim_mandate",
        "dim_framework",
        "dim_agency_ministry",
        "dim_district_county",
        "figure_passports",
        "metric_definitions",
        "month_states",
        "restatements",
        "accepted_losses",
        "_meta",
    }
    assert look("SELECT count(*) FROM duckdb_views() WHERE schema_name = 'marts'") == [(0,)]
    for table in METRICS:
        row = look(f"SELECT scope_key, is_headline, metric_version, state, vintage, held_agencies FROM marts.{table}")
        assert row == [("national:IR", True, 1, "provisional", 1, None)], table
    names = {row[0] for row in look("SELECT column_name FROM duckdb_columns() WHERE schema_name = 'marts'")}
    assert not {name for name in names if name.endswith("_keys")}
    meta = dict(look("SELECT key, value FROM marts._meta"))
    assert (meta["version"], meta["tier"], meta["calendar_default"]) == ("1", "analyst", "jalali")


def test_files_are_read_only_checked_and_pointed_to(settings, build):
    build.put("monthly_users", active_users=50)
    published = publish(settings)
    for tier, mode in (("analyst", 0o440), ("public", 0o444)):
        folder = settings.published / tier
        pointer = json.loads((folder / "CURRENT.json").read_text())
        assert pointer["version"] == 1
        assert set(pointer) >= {"version", "as_of", "lake", "checksums"}
        assert stat.S_IMODE((folder / "CURRENT.json").stat().st_mode) == 0o444
        assert "v000001.duckdb" in pointer["checksums"]
        for name, digest in pointer["checksums"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
            assert stat.S_IMODE((folder / name).stat().st_mode) == mode
        assert (folder / "current.duckdb").samefile(folder / "v000001.duckdb")
        assert (folder / "parquet" / "monthly_users" / "v000001.parquet").exists()
        assert not (stat.S_IMODE(folder.stat().st_mode) & 0o022)
    assert published.analyst == settings.published / "analyst" / "v000001.duckdb"
    assert not (settings.published / ".work").exists() or not list((settings.published / ".work").iterdir())


def test_old_versions_are_kept_a_day_and_five_at_least(settings, build):
    for users in range(50, 58):
        build.put("monthly_users", active_users=users)
        publish(settings)
    folder = settings.published / "analyst"
    assert len(list(folder.glob("v*.duckdb"))) == 8
    publish(settings, force=True, now=dt.datetime.now(dt.UTC) + dt.timedelta(hours=25))
    assert [path.name for path in sorted(folder.glob("v*.duckdb"))] == [f"v00000{n}.duckdb" for n in range(5, 10)]
    assert [path.name for path in sorted(folder.glob("parquet/monthly_users/*"))] == [
        f"v00000{n}.parquet" for n in range(5, 10)
    ]
    found = manifest(settings, "analyst")
    assert found is not None
    assert found.versions == [5, 6, 7, 8, 9]


def test_a_rollback_is_a_new_version_and_lasts_until_the_build_changes(settings, build, look):
    now = "SELECT active_users, vintage FROM marts.monthly_users"
    build.put("monthly_users", active_users=50)
    publish(settings)
    build.put("monthly_users", active_users=60)
    publish(settings)
    assert publish(settings, rollback="v1").version == 3
    assert look(now) == [(50, 3)]
    assert look("SELECT old_value, new_value, reason, vintage FROM marts.restatements ORDER BY vintage") == [
        (50, 60, "late_events", 2),
        (60, 50, "correction", 3),
    ]
    assert publish(settings).version == 3
    build.put("monthly_users", active_users=61)
    assert publish(settings).version == 4
    assert look(now) == [(61, 4)]
    with pytest.raises(UsageError, match="v9 is not kept"):
        publish(settings, rollback="v9")
    with pytest.raises(UsageError, match="not a version"):
        publish(settings, rollback="latest")


def test_csv_is_quoted_and_no_cell_is_a_formula(settings, build):
    build.put("monthly_users", active_users=50)
    publish(settings)
    folder = settings.published / "public"
    text = (folder / "csv" / "dim_agency.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["agency_id"]: row["name_en"] for row in rows} == {"tax": "'=cmd()", "post": "'@post"}
    assert '"مالیات"' in text
    package = json.loads((folder / "datapackage.json").read_text())
    for resource in package["resources"]:
        data = (folder / resource["path"]).read_bytes()
        assert (resource["bytes"], resource["hash"]) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        if resource["format"] == "parquet":
            continue
        header = next(csv.reader(data.decode().splitlines()))
        assert header == [field["name"] for field in resource["schema"]["fields"]]


def test_the_downloads_are_a_data_package_whose_every_row_is_of_its_schema(settings, build):
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", channel="portal", active_users=40, keys=2)
    publish(settings)
    public = settings.published / "public"
    assert validated(public) == []
    users = public / "csv" / "monthly_users.csv"
    users.chmod(0o644)
    users.write_text(users.read_text().replace(",50,", ",many,"))
    assert {"hash-count", "byte-count", "type-error"} == set(validated(public, "--resource-name", "monthly-users"))


def validated(public: Path, *only: str) -> list[str]:
    """What frictionless, which knows the standard, finds wrong with the published data package."""
    call = [sys.executable, "-m", "frictionless", "validate", "--json", *only, "datapackage.json"]
    done = subprocess.run(call, cwd=public, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["stats"]["tasks"] >= (1 if only else 80), done.stderr
    errors = [*report["errors"], *(error for task in report["tasks"] for error in task["errors"])]
    # It counts no bytes of a Parquet file; those and its hash are held against the package above.
    return [error["type"] for error in errors if 'actual is "None"' not in error["message"]]


def test_duckdb_1_reads_what_duckdb_2_published(settings, build, old_duckdb: Path):
    build.put("monthly_users", active_users=50)
    publish(settings)
    program = (
        "import sys, duckdb\n"
        "assert duckdb.__version__.startswith('1.')\n"
        "for path in sys.argv[1:]:\n"
        "    con = duckdb.connect(path, read_only=True)\n"
        "    names = con.execute('SELECT schema_name, table_name FROM duckdb_tables()').fetchall()\n"
        "    assert len(names) > 15\n"
        "    for schema, name in names:\n"
        "        con.execute(f'SELECT * FROM {schema}.{name}').fetchall()\n"
        "    print(con.execute('SELECT active_users FROM marts.monthly_users').fetchall())\n"
    )
    files = [str(settings.published / tier / "current.duckdb") for tier in ("analyst", "public")]
    done = subprocess.run([old_duckdb, "-c", program, *files], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["[(50,)]", "[(50,)]"], done.stderr


def test_the_demo_table_has_one_row_per_month_and_channel(settings, build):
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", channel="portal", active_users=40)
    build.put("monthly_transactions", completed=70)
    with pytest.raises(UsageError, match="nothing is published"):
        monthly_table(settings)
    publish(settings)
    shown = [
        (row["month"], row["month_fa"], row["channel"], row["active_users"], row["completed"])
        for row in monthly_table(settings)
    ]
    assert shown == [("1399-01", "فروردین", "all", 50, 70), ("1399-01", "فروردین", "portal", 40, None)]


def test_readers_in_the_same_process_hold_no_publisher_up(settings: Settings, build):
    build.put("monthly_users", active_users=50)
    publish(settings)
    with open_published(settings) as before:
        build.put("monthly_users", active_users=60)
        publish(settings)
        assert before.execute("SELECT active_users FROM marts.monthly_users").fetchall() == [(50,)]
        with open_published(settings) as after:
            assert after.execute("SELECT active_users FROM marts.monthly_users").fetchall() == [(60,)]
    with build_connection(settings, wait_seconds=1) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


FORBIDDEN = (
    "COPY (SELECT 1) TO '{other}'",
    "EXPORT DATABASE '{other}'",
    "ATTACH '{other}' AS mine",
    "SELECT * FROM read_text('{key}')",
    "SELECT * FROM read_parquet('{other}')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "SET TimeZone = 'Asia/Tehran'",
    "CREATE TABLE marts.mine AS SELECT 1",
    "DELETE FROM marts.monthly_users",
)


def test_a_version_may_be_opened_twice_at_once_and_both_tell_times_in_utc(settings, build):
    build.put("monthly_users", active_users=50)
    publish(settings)
    with open_published(settings) as first, open_published(settings) as second:
        for connection in (first, second):
            assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
            with pytest.raises(duckdb.Error, match="locked"):
                connection.execute("SET TimeZone = 'Asia/Tehran'")


def test_a_version_opened_to_be_read_reaches_no_other_file_and_cannot_be_changed(settings, build, tmp_path):
    build.put("monthly_users", active_users=50)
    publish(settings)
    other = tmp_path / "other.file"
    with open_published(settings) as connection:
        for words in FORBIDDEN:
            asked = words.format(other=other, key=settings.platform_key_file)
            with pytest.raises(duckdb.Error, match=r"disabled (by|through) configuration|been locked|read-only mode"):
                connection.execute(asked)
        assert connection.execute("SELECT active_users FROM marts.monthly_users").fetchone() == (50,)
    assert not other.exists()
