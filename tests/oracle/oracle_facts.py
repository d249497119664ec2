"""The oracle's visits, sessions and declared figures. Imports nothing but the oracle's own events."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from oracle_events import ALL, Cell, Row, World, index_of, order, tehran_day

NOT_PROVIDED, NOT_APPLICABLE = "not_provided", "not_applicable"
WINDOW = "national_window"
PLACES = ("national", "province", "county", "district")


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


class Told(NamedTuple):
    """A declared figure; of the services behind it (an agency that spoke for itself is one), how many gave a number and
    to how many it applies."""

    value: Any
    provided: int
    applicable: int


Declared = dict[tuple[str, str, int, int], dict[Cell, Told]]  # (measure, calendar, first, last) to cell to figure


def said(value: Any) -> Told:
    return Told(value, int(not isinstance(value, str)), int(value != NOT_APPLICABLE))


def add_up(values: Sequence[Any]) -> Any:
    numbers = [value for value in values if not isinstance(value, str)]
    if numbers:
        return sum(numbers)
    return NOT_PROVIDED if NOT_PROVIDED in values else NOT_APPLICABLE


def total(parts: Sequence[Told]) -> Told:
    return Told(
        add_up([part.value for part in parts]), sum(part.provided for part in parts), sum(p.applicable for p in parts)
    )


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
            and (event["source"], event["event_id"]) not in retracted
        ):
            first, _, last = event["period"].partition("/")
            window = (event["measure"], event["calendar"], index_of(first), index_of(last or first))
            latest[(window, event["agency_id"], event.get("service_id"), event.get("channel"))] = event

    by_agency: dict[Any, dict[str, dict[Any, Any]]] = defaultdict(lambda: defaultdict(dict))
    newest: dict[Any, Row] = {}
    for (window, agency_id, service_id, channel), event in latest.items():
        value = event["declared_value"] if event["declared_status"] == "value" else event["declared_status"]
        by_agency[window][agency_id][(service_id, channel)] = said(value)
        known = newest.get((window, agency_id))
        if known is None or order(known) < order(event):
            newest[(window, agency_id)] = event

    declared: Declared = {}
    for window, agencies in by_agency.items():
        parts: dict[Cell, list[Told]] = defaultdict(list)
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
                    of_service[ALL] = said(add_up([told.value for told in of_service.values()]))
            own = {channel: value for (service_id, channel), value in given.items() if service_id is None}
            levels = {channel: value for channel, value in own.items() if channel is not None}
            for channel in {name for of_service in services.values() for name in of_service} - {ALL}:
                if channel not in levels:
                    levels[channel] = total([s[channel] for s in services.values() if channel in s])
            by_channel = [value for channel, value in own.items() if channel is not None]
            if None in own:
                levels[ALL] = own[None]
            elif by_channel:
                levels[ALL] = said(add_up([told.value for told in by_channel]))
            else:
                levels[ALL] = total([of_service[ALL] for of_service in services.values()])
            for service_id, of_service in services.items():
                for channel, value in of_service.items():
                    parts[("service", service_id, channel)].append(value)
            for channel, value in levels.items():
                parts[("agency", agency_id, channel)].append(value)
                parts[("national", "IR", channel)].append(value)
                if ministry is not None:
                    parts[("ministry", ministry, channel)].append(value)
        declared[window] = {cell: total(values) for cell, values in parts.items()}
    return declared
