"""The verdict on each event: accepted, refused with the contract's reason, or to be tried again.

The checks are those of ``mizan check`` and the SDK. What only the catalogue knows (services, places, keys) is judged
when the event lands.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.event import Event
from contracts.reasons import Reason, reasons
from contracts.topics import topic_of
from gateway.logins import Login
from gateway.outlet import Outlet
from producers.checking import LineError, check_lines
from producers.envelope import source_of

ACCEPTED, REFUSED, TRY_AGAIN = "accepted", "refused", "try_again"
# Judged between two looks at everybody else's requests: some ten milliseconds.
AT_ONCE = 256


@dataclass
class Verdicts:
    """What became of one request's events, in their order."""

    events: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)  # refused events by reason code

    @property
    def status(self) -> int:
        """202 all accepted, 207 some, 422 all refused, 503 none accepted and some worth another try."""
        if self.counts[ACCEPTED]:
            return 202 if self.counts[ACCEPTED] == len(self.events) else 207
        return 503 if self.counts[TRY_AGAIN] else 422

    def document(self, *, only_others: bool) -> dict[str, Any]:
        """The answer; ``only_others`` leaves out the events that were accepted. No value of an event but its id."""
        shown = [event for event in self.events if event["verdict"] != ACCEPTED] if only_others else self.events
        told = {code: reasons()[code] for code in sorted(self.why)}
        return {
            **{verdict: self.counts[verdict] for verdict in (ACCEPTED, REFUSED, TRY_AGAIN)},
            "events": shown,
            "reasons": {code: {"what": dict(one.what), "fix": dict(one.fix)} for code, one in told.items()},
        }


async def judge_and_send(values: Sequence[tuple[int, bytes]], login: Login, outlet: Outlet) -> Verdicts:
    """Check every event as ``login``'s, send the good ones, and wait until the broker has them."""
    found = Verdicts()
    good: list[tuple[dict[str, Any], bytes]] = []
    for place, (number, value, verdict) in enumerate(_checked(values, login)):
        if isinstance(verdict, Event):
            found.events.append({"number": number, "id": verdict.event_id, "verdict": TRY_AGAIN})
            good.append((found.events[-1], value))
        else:
            found.events.append(_refused(number, verdict))
            found.why[verdict.reason.code] += 1
        if place % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
    errors = await outlet.send(topic_of(login.agency_id), [value for _, value in good])
    for (event, _), error in zip(good, errors, strict=True):
        if error is None:
            event["verdict"] = ACCEPTED
    found.counts.update(event["verdict"] for event in found.events)
    return found


def _checked(values: Sequence[tuple[int, bytes]], login: Login) -> Iterator[tuple[int, bytes, Event | LineError]]:
    own = None if login.system is None else source_of(login.agency_id, login.system)
    checked = check_lines((value for _, value in values), login.agency_id)
    for (number, value), verdict in zip(values, checked, strict=True):
        if own is not None and isinstance(verdict, Event) and verdict.source != own:
            # Of the agency, but another of its systems: it could use up that system's ids.
            yield number, value, LineError(number, _mismatch(), _mismatch().stage, "source", "source")
        else:
            yield number, value, verdict


def _mismatch() -> Reason:
    return reasons()["source_mismatch"]


def _refused(number: int, error: LineError) -> dict[str, Any]:
    described = {"number": number, "verdict": REFUSED, "reason": error.reason.code, "stage": error.stage}
    if error.field is not None:
        described["field"] = error.field
    if error.detail:
        described["detail"] = error.detail
    return described
