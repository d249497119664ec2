"""What could not be accepted: kept with place and reason, never with its values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa

from contracts.event_contract import event_contract
from contracts.lake_tables import lake_tables
from contracts.reasons import reasons
from contracts.settings import Settings
from landing.consumer import Partition
from landing.decode import DETECTOR_VERSION, VALIDATOR_VERSION, Rejected
from landing.places import Place, places_in
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.lake import Lake, Snapshot, arrow_schema
from warehouse.quarantine_states import decisions, view_quarantine

_COLUMNS = lake_tables()["quarantine"]


def as_table(rejected: Iterable[Rejected], batch_id: str, landed_at: dt.datetime) -> pa.Table:
    """Rejections as rows of the lake's table, made by columns: half of a stream may be rejected."""
    rows = list(rejected)
    given = (
        dict(zip(Rejected._fields, zip(*rows, strict=True), strict=True))
        if rows
        else dict.fromkeys(Rejected._fields, ())
    )
    same = {
        "schema_version": event_contract().version,
        "validator_version": VALIDATOR_VERSION,
        "detector_version": DETECTOR_VERSION,
        "batch_id": batch_id,
        "landed_at": landed_at,
        "state": "open",
    }
    told = {"kafka_ts": "time", "redacted_excerpt": "excerpt"}
    schema, columns = arrow_schema(_COLUMNS), []
    for field in schema:
        if field.name in same:
            columns.append(pa.repeat(pa.scalar(same[field.name], field.type), len(rows)))
            continue
        values = given[told.get(field.name, field.name)]
        if field.name == "kafka_ts":
            columns.append(pa.array([max(time, 0) for time in values], pa.timestamp("ms", tz="UTC")).cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def recorded(
    connection: Connection, quarantine: Snapshot, pending: Mapping[Partition, tuple[int, int]]
) -> frozenset[Place]:
    """Positions within the pending ranges that are in quarantine already: a run set them aside and died."""
    if not pending:
        return frozenset()
    view_files(connection, "set_aside", quarantine.files, dict(_COLUMNS))
    return frozenset(places_in(connection, "set_aside", pending))


def counts(settings: Settings) -> list[dict[str, Any]]:
    """Open rejections as ``reason_code``, ``agency_id``, ``count``, most first."""
    connection = _opened(settings)
    rows = connection.sql("""
        SELECT reason_code, agency_id, count(*) AS n FROM set_aside WHERE state = 'open'
        GROUP BY ALL ORDER BY n DESC, reason_code, agency_id
    """).fetchall()
    return [{"reason_code": reason, "agency_id": agency, "count": n} for reason, agency, n in rows]


def counts_of(settings: Settings, agency: str) -> list[dict[str, Any]]:
    """One agency's rejections by reason, most first: ``open``, ``replayed``, ``dropped``, first and last day, texts."""
    connection = _opened(settings)
    found = connection.execute(
        """
        SELECT reason_code, count(*) FILTER (state = 'open') AS open, count(*) FILTER (state = 'replayed') AS replayed,
            count(*) FILTER (state = 'dropped') AS dropped,
            min(landed_at) AS first_landed, max(landed_at) AS last_landed
        FROM set_aside WHERE agency_id = $agency GROUP BY reason_code ORDER BY count(*) DESC, reason_code
        """,
        {"agency": agency},
    )
    names = [column[0] for column in found.description or ()]
    return [{**dict(zip(names, row, strict=True)), **_texts(row[0])} for row in found.fetchall()]


def rows(
    settings: Settings, *, reason: str | None = None, agency: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Positions and value-free details of rejections, newest first, with the texts for the agency.

    ``decided_by``, ``decided_at`` and ``decision_note`` say who decided what ``state`` says; None while it is open.
    """
    connection = _opened(settings)
    found = connection.execute(
        """
        SELECT topic, partition, "offset", kafka_ts, agency_id, reason_code, stage, detail, size, redacted_excerpt,
            batch_id, landed_at, state, decided_by, decided_at, decision_note, decision_batch
        FROM set_aside
        WHERE ($reason::VARCHAR IS NULL OR reason_code = $reason) AND ($agency::VARCHAR IS NULL OR agency_id = $agency)
        ORDER BY landed_at DESC, topic, partition, "offset"
        LIMIT $limit
        """,
        {"reason": reason, "agency": agency, "limit": limit},
    )
    names = [column[0] for column in found.description or ()]
    return [
        {**dict(zip(names, row, strict=True)), **_texts(row[names.index("reason_code")])} for row in found.fetchall()
    ]


def security(rejected: Collection[Rejected]) -> dict[str, int]:
    """How many rejections an operator of security must hear of."""
    watched = ("source_mismatch", "pii_leak")
    return {code: sum(1 for one in rejected if one.reason_code == code) for code in watched}


def _texts(code: str) -> dict[str, Any]:
    reason = reasons().get(code)
    if reason is None:
        return {"what": {}, "fix": {}}
    return {"what": dict(reason.what), "fix": dict(reason.fix)}


def _opened(settings: Settings) -> Connection:
    connection, lake = memory_connection(settings), Lake(settings)
    view_quarantine(connection, "set_aside", lake.open("quarantine"), decisions(lake))
    return connection
