"""The oracle's calendar, catalogue and counted events: when and where an event counts. Imports nothing of ours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import jdatetime

Row = Mapping[str, Any]
Cell = tuple[str, str, str]  # scope, scope_id, channel

TEHRAN = ZoneInfo("Asia/Tehran")
CALENDARS = ("jalali", "gregorian")
COUNTED = {
    "ir.egov.transaction.received.v1": "received",
    "ir.egov.transaction.completed.v1": "completed",
    "ir.egov.visit.recorded.v1": "visit",
}
ALL = "all"


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
