"""What a load says to the operator though it is no fault: rows that will count nowhere, or less than they seem to."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence

from catalogue.checks import left_dangling
from catalogue.read import Catalogue, Row
from contracts.vocabularies import codes

_SHOWN = 10
_ONE_DAY = dt.timedelta(days=1)
Stay = tuple[dt.date, dt.date]


def remarks(catalogue: Catalogue) -> list[str]:
    """One line for each kind of row of ``catalogue`` that is right by itself and yet will not count as it stands."""
    return [*left_dangling(catalogue), *_orphaned(catalogue), *_unmeasured(catalogue), *_unweighted(catalogue)]


def _orphaned(catalogue: Catalogue) -> Iterator[str]:
    stays = _stays(catalogue.agencies)
    found = {
        row["service_id"]
        for row in catalogue.services
        # An agency that is gone altogether is told as a reference to nothing.
        if row["agency_id"] in stays and not any(_within(row, stay) for stay in stays[row["agency_id"]])
    }
    if found:
        yield f"services valid on days on which their agency is not, which count nowhere then: {_few(found)}"


def _unmeasured(catalogue: Catalogue) -> Iterator[str]:
    known = codes("mandated_measure")
    found = {row["measure"] for row in catalogue.mandates} - set(known)
    if found:
        yield f"mandates.measure names what nothing measures: {_few(found)}; measured are {', '.join(known)}"


def _unweighted(catalogue: Catalogue) -> Iterator[str]:
    weights = {(row["framework_version"], row["indicator"]): row["weight"] for row in catalogue.frameworks}
    asked = {(row["framework_version"], row["indicator"]) for row in catalogue.assessments}
    found = {f"{version} {indicator}" for version, indicator in asked if weights.get((version, indicator)) is None}
    if found:
        yield f"assessments of indicators without a weight in frameworks, so no score follows: {_few(found)}"


def _stays(agencies: Sequence[Row]) -> dict[str, list[Stay]]:
    """First and last days of each agency, versions that follow each other as one."""
    found: dict[str, list[Stay]] = defaultdict(list)
    for row in sorted(agencies, key=lambda row: row["valid_from"] or dt.date.min):
        first, last = row["valid_from"] or dt.date.min, row["valid_to"] or dt.date.max
        known = found[row["agency_id"]]
        if known and known[-1][1] >= first - _ONE_DAY:
            known[-1] = (known[-1][0], max(last, known[-1][1]))
        else:
            known.append((first, last))
    return found


def _within(row: Row, stay: Stay) -> bool:
    # A blank end is as long as the agency lives: nothing was said that the agency contradicts.
    return stay[0] <= (row["valid_from"] or stay[0]) and (row["valid_to"] or stay[1]) <= stay[1]


def _few(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
