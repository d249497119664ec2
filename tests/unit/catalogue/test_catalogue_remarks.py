"""A load says what will not count, though every row is right by itself."""

import datetime as dt

import pytest

from catalogue.load import load_tables
from catalogue.tables import create
from contracts.settings import Settings


@pytest.fixture
def settings(tmp_path):
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create(settings)
    return settings


AGENCIES = [
    {"agency_id": "water", "valid_from": dt.date(2020, 1, 1), "valid_to": dt.date(2020, 6, 30)},
    {"agency_id": "water", "valid_from": dt.date(2020, 7, 1), "valid_to": dt.date(2020, 12, 31)},
    {"agency_id": "water", "valid_from": dt.date(2022, 1, 1), "valid_to": None},
]


def service(first, last):
    return [{"service_id": "s1", "agency_id": "water", "valid_from": first, "valid_to": last}]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (dt.date(2020, 1, 1), dt.date(2020, 12, 31)),
        (dt.date(2022, 1, 1), None),
        (None, dt.date(2020, 3, 1)),
        (None, None),
    ],
)
def test_a_service_within_its_agencys_life_is_no_remark(settings, first, last):
    assert load_tables(settings, "t", {"agencies": AGENCIES, "services": service(first, last)}).remarks == []


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (dt.date(2019, 12, 31), dt.date(2020, 12, 31)),
        (dt.date(2020, 12, 1), dt.date(2022, 1, 31)),
        (dt.date(2021, 1, 1), dt.date(2021, 12, 31)),
    ],
)
def test_a_service_that_outlives_its_agency_is_named(settings, first, last):
    loaded = load_tables(settings, "t", {"agencies": AGENCIES, "services": service(first, last)})
    assert loaded.remarks == ["services valid on days on which their agency is not, which count nowhere then: s1"]


def test_a_mandate_that_nothing_measures_and_an_indicator_without_a_weight_are_named(settings):
    loaded = load_tables(
        settings,
        "t",
        {
            "agencies": AGENCIES,
            "mandates": [
                {"mandate_id": "m1", "scope": "national", "measure": "electronic_share"},
                {"mandate_id": "m2", "scope": "national", "measure": "happiness"},
            ],
            "frameworks": [
                {"framework_version": "v1", "indicator": "interactive", "weight": 0.5},
                {"framework_version": "v1", "indicator": "web_presence"},
            ],
            "assessments": [
                {"round": "1", "framework_version": "v1", "agency_id": "water", "indicator": name, "score": 10.0}
                for name in ("interactive", "web_presence")
            ],
        },
    )
    about_mandates, about_weights = loaded.remarks
    assert "happiness; measured are electronic_share, " in about_mandates
    assert about_weights.endswith("so no score follows: v1 web_presence")
