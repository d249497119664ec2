"""What a quoted number may mean: the range its wording leaves open, and arithmetic on ranges.

A press figure is a number and a wording. "Over 35 million" is no less precise than its last digit: it lies from 35 to
36 million. Nothing here makes a figure more exact than it was said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Sums and quotients of doubles differ in the last bits; a published share is no more exact than this.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``; ``high`` itself is left out where ``is_open``."""

    low: float
    high: float
    is_open: bool = False

    def __contains__(self, value: float) -> bool:
        slack = TOLERANCE * max(1.0, abs(value))
        if value < self.low - slack:
            return False
        return value < self.high - slack if self.is_open else value <= self.high + slack

    def meets(self, other: Range) -> bool:
        """True where the two have a number in common."""
        return (
            self.low in other
            or other.low in self
            or (self.low <= other.low and other.high <= self.high)
            or (other.low <= self.low and self.high <= other.high)
        )

    def times(self, factor: float) -> Range:
        """Every number times ``factor``."""
        first, last = sorted((self.low * factor, self.high * factor))
        return Range(first, last, self.is_open and factor > 0)

    def plus(self, other: Range) -> Range:
        """Every sum of a number of each."""
        return Range(self.low + other.low, self.high + other.high, self.is_open or other.is_open)

    def minus(self, other: Range) -> Range:
        """Every difference."""
        return Range(self.low - other.high, self.high - other.low, self.is_open)

    def over(self, other: Range) -> Range:
        """Every quotient, both ranges not below zero. ZeroDivisionError where the divisor may be zero."""
        return Range(self.low / other.high, self.high / other.low, self.is_open)


def point(value: float) -> Range:
    """The range of one number."""
    return Range(value, value)


# `step` is the unit of the last digit that was said: a million in "35 million", a tenth in 19.3.
_MEANINGS: Mapping[str, Callable[[float, float], Range]] = MappingProxyType(
    {
        "exact": lambda value, step: Range(value, value),
        "over": lambda value, step: Range(value, value + step, True),
        "at_least": lambda value, step: Range(value, float("inf")),
        "almost": lambda value, step: Range(value - step / 2, value, True),
        "about": lambda value, step: Range(value - step / 2, value + step / 2),
        "rounded": lambda value, step: Range(value - step / 2, value + step / 2),
        "truncated": lambda value, step: Range(value, value + step, True),
        # A bare number: rounded or truncated, not said which.
        "stated": lambda value, step: Range(value - step / 2, value + step, True),
    }
)
WORDINGS = tuple(_MEANINGS)


def implied(wording: str, value: float, step: float, upper: float | None = None) -> Range:
    """What a quoted number may mean. ``upper``: the second number of "75 to 80". KeyError for an unknown wording."""
    if upper is None:
        return _MEANINGS[wording](value, step)
    first, last = _MEANINGS[wording](value, step), _MEANINGS[wording](upper, step)
    return Range(first.low, last.high, last.is_open)
