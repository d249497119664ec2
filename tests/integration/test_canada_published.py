"""Real open data, from the file through the broker to the published tables, against a recount of the file."""

import csv
import os
import re
import subprocess
import sys
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import public_attacker
import pytest
from spark_builds import assert_both_engines_agree, needs_spark

from broker import local
from contracts.settings import Settings
from pipeline.steps import initialise
from warehouse.published import open_published

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
FILE = Path(__file__).parents[2] / "producers/data/canada-service-inventory-2023-2024.csv"
YEAR = "2023-04/2024-03"
# Written down once more on purpose: the recount shares nothing with the code but the file.
COLUMNS = {
    "portal": ["num_applications_online"],
    "service_desk": ["num_applications_in_person"],
    "phone": ["num_applications_by_phone"],
    "paper": ["num_applications_by_mail"],
    "other": ["num_applications_by_email", "num_applications_by_fax", "num_applications_by_other"],
}
CHANNELS = (*COLUMNS, "all")
SCALE = Fraction(1, 1000)


def told(cells):
    """A number, not provided or not applicable: the file's own three truths."""
    numbers = [int(cell) for cell in cells if cell not in ("NA", "ND")]
    return sum(numbers) if numbers else "not_provided" if "ND" in cells else "not_applicable"


@pytest.fixture(scope="module")
def departments():
    """Cells of each department and channel, as the file holds them."""
    cells = defaultdict(lambda: defaultdict(list))
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for channel, columns in COLUMNS.items():
                given = [row[column] for column in columns]
                cells[row["owner_org"].lower()][channel] += given
                cells[row["owner_org"].lower()]["all"] += given
    return cells


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("canada")
    return Settings.load({"MIZAN_HOME": str(home)}, folder=home)


@pytest.fixture(scope="module")
def published(settings):
    home = settings.home
    initialise(settings)
    try:
        local.up(settings)
        for call in (["import", "canada-service-inventory", "--as-events"], ["run"]):
            environment = os.environ | {"MIZAN_HOME": str(home)}
            subprocess.run([sys.executable, "-m", "console.main", *call], env=environment, check=True)
        with open_published(settings, "analyst") as connection:
            yield connection
    finally:
        local.down(settings)


@pytest.fixture(scope="module")
def cells(published):
    query = f"""
        SELECT scope_id, channel, declared, declared_status, completed, completed_status
        FROM marts.period_totals
        WHERE calendar = 'gregorian' AND period = '{YEAR}' AND scope = 'agency'
    """
    return {(agency, channel): rest for agency, channel, *rest in published.execute(query).fetchall()}


def test_every_departments_declared_year_is_what_the_file_adds_up_to(departments, cells):
    assert len(departments) == 41
    for agency, channels in departments.items():
        for channel in CHANNELS:
            value, status, _, _ = cells[agency, channel]
            assert (value if status == "value" else status) == told(channels[channel]), (agency, channel)
    assert {status for _, status, _, _ in cells.values()} == {"value", "not_provided", "not_applicable"}


def test_every_departments_events_are_the_file_scaled_and_its_channel_shares_follow(departments, cells):
    for agency, channels in departments.items():
        scaled = {}
        for channel in COLUMNS:
            total = told(channels[channel])
            scaled[channel] = 0 if isinstance(total, str) else round(total * SCALE)
        whole = sum(scaled.values())
        for channel, count in {**scaled, "all": whole}.items():
            _, _, completed, status = cells[agency, channel]
            if count:
                assert (completed, status) == (count, "value"), (agency, channel)
                assert Fraction(completed, cells[agency, "all"][2]) == Fraction(count, whole)
            else:
                # No event came: there is no zero to publish, only nothing said.
                assert status != "value" or completed == 0, (agency, channel)


def test_the_nation_is_the_sum_of_its_departments(departments, published):
    query = f"""
        SELECT channel, declared FROM marts.period_totals
        WHERE calendar = 'gregorian' AND period = '{YEAR}' AND scope_key = 'national:IR'
    """
    found = dict(published.execute(query).fetchall())
    for channel in CHANNELS:
        assert found[channel] == told([cell for one in departments.values() for cell in one[channel]])
    assert found["all"] == 97_572_888


