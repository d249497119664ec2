"""A small lake, written by hand, and a catalogue to judge it by."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalogue.read import Catalogue
from contracts.settings import Settings
from warehouse.lake import Lake

NOON = dt.datetime(2020, 4, 1, 12, tzinfo=dt.UTC)
_numbers = itertools.count()

MakeEvent = Callable[..., dict[str, Any]]
Land = Callable[..., None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    Lake(found).create()
    return found


@pytest.fixture
def catalogue() -> Catalogue:
    agencies = [{"agency_id": f"agency-{one}", "name_fa": "دستگاه", "name_en": "Agency"} for one in "abcdefgh"]
    places = [{"place_id": "qom", "kind": "province"}, {"place_id": "kahak", "kind": "district"}]
    return Catalogue(places, agencies, [{"service_id": "passport"}], [], [], [])


@pytest.fixture
def event() -> MakeEvent:
    """One accepted row of lake/events: a completed transaction unless told otherwise."""

    def make(agency: str = "agency-a", batch: str = "b1", **values: Any) -> dict[str, Any]:
        number = next(_numbers)
        return {
            "event_id": f"e{number}",
            "source": f"/agencies/{agency}",
            "agency_id": agency,
            "event_type": "ir.egov.transaction.completed.v1",
            "occurred_at": NOON + dt.timedelta(seconds=number % 3600),
            "landed_at": NOON,
            "transaction_id": f"t{number}",
            "service_id": "passport",
            "channel": "portal",
            "outcome": "accepted",
            "batch_id": batch,
            **values,
        }

    return make


@pytest.fixture
def rejected() -> MakeEvent:
    """One row of lake/quarantine."""

    def make(agency: str = "agency-a", batch: str = "b1") -> dict[str, Any]:
        number = next(_numbers)
        return {
            "topic": f"egov.events.v1.{agency}",
            "partition": 0,
            "offset": number,
            "agency_id": agency,
            "reason_code": "not_json",
            "batch_id": batch,
            "state": "open",
        }

    return make


@pytest.fixture
def land(settings: Settings) -> Land:
    """Append rows to the lake, as landing would: rejects first."""

    def append(events: list[dict[str, Any]], rejects: list[dict[str, Any]] | None = None) -> None:
        Lake(settings).append("quarantine", rejects or [])
        Lake(settings).append("events", events)

    return append
