"""The assets that the DAGs share, and what wakes `land_events` before its minute is up."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import Asset, AssetWatcher

from scheduler.offsets_trigger import OffsetsAheadTrigger

START = dt.datetime(2026, 3, 21, tzinfo=dt.UTC)
OWNER = "data-engineering"
RETRIES = {"retries": 3, "retry_delay": dt.timedelta(seconds=10), "retry_exponential_backoff": True}
# A task that hangs would hold its pool and its DAG's only run for ever. These end it (AirflowTaskTimeout, raised inside
# the task) and the retry goes on: landing keeps each batch it committed, a month or a version is there whole or not.
# Landing needs seconds a minute; thirty minutes are for a first backlog, of which the retry takes up the rest.
LANDING_TIMEOUT = dt.timedelta(minutes=30)
GATE_TIMEOUT = dt.timedelta(minutes=30)
MONTH_TIMEOUT = dt.timedelta(hours=1)
# Facts, and publishing that finds months waiting, may have to make a lost build anew from all events.
BUILD_TIMEOUT = dt.timedelta(hours=3)
MAINTENANCE_TIMEOUT = dt.timedelta(hours=2)
SHORT_TIMEOUT = dt.timedelta(minutes=10)  # lists of work, announcements, the catalogue's few files
# One slot: one process writes the build database at a time.
BUILD_POOL = "build_database"

# How a month is typed into a form; which months there are is for the step to say.
MONTH = "^[0-9]{4}-(0[1-9]|1[0-2])$"

kafka_backlog = Asset(
    name="kafka_backlog",
    uri="mizan://kafka/backlog",
    watchers=[AssetWatcher(name="offsets_ahead", trigger=OffsetsAheadTrigger(poll_seconds=5.0))],
)
lake_events = Asset(name="lake_events", uri="mizan://lake/events")
marts = Asset(name="marts", uri="mizan://marts")
published = Asset(name="published", uri="mizan://published")
