"""What a published version holds besides the numbers: common columns, states of months, dimensions, _meta, comments.

``shape`` leaves temporary tables behind that publish.py builds both tiers from: ``shaped_<table>`` (the build's rows
with the common columns, key counts still there) and ``time_states``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from contracts.reporting_time import CALENDARS, Calendar, Month, Period, enclosing_periods, parse_period
from contracts.settings import Settings
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.lake import Lake
from warehouse.metric_tables import MetricTable, columns_of

if TYPE_CHECKING:
    from warehouse.published import Manifest

# Domain: a month is provisional once every expected reporter has reported after its end, or this long after it.
PROVISIONAL_AFTER = dt.timedelta(days=30)
DIMENSIONS = ("dim_agency", "dim_service", "dim_place", "dim_month", "dim_scope")
RETRACTED = "ir.egov.event.retracted.v1"
_SHORT_PERIOD = re.compile(r"(\d{4})(?:-([QH])([1-4]))?")
_LAKE_TABLES = ("events", "quarantine", "verdicts", "catalogue/agencies", "catalogue/places", "catalogue/services")
_TABLE_COMMENTS = {
    "monthly_users": "Distinct persons a month: active, new in the scope and channel, registered so far. Never add up.",
    "monthly_visits": "Visits a month, in the month of a visit's first event.",
    "monthly_transactions": "Transactions received and completed a month; declared figures apart from events.",
    "monthly_channel_share": "Completed transactions and active users by channel as shares of all channels.",
    "period_totals": "Quarters, halves, years and declared ranges. Users are distinct in the period.",
    "month_states": "Each month's state, vintage and how many expected agencies reported after its end.",
    "restatements": "Every changed cell of a month that was published as more than open.",
    "_meta": "What this version is.",
}
_COLUMN_COMMENTS = {
    "month": "Month of the calendar named beside: 1399-01 (jalali) or 2020-03 (gregorian), Asia/Tehran.",
    "scope_key": "scope:scope_id, joins dim_scope.",
    "channel": "Closed list; 'all' is computed, never the sum of the others.",
    "is_headline": "jalali, national, all channels.",
    "state": "open, provisional, final, revised. provisional also where the row misses a held batch.",
    "vintage": "1 at first publication, +1 whenever a cell of the month changed.",
    "held_agencies": "Agencies of which a held batch is missing in this row.",
}


def shape(connection: Connection, tables: Sequence[MetricTable], now: dt.datetime) -> None:
    """Make ``time_states`` and a ``shaped_<table>`` for each metric table."""
    _make_time_states(connection, tables, now)
    for table in tables:
        values = [
            f"own.{name}"
            for measure in table.measures
            for name in (measure, f"{measure}_status", *([f"{measure}_keys"] if measure in table.keyed else []))
        ]
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE shaped_{table.name} AS
            WITH held AS (
                SELECT
                    times.calendar, times.time_key, held.scope, held.scope_id,
                    string_agg(DISTINCT held.agency_id, ',' ORDER BY held.agency_id) AS agencies
                FROM held_scopes AS held
                INNER JOIN time_states AS times
                    ON times.calendar = held.calendar
                    AND held.month BETWEEN times.first_month AND times.last_month
                    AND times.is_month = {table.is_monthly}
                GROUP BY ALL
            )
            SELECT
                own.calendar, own.{table.time_key}, own.month_start, own.scope, own.scope_id,
                own.scope || ':' || own.scope_id AS scope_key,
                own.channel,
                own.calendar = 'jalali' AND own.scope = 'national' AND own.channel = 'all' AS is_headline,
                {", ".join(values)},
                own.metric_version,
                if(held.agencies IS NULL, times.state, 'provisional') AS state,
                held.agencies AS held_agencies,
                coalesce(
                    own.scope = 'service' AND own.channel <> 'all'
                    AND NOT list_contains(string_split(service.channels, '|'), own.channel),
                    false
                ) AS channel_is_foreign
            FROM {table.built_as} AS own
            INNER JOIN time_states AS times
                ON times.calendar = own.calendar AND times.time_key = own.{table.time_key}
                AND times.is_month = {table.is_monthly}
            LEFT JOIN held ON held.calendar = own.calendar AND held.time_key = own.{table.time_key}
                AND held.scope = own.scope AND held.scope_id = own.scope_id
            LEFT JOIN dim_service AS service ON own.scope = 'service' AND service.service_id = own.scope_id
            """  # noqa: S608 names of the build's tables
        )


