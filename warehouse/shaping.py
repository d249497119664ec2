"""The build's rows with the columns that every published table has: temporary tables that publishing works from.

``shape`` leaves ``time_states`` (each month and period, how settled it is) and ``shaped_<table>`` behind (the build's
rows with the common columns, key counts still there).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pyarrow as pa

from contracts.reporting_time import CALENDARS, Calendar, Month, Period, enclosing_periods, parse_period
from contracts.settings import Settings
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, quoted

# Domain: a month is provisional once every expected reporter has reported after its end, or this long after it.
PROVISIONAL_AFTER = dt.timedelta(days=30)
DIMENSIONS = ("dim_agency", "dim_service", "dim_place", "dim_month", "dim_scope", "dim_mandate", "dim_framework")
_SHORT_PERIOD = re.compile(r"(\d{4})(?:-([QH])([1-4]))?")


def shape(connection: Connection, tables: Sequence[MetricTable], now: dt.datetime) -> None:
    """Make ``time_states`` and a ``shaped_<table>`` for each table."""
    dated = [table for table in tables if table.time_key is not None]
    _make_time_states(connection, dated, now)
    for table in tables:
        select = _dated(table) if table.time_key is not None else _whole(table)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE shaped_{table.name} AS {select}")


def _own(table: MetricTable, column: str) -> str:
    """A column of the built row as it is published: instants become UTC timestamps, which every client can read."""
    if column == "scope_key":
        return "own.scope || ':' || own.scope_id AS scope_key"
    if table.types[column] == "TIMESTAMP WITH TIME ZONE":
        return f"own.{quoted(column)}::TIMESTAMP AS {quoted(column)}"
    return f"own.{quoted(column)}"


def _inner(table: MetricTable) -> list[str]:
    return [f"own.{measure}_keys" for measure in sorted(table.keyed)]


def _whole(table: MetricTable) -> str:
    """SQL of an evaluation's rows."""
    columns = [_own(table, column) for column in table.shaped]
    return f"SELECT {', '.join([*columns, *_inner(table)])} FROM {table.built_as} AS own"  # noqa: S608 our own names


def _dated(table: MetricTable) -> str:
    """SQL of a metric's rows with what publishing says of them."""
    scope, scope_id = ("own.scope", "own.scope_id") if table.has_scope else ("'agency'", "own.agency_id")
    headline = ["own.calendar = 'jalali'"]
    headline += ["own.scope = 'national'"] if table.has_scope else []
    headline += [f"own.{key} = 'all'" for key in table.keys if "all" in table.spec(key).get("also", ())]
    given = {
        "month_start": "times.starts_on AS month_start",
        "is_headline": f"{' AND '.join(headline)} AS is_headline",
        "completeness": "NULL::DOUBLE AS completeness",
        "completeness_status": "'not_provided' AS completeness_status",
        "held_agencies": "held.agencies AS held_agencies",
    }
    columns = [given[column] if column in given else _own(table, column) for column in table.shaped]
    foreign, service = "false", ""
    if table.has_scope and "channel" in table.keys:
        foreign = (
            "coalesce(own.scope = 'service' AND own.channel <> 'all' "
            "AND NOT list_contains(string_split(service.channels, '|'), own.channel), false)"
        )
        service = "LEFT JOIN dim_service AS service ON own.scope = 'service' AND service.service_id = own.scope_id"
    return f"""
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
            {", ".join([*columns, *_inner(table)])},
            0::BIGINT AS completeness_landed,
            {foreign} AS channel_is_foreign
        FROM {table.built_as} AS own
        INNER JOIN time_states AS times
            ON times.calendar = own.calendar AND times.time_key = own.{table.time_key}
            AND times.is_month = {table.is_monthly}
        LEFT JOIN held ON held.calendar = own.calendar AND held.time_key = own.{table.time_key}
            AND held.scope = {scope} AND held.scope_id = {scope_id}
        {service}
        """  # noqa: S608 names of the build's tables


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
        if table.is_monthly and table.has_scope
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
    relations = [f"shaped_{table.name}" for table in tables] + ["time_states", *dimensions_of(connection)]
    parts = []
    for relation in relations:
        ((rows, total),) = connection.execute(
            f"SELECT count(*), sum(hash(own)) FROM (SELECT * FROM {relation}) AS own"  # noqa: S608 our own names
        ).fetchall()
        parts.append(f"{relation}:{rows}:{total or 0}")
    return f"k={settings.min_cell};" + ";".join(parts)


def dimensions_of(connection: Connection) -> list[str]:
    """The dimensions of the build that are published."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main'"
    ).fetchall()
    built = {name for (name,) in found}
    return [name for name in DIMENSIONS if name in built]
