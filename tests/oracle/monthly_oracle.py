"""The monthly tables computed once more, from the written definitions alone, with sets and dicts.

Nothing of the platform is imported. Events are dicts with the lake's column names (``pid`` is bytes or None,
``occurred_at`` an aware datetime); catalogue rows are dicts of agencies.csv and places.csv. ``compute`` gives a dict
per table: (calendar, month or period, scope, scope_id, channel) to a dict of measures, each a number or one of the
words not_provided and not_applicable; ``<measure>_keys`` holds the distinct person keys behind a number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from oracle_declared_words import find_inquiries, inquiry_rows, reason_rows
from oracle_events import (
    ALL,
    CALENDARS,
    Cell,
    Row,
    World,
    cells,
    counted_events,
    enclosing,
    first_day,
    label,
    locate,
)
from oracle_facts import NOT_APPLICABLE, NOT_PROVIDED, Declared, Told, Visit, find_declared, find_visits

DIGITAL = ("portal", "mobile_app", "national_window")
Table = dict[tuple[str, ...], dict[str, Any]]


@dataclass
class Tables:
    users: Table = field(default_factory=dict)
    visits: Table = field(default_factory=dict)
    transactions: Table = field(default_factory=dict)
    channel_share: Table = field(default_factory=dict)
    periods: Table = field(default_factory=dict)
    take_up: Table = field(default_factory=dict)
    inquiries: Table = field(default_factory=dict)
    reasons: Table = field(default_factory=dict)


def percentile(values: Sequence[int], share: Fraction) -> float:
    """Linear interpolation between the two neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = place.numerator // place.denominator
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def people(members: Iterable[Row]) -> int:
    return len({member["pid"] for member in members if member.get("pid") is not None})


def was_helped(event: Row) -> bool:
    return event["channel"] == "counter_office" or event.get("assisted_by") in ("counter_office", "call_centre")


def compute(events: Sequence[Row], agencies: Sequence[Row], places: Sequence[Row]) -> Tables:
    world = World(agencies, places)
    counted = counted_events(events)
    locate(counted, world)
    visits = find_visits(counted)
    declared, inquiries = find_declared(events, world), find_inquiries(events)
    tables = Tables()
    for calendar in CALENDARS:
        of_calendar = _Calendar(calendar, counted, visits, declared)
        of_calendar.fill(tables)
        tables.inquiries |= inquiry_rows(calendar, inquiries, declared)
        tables.reasons |= reason_rows(calendar, of_calendar.completed, declared)
    return tables