def _make_time_states(connection: Connection, tables: Sequence[MetricTable], now: dt.datetime) -> None:
    """``time_states``: each month and period of the build, its months, its state, expected and reported agencies."""
    times = " UNION ".join(
        f"SELECT calendar, {table.time_key} AS time_key, {table.is_monthly} AS is_month FROM {table.built_as}"  # noqa: S608
        for table in tables
    )
    found = connection.execute(times).fetchall()
    windows = [
        {
            "calendar": calendar,
            "time_key": key,
            "is_month": is_month,
            "first_month": period.first.label,
            "last_month": period.last.label,
            "starts_on": period.first.first_day,
            "ends_before": period.last.following.first_day,
            "is_over": period.end <= now,
            "is_old": period.end + PROVISIONAL_AFTER <= now,
        }
        for calendar, key, is_month in found
        for period in [period_of(calendar, key)]
    ]
    columns = {
        "calendar": pa.string(),
        "time_key": pa.string(),
        "is_month": pa.bool_(),
        "first_month": pa.string(),
        "last_month": pa.string(),
        "starts_on": pa.date32(),
        "ends_before": pa.date32(),
        "is_over": pa.bool_(),
        "is_old": pa.bool_(),
    }
    connection.register("given_windows", pa.Table.from_pylist(windows, schema=pa.schema(list(columns.items()))))
    latest = " UNION ALL ".join(
        f"SELECT calendar, scope_id AS agency_id, month FROM {table.built_as} WHERE scope = 'agency'"  # noqa: S608
        for table in tables
        if table.is_monthly
    )
    # An agency has rows up to the latest month in which it was heard: a later month means it reported after the end.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE time_states AS
        WITH heard AS (SELECT calendar, agency_id, max(month) AS last_month FROM ({latest}) GROUP BY ALL),
        reporters AS (
            SELECT
                w.calendar, w.time_key, w.is_month, count(*)::INTEGER AS expected,
                count(*) FILTER (WHERE heard.last_month > w.last_month)::INTEGER AS reported
            FROM given_windows AS w
            INNER JOIN dim_agency AS agency
                ON agency.expected_to_report
                AND coalesce(agency.valid_from < w.ends_before, true) AND coalesce(agency.valid_to >= w.starts_on, true)
            LEFT JOIN heard ON heard.calendar = w.calendar AND heard.agency_id = agency.agency_id
            GROUP BY ALL
        )
        SELECT
            w.*, coalesce(reporters.expected, 0) AS expected, coalesce(reporters.reported, 0) AS reported,
            if(w.is_old OR (w.is_over AND reporters.expected > 0 AND reporters.reported = reporters.expected),
               'provisional', 'open') AS state
        FROM given_windows AS w LEFT JOIN reporters USING (calendar, time_key, is_month)
        """  # noqa: S608
    )
    connection.unregister("given_windows")


def period_of(calendar: str, label: str) -> Period:
    """The run of months a published label stands for: ``1399-01``, ``1399-Q1``, ``1399-H1``, ``1399``, ``A/B``."""
    known: Calendar = CALENDARS[0] if calendar == CALENDARS[0] else CALENDARS[1]
    match = _SHORT_PERIOD.fullmatch(label)
    if match is None:
        return parse_period(label, known)
    length = {"Q": 3, "H": 6, None: 12}[match[2]]
    first = Month(known, int(match[1]), (int(match[3] or 1) - 1) * length + 1)
    return enclosing_periods(first)[{3: 0, 6: 1, 12: 2}[length]]


def fingerprint(connection: Connection, tables: Sequence[MetricTable], settings: Settings) -> str:
    """Two builds with one fingerprint publish the same: rows, key counts, states, dimensions, threshold."""
    relations = [f"shaped_{table.name}" for table in tables] + ["time_states", *_dimensions_of(connection)]
    parts = []
    for relation in relations:
        ((rows, total),) = connection.execute(
            f"SELECT count(*), sum(hash(own)) FROM (SELECT * FROM {relation}) AS own"  # noqa: S608 our own names
        ).fetchall()
        parts.append(f"{relation}:{rows}:{total or 0}")
    return f"k={settings.min_cell};" + ";".join(parts)


def lake_state(settings: Settings) -> dict[str, Any]:
    """Versions of the lake's tables, and up to when events had landed; empty where there is no lake."""
    lake = Lake(settings)
    state: dict[str, Any] = {}
    for name in _LAKE_TABLES:
        try:
            state[name] = lake.open(name, {}).version
        except UsageError:
            continue
    if "events" in state:
        with memory_connection(settings, threads=1) as connection:
            view_files(connection, "events", lake.open("events").files, dict(lake_tables()["events"]))
            ((until,),) = connection.execute("SELECT max(landed_at) FROM events").fetchall()
        state["landed_until"] = None if until is None else until.isoformat()
    return state


