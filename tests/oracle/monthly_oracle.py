"""The monthly tables computed once more, from the written definitions alone, with sets and dicts.

Nothing of the platform is imported. Events are dicts with the lake's column names (``pid`` is bytes or None,
``occurred_at`` an aware datetime); catalogue rows are dicts of agencies.csv and places.csv. ``compute`` gives a dict
per table: (calendar, month or period, scope, scope_id, channel) to a dict of measures, each a number or one of the
words not_provided and not_applicable; ``<measure>_keys`` holds the distinct person keys behind a number.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import jdatetime

Row = Mapping[str, Any]
Cell = tuple[str, str, str]  # scope, scope_id, channel
Table = dict[tuple[str, str, str, str, str], dict[str, Any]]

TEHRAN = ZoneInfo("Asia/Tehran")
CALENDARS = ("jalali", "gregorian")
COUNTED = {
    "ir.egov.transaction.received.v1": "received",
    "ir.egov.transaction.completed.v1": "completed",
    "ir.egov.visit.recorded.v1": "visit",
}
NOT_PROVIDED, NOT_APPLICABLE = "not_provided", "not_applicable"
ALL, WINDOW = "all", "national_window"
PLACES = ("national", "province", "county", "district")


@dataclass
class Tables:
    users: Table = field(default_factory=dict)
    visits: Table = field(default_factory=dict)
    transactions: Table = field(default_factory=dict)
    channel_share: Table = field(default_factory=dict)
    periods: Table = field(default_factory=dict)


# --- calendar -------------------------------------------------------------------------------------------------------


def tehran_day(moment: dt.datetime) -> dt.date:
    return moment.astimezone(TEHRAN).date()


@cache
def month_index(calendar: str, day: dt.date) -> int:
    if calendar == "gregorian":
        return day.year * 12 + day.month - 1
    jalali = jdatetime.date.fromgregorian(date=day)
    return jalali.year * 12 + jalali.month - 1


def label(index: int) -> str:
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def index_of(text: str) -> int:
    year, month = text.split("-")
    return int(year) * 12 + int(month) - 1


def first_day(calendar: str, index: int) -> dt.date:
    if calendar == "gregorian":
        return dt.date(index // 12, index % 12 + 1, 1)
    return jdatetime.date(index // 12, index % 12 + 1, 1).togregorian()


def enclosing(index: int) -> list[tuple[str, int, int]]:
    """Quarter, half and year of a month: label, first and last month."""
    year, place = divmod(index, 12)
    quarter, half = place // 3, place // 6
    return [
        (f"{year:04d}-Q{quarter + 1}", year * 12 + quarter * 3, year * 12 + quarter * 3 + 2),
        (f"{year:04d}-H{half + 1}", year * 12 + half * 6, year * 12 + half * 6 + 5),
        (f"{year:04d}", year * 12, year * 12 + 11),
    ]


# --- catalogue ------------------------------------------------------------------------------------------------------


class World:
    """Who belongs to whom, as of a day."""

    def __init__(self, agencies: Sequence[Row], places: Sequence[Row]) -> None:
        self.agencies, self.places = agencies, places
        self._ministries: dict[tuple[str, dt.date], str | None] = {}
        self._parents: dict[dt.date, dict[str, str | None]] = {}
        self._places: dict[dt.date, dict[str, Row]] = {}

    @staticmethod
    def _valid(rows: Iterable[Row], key: str, day: dt.date) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for row in rows:
            starts, ends = row.get("valid_from"), row.get("valid_to")
            if (starts is None or starts <= day) and (ends is None or ends >= day):
                kept = found.get(row[key])
                if kept is None or (kept.get("valid_from") or dt.date.min) <= (starts or dt.date.min):
                    found[row[key]] = row
        return found

    def ministry(self, agency_id: str, day: dt.date) -> str | None:
        if (agency_id, day) not in self._ministries:
            self._ministries[(agency_id, day)] = self._root(agency_id, day)
        return self._ministries[(agency_id, day)]

    def _root(self, agency_id: str, day: dt.date) -> str | None:
        if day not in self._parents:
            valid = self._valid(self.agencies, "agency_id", day)
            # A parent that is not there on the day is no parent.
            self._parents[day] = {
                name: row["parent_id"] if row["parent_id"] in valid else None for name, row in valid.items()
            }
        parents = self._parents[day]
        if agency_id not in parents:
            return None
        seen = [agency_id]
        while (above := parents[seen[-1]]) is not None:
            if above in seen:
                return None
            seen.append(above)
        root = seen[-1]
        return root if root in parents.values() else None

    def county(self, district: str | None, day: dt.date) -> str | None:
        if district is None:
            return None
        if day not in self._places:
            self._places[day] = self._valid(self.places, "place_id", day)
        valid = self._places[day]
        parent = valid.get(valid[district]["parent_id"]) if district in valid else None
        return parent["place_id"] if parent is not None and parent["kind"] == "county" else None


# --- events ---------------------------------------------------------------------------------------------------------


def counted_events(events: Sequence[Row]) -> list[dict[str, Any]]:
    """Received, completed and visit events, each (source, event id) once, without tests and retracted ones."""
    retracted = {
        (event["source"], event["retracted_event_id"])
        for event in events
        if event["event_type"] == "ir.egov.event.retracted.v1"
    }
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        name = (event["source"], event["event_id"])
        if event["event_type"] in COUNTED and not event.get("is_test") and name not in retracted:
            kept.setdefault(name, {**event, "kind": COUNTED[event["event_type"]]})
    return sorted(kept.values(), key=order)


def order(event: Row) -> tuple[Any, ...]:
    return (event["occurred_at"], event["event_id"], event["source"])


def locate(events: Iterable[dict[str, Any]], world: World) -> None:
    """Give each event its months and its scopes."""
    for event in events:
        day = tehran_day(event["occurred_at"])
        event["month"] = {calendar: month_index(calendar, day) for calendar in CALENDARS}
        event["ministry"] = world.ministry(event["agency_id"], day)
        scopes = {
            "national": "IR",
            "province": event.get("province"),
            "county": world.county(event.get("district"), day),
            "district": event.get("district"),
            "ministry": event["ministry"],
            "agency": event["agency_id"],
            "service": event.get("service_id"),
        }
        event["scopes"] = [(scope, name) for scope, name in scopes.items() if name is not None]


def cells(event: Row, scopes: Iterable[str] | None = None) -> list[Cell]:
    """The cells an event (or a visit) counts in: its scopes, in its channel and in all channels."""
    return [
        (scope, name, channel)
        for scope, name in event["scopes"]
        if scopes is None or scope in scopes
        for channel in (event["channel"], ALL)
    ]


# --- visits ---------------------------------------------------------------------------------------------------------


@dataclass
class Visit:
    """One visit: its first event, the scopes it counts in and the first person named."""

    first: Row
    scopes: tuple[str, ...]
    pid: bytes | None


EVERYWHERE = (*PLACES, "ministry", "agency")


def find_visits(events: Sequence[Row]) -> list[Visit]:
    """``events`` in order of time."""
    entities: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    scopes_of: dict[tuple[Any, ...], tuple[str, ...]] = {}
    for event in events:
        visit_id = event.get("visit_id")
        if visit_id is None:
            continue
        if event["channel"] != WINDOW:
            mine = [(("own", event["agency_id"], visit_id), EVERYWHERE)]
        else:
            mine = [
                (("window", visit_id), PLACES),
                (("window of agency", event["agency_id"], visit_id), ("agency",)),
            ]
            if event["ministry"] is not None:
                mine.append((("window of ministry", event["ministry"], visit_id), ("ministry",)))
        for entity, scopes in mine:
            entities[entity].append(event)
            scopes_of[entity] = scopes
    found = [
        Visit(members[0], scopes_of[entity], next((e["pid"] for e in members if e.get("pid") is not None), None))
        for entity, members in entities.items()
    ]
    return found + find_sessions(events)


def find_sessions(events: Sequence[Row]) -> list[Visit]:
    found = []
    open_sessions: dict[tuple[str, bytes, str], tuple[dt.datetime, dt.datetime]] = {}  # first and latest moment
    for event in events:
        if event.get("visit_id") is not None or event.get("pid") is None:
            continue
        owner, now = (event["agency_id"], event["pid"], event["channel"]), event["occurred_at"]
        running = open_sessions.get(owner)
        if running is None or now - running[1] > dt.timedelta(minutes=30) or now - running[0] >= dt.timedelta(hours=24):
            found.append(Visit(event, EVERYWHERE, event["pid"]))
            open_sessions[owner] = (now, now)
        else:
            open_sessions[owner] = (running[0], now)
    return found


# --- declarations ---------------------------------------------------------------------------------------------------

Declared = dict[tuple[str, int, int], dict[Cell, Any]]  # (calendar, first, last) to cell to value


def add_up(values: Sequence[Any]) -> Any:
    numbers = [value for value in values if not isinstance(value, str)]
    if numbers:
        return sum(numbers)
    return NOT_PROVIDED if NOT_PROVIDED in values else NOT_APPLICABLE


def find_declared(events: Sequence[Row], world: World) -> Declared:
    retracted = {
        (event["source"], event["retracted_event_id"])
        for event in events
        if event["event_type"] == "ir.egov.event.retracted.v1"
    }
    latest: dict[tuple[Any, ...], Row] = {}
    for event in sorted(events, key=order):
        if (
            event["event_type"] == "ir.egov.agency.declaration.v1"
            and event["measure"] == "transactions_completed"
            and (event["source"], event["event_id"]) not in retracted
        ):
            first, _, last = event["period"].partition("/")
            window = (event["calendar"], index_of(first), index_of(last or first))
            latest[(window, event["agency_id"], event.get("service_id"), event.get("channel"))] = event

    by_agency: dict[Any, dict[str, dict[Any, Any]]] = defaultdict(lambda: defaultdict(dict))
    newest: dict[Any, Row] = {}
    for (window, agency_id, service_id, channel), event in latest.items():
        value = event["declared_value"] if event["declared_status"] == "value" else event["declared_status"]
        by_agency[window][agency_id][(service_id, channel)] = value
        known = newest.get((window, agency_id))
        if known is None or order(known) < order(event):
            newest[(window, agency_id)] = event

    declared: Declared = {}
    for window, agencies in by_agency.items():
        parts: dict[Cell, list[Any]] = defaultdict(list)
        for agency_id, given in agencies.items():
            ministry = world.ministry(agency_id, tehran_day(newest[(window, agency_id)]["occurred_at"]))
            services = defaultdict(dict)
            for (service_id, channel), value in given.items():
                if service_id is not None:
                    services[service_id][channel] = value
            for of_service in services.values():
                if None in of_service:
                    of_service[ALL] = of_service.pop(None)
                else:
                    of_service[ALL] = add_up(list(of_service.values()))
            own = {channel: value for (service_id, channel), value in given.items() if service_id is None}
            levels = {channel: value for channel, value in own.items() if channel is not None}
            for channel in {name for of_service in services.values() for name in of_service} - {ALL}:
                if channel not in levels:
                    levels[channel] = add_up([s[channel] for s in services.values() if channel in s])
            by_channel = [value for channel, value in own.items() if channel is not None]
            if None in own:
                levels[ALL] = own[None]
            elif by_channel:
                levels[ALL] = add_up(by_channel)
            else:
                levels[ALL] = add_up([of_service[ALL] for of_service in services.values()])
            for service_id, of_service in services.items():
                for channel, value in of_service.items():
                    parts[("service", service_id, channel)].append(value)
            for channel, value in levels.items():
                parts[("agency", agency_id, channel)].append(value)
                parts[("national", "IR", channel)].append(value)
                if ministry is not None:
                    parts[("ministry", ministry, channel)].append(value)
        declared[window] = {cell: add_up(values) for cell, values in parts.items()}
    return declared


# --- tables ---------------------------------------------------------------------------------------------------------


def percentile(values: Sequence[int], share: Fraction) -> float:
    """Linear interpolation between the two neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = place.numerator // place.denominator
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def people(members: Iterable[Row]) -> int:
    return len({member["pid"] for member in members if member.get("pid") is not None})


