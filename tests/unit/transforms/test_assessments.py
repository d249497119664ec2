"""The national evaluation's tables equal an independent oracle, however the scores arrive."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import evaluation_oracle
import pytest
from evaluation_oracle import INDICATORS, Row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_bench import LakeBench
from random_events import Catalogue

from catalogue.load import load_tables
from catalogue.tables import create
from contracts.errors import UsageError
from contracts.reporting_time import tehran_date
from pipeline.evaluation import evaluate_round, rounds_to_evaluate
from transforms import evaluation, refresh
from transforms.model import models
from warehouse.connection import Connection

WORLDS = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SAID_AT = dt.datetime(2018, 4, 1, tzinfo=dt.UTC)
SCORED, RETRACTED = "ir.egov.assessment.scored.v1", "ir.egov.event.retracted.v1"
ENDS = {"r1": dt.date(2016, 12, 20), "r2": dt.date(2017, 9, 22), "r3": dt.date(2018, 3, 20), "undated": None}


def frameworks(rng: random.Random) -> list[Row]:
    """Two frameworks: indicators and weights at random, a weight now and then not told."""
    return [
        {
            "framework_version": version,
            "indicator": indicator,
            "weight": rng.choice((1.0, 2.0, 0.5, 3.0, 0.0) if version == "v1" or rng.random() < 0.9 else (None,)),
            "announced_on": rng.choice((dt.date(2016, 1, 1), dt.date(2017, 1, 1), None)),
        }
        for version in ("v1", "v2")
        for indicator in rng.sample(INDICATORS, rng.randint(1, 3))
    ]


def scores(rng: random.Random, weights: Sequence[Row]) -> list[Row]:
    """Scores of a few agencies in a few rounds, most of them whole."""
    found = []
    for name, ended in ENDS.items():
        for agency in rng.sample(("tax", "customs", "post", "pasteur"), rng.randint(1, 4)):
            scope = rng.choice(("full", "full", "full", "web_presence_only", None))
            version = rng.choice(("v1", "v1", "v1", "v2", None))
            asked = [row["indicator"] for row in weights if row["framework_version"] == version]
            method = rng.choice(("desk", "desk", "desk", "field", None))
            for indicator in asked or ["web_presence"]:
                if rng.random() < 0.93:
                    found.append(
                        {
                            "round": name,
                            "framework_version": version,
                            "agency_id": agency,
                            "indicator": indicator,
                            "method": method,
                            "score": rng.choice((0.0, 10.0, 12.5, 40.0, 97.0, None)),
                            "scope": scope,
                            "assessed_to": ended,
                            "release_on": None,
                            "assessed_from": None,
                        }
                    )
    return found


def as_event(number: int, row: Row) -> dict[str, Any]:
    """A score as the lake holds it."""
    return {
        "event_id": f"a-{number}",
        "source": "/evaluators/it-council",
        "agency_id": "evaluator",
        "event_type": SCORED,
        "occurred_at": row["occurred_at"],
        "assessed_agency_id": row["agency_id"],
        "assessment_method": row["method"],
        "assessment_scope": row["scope"],
        **{
            name: row[name]
            for name in ("round", "framework_version", "indicator", "score", "assessed_to", "release_on")
        },
    }


def retraction(number: int, of: int) -> dict[str, Any]:
    return {
        "event_id": f"r-{number}",
        "source": "/evaluators/it-council",
        "agency_id": "evaluator",
        "event_type": RETRACTED,
        "occurred_at": SAID_AT,
        "retracted_event_id": f"a-{of}",
        "retraction_reason": "sent_in_error",
    }


def rows_of(connection: Connection, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    model = models("evaluations")[name]
    result = connection.sql(f'SELECT * FROM "{model.table}"')
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for values in result.fetchall():
        row = dict(zip(result.columns, values, strict=True))
        key = tuple(row[column] for column in model.grain)
        assert key not in found, f"{name} has two rows {key}"
        found[key] = {column: row[column] for column in ("scope_flag", "previous_round") if column in row}
        for measure in model.measures:
            value, status = row[measure.name], row[f"{measure.name}_status"]
            assert (value is not None) == (status == "value"), (key, measure.name, value, status)
            found[key][measure.name] = value if status == "value" else status
    return found


def assert_same(found: Mapping[tuple[Any, ...], Row], wanted: Mapping[tuple[Any, ...], Row]) -> None:
    assert sorted(found) == sorted(wanted)
    for key, row in found.items():
        for column, value in row.items():
            expected = wanted[key][column]
            if isinstance(expected, Fraction):
                expected = pytest.approx(float(expected), rel=1e-12, abs=1e-9)
            assert value == expected, (key, column, value, expected)


@WORLDS
@given(seed=st.integers(0, 2**32))
def test_scores_of_file_and_stream_give_the_oracles_tables_in_any_order_and_batches(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    weights = frameworks(rng)
    files = {tuple(row[name] for name in MODEL_KEY): row for row in scores(rng, weights)}
    said = [row | {"occurred_at": SAID_AT + dt.timedelta(hours=rng.randint(0, 3))} for row in scores(rng, weights)]
    events = [as_event(number, row) for number, row in enumerate(said)]
    taken_back = set(rng.sample(range(len(events)), len(events) // 4))
    held = set(rng.sample(range(len(events)), len(events) // 5))
    events += [retraction(number, of) for number, of in enumerate(sorted(taken_back))]
    catalogue = Catalogue(frameworks=weights, assessments=list(files.values()))
    bench = LakeBench(tmp_path_factory.mktemp("rounds"), catalogue)
    batches: list[list[dict[str, Any]]] = [[], [], []]
    aside = [event for number, event in enumerate(events) if number in held]
    for event in rng.sample(events, len(events)):
        if event not in aside:
            batches[rng.randrange(3)].append(event)
    counted = [
        row | {"event_id": f"a-{number}", "source": "/evaluators/it-council"}
        for number, row in enumerate(said)
        if number not in taken_back and number not in held
    ]
    with bench.build() as connection:
        if aside:
            bench.land("held", aside, "passed")
        for number, batch in enumerate(batches):
            if batch:
                bench.land(f"b{number}", batch)
            bench.update(connection)
        # What the gate held first and an operator then holds again leaves every table.
        if aside:
            bench.judge("held", ["evaluator"], "held")
        bench.update(connection)
        in_force = evaluation_oracle.in_force(files.values(), counted)
        ranked = evaluation_oracle.ranking(in_force, weights)
        assert_same(rows_of(connection, "agency_ranking"), ranked)
        assert_same(rows_of(connection, "evaluation_rounds"), evaluation_oracle.rounds(ranked, in_force))
        increments = refresh.content_hash(connection)
        for table in ("fct_assessment_events", "fct_assessments", "fct_retractions", "ops_counted"):
            connection.execute(f"DELETE FROM {table}")
        bench.update(connection)
        assert refresh.content_hash(connection) == increments


MODEL_KEY = models("facts")["fct_assessments"].grain


def test_a_later_word_replaces_an_earlier_one_and_the_stream_goes_before_the_file(bench: LakeBench) -> None:
    row: dict[str, Any] = {
        "round": "r1",
        "framework_version": "v1",
        "agency_id": "tax",
        "indicator": "web_presence",
        "method": "desk",
        "score": 10.0,
        "scope": "full",
        "assessed_to": ENDS["r1"],
        "release_on": None,
    }
    bench.catalogue = Catalogue(assessments=[row])
    later = {"score": 30.0, "occurred_at": SAID_AT + dt.timedelta(hours=1)}
    query = "SELECT score, is_streamed FROM fct_assessments"
    with bench.build() as connection:
        bench.update(connection)
        assert connection.execute(query).fetchall() == [(10.0, False)]
        bench.land("b1", [as_event(1, row | {"score": 20.0, "occurred_at": SAID_AT}), as_event(2, row | later)])
        bench.update(connection)
        assert connection.execute(query).fetchall() == [(30.0, True)]
        bench.land("b2", [retraction(1, 2)])
        bench.update(connection)
        assert connection.execute(query).fetchall() == [(20.0, True)]
        bench.land("b3", [retraction(2, 1)])
        bench.update(connection)
        assert connection.execute(query).fetchall() == [(10.0, False)]


def test_scores_count_in_no_monthly_table(bench: LakeBench) -> None:
    row = dict.fromkeys(("framework_version", "method", "score", "scope", "assessed_to", "release_on"))
    scored = row | {"round": "r1", "agency_id": "tax", "indicator": "web_presence", "occurred_at": SAID_AT}
    bench.land("b1", [as_event(1, scored)])
    with bench.build() as connection:
        assert bench.update(connection) == []
        assert connection.execute("SELECT COUNT(*) FROM fct_activity").fetchall() == [(0,)]
        assert connection.execute("SELECT COUNT(*) FROM agency_status_v1").fetchall() == [(0,)]


def test_a_round_evaluated_alone_is_as_if_everything_were(bench: LakeBench) -> None:
    create(bench.settings)
    weight = {"framework_version": "v1", "indicator": "web_presence", "weight": 1.0}
    load_tables(bench.settings, "test", {"frameworks": [weight], "agencies": [{"agency_id": "tax"}]})
    first, second = (
        {"framework_version": "v1", "agency_id": "tax", "indicator": "web_presence", "method": "desk", "scope": "full"}
        | {"round": name, "score": score, "assessed_to": ENDS[name], "release_on": None, "occurred_at": SAID_AT}
        for name, score in (("r1", 20.0), ("r2", 30.0))
    )
    bench.land("b1", [as_event(1, first), as_event(2, second)])
    assert rounds_to_evaluate(None, bench.settings) == ["r1", "r2"]
    assert [evaluate_round(name, bench.settings) for name in ("r2", "r1")] == [1, 1]
    assert rounds_to_evaluate(None, bench.settings) == []
    # A later word on the first round changes the growth in the second.
    bench.land("b2", [as_event(3, first | {"score": 10.0, "occurred_at": SAID_AT + dt.timedelta(days=1)})])
    # It is told also where somebody else computed the tables meanwhile.
    refresh.update(bench.settings)
    assert rounds_to_evaluate(None, bench.settings) == ["r1", "r2"]
    assert rounds_to_evaluate("r2", bench.settings) == ["r2"]
    for name in ("r1", "r2"):
        evaluate_round(name, bench.settings)
    with bench.build() as connection:
        alone = refresh.content_hash(connection)
        ratios = connection.execute("SELECT ratio FROM evaluation_rounds_v1 WHERE round = 'r2'").fetchall()
        assert ratios == [(3.0,), (3.0,)]
        evaluation.refresh(connection, tehran_date(dt.datetime.now(dt.UTC)))
        assert refresh.content_hash(connection) == alone
    for step in (rounds_to_evaluate, evaluate_round):
        with pytest.raises(UsageError, match="no such round: r9"):
            step("r9", bench.settings)
