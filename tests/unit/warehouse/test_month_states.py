"""When a month is open, provisional, final or revised: the rules alone, without a database."""

from __future__ import annotations

import pytest

from contracts.errors import UsageError
from warehouse.month_states import POLICY, Telling, closed_state, month_policy, period_state_of, state_of


@pytest.mark.parametrize(
    ("days_over", "expected", "reported", "state"),
    [
        (None, 3, 3, "open"),  # it runs: whoever has reported, more will come
        (0, 3, 3, "provisional"),
        (0, 3, 2, "open"),
        (29, 3, 2, "open"),
        (30, 3, 0, "provisional"),
        (0, 0, 0, "open"),  # nobody is expected: nothing says that all is told but time
        (30, 0, 0, "provisional"),
    ],
)
def test_a_month_is_provisional_when_all_have_told_of_it_or_after_thirty_days(days_over, expected, reported, state):
    assert state_of(Telling(days_over, expected, reported), POLICY.shipped) == state


def test_the_quorum_is_policy():
    lenient = {"provisional_after_days": 5.0, "reported_share": 0.5}
    assert state_of(Telling(0, 4, 2), lenient) == "provisional"
    assert state_of(Telling(0, 4, 1), lenient) == "open"
    assert state_of(Telling(5, 4, 0), lenient) == "provisional"


def test_an_operator_may_set_the_policy_and_nothing_else(settings):
    own = settings.home / "months" / "policy.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("provisional_after_days: 45\n")
    assert month_policy(settings) == {**POLICY.shipped, "provisional_after_days": 45.0}
    own.write_text("days: 45\n")
    with pytest.raises(UsageError, match="unknown value 'days'"):
        month_policy(settings)
    own.write_text("reported_share: all\n")
    with pytest.raises(UsageError, match="not a number"):
        month_policy(settings)


@pytest.mark.parametrize(
    ("closed", "vintage", "state"), [(None, 3, "provisional"), (3, 3, "final"), (3, 4, "revised"), (3, 2, "final")]
)
def test_a_closed_month_is_final_until_a_cell_of_it_changes(closed, vintage, state):
    assert closed_state("provisional", closed=closed, vintage=vintage) == state


@pytest.mark.parametrize(
    ("own", "months", "state"),
    [
        ("provisional", ["final", "final"], "final"),
        ("provisional", ["final", "revised"], "revised"),
        ("provisional", ["final", "provisional"], "provisional"),
        ("provisional", [], "provisional"),
        ("open", ["final"], "open"),  # a year that runs is not final with its first month
    ],
)
def test_a_period_is_final_when_all_its_months_are(own, months, state):
    assert period_state_of(own, months) == state