def compute(events: Sequence[Row], agencies: Sequence[Row], places: Sequence[Row]) -> Tables:
    world = World(agencies, places)
    counted = counted_events(events)
    locate(counted, world)
    visits = find_visits(counted)
    declared = find_declared(events, world)
    tables = Tables()
    for calendar in CALENDARS:
        _Calendar(calendar, counted, visits, declared).fill(tables)
    return tables


class _Calendar:
    """One calendar's rows."""

    def __init__(self, calendar: str, events: Sequence[Row], visits: Sequence[Visit], declared: Declared) -> None:
        self.calendar = calendar
        self.declared = {window[1:]: values for window, values in declared.items() if window[0] == calendar}
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
        for (first, last), values in self.declared.items():
            if first == last:
                for cell, value in values.items():
                    key = (self.calendar, label(first), *cell)
                    tables.transactions.setdefault(key, self._nothing_but_declared())["declared"] = value
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
            "declared": NOT_PROVIDED,
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

    def _periods(self, tables: Tables) -> None:
        windows: dict[str, tuple[int, int]] = {}
        for start, end in {(self.starts[cell], self.ends[cell[:2]]) for cell in self.starts}:
            for month in range(start, end + 1):
                for name, first, last in enclosing(month):
                    windows[name] = (first, last)
        declared: dict[str, dict[Cell, Any]] = {}
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
                row["declared"] = value

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
            "declared": NOT_PROVIDED,
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