class _Calendar:
    """One calendar's rows."""

    def __init__(self, calendar: str, events: Sequence[Row], visits: Sequence[Visit], declared: Declared) -> None:
        self.calendar = calendar
        self.declared = {
            window[2:]: values
            for window, values in declared.items()
            if window[:2] == ("transactions_completed", calendar)
        }
        self.active: dict[tuple[Cell, int], set[bytes]] = defaultdict(set)
        self.first_month: dict[tuple[Cell, bytes], int] = {}
        self.starts: dict[Cell, int] = {}
        self.ends: dict[tuple[str, str], int] = {}
        self.received: dict[tuple[Cell, int], list[Row]] = defaultdict(list)
        self.completed: dict[tuple[Cell, int], list[Row]] = defaultdict(list)
        self.visits: dict[tuple[Cell, int], list[Visit]] = defaultdict(list)
        self.completers: dict[tuple[Cell, int], int] = {}
        seen: set[tuple[str, str, str]] = set()
        for event in events:  # in order of time
            month = event["month"][calendar]
            for cell in cells(event):
                self.starts[cell] = min(self.starts.get(cell, month), month)
                self.ends[cell[:2]] = max(self.ends.get(cell[:2], month), month)
                if event.get("pid") is not None:
                    self.active[(cell, month)].add(event["pid"])
                    key = (cell, event["pid"])
                    self.first_month[key] = min(self.first_month.get(key, month), month)
            if event["kind"] == "visit":
                continue
            name = (event["kind"], event["agency_id"], event["transaction_id"])
            if name not in seen:
                seen.add(name)
                table = self.received if event["kind"] == "received" else self.completed
                for cell in cells(event):
                    table[(cell, month)].append(event)
        for visit in visits:
            for cell in cells(visit.first, visit.scopes):
                self.visits[(cell, visit.first["month"][calendar])].append(visit)
        self.new: dict[tuple[Cell, int], int] = defaultdict(int)
        for (cell, _), month in self.first_month.items():
            self.new[(cell, month)] += 1

    def fill(self, tables: Tables) -> None:
        for cell, start in self.starts.items():
            registered = 0
            for month in range(start, self.ends[cell[:2]] + 1):
                registered += self.new[(cell, month)]
                key = (self.calendar, label(month), *cell)
                tables.users[key] = self._users(cell, month, registered)
                if cell[0] != "service":
                    tables.visits[key] = self._visits(cell, month)
                tables.transactions[key] = self._transactions(cell, month)
                tables.channel_share[key] = self._share(cell, month)
                if cell[2] == ALL:
                    tables.take_up[key] = self._take_up(cell, month)
        for (first, last), values in self.declared.items():
            if first == last:
                for cell, value in values.items():
                    key = (self.calendar, label(first), *cell)
                    row = tables.transactions.setdefault(key, self._nothing_but_declared())
                    row |= self._declared(value)
        self._periods(tables)

    def _users(self, cell: Cell, month: int, registered: int) -> dict[str, Any]:
        active, new = len(self.active[(cell, month)]), self.new[(cell, month)]
        return {
            "active_users": active,
            "active_users_keys": active,
            "new_users": new,
            "new_users_keys": new,
            "registered_users": registered,
            "registered_users_keys": registered,
        }

    def _visits(self, cell: Cell, month: int) -> dict[str, Any]:
        here, active = self.visits[(cell, month)], len(self.active[(cell, month)])
        keys = len({visit.pid for visit in here if visit.pid is not None})
        return {
            "visits": len(here),
            "visits_keys": keys,
            "visits_per_active_user": len(here) / active if active else NOT_APPLICABLE,
            "visits_per_active_user_keys": keys,
        }

    def _transactions(self, cell: Cell, month: int) -> dict[str, Any]:
        received, completed = self.received[(cell, month)], self.completed[(cell, month)]
        accepted = [event for event in completed if event["outcome"] == "accepted"]
        rejected = [event for event in completed if event["outcome"] == "rejected"]
        timed = [event for event in completed if event.get("duration_seconds") is not None]
        durations = [event["duration_seconds"] for event in timed]
        timed_by = people(timed)
        missing = NOT_PROVIDED if completed else NOT_APPLICABLE
        return {
            "received": len(received),
            "received_keys": people(received),
            "completed": len(completed),
            "completed_keys": self._completed_by(cell, month),
            "accepted": len(accepted),
            "accepted_keys": people(accepted),
            **self._declared(None),
            "reject_rate": len(rejected) / len(completed) if completed else NOT_APPLICABLE,
            "reject_rate_keys": self._completed_by(cell, month),
            "duration_p50": percentile(durations, Fraction(1, 2)) if timed else missing,
            "duration_p50_keys": timed_by,
            "duration_p90": percentile(durations, Fraction(9, 10)) if timed else missing,
            "duration_p90_keys": timed_by,
        }

    def _completed_by(self, cell: Cell, month: int) -> int:
        if (cell, month) not in self.completers:
            self.completers[(cell, month)] = people(self.completed[(cell, month)])
        return self.completers[(cell, month)]

    @staticmethod
    def _declared(told: Told | None) -> dict[str, Any]:
        value, provided, applicable = told or (NOT_PROVIDED, NOT_APPLICABLE, NOT_APPLICABLE)
        return {"declared": value, "declared_provided": provided, "declared_applicable": applicable}

    @staticmethod
    def _nothing_but_declared() -> dict[str, Any]:
        row: dict[str, Any] = {}
        for measure in ("received", "completed", "accepted", "reject_rate", "duration_p50", "duration_p90"):
            row[measure], row[f"{measure}_keys"] = NOT_PROVIDED, 0
        return row

    def _share(self, cell: Cell, month: int) -> dict[str, Any]:
        whole = (*cell[:2], ALL)
        mine, total = self.completed[(cell, month)], self.completed[(whole, month)]
        active, all_active = len(self.active[(cell, month)]), len(self.active[(whole, month)])
        return {
            "transactions": len(mine),
            "transactions_keys": self._completed_by(cell, month),
            "total_transactions": len(total),
            "total_transactions_keys": self._completed_by(whole, month),
            "share": len(mine) / len(total) if total else NOT_APPLICABLE,
            "share_keys": self._completed_by(cell, month),
            "users_share": active / all_active if all_active else NOT_APPLICABLE,
            "users_share_keys": active,
        }

    def _take_up(self, cell: Cell, month: int) -> dict[str, Any]:
        completed = self.completed[(cell, month)]
        digital = [event for event in completed if event["channel"] in DIGITAL]
        other = [event for event in completed if event["channel"] not in DIGITAL]
        helped = [event for event in other if was_helped(event)]
        neither = [event for event in other if not was_helped(event)]
        keys = min(people(part) for part in (digital, other) if part or part is digital)
        groups = [digital + helped] + [part for part in (helped, neither) if part]
        helped_keys = min(people(part) for part in groups)
        row: dict[str, Any] = {"completed": len(completed), "completed_keys": self._completed_by(cell, month)}
        said = self.declared.get((month, month), {})
        untold = any(
            said[one].value == NOT_PROVIDED and not self.completed.get((one, month))
            for one in said
            if one[:2] == cell[:2] and one[2] != ALL
        )
        for count, take_up, part, persons in (
            ("digital", "digital_take_up", digital, keys),
            ("digital_or_assisted", "digital_take_up_assisted", digital + helped, helped_keys),
        ):
            share: Any = len(part) / len(completed) if completed else NOT_APPLICABLE
            row |= {count: len(part), f"{count}_keys": persons}
            row |= {take_up: NOT_PROVIDED if untold else share, f"{take_up}_keys": persons}
        return row

    def _periods(self, tables: Tables) -> None:
        windows: dict[str, tuple[int, int]] = {}
        for start, end in {(self.starts[cell], self.ends[cell[:2]]) for cell in self.starts}:
            for month in range(start, end + 1):
                for name, first, last in enclosing(month):
                    windows[name] = (first, last)
        declared: dict[str, dict[Cell, Told]] = {}
        for (first, last), values in self.declared.items():
            if first < last:
                names = [f"{label(first)}/{label(last)}"]
                names += [name for name, *window in enclosing(first) if tuple(window) == (first, last)]
                for name in names:
                    windows[name], declared[name] = (first, last), values
        for name, (first, last) in windows.items():
            days = (first_day(self.calendar, last + 1) - first_day(self.calendar, first)).days
            alive = [cell for cell, start in self.starts.items() if start <= last and self.ends[cell[:2]] >= first]
            for cell in alive:
                tables.periods[(self.calendar, name, *cell)] = self._period(cell, first, last, days)
            for cell, value in declared.get(name, {}).items():
                key = (self.calendar, name, *cell)
                row = tables.periods.setdefault(key, self._period_without_events(cell, days))
                row |= self._declared(value)

    def _period(self, cell: Cell, first: int, last: int, days: int) -> dict[str, Any]:
        months = range(max(first, self.starts[cell]), min(last, self.ends[cell[:2]]) + 1)
        active = {pid for month in months for pid in self.active.get((cell, month), ())}
        visits = [visit for month in months for visit in self.visits.get((cell, month), ())]
        completed = [event for month in months for event in self.completed.get((cell, month), ())]
        return {
            "active_users": len(active),
            "active_users_keys": len(active),
            "visits": NOT_APPLICABLE if cell[0] == "service" else len(visits),
            "visits_keys": len({visit.pid for visit in visits if visit.pid is not None}),
            "completed": len(completed),
            "completed_keys": people(completed),
            **self._declared(None),
            "days": days,
        }

    @staticmethod
    def _period_without_events(cell: Cell, days: int) -> dict[str, Any]:
        return {
            "active_users": NOT_PROVIDED,
            "active_users_keys": 0,
            "visits": NOT_APPLICABLE if cell[0] == "service" else NOT_PROVIDED,
            "visits_keys": 0,
            "completed": NOT_PROVIDED,
            "completed_keys": 0,
            "days": days,
        }