def change_kinds(
    connection: Connection,
    settings: Settings,
    before: Manifest | None,
    lake: Mapping[str, Any],
    *,
    is_rollback: bool,
) -> None:
    """Temporary table ``change_kinds``: why cells may differ from the version before, as far as the lake tells.

    One row: ``only_kind`` where there was one kind of change alone, and whether retractions were among the new events.
    """
    only, has_retractions = None, False
    if is_rollback:
        only = "correction"
    elif before is not None and "events" in lake:
        retractions, others = _landed_since(settings, before.lake.get("landed_until"))
        has_retractions = retractions > 0
        catalogue = [name for name in _LAKE_TABLES if name.startswith("catalogue/")]
        if retractions and not others:
            only = "retraction"
        elif (
            not retractions
            and not others
            and before.lake.get("verdicts") == lake.get("verdicts")
            and any(before.lake.get(name) != lake.get(name) for name in catalogue)
        ):
            only = "catalogue"
    connection.execute("CREATE OR REPLACE TEMP TABLE change_kinds (only_kind VARCHAR, has_retractions BOOLEAN)")
    connection.execute("INSERT INTO change_kinds VALUES ($only, $has)", {"only": only, "has": has_retractions})


def _landed_since(settings: Settings, since: str | None) -> tuple[int, int]:
    """Retractions and other events that landed after an instant."""
    with memory_connection(settings, threads=1) as connection:
        view_files(connection, "events", Lake(settings).open("events").files, dict(lake_tables()["events"]))
        ((retractions, others),) = connection.execute(
            "SELECT count(*) FILTER (WHERE event_type = $retracted), count(*) FILTER (WHERE event_type <> $retracted) "
            "FROM events WHERE landed_at > $since",
            {
                "retracted": RETRACTED,
                "since": dt.datetime.fromisoformat(since) if since else dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
            },
        ).fetchall()
    return int(retractions), int(others)


def month_states(connection: Connection) -> None:
    """Temporary table ``month_states`` of this version; a month whose rows all went keeps its line and vintage."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE month_states AS
        SELECT
            vintages.calendar, vintages.time_key AS month, coalesce(times.state, 'provisional') AS state,
            vintages.vintage::INTEGER AS vintage, coalesce(times.expected, 0) AS expected,
            coalesce(times.reported, 0) AS reported, NULL::VARCHAR AS closed_by, NULL::TIMESTAMP AS closed_at,
            if(times.calendar IS NULL, 'no rows any more', NULL) AS note
        FROM vintages
        LEFT JOIN time_states AS times USING (calendar, time_key, is_month)
        WHERE vintages.is_month
        ORDER BY ALL
        """
    )


def _dimensions_of(connection: Connection) -> list[str]:
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main'"
    ).fetchall()
    built = {name for (name,) in found}
    return [name for name in DIMENSIONS if name in built]


def write_dimensions(connection: Connection, *, target: str) -> None:
    """Copy the dimensions and the months' states. Instants become UTC timestamps, which every client can read."""
    for name in _dimensions_of(connection):
        columns = ", ".join(
            f"{column}::TIMESTAMP AS {column}" if kind == "TIMESTAMP WITH TIME ZONE" else column
            for column, kind in columns_of(connection, name).items()
        )
        connection.execute(f"CREATE TABLE {target}.marts.{name} AS SELECT {columns} FROM {name} ORDER BY ALL")  # noqa: S608
    connection.execute(f"CREATE TABLE {target}.marts.month_states AS SELECT * FROM month_states ORDER BY ALL")  # noqa: S608


def write_meta(
    connection: Connection,
    settings: Settings,
    tier: str,
    version: int,
    lake: Mapping[str, object],
    now: dt.datetime,
    *,
    target: str,
) -> None:
    """The table ``_meta``: key and value."""
    rows = {
        "version": str(version),
        "as_of": now.isoformat(),
        "tier": tier,
        "calendar_default": settings.calendar,
        "time_zone": "Asia/Tehran",
        "generator": "Mizan",
        **{f"lake.{name}": str(value) for name, value in lake.items()},
    }
    if tier == "public":
        rows |= {
            "min_cell": str(settings.min_cell),
            "note.suppression": "A number that rests on fewer than min_cell persons is withheld (status suppressed).",
            "note.complementary_suppression": "Not applied yet: a withheld cell may follow from a total and its parts.",
        }
    connection.execute(f"CREATE TABLE {target}.marts._meta (key VARCHAR, value VARCHAR)")
    for key, value in rows.items():
        connection.execute(f"INSERT INTO {target}.marts._meta VALUES ($key, $value)", {"key": key, "value": value})  # noqa: S608


def write_comments(connection: Connection, tables: Sequence[MetricTable], *, target: str) -> None:
    """COMMENT ON tables and their common columns."""
    for name, text in _TABLE_COMMENTS.items():
        if name.startswith(("monthly_", "period_")) and name not in {table.name for table in tables}:
            continue
        quoted = text.replace("'", "''")
        connection.execute(f"COMMENT ON TABLE {target}.marts.{name} IS '{quoted}'")
    for table in tables:
        for column, text in _COLUMN_COMMENTS.items():
            if column in table.columns:
                quoted = text.replace("'", "''")
                connection.execute(f"COMMENT ON COLUMN {target}.marts.{table.name}.{column} IS '{quoted}'")
