"""The national evaluation's figures, counted from the scores by plain Python."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter, defaultdict
from functools import cache
from statistics import fmean
from typing import Any

import pytest

from contracts.event import Event, Known, Record, parse
from contracts.reporting_time import month_of, tehran_date
from contracts.settings import EVALUATOR
from producers.scenarios import national_evaluation_1397 as evaluation

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEED = 7
FIVE = {"web_presence", "interactive", "transactional", "integration", "participation"}


@cache
def told(scale: float, seed: int = SEED) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple(
        (agency, json.loads(value))
        for month in evaluation.MONTHS
        for agency, value in evaluation.events(month, scale, seed)
    )


@cache
def scored() -> dict[str, dict[str, dict[str, float]]]:
    """Round to agency to indicator to score, from the catalogue and the evaluator's own events."""
    rows = [*evaluation.catalogue()["assessments"]]
    rows += [event["data"] for sender, event in told(0.0001) if sender == EVALUATOR]
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        assert row["indicator"] not in found[row["round"]][row["agency_id"]]
        found[row["round"]][row["agency_id"]][row["indicator"]] = float(row["score"])
    return found


def in_full(name: str) -> dict[str, dict[str, float]]:
    return {agency: scores for agency, scores in scored()[name].items() if set(scores) == FIVE}


@pytest.mark.parametrize(
    ("name", "agencies", "partial", "mean"),
    [("1395", 62, 2, 19.3), ("1396-06", 83, 2, 28.0), ("1396-12", 93, 6, 38.95)],
)
def test_a_round_has_the_reported_agencies_and_mean(name: str, agencies: int, partial: int, mean: float) -> None:
    assert len(scored()[name]) == agencies
    assert len(scored()[name]) - len(in_full(name)) == partial
    assert fmean(fmean(scores.values()) for scores in in_full(name).values()) == pytest.approx(mean, abs=1e-9)


def test_participation_rises_by_sixteen_points_and_is_four_times_as_good() -> None:
    second, third = (
        fmean(scores["participation"] for scores in in_full(name).values()) for name in ("1396-06", "1396-12")
    )
    assert third - second == pytest.approx(16, abs=1e-9)
    assert third / second == pytest.approx(4, abs=1e-9)


def test_the_third_round_ranks_the_named_agencies_as_reported() -> None:
    ranked = sorted(
        ((fmean(scores.values()), agency) for agency, scores in in_full("1396-12").items()),
        reverse=True,
    )
    assert [(round(score, 9), agency) for score, agency in (*ranked[:7], *ranked[-2:])] == [
        (97, "central-insurance"),
        (79, "economy-ministry"),
        (78, "customs"),
        (72, "standards-organization"),
        (69, "state-trading"),
        (68, "tax-administration"),
        (67, "transport-infrastructure"),
        (9, "thermal-power"),
        (3, "pasteur-institute"),
    ]
    assert all(0 <= value <= 100 for scores in scored()["1396-12"].values() for value in scores.values())


def test_four_named_agencies_are_scored_on_web_presence_alone_with_a_reason() -> None:
    partial = [
        event["data"]
        for sender, event in told(0.0001)
        if sender == EVALUATOR and event["data"]["scope"] == "web_presence_only"
    ]
    named = {"education-ministry", "agricultural-engineering", "pension-organization", "educational-testing"}
    assert named < {data["agency_id"] for data in partial}
    assert all(data["indicator"] == "web_presence" and data["scope_reason"] for data in partial)


def test_only_agencies_with_a_confirmed_identifier_are_evaluated() -> None:
    confirmed = {row["agency_id"]: row["id_confirmed_on"] for row in evaluation.catalogue()["agencies"]}
    for one in evaluation.ROUNDS:
        assert all("" < confirmed[agency] < one.assessed_from for agency in scored()[one.name])


def test_a_framework_is_announced_before_its_round_and_says_that_its_weights_are_illustrative() -> None:
    frameworks = evaluation.catalogue()["frameworks"]
    for one in evaluation.ROUNDS:
        rows = [row for row in frameworks if row["framework_version"] == one.framework]
        assert {row["indicator"] for row in rows} == FIVE
        assert all(row["announced_on"] < one.assessed_from for row in rows)
        assert one.framework.endswith("illustrative")


@pytest.mark.parametrize(("scale", "expected"), [(0.0001, (40, 30, 90)), (0.001, (400, 300, 900)), (1e-6, (20,) * 3)])
def test_inquiries_are_as_many_as_the_scale_says(scale: float, expected: tuple[int, ...]) -> None:
    answered = Counter(sender for sender, event in told(scale) if event["type"].endswith("inquiry.answered.v1"))
    months = len(evaluation.MONTHS)
    assert answered == {agency: count * months for agency, count in zip(evaluation.SENDERS, expected, strict=True)}


def test_paper_falls_with_deeds_and_tax_and_is_never_told_of_by_the_central_bank() -> None:
    modes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sender, event in told(0.001):
        if "mode" in event["data"]:
            month = month_of("jalali", tehran_date(dt.datetime.fromisoformat(event["time"]))).label
            modes[sender, month][event["data"]["mode"]] += 1
    for agency in ("deeds-organization", "tax-administration"):
        shares = [
            modes[agency, month.label]["paper"] / modes[agency, month.label].total() for month in evaluation.MONTHS
        ]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] - shares[-1] > 0.1
    assert not any(counts["paper"] for (agency, _), counts in modes.items() if agency == "central-bank")


def test_every_event_is_accepted_and_stays_in_its_month() -> None:
    for month in evaluation.MONTHS:
        for sender, value in evaluation.events(month, 0.0001, SEED):
            verdict = parse(Record(value, sender), NOW, Known({}, {}))
            assert isinstance(verdict, Event), verdict
            assert month_of("jalali", tehran_date(verdict.occurred_at)) == month


def test_the_third_round_is_said_on_the_day_of_its_release() -> None:
    days = {
        tehran_date(dt.datetime.fromisoformat(event["time"])) for sender, event in told(0.0001) if sender == EVALUATOR
    }
    assert days == {dt.date(2018, 5, 8)}


def test_a_month_alone_is_told_to_the_byte_and_another_seed_shares_no_event() -> None:
    month = evaluation.MONTHS[-1]
    assert list(evaluation.events(month, 0.0001, SEED)) == list(evaluation.events(month, 0.0001, SEED))
    first, other = ({event["id"] for _, event in told(0.0001, seed)} for seed in (7, 8))
    assert not first & other


def test_the_bytes_of_one_seed_do_not_change_between_versions_unnoticed() -> None:
    values = (value for month in evaluation.MONTHS for _, value in evaluation.events(month, 0.0001, SEED))
    digest = hashlib.sha256(b"\n".join(values)).hexdigest()
    assert digest == "d453848ae2fb9f7a160692be51bf373657413a2c1fbae4f23a34d7354cb9edf0"
