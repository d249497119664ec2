"""The ways in which figures make a number: a small closed set, so that a claim file computes nothing of its own.

Each works on ranges, so that what a scale, an unknown part or a wording leaves open stays open. The same arithmetic
serves published figures and quoted ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from provenance.wording import Range, point


@dataclass(frozen=True)
class Number:
    """A computed number: its best value and the range around it."""

    value: float
    range: Range


Computation = Callable[[Sequence[Number]], Number]


def _value(numbers: Sequence[Number]) -> Number:
    (only,) = numbers
    return only


def _sum(numbers: Sequence[Number]) -> Number:
    total = point(0.0)
    for number in numbers:
        total = total.plus(number.range)
    return Number(sum(number.value for number in numbers), total)


def _remainder(numbers: Sequence[Number]) -> Number:
    """The first, less all others."""
    whole, *parts = numbers
    taken = _sum(parts)
    return Number(whole.value - taken.value, whole.range.minus(taken.range))


def _ratio(numbers: Sequence[Number]) -> Number:
    """The first over the second. ZeroDivisionError where the second may be zero."""
    over, under = numbers
    return Number(over.value / under.value, over.range.over(under.range))


def _growth_pct(numbers: Sequence[Number]) -> Number:
    """From the second to the first, in per cent of the second."""
    ratio = _ratio(numbers)
    hundred = ratio.range.times(100)
    return Number(100 * ratio.value - 100, Range(hundred.low - 100, hundred.high - 100, hundred.is_open))


def _share_bounds(numbers: Sequence[Number]) -> Number:
    """From the first (all that is unknown is not) to the second (all that is unknown is)."""
    lower, upper = numbers[:2]
    return Number(lower.value, Range(lower.range.low, upper.range.high))


def solve_points(points: float, times: float) -> tuple[float, float]:
    """The x for which x + points = times * x, and what it becomes. ZeroDivisionError for times = 1."""
    before = points / (times - 1)
    return before, before + points


COMPUTATIONS: Mapping[str, Computation] = MappingProxyType(
    {
        "value": _value,
        "sum": _sum,
        "remainder": _remainder,
        "ratio": _ratio,
        "difference": _remainder,
        "growth_pct": _growth_pct,
        "growth_points": _remainder,
        "share_bounds": _share_bounds,
    }
)