def test_monthly_shares_of_the_year_add_up_to_one(published):
    query = """
        SELECT month, scope_key, sum(share) FROM marts.monthly_channel_share
        WHERE calendar = 'gregorian' AND channel <> 'all' AND share_status = 'value' GROUP BY ALL
    """
    rows = published.execute(query).fetchall()
    assert len({month for month, _, _ in rows}) == 12
    assert all(abs(total - 1) < 1e-9 for _, _, total in rows)


POINTS = (
    "os_account_registration",
    "os_authentication",
    "os_application",
    "os_decision",
    "os_issuance",
    "os_issue_resolution_feedback",
)


@pytest.fixture(scope="module")
def end_to_end(departments):
    """Services, and those electronic end to end, of each department, by the file's own rule."""
    counts = {agency: [0, 0] for agency in departments}
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            applicable = [row[point] for point in POINTS if row[point] != "NA"]
            counts[row["owner_org"].lower()][0] += 1
            counts[row["owner_org"].lower()][1] += bool(applicable) and all(point == "Y" for point in applicable)
    return counts


def test_every_departments_electronic_share_follows_the_files_rule(end_to_end, published):
    query = """
        SELECT scope_id, services, "full" + smart, electronic_share FROM marts.service_levels
        WHERE scope = 'agency' QUALIFY as_of = max(as_of) OVER (PARTITION BY scope_id)
    """
    found = {agency: rest for agency, *rest in published.execute(query).fetchall()}
    assert len(end_to_end) == 41
    for agency, (services, electronic) in end_to_end.items():
        assert found[agency][:2] == [services, electronic], agency
        assert found[agency][2] == pytest.approx(electronic / services, rel=1e-12), agency


def test_completeness_tells_how_many_of_the_applicable_services_gave_a_number(departments, published):
    query = f"""
        SELECT scope_id, channel, declared_provided, declared_applicable FROM marts.period_totals
        WHERE calendar = 'gregorian' AND period = '{YEAR}' AND scope = 'agency' AND channel IN ('portal', 'phone')
    """
    rows = published.execute(query).fetchall()
    assert {agency for agency, *_ in rows} == set(departments)
    for agency, channel, provided, applicable in rows:
        cells = departments[agency][channel]
        assert applicable == sum(cell != "NA" for cell in cells), (agency, channel)
        assert provided == sum(cell not in ("NA", "ND") for cell in cells), (agency, channel)


def test_not_provided_and_not_applicable_stay_apart_to_the_public_file(departments, published, settings):
    with (settings.published / "public" / "csv" / "period_totals.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["scope"] == "agency" and row["period"] == YEAR]
    found = {(row["scope_id"], row["channel"]): (row["declared"], row["declared_status"]) for row in rows}
    for agency, channels in departments.items():
        for channel in CHANNELS:
            wanted = told(channels[channel])
            expected = ("", wanted) if isinstance(wanted, str) else (str(wanted), "value")
            assert found[agency, channel] == expected, (agency, channel)


ON_THE_PAGE = {"not_provided": "Not provided", "not_applicable": "Not applicable"}
ROW = re.compile(r'<tr data-period="([^"]*)" data-channel="([^"]*)"[^>]*>(.*?)</tr>', re.DOTALL)


def test_not_provided_and_not_applicable_stay_apart_to_the_page(departments, published, settings):
    pages = settings.published / "public" / "report" / "en" / "agency"
    for agency, channels in departments.items():
        rows = {(period, channel): row for period, channel, row in ROW.findall((pages / f"{agency}.html").read_text())}
        for channel in CHANNELS:
            cells = [
                re.sub("<[^>]+>", "", one) for one in re.findall(r'<td class="n[^"]*">(.*?)</td>', rows[YEAR, channel])
            ]
            wanted = told(channels[channel])
            # Users, visits, completed, declared: the fourth is the department's own word.
            assert cells[3] == (ON_THE_PAGE[wanted] if isinstance(wanted, str) else f"{wanted:,}"), (agency, channel)


@pytest.mark.parametrize("quantity", ["visits", "completed"])
def test_no_withheld_number_follows_and_by_the_threshold_alone_some_would(published, settings, quantity):
    public_attacker.check(settings, quantity, k=10)


@needs_spark
def test_spark_builds_the_same_tables_of_it(published, settings, tmp_path):
    assert_both_engines_agree(settings, tmp_path)
