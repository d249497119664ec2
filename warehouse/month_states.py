"""How settled a month is: open, provisional, final or revised. Pure rules, and the small policy they follow.

A month is *open* until it is over and either told by all who are expected to tell or old enough, *provisional* from
then on, *final* once somebody closed it by name, *revised* when a cell changed after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.policy import Policy
from contracts.settings import Settings

POLICY = Policy("warehouse", "month_policy.yaml")
STATES = ("open", "provisional", "final", "revised")


@dataclass(frozen=True)
class Telling:
    """Who was expected to tell of a month (or a longer period), who did, and how long it has been over.

    ``days_over`` is None while the month runs. ``reported`` counts the expected agencies of which an event or a control
    total landed that is dated after the month's end.
    """

    days_over: int | None
    expected: int
    reported: int


def state_of(telling: Telling, policy: Mapping[str, float]) -> str:
    """The state of a month that nobody closed: open or provisional."""
    if telling.days_over is None:
        return "open"
    is_told = telling.expected > 0 and telling.reported >= policy["reported_share"] * telling.expected
    return "provisional" if is_told or telling.days_over >= policy["provisional_after_days"] else "open"


def closed_state(own: str, *, closed: int | None, vintage: int) -> str:
    """The state of a month that is ``own`` where nobody closed it; ``closed`` is the vintage it was closed at."""
    if closed is None:
        return own
    return "final" if vintage <= closed else "revised"


def period_state_of(own: str, months: Iterable[str]) -> str:
    """A period's state from its own (as if it were a month that nobody closes) and those of its months with rows.

    A period is final when all of them are closed and it is over, revised when one of them was revised.
    """
    states = set(months)
    if own == "open" or not states or states - {"final", "revised"}:
        return own
    return "revised" if "revised" in states else "final"


def month_policy(settings: Settings) -> Mapping[str, float]:
    """The values in force. UsageError for a name the policy does not know or a value that is no number."""
    return POLICY.with_own(settings.home / "months" / "policy.yaml")
