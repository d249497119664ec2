"""The oracle's tables of inquiries and of reasons for coming in person. Imports nothing but the oracle's own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oracle_events import ALL, Cell, Row, label, month_index, order, tehran_day
from oracle_facts import NOT_APPLICABLE, NOT_PROVIDED, Declared, Told

Rows = dict[tuple[str, ...], dict[str, Any]]
MODES = ("online", "paper")
REASON = "in_person_"


def find_inquiries(events: Sequence[Row]) -> list[Row]:
    """The earliest event of each (answering agency, inquiry), retracted ones left out."""
    retracted = {
        (event["source"], event["retracted_event_id"])
        for event in events
        if event["event_type"] == "ir.egov.event.retracted.v1"
    }
    found: dict[tuple[str, str], Row] = {}
    for event in sorted(events, key=order):
        named = (event["source"], event["event_id"])
        if event["event_type"] == "ir.egov.inquiry.answered.v1" and named not in retracted:
            found.setdefault((event["agency_id"], event["inquiry_id"]), event)
    return list(found.values())


def inquiry_rows(calendar: str, inquiries: Sequence[Row], declared: Declared) -> Rows:
    """(calendar, month, agency, counterpart) to online, paper and their share, with where each number comes from."""
    by_month: dict[tuple[str, int], list[Row]] = defaultdict(list)
    reports_from: dict[tuple[str, str], int] = {}
    for inquiry in inquiries:
        agency, month = inquiry["agency_id"], month_index(calendar, tehran_day(inquiry["occurred_at"]))
        by_month[(agency, month)].append(inquiry)
        # Whoever sends inquiries at all tells of the online ones; of paper only who once sent one on paper.
        for mode in {"online", inquiry["mode"]}:
            reports_from[(agency, mode)] = min(reports_from.get((agency, mode), month), month)
    stated: dict[tuple[str, int, str], Told] = {}
    for (measure, of_calendar, first, last), cells in declared.items():
        if of_calendar == calendar and first == last and measure.startswith("inquiries_"):
            for (scope, agency, channel), told in cells.items():
                if scope == "agency" and channel == ALL:
                    stated[(agency, first, measure.removeprefix("inquiries_"))] = told
    rows: Rows = {}
    for agency, month in set(by_month) | {(agency, month) for agency, month, _ in stated}:
        here = by_month.get((agency, month), [])
        for counterpart in {ALL} | {inquiry["counterpart_agency_id"] for inquiry in here}:
            row: dict[str, Any] = {}
            for mode in MODES:
                mine = [inquiry for inquiry in here if inquiry["mode"] == mode]
                theirs = [one for one in mine if counterpart in (ALL, one["counterpart_agency_id"])]
                told, since = stated.get((agency, month, mode)), reports_from.get((agency, mode))
                if mine:
                    row[mode], row[f"{mode}_source"] = len(theirs), "events"
                elif told is not None and (counterpart == ALL or told.value in (0, NOT_APPLICABLE)):
                    row[mode], row[f"{mode}_source"] = told.value, "declaration"
                elif told is None and since is not None and month >= since:
                    row[mode], row[f"{mode}_source"] = 0, "events"
                else:
                    row[mode], row[f"{mode}_source"] = NOT_PROVIDED, None
            row["online_share"] = _share(row["online"], row["paper"])
            rows[(calendar, label(month), agency, counterpart)] = row
    return rows


def _share(online: Any, paper: Any) -> Any:
    if NOT_PROVIDED in (online, paper):
        return NOT_PROVIDED
    if NOT_APPLICABLE in (online, paper) or online + paper == 0:
        return NOT_APPLICABLE
    return online / (online + paper)


def reason_rows(calendar: str, completed: Mapping[tuple[Cell, int], Iterable[Row]], declared: Declared) -> Rows:
    """(calendar, month, scope, scope_id, channel, reason, reported_by) to transactions, their share and rank.

    ``completed``: the completed transactions of each cell and month.
    """
    rows: Rows = {}
    for (cell, month), transactions in completed.items():
        named = [one for one in transactions if one.get("reason_in_person") is not None]
        counts = Counter(one["reason_in_person"] for one in named)
        everybody = _people(named)
        for reason, count in counts.items():
            persons = _people(one for one in named if one["reason_in_person"] == reason)
            measures = (count, len(named), count / len(named), _rank(count, counts.values()))
            keys = (persons, everybody, persons, persons)
            rows[(calendar, label(month), *cell, reason, "citizen")] = _measured(measures, keys)
    said: dict[tuple[Cell, int], dict[str, Any]] = defaultdict(dict)
    for (measure, of_calendar, first, last), cells in declared.items():
        if of_calendar == calendar and first == last and measure.startswith(REASON):
            for cell, told in cells.items():
                if cell[0] != "service":
                    said[(cell, first)][measure.removeprefix(REASON)] = told.value
    for (cell, month), values in said.items():
        numbers = [value for value in values.values() if not isinstance(value, str)]
        if NOT_PROVIDED in values.values():
            whole: Any = NOT_PROVIDED
        else:
            whole = sum(numbers) if numbers else NOT_APPLICABLE
        for reason, value in values.items():
            if isinstance(value, str):
                share = rank = value
            elif isinstance(whole, str):
                share = rank = whole
            elif whole == 0:
                share = rank = NOT_APPLICABLE
            else:
                share, rank = value / whole, _rank(value, numbers)
            measures = (value, whole, share, rank)
            rows[(calendar, label(month), *cell, reason, "agency")] = _measured(measures, (None,) * 4)
    return rows


def _measured(measures: Sequence[Any], keys: Sequence[Any]) -> dict[str, Any]:
    names = ("transactions", "total_transactions", "share", "rank")
    row: dict[str, Any] = {}
    for name, value, persons in zip(names, measures, keys, strict=True):
        row[name], row[f"{name}_keys"] = value, persons
    return row


def _people(transactions: Iterable[Row]) -> int:
    return len({one["pid"] for one in transactions if one.get("pid") is not None})


def _rank(number: int, others: Iterable[int]) -> int:
    return 1 + len({other for other in others if other > number})
