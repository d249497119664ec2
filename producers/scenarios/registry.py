"""The scenarios by name, and what every one of them offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from contracts.errors import UsageError
from contracts.reporting_time import Month, parse_month

Tables = Mapping[str, Sequence[Mapping[str, str]]]

DEFAULT_SEED = 1399
DEFAULT_SCALE = 0.001


class Scenario(Protocol):
    """A module of this folder. The same seed and scale give the same bytes, also for a part of the months."""

    NAME: str
    TITLE: Mapping[str, str]  # language to text
    MONTHS: Sequence[Month]
    EVENTS_AT_FULL_SCALE: int  # roughly, for a progress bar
    SENDERS: Sequence[str]  # the agencies that say something and so need a login

    def catalogue(self) -> Tables:
        """Rows of the catalogue's files that the scenario needs, as text, by the file's name without ``.csv``.

        Scenarios share a home: what two of them speak of (a place, a national agency) is the same in both, and their
        services are valid at different times where a published figure counts all of them.
        """

    def events(self, month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
        """(agency_id, CloudEvents JSON) as they arrive in a month; (EVALUATOR, …) for the evaluator's assessments."""


@dataclass(frozen=True)
class Entry:
    """One scenario in the list."""

    name: str
    module: str


ENTRIES = (
    Entry("qom-1399-h1", "producers.scenarios.qom_1399_h1"),
    Entry("national-window-1402", "producers.scenarios.national_window_1402"),
    Entry("national-evaluation-1397", "producers.scenarios.national_evaluation_1397"),
    Entry("tehran-service-desk-1398", "producers.scenarios.tehran_service_desk_1398"),
    Entry("qom-districts-1398", "producers.scenarios.qom_districts_1398"),
)


def scenario(name: str) -> Scenario:
    """The scenario of that name. Raises UsageError for any other."""
    for entry in ENTRIES:
        if entry.name == name:
            return cast("Scenario", import_module(entry.module))
    raise UsageError(f"no such scenario: {name}", hint="one of " + ", ".join(entry.name for entry in ENTRIES))


def months_of(chosen: Scenario, text: str | None) -> list[Month]:
    """The months of the scenario that ``text`` asks for: a month, ``A/B`` or ``A..B``, None for all.

    Raises UsageError where a month is not the scenario's.
    """
    if text is None:
        return list(chosen.MONTHS)
    first_text, separator, last_text = text.replace("..", "/").partition("/")
    first = parse_month(first_text)
    last = parse_month(last_text) if separator else first
    for month in (first, last):
        if month not in chosen.MONTHS:
            raise UsageError(
                f"{month.label} is not a month of {chosen.NAME}",
                hint=f"its months: {chosen.MONTHS[0].label} to {chosen.MONTHS[-1].label}",
            )
    if last < first:
        raise UsageError(f"{text} ends before it starts")
    return [month for month in chosen.MONTHS if first <= month <= last]


def check_scale(scale: float) -> float:
    """``scale`` if a scenario can be told at it: above 0 (at least one in a million), at most 1. Raises UsageError."""
    if not 1e-6 <= scale <= 1:
        raise UsageError(f"the scale must lie between 0.000001 and 1, not {scale}")
    return scale
