"""Seeded random catalogues: versions, gaps, blanks, shared codes, agencies that move. Imports nothing of ours.

``catalogue(seed)`` gives rows as the catalogue gives them: versions of one thing never share a day, ``valid_to`` is the
last valid day, a blank is None. Few ids and few days, so that everything meets everything.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from typing import Any

from random_events import CHANNELS, Catalogue, Row

# Nowruz of 1399 and the days around it, an ordinary day, and one after every test's today.
DAYS = tuple(
    dt.date.fromisoformat(day)
    for day in ("2019-03-21", "2019-12-31", "2020-03-19", "2020-03-20", "2020-03-21", "2020-09-22", "2031-01-01")
)
LEVELS = ("none", "informational", "partial", "full", "smart", "unknown", None)
LIFECYCLES = ("planned", "launching", "live", "live", "live", "retired", None)
AGENCIES = ("energy", "justice", "water", "deeds", "lone")
DISTRICTS = ("kahak", "jafarieh")


def catalogue(seed: int, services: int = 12) -> Catalogue:
    """A catalogue of five agencies and ``services`` services. The same seed gives the same rows."""
    rng = random.Random(seed)
    dated = rng.random() < 0.9
    found = Catalogue(places=list(_places(rng)))
    for agency_id in AGENCIES:
        for run in _versions(rng, dated):
            parents = {"water": ("energy", "justice", None), "deeds": ("justice", "water", None)}.get(
                agency_id, (None,)
            )
            found.agencies.append(
                {
                    "agency_id": agency_id,
                    "parent_id": rng.choice(parents),
                    "province": rng.choice(("qom", "tehran", None)),
                    "district": rng.choice((*DISTRICTS, None)),
                    "expected_to_report": rng.choice((True, False, None)),
                    **run,
                }
            )
    for number in range(services):
        agency_id, code = rng.choice(AGENCIES), rng.choice(("1301", "1302", None))
        for run in _versions(rng, dated):
            found.services.append(_service(rng, number, agency_id, code) | run)
    return found


def mandates(seed: int) -> list[Row]:
    """Some mandates about random scopes and measures, in versions, for a catalogue of this module."""
    rng = random.Random(seed)
    found = []
    for number in range(6):
        about = {
            "mandate_id": f"m{number}",
            "scope": rng.choice(("national", "ministry", "province", "district", "agency")),
            "measure": rng.choice(("electronic_share", "smart_share", "window_service_share", "never_heard_of")),
        }
        for run in _versions(rng, dated=True):
            low, due = rng.choice((0.3, 0.5, 1.0, None)), rng.choice((*DAYS, run["valid_to"], None))
            found.append(about | {"threshold_low": low, "threshold_high": None, "due": due} | run)
    return found


def _service(rng: random.Random, number: int, agency_id: str, code: str | None) -> Row:
    return {
        "service_id": f"s{number}",
        "agency_id": rng.choice((agency_id, agency_id, agency_id, "lone")),
        "official_code": rng.choice((code, code, None)),
        "declared_level": rng.choice(LEVELS),
        "audience": rng.choice(("citizen", "citizen|business", "government", None)),
        "nature": rng.choice(("transactional", "interactive", None)),
        "lifecycle": rng.choice(LIFECYCLES),
        "launched_at": rng.choice((*DAYS, None)),
        "primary_channel": rng.choice((*CHANNELS[:3], None)),
        "countability": rng.choice(("countable", "blocked", None)),
        "via_window": rng.choice((True, False, None)),
    }


def _places(rng: random.Random) -> Iterator[Row]:
    yield from (_place("qom", "province", None), _place("tehran", "province", None), _place("ray", "county", "tehran"))
    for district in DISTRICTS:
        for run in _versions(rng, dated=True):
            yield _place(district, "district", rng.choice(("ray", "qom"))) | run


def _place(place_id: str, kind: str, parent: str | None) -> Row:
    return {"place_id": place_id, "kind": kind, "parent_id": parent, "valid_from": None, "valid_to": None}


def _versions(rng: random.Random, dated: bool) -> Iterator[dict[str, Any]]:
    """One to three runs of days, some with a gap between, the outer ends blank now and then."""
    if not dated:
        yield {"valid_from": None, "valid_to": None}
        return
    days: Sequence[dt.date] = sorted(rng.sample(DAYS, rng.randint(1, 4)))
    starts: list[dt.date | None] = [*days[:-1]] or [*days]
    if rng.random() < 0.4:
        starts[0] = None
    ends: list[dt.date | None] = [day - dt.timedelta(days=1) for day in days[1 : len(starts)]]
    ends.append(rng.choice((None, days[-1])) if len(days) > 1 else None)
    for start, end in zip(starts, ends, strict=True):
        if rng.random() < 0.85:
            yield {"valid_from": start, "valid_to": end}
