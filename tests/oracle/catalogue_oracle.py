"""Services by level and their shares, told from the definitions: look at the catalogue of each day that may matter.

Slow on purpose: no runs, no running sums. Imports nothing but the oracle's own catalogue.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import jdatetime
from oracle_events import Row, World
from random_events import CHANNELS

LEVELS = ("none", "informational", "partial", "full", "smart", "unknown")
NOT_APPLICABLE = "not_applicable"
ONE_DAY = dt.timedelta(days=1)
Scope = tuple[str, str]


def opened_on(agencies: Sequence[Row], services: Sequence[Row], today: dt.date) -> dt.date:
    """The first day of whatever has none: the earliest day named, else the earliest launch, else today."""
    named = [row[end] for row in (*agencies, *services) for end in ("valid_from", "valid_to") if row[end] is not None]
    launches = [row["launched_at"] for row in services if row["launched_at"] is not None]
    return min([today, *(named or launches)]) if named or launches else today


def days_to_look_at(rows: Sequence[Row], opened: dt.date, today: dt.date) -> list[dt.date]:
    """Every day from the opening on, today at most, on which something may be otherwise than the day before."""
    days = {opened, *(jdatetime.date(year, 1, 1).togregorian() for year in range(1390, 1420))}
    days |= {row["launched_at"] for row in rows if row.get("launched_at")}
    for row in rows:
        days |= {row["valid_from"]} if row["valid_from"] else set()
        days |= {row["valid_to"] + ONE_DAY} if row["valid_to"] else set()
    return sorted(day for day in days if opened <= day <= today)


def on_offer(catalogue: Any, world: World, day: dt.date) -> dict[Scope, list[Row]]:
    """The services of each scope on a day."""
    agencies = {row["agency_id"]: row for row in catalogue.agencies if valid(row, day)}
    found: dict[Scope, list[Row]] = defaultdict(list)
    for service in catalogue.services:
        agency = agencies.get(service["agency_id"])
        if agency is None or not valid(service, day) or service["lifecycle"] in ("planned", "retired"):
            continue
        ministry = world.ministry(agency["agency_id"], day)
        county = world.county(agency["district"], day)
        for scope, name in (
            ("national", "IR"),
            ("agency", agency["agency_id"]),
            ("ministry", ministry),
            ("province", agency["province"]),
            ("district", agency["district"]),
            ("county", county),
        ):
            if name is not None:
                found[(scope, name)].append(service)
    return found


def valid(row: Row, day: dt.date, opened: dt.date = dt.date.min) -> bool:
    return (row["valid_from"] or opened) <= day <= (row["valid_to"] or dt.date.max)


def is_new(service: Row, day: dt.date) -> bool:
    """Launched in the day's Jalali year, on that day at the latest."""
    launched = service["launched_at"]
    return launched is not None and launched <= day and jalali_year(launched) == jalali_year(day)


def jalali_year(day: dt.date) -> int:
    year: int = jdatetime.date.fromgregorian(date=day).year
    return year


def histories(catalogue: Any, today: dt.date, base: str = "all") -> dict[Scope, dict[dt.date, list[Row]]]:
    """Per scope, each day on which the base's services are others than before, with the services."""
    world = World(catalogue.agencies, catalogue.places)
    opened = opened_on(catalogue.agencies, catalogue.services, today)
    dated = [*catalogue.agencies, *catalogue.services, *catalogue.places]
    found: dict[Scope, dict[dt.date, list[Row]]] = defaultdict(dict)
    before: dict[Scope, list[Row]] = {}
    for day in days_to_look_at(dated, opened, today):
        now = on_offer(catalogue, world, day)
        if base == "new":
            now = {scope: [row for row in rows if is_new(row, day)] for scope, rows in now.items()}
        for scope in {*before, *now}:
            if [id(row) for row in before.get(scope, [])] != [id(row) for row in now.get(scope, [])]:
                found[scope][day] = now.get(scope, [])
        before = now
    return found


def service_levels(catalogue: Any, today: dt.date) -> dict[tuple[dt.date, str, str], dict[str, Any]]:
    """(as_of, scope, scope_id) to the columns of service_levels."""
    return {
        (day, *scope): _levels(_units(scope, services))
        for scope, days in histories(catalogue, today).items()
        for day, services in days.items()
    }


def _units(scope: Scope, services: Sequence[Row]) -> list[str]:
    """One level for each service, in the nation for each official code."""
    levels = []
    shared: Mapping[str, list[str]] = defaultdict(list)
    for service in services:
        level = service["declared_level"] or "unknown"
        if scope[0] == "national" and service["official_code"] is not None:
            shared[service["official_code"]].append(level)
        else:
            levels.append(level)
    return levels + [_least(found) for found in shared.values()]


def _least(levels: Sequence[str]) -> str:
    """The level that holds at every deliverer, whatever the unknown ones are."""
    for level in ("none", "informational", "partial", "unknown", "full"):
        if level in levels:
            return level
    return "smart"


def _levels(units: Sequence[str]) -> dict[str, Any]:
    counts = Counter(units)
    services, electronic, unknown = len(units), counts["full"] + counts["smart"], counts["unknown"]
    return {
        "services": services,
        **{level: counts[level] for level in LEVELS},
        "electronic_share": share(electronic, services),
        "share_lower": share(electronic, services),
        "share_upper": share(electronic + unknown, services),
        "share_of_known": share(electronic, services - unknown),
    }


