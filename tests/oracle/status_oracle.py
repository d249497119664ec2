"""An agency's status by day in plain Python, written from the definition. Nothing of the platform is imported.

``days`` replays one agency: what it said, what landed and what was rejected, day after day.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

DAY = dt.timedelta(days=1)
CURRENT_MAJOR = 1
NOT_PROVIDED, NOT_APPLICABLE = "not_provided", "not_applicable"


@dataclass(frozen=True)
class Heartbeat:
    """One heartbeat: an aware time, its id, whether the agency is on the window (None: it does not say)."""

    at: dt.datetime
    event_id: str
    contract: str
    word: bool | None


@dataclass
class History:
    """What there is of one agency. Events and totals by (source, day, type); rejections and arrivals by day."""

    heartbeats: list[Heartbeat] = field(default_factory=list)
    events: dict[tuple[str, dt.date, str], list[str]] = field(default_factory=dict)
    totals: dict[tuple[str, dt.date, str], tuple[int, str | None]] = field(default_factory=dict)
    other_days: set[dt.date] = field(default_factory=set)  # something landed that tells of the agency itself
    accepted: dict[dt.date, int] = field(default_factory=dict)
    rejected: dict[dt.date, int] = field(default_factory=dict)


def days(history: History, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    """One row per day; a measure is a number, ``not_provided`` or ``not_applicable``."""
    rows: list[dict[str, Any]] = []
    day, state, since = first, "", first
    while day <= last:
        found, reason = connection(history, day)
        if found != state:
            state, since = found, day
        rejected, arrived = _week(history.rejected, day), _week(history.rejected, day) + _week(history.accepted, day)
        heard = [beat.at for beat in history.heartbeats if beat.at.date() <= day]
        rows.append(
            {"day": day, "connection_state": state, "since": since, "reason": reason}
            | {"rejected": rejected if arrived else NOT_APPLICABLE, "arrived": arrived or NOT_APPLICABLE}
            | {"failure_rate": Fraction(rejected, arrived) if arrived else NOT_APPLICABLE}
            | {"last_heartbeat_at": max(heard, default=None)}
            | landing(history, day)
        )
        day += DAY
    return rows


def landing(history: History, day: dt.date) -> dict[str, Any]:
    """What landed of a day beside what the agency says it sent."""
    events = {key: ids for key, ids in history.events.items() if key[1] == day}
    totals = {key: said for key, said in history.totals.items() if key[1] == day}
    count = sum(len(ids) for ids in events.values())
    row: dict[str, Any] = {
        "landed": count if events or totals or day in history.other_days else NOT_PROVIDED,
        "control_total": NOT_PROVIDED,
        "landed_of_total": NOT_PROVIDED,
        "completeness": NOT_PROVIDED,
        "checksum_matches": None,
    }
    if totals:
        total = sum(number for number, _ in totals.values())
        landed = sum(len(events.get(key, [])) for key in totals)
        row |= {"control_total": total, "landed_of_total": landed}
        row["completeness"] = Fraction(landed, total) if total else NOT_APPLICABLE
        sums = [(checksum, events.get(key, [])) for key, (_, checksum) in totals.items() if checksum is not None]
        if sums:
            row["checksum_matches"] = all(checksum_of(ids).startswith(said[:16]) for said, ids in sums)
    return row


def connection(history: History, day: dt.date) -> tuple[str, str]:
    """The state on a day and its reason."""
    beats = sorted((beat for beat in history.heartbeats if beat.at.date() <= day), key=lambda b: (b.at, b.event_id))
    words = [beat for beat in beats if beat.word is not None]
    age = (day - words[-1].at.date()).days if words else None
    if not any(beat.word for beat in beats):
        if not beats:
            return "never", "no_heartbeat"
        if age is None:
            return "never", "not_told"
        return ("connecting", "not_on_window") if age <= 30 else ("never", "silent")
    assert age is not None
    if not words[-1].word:
        return "disconnected", "left_window"
    if age > 30:
        return "disconnected", "silent"
    if int(beats[-1].contract.split(".")[0]) < CURRENT_MAJOR:
        return "standard_lost", "old_contract"
    rejected = _week(history.rejected, day)
    arrived = rejected + _week(history.accepted, day)
    rate = Fraction(rejected, arrived) if arrived >= 20 else Fraction(0)
    if rate >= Fraction(1, 2):
        return "standard_lost", "contract_failures"
    if rate >= Fraction(5, 100):
        return "degraded", "contract_failures"
    week = [key for key in history.totals if day - 6 * DAY <= key[1] <= day]
    total = sum(history.totals[key][0] for key in week)
    landed = sum(len(history.events.get(key, [])) for key in week)
    if total and Fraction(landed, total) < Fraction(95, 100):
        return "degraded", "incomplete"
    return ("degraded", "late_heartbeat") if age >= 15 else ("connected", "on_window")


def checksum_of(event_ids: Sequence[str]) -> str:
    """The XOR of the ids' SHA-256, in hex."""
    number = 0
    for name in set(event_ids):
        number ^= int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    return f"{number:064x}"


def _week(numbers: dict[dt.date, int], day: dt.date) -> int:
    return sum(numbers.get(day - back * DAY, 0) for back in range(7))
