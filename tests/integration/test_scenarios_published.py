"""The scenarios' known figures, from events through the broker to the published tables."""

import os
import subprocess
import sys

import pytest

from broker import local
from contracts.settings import Settings
from pipeline.steps import initialise
from warehouse.published import open_published

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
SCALE = "0.0001"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    home = tmp_path_factory.mktemp("scenarios")
    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    initialise(settings)
    environment = os.environ | {"MIZAN_HOME": str(home)}
    try:
        local.up(settings)
        for call in (
            ["simulate", "qom-1399-h1", "--scale", SCALE],
            ["simulate", "national-window-1402", "--scale", SCALE],
            ["run"],
        ):
            subprocess.run([sys.executable, "-m", "console.main", *call], env=environment, check=True)
        with open_published(settings, "analyst") as connection:
            yield connection
    finally:
        local.down(settings)


def test_qom_completes_twenty_three_million_in_six_jalali_months(published):
    query = """
        SELECT sum(completed), count(*) FROM marts.monthly_transactions
        WHERE calendar = 'jalali' AND scope_key = 'province:qom' AND channel = 'all'
        AND month BETWEEN '1399-01' AND '1399-06'
    """
    assert published.execute(query).fetchone() == (2_300, 6)
    half = """
        SELECT completed, days FROM marts.period_totals
        WHERE period = '1399-H1' AND scope_key = 'province:qom' AND channel = 'all'
    """
    assert published.execute(half).fetchall() == [(2_300, 186)]


def test_qom_has_fifty_four_agencies_and_six_hundred_and_fifty_one_services(published):
    agencies = "SELECT count(DISTINCT agency_id) FROM marts.dim_agency WHERE agency_id LIKE 'qom-%'"
    services = "SELECT count(DISTINCT service_id) FROM marts.dim_service WHERE service_id LIKE 'qom-%'"
    assert published.execute(agencies).fetchone() == (54,)
    assert published.execute(services).fetchone() == (651,)


def test_the_window_has_thirty_five_million_users_ever_and_thirteen_in_farvardin(published):
    query = """
        SELECT month, registered_users FROM marts.monthly_users
        WHERE calendar = 'jalali' AND scope_key = 'national:IR' AND channel = 'national_window'
        AND month IN ('1402-01', '1402-06') ORDER BY month
    """
    assert published.execute(query).fetchall() == [("1402-01", 1_300), ("1402-06", 3_500)]


def test_the_window_has_eighty_million_visits_a_month_and_its_agencies_do_not_add_up(published):
    query = """
        SELECT avg(visits) FROM marts.monthly_visits
        WHERE calendar = 'jalali' AND scope_key = 'national:IR' AND channel = 'national_window' AND month >= '1402-01'
    """
    assert published.execute(query).fetchone() == (8_000.0,)
    parts = """
        SELECT sum(visits) / 6 FROM marts.monthly_visits
        WHERE calendar = 'jalali' AND scope = 'agency' AND channel = 'national_window' AND month >= '1402-01'
    """
    assert published.execute(parts).fetchone()[0] > 8_000
