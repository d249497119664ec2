"""Events and rejections about agencies, as rows of the lake, for tests that say little about each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import random_events
from deltalake import write_deltalake
from lake_bench import LakeBench

from contracts.lake_tables import lake_tables
from warehouse.lake import arrow_schema

HEARTBEAT, TOTAL = "ir.egov.agency.heartbeat.v1", "ir.egov.agency.control_total.v1"
Event = dict[str, Any]
MORNING = dt.time(6, tzinfo=dt.UTC)


def said(event_type: str, name: str, day: str, agency: str = "water", **given: Any) -> Event:
    moment = dt.datetime.combine(dt.date.fromisoformat(day), MORNING)
    envelope = {"event_id": name, "source": f"/agencies/{agency}", "agency_id": agency, "event_type": event_type}
    return {**envelope, "occurred_at": moment, "landed_at": moment + dt.timedelta(minutes=1), **given}


def total(name: str, day: str, count: int, said_on: str | None = None, **given: Any) -> Event:
    about = {
        "total_date": dt.date.fromisoformat(day),
        "total_event_type": random_events.COMPLETED,
        "total_count": count,
    }
    return said(TOTAL, name, said_on or day, **(about | given))


def completed(name: str, day: str, **given: Any) -> Event:
    about = {"transaction_id": f"t-{name}", "service_id": "s1", "channel": "portal", "outcome": "accepted"}
    return said(random_events.COMPLETED, name, day, **(about | given))


def retracted(name: str, target: str, day: str = "2021-06-01") -> Event:
    return said(random_events.RETRACTED, name, day, retracted_event_id=target, retraction_reason="sent_in_error")


def reject(bench: LakeBench, agency: str, landed_at: str, count: int = 1, state: str = "open") -> None:
    reject_all(bench, [(agency, dt.datetime.fromisoformat(landed_at))] * count, state)


def reject_all(bench: LakeBench, rejections: Sequence[tuple[str, dt.datetime]], state: str = "open") -> None:
    columns = lake_tables()["quarantine"]
    given = [{"agency_id": agency, "landed_at": landed_at, "state": state} for agency, landed_at in rejections]
    rows = [{name: row.get(name) for name in columns} for row in given]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(columns))
    write_deltalake(bench.lake.open("quarantine").handle, table, mode="append")