def offering_shares(catalogue: Any, today: dt.date) -> dict[tuple[dt.date, str, str, str], dict[str, Any]]:
    """(as_of, scope, scope_id, channel) to the columns of offering_shares."""
    found = {}
    for scope, days in histories(catalogue, today).items():
        for day, services in days.items():
            for channel in (*CHANNELS, "all"):
                here = sum(channel in ("all", service["primary_channel"]) for service in services)
                found[(day, *scope, channel)] = _part(here, len(services))
    return found


def service_shares(catalogue: Any, today: dt.date) -> dict[tuple[Any, ...], dict[str, Any]]:
    """(as_of, scope, scope_id, base, dimension, code) to the columns of service_shares."""
    found = {}
    for base in ("all", "new"):
        for scope, days in histories(catalogue, today, base).items():
            for dimension in ("audience", "nature", "primary_channel", "lifecycle", "countability"):
                for code in {code for rows in days.values() for row in rows for code in codes(row, dimension)}:
                    for day, rows in days.items():
                        here = sum(code in codes(row, dimension) for row in rows)
                        found[(day, *scope, base, dimension, code)] = _part(here, len(rows))
    return found


def district_services(catalogue: Any, today: dt.date) -> dict[tuple[str, dt.date], dict[str, Any]]:
    """(district, as_of) to the columns of district_services."""
    opened = opened_on(catalogue.agencies, catalogue.services, today)
    dated = [*catalogue.agencies, *catalogue.services, *catalogue.places]
    world = World(catalogue.agencies, catalogue.places)
    found: dict[tuple[str, dt.date], dict[str, Any]] = {}
    before: dict[str, Any] = {}
    for day in sorted({opened, *days_to_look_at(dated, dt.date.min, today)}):
        listed = on_offer(catalogue, world, day) if day >= opened else {}
        for name in {row["place_id"] for row in catalogue.places if row["kind"] == "district"}:
            places = [row for row in catalogue.places if row["place_id"] == name and valid(row, day, opened)]
            agencies = [row for row in catalogue.agencies if row["district"] == name and valid(row, day, opened)]
            services = listed.get(("district", name), [])
            now = [id(row) for row in (*places, *agencies, *services)]
            if now != before.get(name, []) and places:
                found[(name, day)] = _district(agencies, services)
            before[name] = now
    return found


def _district(agencies: Sequence[Row], services: Sequence[Row]) -> dict[str, Any]:
    asked = {row["expected_to_report"] for row in agencies}
    levels = Counter(row["declared_level"] or "unknown" for row in services)
    counts = {
        "services": len(services),
        "full": levels["full"] + levels["smart"],
        "partial": levels["partial"],
        "unknown": levels["unknown"],
    }
    if True not in asked and not services:
        counts = dict.fromkeys(counts, "not_provided")
    return {**counts, "expected": True if True in asked else None if None in asked else False}


def compliance(catalogue: Any, today: dt.date, probes: Sequence[dt.date]) -> dict[tuple[Any, ...], str]:
    """(mandate_id, scope_id, probe) to how the mandate stands on that day, where it has begun and binds somebody."""
    world = World(catalogue.agencies, catalogue.places)
    opened = opened_on(catalogue.agencies, catalogue.services, today)
    history = histories(catalogue, today)
    found: dict[tuple[Any, ...], str] = {}
    for mandate in sorted(catalogue.mandates, key=lambda row: row["valid_from"] or dt.date.min):
        begins, ends = mandate["valid_from"] or opened, mandate["valid_to"] or dt.date.max
        bound = {
            scope_id: day
            for (scope, scope_id), days in history.items()
            if scope == mandate["scope"] and (day := _first_listed(days, begins, ends)) is not None
        }
        bound |= {"IR": begins} if mandate["scope"] == "national" else {}
        for scope_id, first_day in bound.items():
            for probe in probes:
                if max(begins, first_day) <= min(probe, ends):
                    # After its end a mandate stands as it did, but that the due day is then over.
                    day = min(probe, ends)
                    listed = on_offer(catalogue, world, day) if day >= opened else {}
                    services = listed.get((mandate["scope"], scope_id), [])
                    late = mandate["due"] is not None and mandate["due"] <= ends and probe > mandate["due"]
                    found[(mandate["mandate_id"], scope_id, probe)] = _judged(mandate, services, late)
    return found


def _first_listed(days: Mapping[dt.date, Sequence[Row]], begins: dt.date, ends: dt.date) -> dt.date | None:
    """When the services began that were listed first between two days; None where none were."""
    starts = sorted(days)
    for start, following in zip(starts, [*starts[1:], dt.date.max], strict=True):
        if days[start] and start <= ends and following > begins:
            return start
    return None


def _judged(mandate: Row, services: Sequence[Row], late: bool) -> str:
    asked = mandate["threshold_low"]
    units = _units((mandate["scope"], ""), services)
    if mandate["measure"] == "window_service_share":
        sure, perhaps = (sum(row["via_window"] is word for row in services) for word in (True, None))
        total = len(services)
    else:
        counts = Counter(units)
        sure, perhaps = counts["smart"], counts["unknown"]
        sure += counts["full"] if mandate["measure"] == "electronic_share" else 0
        total = len(units)
    if mandate["measure"] == "never_heard_of" or asked is None or not total:
        return "not_measurable"
    if sure / total >= asked:
        return "met"
    if (sure + perhaps) / total >= asked:
        return "not_measurable"
    return "overdue" if late else "not_met"


def codes(service: Row, dimension: str) -> list[str]:
    return str(service[dimension]).split("|") if service[dimension] is not None else []


def _part(services: int, total: int) -> dict[str, Any]:
    return {"services": services, "total_services": total, "share": share(services, total)}


def share(part: int, whole: int) -> Any:
    """A float, or not applicable where there is nothing to share."""
    return float(Fraction(part, whole)) if whole else NOT_APPLICABLE
