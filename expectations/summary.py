"""The frame the gate judges: one row per landed (batch, agency), numbers only, made by DuckDB, a portion at a time.

No value of a person leaves DuckDB: keys are counted there, and the frame holds counts and shares.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from contracts import vocabularies
from contracts.event_contract import EventType, event_contract
from contracts.lake_tables import lake_tables
from contracts.reporting_time import day_start
from contracts.settings import Settings

if TYPE_CHECKING:
    from warehouse.connection import Connection

COMPLETED = "ir.egov.transaction.completed.v1"
CONTROL_TOTAL = "ir.egov.agency.control_total.v1"
RETRACTED = "ir.egov.event.retracted.v1"
INDEX = ("batch_id", "agency_id")
# So many events are judged in one go: what tells repeats among them lies in memory.
EVENTS_AT_ONCE = 10_000_000
_PAIR = {"batch_id": "VARCHAR", "agency_id": "VARCHAR"}


@dataclass(frozen=True)
class Reference:
    """What accepted rows may refer to: ids of services and agencies, places with their kind."""

    services: frozenset[str]
    places: Mapping[str, str]
    agencies: frozenset[str]


@dataclass(frozen=True)
class LakeFiles:
    """The Parquet files of one loaded version of the two tables."""

    events: Sequence[str]
    quarantine: Sequence[str]


def frame(
    settings: Settings,
    lake: LakeFiles,
    pairs: Sequence[tuple[str, str]],
    reference: Reference,
    policy: Mapping[str, float],
    *,
    now: dt.datetime,
    last_decided: Mapping[str, dt.datetime],
) -> list[dict[str, Any]]:
    """A row per pair (batch_id, agency_id): the columns of landed_pairs.sql. None where there is nothing to judge."""
    from warehouse.connection import memory_connection, view_files

    connection = memory_connection(settings)
    try:
        view_files(connection, "events", lake.events, dict(lake_tables()["events"]))
        view_files(connection, "quarantine", lake.quarantine, dict(lake_tables()["quarantine"]))
        _table(connection, "waiting", _PAIR, pairs)
        _table(connection, "known_services", {"service_id": "VARCHAR"}, [(one,) for one in reference.services])
        _table(connection, "known_agencies", {"agency_id": "VARCHAR"}, [(one,) for one in reference.agencies])
        _table(connection, "known_places", {"place_id": "VARCHAR", "kind": "VARCHAR"}, list(reference.places.items()))
        _table(
            connection,
            "last_decided",
            {"agency_id": "VARCHAR", "decided_at": "TIMESTAMPTZ"},
            list(last_decided.items()),
        )
        return [row for portion in _portions(connection) for row in _rows(connection, portion, policy, now)]
    finally:
        connection.close()


def _portions(connection: Connection) -> Iterator[list[tuple[str, str]]]:
    """The pairs of ``waiting`` in the order of batches, as many at a time as memory holds; a pair is never parted."""
    sizes = connection.execute("""
        SELECT batch_id, agency_id, count(*) - 1 AS landed
        FROM (
            FROM waiting
            UNION ALL SELECT batch_id, agency_id FROM events SEMI JOIN waiting USING (batch_id, agency_id)
        )
        GROUP BY batch_id, agency_id ORDER BY batch_id, agency_id
    """).fetchall()
    portion: list[tuple[str, str]] = []
    held = 0
    for batch_id, agency_id, events in sizes:
        if portion and held + events > EVENTS_AT_ONCE:
            yield portion
            portion, held = [], 0
        portion.append((batch_id, agency_id))
        held += events
    if portion:
        yield portion


def _rows(
    connection: Connection, portion: Sequence[tuple[str, str]], policy: Mapping[str, float], now: dt.datetime
) -> list[dict[str, Any]]:
    """The frame's rows of some of the waiting pairs. What they are held against is the whole lake in any case."""
    _table(connection, "pending", _PAIR, portion)
    connection.execute(_judged_view())
    for end, which in (("first_id", "min"), ("last_id", "max")):
        connection.execute(f"SET VARIABLE {end} = (SELECT {which}(event_id) FROM judged)")  # noqa: S608 names above
    _make_excess(connection, policy, now)
    parameters = {
        "completed": COMPLETED,
        **{name: policy[name] for name in ("judged_events", "reject_rate_rows", "large_batch", "history_days")},
    }
    found = connection.execute(_sql("landed_pairs"), parameters)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _sql(name: str) -> str:
    return files("expectations").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _table(connection: Connection, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """A small temporary table of the given rows, filled through Arrow: row by row would take seconds."""
    import pyarrow as pa

    typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({typed})")
    if rows:
        given = pa.table({column: [row[place] for row in rows] for place, column in enumerate(columns)})
        connection.register("given_rows", given)
        connection.execute(f"INSERT INTO {name} SELECT * FROM given_rows")  # noqa: S608 names of this module
        connection.unregister("given_rows")


def _judged_view() -> str:
    """The pending rows with three flags, derived from the event contract: its names and codes, nobody's values."""
    contract = event_contract()
    cases = " ".join(f"WHEN '{name}' THEN {_misses(kind)}" for name, kind in contract.types.items())
    codes = [spec for spec in contract.all_fields if spec.vocabulary is not None]
    unknown_code = " OR ".join(f"{spec.column} NOT IN ({_codes(spec.vocabulary)})" for spec in codes)
    places = " OR ".join(
        f"({spec.column} IS NOT NULL AND {spec.column} NOT IN "  # noqa: S608 names of the contract
        f"(SELECT place_id FROM known_places WHERE kind = '{spec.place_kind}'))"
        for spec in contract.fields.values()
        if spec.kind == "place"
    )
    return f"""
        CREATE OR REPLACE TEMP VIEW judged AS
        SELECT
            batch_id, agency_id, source, event_id, event_type, occurred_at, channel, pid, transaction_id,
            coalesce(
                event_id IS NULL OR source IS NULL OR occurred_at IS NULL OR event_type IS NULL
                OR CASE event_type {cases} ELSE true END,
                false
            ) AS misses_required,
            coalesce({unknown_code}, false) AS has_unknown_code,
            (service_id IS NOT NULL AND service_id NOT IN (SELECT service_id FROM known_services))
            OR {places} AS refers_to_unknown
        FROM events
        SEMI JOIN pending USING (batch_id, agency_id)
    """  # noqa: S608


def _misses(event_type: EventType) -> str:
    """SQL that is true where a required value of the type is absent or outside its closed list."""
    faults = []
    for name in event_type.required:
        spec = event_contract().field(event_type.name, name)
        if spec.kind == "declared_value":
            faults.append("declared_status IS NULL OR (declared_status = 'value' AND declared_value IS NULL)")
            continue
        faults.append(f"{spec.column} IS NULL")
        if spec.vocabulary is not None:
            faults.append(f"{spec.column} NOT IN ({_codes(spec.vocabulary)})")
    return f"({' OR '.join(faults)})"


def _codes(vocabulary: str | None) -> str:
    assert vocabulary is not None
    return ", ".join(f"'{code}'" for code in vocabularies.codes(vocabulary))


def _make_excess(connection: Connection, policy: Mapping[str, float], now: dt.datetime) -> None:
    """Table ``excess(batch_id, agency_id, control_excess)``: see control_totals.sql."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE totals AS
        WITH withdrawn AS (
            SELECT source, retracted_event_id AS event_id FROM events
            WHERE event_type = $retracted AND agency_id IN (SELECT agency_id FROM pending)
        )
        SELECT
            agency_id, source, total_date, total_event_type,
            arg_max(total_count, row(occurred_at, event_id)) AS declared
        FROM events
        ANTI JOIN withdrawn USING (source, event_id)
        WHERE event_type = $control_total AND agency_id IN (SELECT agency_id FROM pending)
        GROUP BY ALL
        """,
        {"retracted": RETRACTED, "control_total": CONTROL_TOTAL},
    )
    dates = [row[0] for row in connection.execute("SELECT DISTINCT total_date FROM totals").fetchall()]
    columns = {"total_date": "DATE", "day_start": "TIMESTAMPTZ", "day_end": "TIMESTAMPTZ"}
    days = [(date, day_start(date), day_start(date + dt.timedelta(days=1))) for date in dates]
    _table(connection, "total_days", columns, days)
    if not dates:
        _table(connection, "excess", {"batch_id": "VARCHAR", "agency_id": "VARCHAR", "control_excess": "BIGINT"}, [])
        return
    parameters = {"hours": policy["control_total_hours"], "now": now, "control_total": CONTROL_TOTAL}
    # A prepared CREATE TABLE takes no parameters, a view neither: the rows pass through Arrow.
    found = connection.execute(_sql("control_totals"), parameters).fetchall()
    _table(connection, "excess", {"batch_id": "VARCHAR", "agency_id": "VARCHAR", "control_excess": "BIGINT"}, found)
