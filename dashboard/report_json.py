"""The figures of one page for programs: the same numbers, statuses and passports as JSON."""

from __future__ import annotations

from typing import Any

from dashboard.report_data import Figures, Row
from dashboard.wording import Cell


def figures_of(figures: Figures, key: str) -> dict[str, Any]:
    """What the page of a subject shows, by month, period and day; a number is null unless its status is ``value``."""
    named = figures.names.get(key, {})
    level = figures.levels.get(key)
    return {
        "scope_key": key,
        "name_fa": named.get("name_fa"),
        "name_en": named.get("name_en"),
        "months": [
            _row(figures, key, row, "month")
            for rows in (figures.monthly, figures.monthly_other)
            for row in rows.get(key, ())
        ],
        "periods": [_row(figures, key, row, "period") for row in figures.periods.get(key, ())],
        "service_levels": None if level is None else _row(figures, key, level, "as_of"),
        "mandates": [_row(figures, key, row, "as_of") for row in figures.mandates.get(key, ())],
    }


def _row(figures: Figures, key: str, row: Row, time: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in row.items():
        if not isinstance(value, Cell):
            if name not in ("scope", "scope_id", "scope_key"):
                made[name] = value
            continue
        told = figures.passport(key, str(row[time]), str(row.get("channel", "all")), name)
        made[name] = {"value": value.value, "status": value.status}
        if told is not None:
            made[name]["passport"] = {
                "numerator": told.numerator,
                "denominator": told.denominator,
                "agencies": told.covered,
                "agencies_expected": told.expected,
                "coverage_status": told.status,
            }
    return made
