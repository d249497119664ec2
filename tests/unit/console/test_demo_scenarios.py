"""What `make demo` can be asked for."""

from __future__ import annotations

import pytest

from console.demo_scenarios import SCENARIOS, find
from contracts.errors import UsageError
from producers.scenarios import registry


def test_every_scenario_has_a_demo_of_its_own_months() -> None:
    assert set(SCENARIOS) == {entry.name for entry in registry.ENTRIES} | {"canada-2023"}
    for entry in registry.ENTRIES:
        assert SCENARIOS[entry.name].months == tuple(month.label for month in registry.scenario(entry.name).MONTHS)


def test_the_first_run_streams_a_quarter_and_every_later_one_the_month_after() -> None:
    chosen = find("qom-districts-1398")
    assert chosen.next_batch([]) == ["1398-09", "1398-10", "1398-11"]
    assert chosen.next_batch(["1398-09", "1398-10", "1398-11"]) == ["1398-12"]
    assert chosen.next_batch(chosen.months) == []


def test_another_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        find("nowhere")


def test_a_round_of_evaluation_is_streamed_in_one_go() -> None:
    chosen = find("national-evaluation-1397")
    assert chosen.next_batch([]) == list(chosen.months)
    assert not chosen.imported
