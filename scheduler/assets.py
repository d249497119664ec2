"""The assets that the DAGs share, and what wakes `land_events` before its minute is up."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import Asset, AssetWatcher

from scheduler.offsets_trigger import OffsetsAheadTrigger

START = dt.datetime(2026, 3, 21, tzinfo=dt.UTC)
OWNER = "data-engineering"
RETRIES = {"retries": 3, "retry_delay": dt.timedelta(seconds=10), "retry_exponential_backoff": True}
# One slot: one process writes the build database at a time.
BUILD_POOL = "build_database"

kafka_backlog = Asset(
    name="kafka_backlog",
    uri="mizan://kafka/backlog",
    watchers=[AssetWatcher(name="offsets_ahead", trigger=OffsetsAheadTrigger(poll_seconds=5.0))],
)
lake_events = Asset(name="lake_events", uri="mizan://lake/events")
marts = Asset(name="marts", uri="mizan://marts")
published = Asset(name="published", uri="mizan://published")
