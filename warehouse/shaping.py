"""The build's rows with the columns that every published table has: temporary tables that publishing works from.

``shape`` leaves ``time_tellings`` (each month and period, who told of it), ``closings`` (the ledger's last word on each
month), ``accepted_losses`` and ``shaped_<table>`` behind (the build's rows with the common columns, key counts still
there). What a row's state and vintage are depends on earlier publications as well: see month_standing.py.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pyarrow as pa

from contracts.lake_tables import lake_tables
from contracts.reporting_time import CALENDARS, Calendar, Month, Period, enclosing_periods, parse_period
from contracts.settings import Settings
from warehouse.connection import Connection
from warehouse.lake import arrow_schema
from warehouse.losses import show_losses
from warehouse.metric_tables import MetricTable, quoted
from warehouse.month_closings import TABLE as LEDGER
from warehouse.month_closings import latest
from warehouse.month_states import Telling, month_policy, state_of
from warehouse.transport_keys import show_breaks

DIMENSIONS = (
    *("dim_agency", "dim_service", "dim_place", "dim_month", "dim_scope", "dim_mandate", "dim_framework"),
    # Over time: what an event's agency and district belong to on its day, so that a figure's events can be found again.
    *("dim_agency_ministry", "dim_district_county"),
)
HEARTBEAT = "ir.egov.agency.heartbeat.v1"
_SHORT_PERIOD = re.compile(r"(\d{4})(?:-([QH])([1-4]))?")


def shape(connection: Connection, tables: Sequence[MetricTable], settings: Settings, now: dt.datetime) -> None:
    """Make ``time_tellings``, ``closings`` and a ``shaped_<table>`` for each table."""
    dated = [table for table in tables if table.time_key is not None]
    _make_time_tellings(connection, dated, settings, now)
    _make_closings(connection, settings)
    show_losses(connection, settings)
    show_breaks(connection, settings)
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
        "completeness": "if(told.control_total > 0, told.landed / told.control_total, NULL) AS completeness",
        "completeness_status": "CASE WHEN told.control_total > 0 THEN 'value' WHEN told.control_total = 0 "
        "THEN 'not_applicable' ELSE 'not_provided' END AS completeness_status",
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
        WITH spans AS (
            SELECT calendar, time_key, first_month, last_month FROM time_tellings WHERE is_month = {table.is_monthly}
        ),
        held AS (
            SELECT
                times.calendar, times.time_key, held.scope, held.scope_id,
                string_agg(DISTINCT held.agency_id, ',' ORDER BY held.agency_id) AS agencies
            FROM held_scopes AS held
            INNER JOIN spans AS times
                ON times.calendar = held.calendar AND held.month BETWEEN times.first_month AND times.last_month
            GROUP BY ALL
        ),
        told AS (
            SELECT
                times.calendar, times.time_key, sums.scope, sums.scope_id,
                sum(sums.landed) AS landed, sum(sums.control_total) AS control_total
            FROM scope_completeness AS sums
            INNER JOIN dim_month AS month ON month.calendar = sums.calendar AND month.month_no = sums.month_no
            INNER JOIN spans AS times
                ON times.calendar = month.calendar AND month.month BETWEEN times.first_month AND times.last_month
            GROUP BY ALL
        )
        SELECT
            {", ".join([*columns, *_inner(table)])},
            told.landed AS completeness_landed,
            {foreign} AS channel_is_foreign
        FROM {table.built_as} AS own
        INNER JOIN time_tellings AS times
            ON times.calendar = own.calendar AND times.time_key = own.{table.time_key}
            AND times.is_month = {table.is_monthly}
        LEFT JOIN held ON held.calendar = own.calendar AND held.time_key = own.{table.time_key}
            AND held.scope = {scope} AND held.scope_id = {scope_id}
        LEFT JOIN told ON told.calendar = own.calendar AND told.time_key = own.{table.time_key}
            AND told.scope = {scope} AND told.scope_id = {scope_id}
        {service}
        """  # noqa: S608 names of the build's tables


def _make_time_tellings(
    connection: Connection, tables: Sequence[MetricTable], settings: Settings, now: dt.datetime
) -> None:
    """``time_tellings``: each month and period of the build, its months, who told of it, its state while not closed."""
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
            "days_over": (now - period.end).days if period.end <= now else None,
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
        "days_over": pa.int32(),
    }
    connection.register("given_windows", pa.Table.from_pylist(windows, schema=pa.schema(list(columns.items()))))
    users = next((table.built_as for table in tables if table.name == "monthly_users"), None)
    of_users = f"SELECT scope_id AS agency_id, month_start AS day FROM {users} WHERE scope = 'agency' UNION ALL"  # noqa: S608
    # A heartbeat tells of the agency, not of its month. An agency has rows of users up to the latest month in which it
    # was heard, so a row of a later month says as much as an event of it.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE told_windows AS
        WITH heard AS (
            SELECT agency_id, max(day) AS day FROM (
                {of_users if users else ""}
                SELECT agency_id, day FROM fct_landed_days WHERE event_type <> '{HEARTBEAT}'
            )
            GROUP BY agency_id
        ),
        reporters AS (
            SELECT
                w.calendar, w.time_key, w.is_month, count(*)::INTEGER AS expected,
                count(*) FILTER (WHERE heard.day >= w.ends_before)::INTEGER AS reported
            FROM given_windows AS w
            INNER JOIN dim_agency AS agency
                ON agency.expected_to_report
                AND coalesce(agency.valid_from < w.ends_before, true) AND coalesce(agency.valid_to >= w.starts_on, true)
            LEFT JOIN heard ON heard.agency_id = agency.agency_id
            GROUP BY ALL
        )
        SELECT w.*, coalesce(reporters.expected, 0) AS expected, coalesce(reporters.reported, 0) AS reported
        FROM given_windows AS w LEFT JOIN reporters USING (calendar, time_key, is_month)
        """  # noqa: S608
    )
    connection.unregister("given_windows")
    policy = month_policy(settings)
    asked = connection.execute("SELECT DISTINCT days_over, expected, reported FROM told_windows").fetchall()
    states = [
        {"days_over": days, "expected": expected, "reported": reported}
        | {"state": state_of(Telling(days, expected, reported), policy)}
        for days, expected, reported in asked
    ]
    kinds = {"days_over": pa.int32(), "expected": pa.int64(), "reported": pa.int64(), "state": pa.string()}
    connection.register("told_states", pa.Table.from_pylist(states, schema=pa.schema(list(kinds.items()))))
    # Without the days: a version is not a new one because a day has passed.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE time_tellings AS SELECT own.* EXCLUDE (days_over), told_states.state "
        "FROM told_windows AS own LEFT JOIN told_states ON told_states.days_over IS NOT DISTINCT FROM own.days_over "
        "AND told_states.expected = own.expected AND told_states.reported = own.reported"
    )
    connection.unregister("told_states")


def _make_closings(connection: Connection, settings: Settings) -> None:
    """``closings``: the last word on each month that was ever closed."""
    rows = [vars(row) for row in latest(settings).values()]
    connection.register("given_closings", pa.Table.from_pylist(rows, schema=arrow_schema(lake_tables()[LEDGER])))
    connection.execute("CREATE OR REPLACE TEMP TABLE closings AS SELECT * FROM given_closings")
    connection.unregister("given_closings")


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
    relations = [f"shaped_{table.name}" for table in tables] + ["time_tellings", "closings", "accepted_losses"]
    relations += ["user_breaks"]
    relations += dimensions_of(connection)
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
