"""What a batch's accepted rows become in ``events``: one form for landing and for replay."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any

from contracts.event_contract import event_contract
from contracts.lake_tables import lake_tables
from landing.cluster import Topic
from warehouse.connection import Connection

# Columns of `events` whose smallest and largest values go into the log, file by file.
RANGED = ("agency_id", "event_id", "occurred_at")


def new_batch() -> tuple[str, dt.datetime]:
    """A batch's id, which sorts by time, and its instant."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(4)}", now


def name_topics(connection: Connection, topics: Sequence[Topic]) -> None:
    """The table ``landed_topics``: topic numbers, as the decoder gives them, with their names."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE landed_topics AS "
        "SELECT (generate_subscripts($names, 1) - 1)::INTEGER AS t, unnest($names)::VARCHAR AS topic",
        {"names": [topic.name for topic in topics]},
    )


def event_rows(batch_id: str, landed_at: dt.datetime) -> str:
    """The query that gives ``landed`` (of the decoder) as rows of ``events``; it needs ``landed_topics``."""
    given = {
        "landed_at": f"TIMESTAMPTZ '{landed_at.isoformat()}'",
        "topic": "landed_topics.topic",
        "partition": "landed.p",
        "offset": "landed.o",
        "batch_id": f"'{batch_id}'",
        "contract_version": f"'{event_contract().version}'",
    }
    listed = ", ".join(
        f'{given.get(name, f"landed.{chr(34)}{name}{chr(34)}")} AS "{name}"' for name in lake_tables()["events"]
    )
    # Our own names and values only.
    # Unordered: a batch is one row group, so an order would help no reader before files are compacted.
    return f"SELECT {listed} FROM landed JOIN landed_topics USING (t)"  # noqa: S608


def agencies_of(connection: Connection) -> dict[str, dict[str, Any]]:
    """Per agency with accepted rows: how many, and the first and last instant: what the commit touches."""
    rows = connection.sql(
        "SELECT agency_id, count(*), min(occurred_at), max(occurred_at) FROM decoded GROUP BY agency_id"
    ).fetchall()
    return {
        agency: {"rows": count, "first": first.isoformat(), "last": last.isoformat()}
        for agency, count, first, last in rows
    }
