"""Tables with keys of their own, and evaluations: published like the rest, and as carefully."""

from __future__ import annotations

import datetime as dt
import json
import re

from contracts.settings import Settings
from warehouse.publish import publish
from warehouse.published import manifest

CALENDAR = {"calendar": {"type": "VARCHAR"}, "month": {"type": "VARCHAR"}}
PEOPLE = {"type": "BIGINT", "status": True, "keys": True}
COUNT = {"type": "BIGINT", "status": True}
DAY = dt.date(2020, 4, 1)
JALALI_1399_01 = ("jalali", "1399-01", dt.date(2020, 3, 20))


def offer_inquiries(build, *online: int) -> None:
    columns = {
        **CALENDAR,
        "agency_id": {"type": "VARCHAR"},
        "counterpart_agency_id": {"type": "VARCHAR", "also": ["all"]},
        "online": COUNT,
        "paper": COUNT,
        "metric_version": {"type": "INTEGER"},
    }
    rows = [
        {"calendar": "jalali", "month": "1399-01", "agency_id": "tax", "counterpart_agency_id": other, "online": count}
        for other, count in zip(("all", "post"), online, strict=False)
    ]
    grain = ["calendar", "month", "agency_id", "counterpart_agency_id"]
    build.offer("questions", "metrics", grain, columns, [{**row, "metric_version": 1} for row in rows])


def test_a_metric_with_keys_of_its_own_has_states_vintages_and_restatements(settings, build, look):
    build.put("monthly_users", active_users=50)
    offer_inquiries(build, 4, 4)
    publish(settings)
    assert look("SELECT * EXCLUDE (completeness, completeness_status) FROM marts.questions ORDER BY ALL") == [
        (*JALALI_1399_01, "tax", other, headline, 4, "value", None, "not_provided", 1, "provisional", 1, None)
        for other, headline in (("all", True), ("post", False))
    ]
    offer_inquiries(build, 5, 4)
    publish(settings)
    assert look("SELECT counterpart_agency_id, online, vintage FROM marts.questions ORDER BY ALL") == [
        ("all", 5, 2),
        ("post", 4, 2),
    ]
    assert look("SELECT online, vintage FROM marts.questions_vintages ORDER BY ALL") == [(4, 1), (4, 1)]
    ((key, vintage, old, new),) = look("SELECT key, vintage, old_value, new_value FROM marts.restatements")
    assert json.loads(key) == {
        "calendar": "jalali",
        "month": "1399-01",
        "agency_id": "tax",
        "counterpart_agency_id": "all",
        "measure": "online",
    }
    assert (vintage, old, new) == (2, 4.0, 5.0)
    # Counts of inquiries are no counts of people.
    assert look("SELECT online FROM marts.questions ORDER BY ALL", "public") == [(4,), (5,)]
    assert look("SELECT count(*) FROM marts.restatements", "public") == [(1,)]


def test_a_table_without_scopes_misses_what_its_agency_misses(settings, build, look):
    build.put("monthly_users", active_users=50)
    offer_inquiries(build, 4)
    build.run(
        "INSERT INTO held_scopes VALUES ('jalali', '1399-01', 'agency', 'tax', 'tax'), "
        "('jalali', '1399-01', 'agency', 'post', 'post')"
    )
    publish(settings)
    assert look("SELECT state, held_agencies FROM marts.questions") == [("provisional", "tax")]


def offer_levels(build, *counts: int) -> None:
    columns = {
        "as_of": {"type": "DATE"},
        "scope": {"type": "VARCHAR"},
        "scope_id": {"type": "VARCHAR"},
        "full": {**COUNT, "label": {"fa": "تمام الکترونیک", "en": "Fully electronic"}},
        "none": COUNT,
        "observations": PEOPLE,
        "no_visit_share": {**PEOPLE, "type": "DOUBLE", "numerator": '"full"', "denominator": "observations"},
        "seen_at": {"type": "TIMESTAMPTZ"},
        "state": {"type": "VARCHAR"},
        "metric_version": {"type": "INTEGER"},
    }
    seen = dt.datetime(2020, 4, 1, 6, 30, tzinfo=dt.UTC)
    rows = [
        {"as_of": DAY + dt.timedelta(days=place), "scope": "national", "scope_id": "IR", "full": count, "state": "open"}
        | {"observations": count, "observations_keys": count, "seen_at": seen, "metric_version": 1}
        | {"no_visit_share": 0.5, "no_visit_share_keys": 100}
        for place, count in enumerate(counts)
    ]
    build.offer("levels", "evaluations", ["as_of", "scope", "scope_id"], columns, rows)


def test_an_evaluation_is_published_whole_without_states_or_vintages(settings: Settings, build, look):
    build.put("monthly_users", active_users=50)
    offer_levels(build, 20, 9)
    publish(settings)
    rows = "SELECT * FROM marts.levels ORDER BY as_of"
    seen = dt.datetime(2020, 4, 1, 6, 30)  # noqa: DTZ001 published instants are UTC without a zone
    first = (DAY, "national", "IR", "national:IR", 20, "value", None, "not_provided", 20, "value")
    first += (0.5, "value", seen, "open", 1)
    assert look(rows)[0] == first
    assert look(rows, "public")[0] == first
    withheld = "SELECT observations_status, no_visit_share_status, no_visit_share FROM marts.levels ORDER BY as_of"
    assert look(withheld, "public") == [("value", "value", 0.5), ("suppressed", "suppressed", None)]
    tables = {name for (name,) in look("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'")}
    assert "levels_vintages" not in tables
    names = {name for (name,) in look("SELECT column_name FROM duckdb_columns() WHERE schema_name = 'marts'")}
    assert not {name for name in names if name.endswith("_keys")}
    comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'levels' AND column_name = 'full'"
    assert look(comments) == [("Fully electronic / تمام الکترونیک",)]
    folder = settings.published / "public"
    assert (folder / "parquet" / "levels" / "v000001.parquet").exists()
    assert re.search(r'^as_of,.*,"?full"?,', (folder / "csv" / "levels.csv").read_text())


def test_an_evaluation_that_changes_is_a_new_version_and_no_new_vintage(settings, build, look):
    build.put("monthly_users", active_users=50)
    offer_levels(build, 20)
    assert publish(settings).version == 1
    assert publish(settings).version == 1
    offer_levels(build, 21)
    assert publish(settings).version == 2
    assert look("SELECT vintage FROM marts.month_states") == [(1,)]
    assert look('SELECT "full" FROM marts.levels') == [(21,)]
    assert publish(settings, rollback="v1").version == 3
    assert look('SELECT "full" FROM marts.levels') == [(20,)]
    found = manifest(settings, "analyst")
    assert found is not None
    assert found.version == 3
