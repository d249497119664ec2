"""How settled a month is: open, provisional, final or revised. Pure rules, and the small policy they follow.

A month is *open* until it is over and either told by all who are expected to tell or old enough, *provisional* from
then on, *final* once somebody closed it by name, *revised* when a cell changed after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

from contracts.errors import UsageError
from contracts.settings import Settings

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


@cache
def shipped() -> Mapping[str, float]:
    """Name to value, as shipped in month_policy.yaml."""
    document = yaml.safe_load(files("warehouse").joinpath("month_policy.yaml").read_text(encoding="utf-8"))
    return MappingProxyType({name: float(entry["value"]) for name, entry in document.items() if name != "version"})


def month_policy(settings: Settings) -> Mapping[str, float]:
    """The values in force. UsageError for a name the policy does not know or a value that is no number."""
    own = settings.home / "months" / "policy.yaml"
    if not own.is_file():
        return shipped()
    document = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
    if not isinstance(document, dict):
        raise UsageError(f"{own} is not a list of name: value")
    for name, value in document.items():
        if name not in shipped():
            raise UsageError(f"{own}: unknown value {name!r}", hint="the names stand in warehouse/month_policy.yaml")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise UsageError(f"{own}: {name} is not a number of 0 or more")
    return MappingProxyType({**shipped(), **{name: float(value) for name, value in document.items()}})
