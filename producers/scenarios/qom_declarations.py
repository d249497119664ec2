"""What Qom's agencies declare about themselves: their transactions and their services, for the half-year they answered.

Declarations stand beside events and are never mixed with them. Three truths are told apart: a number; *not provided*
where a service's transactions cannot be counted; *not applicable* where a service is only being launched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from contracts.reporting_time import Month
from producers.scenarios import qom_catalogue

HALF_YEAR = "1399-01/1399-06"


def of_month(month: Month, completed: int) -> dict[str, Any]:
    """An agency's word on a month: how many transactions it completed."""
    return _declared(month.label, "transactions_completed", completed, "system")


def of_half_year(agency_id: str, completed: int) -> Iterator[dict[str, Any]]:
    """An agency's word on the half-year: its transactions, its services, and which of them it cannot speak of."""
    yield _declared(HALF_YEAR, "transactions_completed", completed, "system")
    services = _services()[agency_id]
    levels = Counter(row["declared_level"] for row in services)
    for measure, count in (
        ("services_total", len(services)),
        ("services_full", levels["full"]),
        ("services_partial", levels["partial"]),
        ("services_unknown", levels["unknown"]),
        ("new_services", sum(row["launched_at"] != "" for row in services)),
    ):
        yield _declared(HALF_YEAR, measure, count, "manual_count")
    for row in services:
        if row["countability"] == "blocked":
            word = "not_provided"
        elif row["lifecycle"] == "launching":
            word = "not_applicable"
        else:
            continue
        yield {
            **_declared(HALF_YEAR, "transactions_completed", word, "manual_count"),
            "service_id": row["service_id"],
        }


def _declared(period: str, measure: str, value: int | str, method: str) -> dict[str, Any]:
    return {
        "period": period,
        "calendar": "jalali",
        "measure": measure,
        "value": value,
        "method": method,
        "verified_by": "province",
    }


@cache
def _services() -> dict[str, list[qom_catalogue.Row]]:
    found: dict[str, list[qom_catalogue.Row]] = {}
    for row in qom_catalogue.services():
        found.setdefault(row["agency_id"], []).append(row)
    return found
