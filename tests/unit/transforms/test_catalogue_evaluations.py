"""The evaluations of the catalogue equal an independent oracle, over random catalogues."""

from __future__ import annotations

import datetime as dt
from typing import Any

import catalogue_oracle
import pytest
import random_catalogues
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_bench import TODAY, LakeBench

from contracts.vocabularies import codes
from transforms.model import models
from warehouse.connection import Connection

WORLDS = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def rows_of(connection: Connection, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """An evaluation's rows by their grain: a number, or the word of its status."""
    model = models("evaluations")[name]
    result = connection.sql(f'SELECT * FROM "{model.table}"')
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for values in result.fetchall():
        row = dict(zip(result.columns, values, strict=True))
        key = tuple(row[column] for column in model.grain)
        assert key not in found, f"{name} has two rows {key}"
        found[key] = {"expected": row["expected"]} if "expected" in row else {}
        for measure in model.measures:
            value, status = row[measure.name], row[f"{measure.name}_status"]
            assert (value is not None) == (status == "value"), (key, measure.name, value, status)
            found[key][measure.name] = value if status == "value" else status
    return found


def assert_same(found: dict[tuple[Any, ...], dict[str, Any]], wanted: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    assert sorted(found) == sorted(wanted)
    for key, row in wanted.items():
        for column, value in row.items():
            same = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert found[key][column] == same, (key, column, found[key][column], value)


@WORLDS
@given(seed=st.integers(0, 2**32), services=st.integers(0, 14))
def test_a_random_catalogue_gives_the_oracles_tables(
    tmp_path_factory: pytest.TempPathFactory, seed: int, services: int
) -> None:
    catalogue = random_catalogues.catalogue(seed, services)
    bench = LakeBench(tmp_path_factory.mktemp("world"), catalogue)
    with bench.build() as connection:
        bench.update(connection)
        assert_same(rows_of(connection, "service_levels"), catalogue_oracle.service_levels(catalogue, TODAY))
        assert_same(rows_of(connection, "offering_shares"), catalogue_oracle.offering_shares(catalogue, TODAY))
        assert_same(rows_of(connection, "service_shares"), catalogue_oracle.service_shares(catalogue, TODAY))
        assert_same(rows_of(connection, "district_services"), catalogue_oracle.district_services(catalogue, TODAY))


@WORLDS
@given(seed=st.integers(0, 2**32))
def test_every_mandate_stands_on_every_day_as_its_definition_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    catalogue = random_catalogues.catalogue(seed, 8)
    catalogue.mandates = random_catalogues.mandates(seed)
    around = {day + dt.timedelta(days=offset) for day in random_catalogues.DAYS for offset in (-1, 0, 1, 30)}
    probes = sorted(day for day in around if day <= TODAY)
    bench = LakeBench(tmp_path_factory.mktemp("world"), catalogue)
    with bench.build() as connection:
        bench.update(connection)
        rows = connection.execute(
            """SELECT mandate_id, scope_id, p.day, ARG_MAX(compliance, as_of)
            FROM mandate_compliance_v1 JOIN (SELECT UNNEST($probes) AS day) AS p ON as_of <= p.day GROUP BY ALL""",
            {"probes": probes},
        ).fetchall()
        rows_of(connection, "mandate_compliance")  # its key is one
    found = {(mandate, scope_id, day): standing for mandate, scope_id, day, standing in rows}
    assert found == catalogue_oracle.compliance(catalogue, TODAY, probes)


def test_every_measure_that_a_mandate_may_name_is_measured() -> None:
    queries = "".join(models("evaluations")[name].query for name in ("mandated_measures", "mandate_compliance"))
    assert [code for code in codes("mandated_measure") if f"'{code}'" not in queries] == []


def test_the_six_levels_add_up_to_the_services_and_the_shares_lie_in_order(bench: LakeBench) -> None:
    bench.catalogue = random_catalogues.catalogue(7, 200)
    with bench.build() as connection:
        bench.update(connection)
        rows = rows_of(connection, "service_levels")
    assert len(rows) > 40
    for row in rows.values():
        assert sum(row[level] for level in catalogue_oracle.LEVELS) == row["services"]
        if row["services"]:
            assert row["electronic_share"] == row["share_lower"] <= row["share_upper"]
            known = row["share_of_known"]
            assert known == "not_applicable" or row["share_lower"] <= known <= row["share_upper"]


def test_every_channel_of_the_closed_list_has_a_row(bench: LakeBench) -> None:
    bench.catalogue = random_catalogues.catalogue(7, 20)
    with bench.build() as connection:
        bench.update(connection)
        keys = rows_of(connection, "offering_shares")
    assert {channel for *_, channel in keys} == {*codes("channel"), "all"}


def test_nothing_of_the_future_is_published(bench: LakeBench) -> None:
    bench.catalogue = random_catalogues.catalogue(7, 60)
    with bench.build() as connection:
        bench.update(connection)
        for model in models("evaluations").values():
            if "as_of" in model.grain:
                ((latest,),) = connection.execute(f'SELECT MAX(as_of) FROM "{model.table}"').fetchall()
                assert latest is None or latest <= TODAY, model.name
        assert dt.date(2031, 1, 1) in {row["valid_from"] for row in bench.catalogue.services}
