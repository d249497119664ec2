"""Offsets that were gone before they landed, and who let their partition go on: read back from the lake's own log.

Losses are commits of the table ``events`` without files: each range as gaps, operator and reason in the metadata.
The transaction id ``losses`` counts them, so that a lake without any is not read through, and two operators at once
are fenced like two landings.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from contracts.errors import UsageError
from contracts.settings import Settings
from warehouse.connection import Connection
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import METADATA, commit, marks
from warehouse.table_folder import entry_name

KIND = "loss"
COUNTER = "losses"
_SCHEMA = pa.schema(
    {
        "agency_id": pa.string(),
        "topic": pa.string(),
        "partition": pa.int32(),
        "first_offset": pa.int64(),
        "next_offset": pa.int64(),
        "offsets": pa.int64(),
        "cause": pa.string(),
        "last_day_before": pa.date32(),
        "accepted_at": pa.timestamp("us"),
        "accepted_by": pa.string(),
        "reason": pa.string(),
    }
)


@dataclass(frozen=True)
class AcceptedLoss:
    """One accepted loss: ``[first_offset, next_offset)`` of a partition, of which ``offsets`` never reached the lake.

    ``cause``: ``trimmed`` (Kafka deleted the records), ``deleted`` (the topic or partition is gone), ``made_anew`` (the
    topic is another one) or ``cut`` (the log lost its end). Of the last three nobody can count what went: ``offsets``
    is None, and the range covers only what the lake had heard of.
    ``last_day_before``: the Tehran day of the newest event of the partition that landed before; None where there is
    none. A day, because it is published. The lost records' own times are unknown. ``accepted_at`` is in UTC.
    """

    agency_id: str
    topic: str
    partition: int
    first_offset: int
    next_offset: int
    offsets: int | None
    cause: str
    last_day_before: dt.date | None
    accepted_at: dt.datetime
    accepted_by: str
    reason: str


def losses_counted(snapshot: Snapshot) -> int:
    """How many losses the loaded version of ``events`` has seen accepted. Reads no log entry."""
    return snapshot.handle.transaction_version(COUNTER) or 0


def accepted_losses(snapshot: Snapshot) -> list[AcceptedLoss]:
    """Every accepted loss of the loaded version of ``events``, oldest first."""
    if not losses_counted(snapshot):
        return []
    entries = snapshot.folder.read_each(map(entry_name, range(snapshot.version + 1)))
    return [_read(said) for entry in entries for said in _said(entry)]


def commit_losses(
    snapshot: Snapshot,
    losses: Sequence[AcceptedLoss],
    offsets: Mapping[str, int],
    partitions: Mapping[str, object],
    begun: Mapping[str, object] | None = None,
) -> int:
    """Commit losses to ``events`` through the handle they were judged on; the version afterwards.

    ``offsets``: next offset by place, topic id bits by topic and the partitions' other marks; ``partitions``: the
    ranges as the log says them; ``begun``: the lives of partitions that begin here, by place. Raises Fenced where
    another writer came first.
    """
    listed = []
    for loss in losses:
        day = loss.last_day_before
        times = {"accepted_at": loss.accepted_at.isoformat(), "last_day_before": day and day.isoformat()}
        listed.append({**asdict(loss), **times})
    return commit(
        snapshot,
        [],
        {**marks(offsets), COUNTER: losses_counted(snapshot) + len(listed)},
        {
            "kind": KIND,
            "batch_id": "",
            "landed_at": listed[0]["accepted_at"],
            "partitions": dict(partitions),
            "agencies": {},
            "begun": dict(begun or {}),
            KIND: listed,
        },
    )


def show_losses(connection: Connection, settings: Settings) -> None:
    """Make the temporary table ``accepted_losses``; empty where there is no lake."""
    try:
        found = accepted_losses(Lake(settings).open("events"))
    except UsageError:
        found = []
    rows = [asdict(loss) for loss in found]
    for row in rows:
        # Published instants are UTC timestamps, which every client can read.
        row["accepted_at"] = row["accepted_at"].astimezone(dt.UTC).replace(tzinfo=None)
    connection.register("losses_found", pa.Table.from_pylist(rows, schema=_SCHEMA))
    connection.execute("CREATE OR REPLACE TEMP TABLE accepted_losses AS SELECT * FROM losses_found")
    connection.unregister("losses_found")


def write_losses(connection: Connection, *, target: str) -> None:
    """Make the published table ``accepted_losses`` and its lines in ``_meta``: how many offsets; losses uncounted."""
    connection.execute(
        f"CREATE TABLE {target}.marts.accepted_losses AS "  # noqa: S608 our own names
        "SELECT * FROM temp.accepted_losses ORDER BY accepted_at, topic, partition"
    )
    connection.execute(
        f"INSERT INTO {target}.marts._meta "  # noqa: S608 as above
        "SELECT 'accepted_losses', coalesce(sum(offsets), 0)::BIGINT::VARCHAR FROM temp.accepted_losses UNION ALL "
        "SELECT 'accepted_losses_uncounted', (count(*) - count(offsets))::VARCHAR FROM temp.accepted_losses"
    )


def _said(entry: bytes | None) -> Sequence[Mapping[str, Any]]:
    """The losses that a log entry tells; none where it is another commit."""
    text = (entry or b"").decode()
    # Most entries are landings: they are not even parsed.
    if f'\\"{KIND}\\"' not in text and f'"{KIND}"' not in text:
        return []
    for line in filter(None, text.splitlines()):
        found = json.loads(line).get("commitInfo", {}).get(METADATA)
        said = json.loads(found) if isinstance(found, str) else found
        if said and said.get("kind") == KIND:
            return list(said[KIND])
    return []


def _read(said: Mapping[str, Any]) -> AcceptedLoss:
    day = said["last_day_before"]
    times = {
        "last_day_before": None if day is None else dt.date.fromisoformat(day),
        "accepted_at": dt.datetime.fromisoformat(said["accepted_at"]),
    }
    return AcceptedLoss(**{**said, **times})
