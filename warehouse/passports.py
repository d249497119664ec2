"""Figure passports: for every published cell with a number, what it was made of.

A passport says numerator and denominator, of how many agencies expected in the scope and month the figure knows
(population and coverage), up to when events had landed and on which version of the lake. It is made of the tier's own
rows: what a tier withholds has no passport there, and a part that is withheld is NULL.

Coverage is *not provided* where the catalogue does not say of every agency of the scope whether it was asked to report,
and *not applicable* where nobody was, or where a figure counts neither events nor services.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from warehouse.connection import Connection, in_transaction
from warehouse.metric_tables import MetricTable, columns_of, quoted
from warehouse.restated import tables_of

TABLE = "figure_passports"
DEFINITIONS = "metric_definitions"
COLUMNS = {
    "table_name": "VARCHAR",
    "measure": "VARCHAR",
    "key": "VARCHAR",
    "vintage": "INTEGER",
    "metric_version": "INTEGER",
    "numerator": "DOUBLE",
    "denominator": "DOUBLE",
    "population": "BIGINT",
    "coverage": "DOUBLE",
    "coverage_status": "VARCHAR",
    "as_of": "TIMESTAMP",
    "lake_version": "BIGINT",
    "inputs": "VARCHAR",
}
# Parts of ratios whose contract names none: SQL over the table's own row, or over the row of `beside` with its keys.
_PARTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("monthly_transactions", "reject_rate"): ("round(reject_rate * completed)", "completed"),
    ("monthly_channel_share", "share"): ("transactions", "total_transactions"),
    ("monthly_channel_share", "users_share"): ("beside_active_users", "whole_active_users"),
    ("monthly_visits", "visits_per_active_user"): ("visits", "beside_active_users"),
}
_BESIDE = ("monthly_channel_share", "monthly_visits")
_MEMBERS = """
    CREATE OR REPLACE TEMP TABLE passport_members AS
    SELECT
        w.kind, w.calendar, w.time_key, s.scope, s.scope_id, s.agency_id,
        coalesce(bool_or(h.expected_to_report), false) AS is_expected,
        bool_or(h.expected_to_report IS NULL) AS is_unclear
    FROM passport_windows AS w
    INNER JOIN dim_agency_scope AS s ON s.valid_from < w.ends_before AND s.valid_before > w.starts_on
    INNER JOIN dim_agency_history AS h
        ON h.agency_id = s.agency_id AND h.valid_from < w.ends_before AND h.valid_before > w.starts_on
    GROUP BY ALL
"""
# An agency is known to a month by its counted events, to a day by a service it offers then.
_SCOPES = """
    CREATE OR REPLACE TEMP TABLE passport_scopes AS
    WITH active AS (
        SELECT DISTINCT 'jalali' AS calendar, jalali_no AS month_no, agency_id FROM fct_activity
        UNION SELECT DISTINCT 'gregorian', gregorian_no, agency_id FROM fct_activity
    ),
    known AS (
        SELECT DISTINCT w.kind, w.calendar, w.time_key, a.agency_id
        FROM passport_windows AS w
        INNER JOIN active AS a ON a.calendar = w.calendar AND a.month_no BETWEEN w.first_no AND w.last_no
        UNION
        SELECT DISTINCT w.kind, w.calendar, w.time_key, v.agency_id
        FROM passport_windows AS w
        INNER JOIN dim_service_history AS v ON v.valid_from <= w.starts_on AND v.valid_before > w.starts_on
        WHERE w.kind = 'day'
    ),
    counted AS (
        SELECT
            m.kind, m.calendar, m.time_key, m.scope, m.scope_id,
            count(*) FILTER (WHERE m.is_expected) AS expected,
            count(*) FILTER (WHERE m.is_unclear AND NOT m.is_expected) AS unclear,
            count(*) FILTER (WHERE m.is_expected AND k.agency_id IS NOT NULL) AS covered
        FROM passport_members AS m LEFT JOIN known AS k USING (kind, calendar, time_key, agency_id)
        GROUP BY ALL
    )
    SELECT
        kind, calendar, time_key, scope, scope_id,
        if(unclear > 0, NULL, expected) AS population,
        if(unclear = 0 AND expected > 0, covered / expected, NULL) AS coverage,
        CASE WHEN unclear > 0 THEN 'not_provided' WHEN expected = 0 THEN 'not_applicable' ELSE 'value' END AS status
    FROM counted
"""
_SCOPE_COLUMNS = {
    "province": "province",
    "county": "county",
    "district": "district",
    "ministry": "ministry_id",
    "agency": "agency_id",
    "service": "service_id",
}


def write(
    connection: Connection, tables: Sequence[MetricTable], lake: Mapping[str, Any], now: dt.datetime, *, target: str
) -> None:
    """Make ``figure_passports`` and ``metric_definitions`` beside the published tables of ``target``.

    Wants ``time_tellings`` and ``vintages`` of this publication. Where the version ``wanted`` is published anew, its
    own passports stand: its figures were made of what was there then.
    """
    # One commit for all: each is made durable.
    in_transaction(connection, lambda: _write(connection, tables, lake, now, target))


def _write(
    connection: Connection, tables: Sequence[MetricTable], lake: Mapping[str, Any], now: dt.datetime, target: str
) -> None:
    typed = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    connection.execute(f"CREATE TABLE {target}.marts.{TABLE} ({typed})")
    _write_definitions(connection, tables, target)
    if "_meta" in tables_of(connection, "wanted"):
        _copy_wanted(connection, target)
        return
    if "passport_scopes" not in _temporary_tables(connection):
        _make_scopes(connection, tables)
        _make_inputs(connection)
    is_public = _is_public(connection, target)
    for table in tables:
        _write_table(connection, table, lake, now, target, is_public=is_public)


def _write_definitions(connection: Connection, tables: Sequence[MetricTable], target: str) -> None:
    """``metric_definitions``: what each table's numbers mean, contract and query as they were built."""
    texts: dict[str, str] = {}
    if "query" in columns_of(connection, "ops_published"):
        texts = dict(connection.execute("SELECT table_name, query FROM ops_published").fetchall())
    connection.execute(
        f"CREATE TABLE {target}.marts.{DEFINITIONS} "
        "(table_name VARCHAR, shelf VARCHAR, metric_version INTEGER, contract VARCHAR, query VARCHAR)"
    )
    for table in tables:
        connection.execute(
            f"INSERT INTO {target}.marts.{DEFINITIONS} VALUES ($name, $shelf, $version, $contract, $query)",  # noqa: S608
            {
                "name": table.name,
                "shelf": table.shelf,
                "version": table.contract.get("version"),
                "contract": json.dumps(table.contract, ensure_ascii=False, default=str),
                "query": texts.get(table.name),
            },
        )


def _copy_wanted(connection: Connection, target: str) -> None:
    """The passports of the version that is published anew, under the vintages of today."""
    if TABLE not in tables_of(connection, "wanted"):
        return
    columns = ", ".join(
        "coalesce(now.vintage, own.vintage)::INTEGER" if name == "vintage" else f"own.{name}" for name in COLUMNS
    )
    connection.execute(
        f"""
        INSERT INTO {target}.marts.{TABLE}
        SELECT {columns}
        FROM wanted.marts.{TABLE} AS own
        LEFT JOIN vintages AS now
            ON now.calendar = json_extract_string(own.key, 'calendar')
            AND now.time_key = coalesce(json_extract_string(own.key, 'month'), json_extract_string(own.key, 'period'))
            AND now.is_month = (json_extract_string(own.key, 'month') IS NOT NULL)
        """  # noqa: S608 our own names
    )


def _make_scopes(connection: Connection, tables: Sequence[MetricTable]) -> None:
    """``passport_windows`` (months, periods and days of the rows) and ``passport_scopes`` (who is expected in each)."""
    number = "substr({0}, 1, 4)::INTEGER * 12 + substr({0}, 6, 2)::INTEGER - 1"
    days = "".join(
        f" UNION SELECT 'day', 'day', as_of::VARCHAR, as_of, as_of + 1, NULL, NULL FROM {table.built_as}"  # noqa: S608
        for table in tables
        if _is_by_day(table)
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE passport_windows AS
        SELECT
            if(is_month, 'month', 'period') AS kind, calendar, time_key, starts_on, ends_before,
            {number.format("first_month")} AS first_no, {number.format("last_month")} AS last_no
        FROM time_tellings{days}
        """  # noqa: S608 names of the build's tables
    )
    connection.execute(_MEMBERS)
    connection.execute(_SCOPES)


def _make_inputs(connection: Connection) -> None:
    """``passport_inputs``: counted events and the agencies they are of, per month or period, scope and channel."""
    sets = [f"(kind, calendar, time_key, {column})" for column in _SCOPE_COLUMNS.values()]
    both = ", ".join(f"{one}, {one[:-1]}, channel)" for one in ["(kind, calendar, time_key)", *sets])
    scope = " ".join(f"WHEN GROUPING({column}) = 0 THEN '{name}'" for name, column in _SCOPE_COLUMNS.items())
    scope_id = " ".join(f"WHEN GROUPING({column}) = 0 THEN {column}" for column in _SCOPE_COLUMNS.values())
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE passport_inputs AS
        WITH timed AS (
            SELECT w.kind, w.calendar, w.time_key, a.* EXCLUDE (jalali_no, gregorian_no)
            FROM fct_activity AS a
            INNER JOIN passport_windows AS w ON w.calendar = 'jalali' AND a.jalali_no BETWEEN w.first_no AND w.last_no
            UNION ALL
            SELECT w.kind, w.calendar, w.time_key, a.* EXCLUDE (jalali_no, gregorian_no)
            FROM fct_activity AS a
            INNER JOIN passport_windows AS w
                ON w.calendar = 'gregorian' AND a.gregorian_no BETWEEN w.first_no AND w.last_no
        ),
        summed AS (
            SELECT
                kind, calendar, time_key, CASE {scope} ELSE 'national' END AS scope,
                CASE {scope_id} ELSE 'IR' END AS scope_id,
                if(GROUPING(channel) = 1, 'all', channel) AS channel,
                sum(events)::BIGINT AS events, count(DISTINCT agency_id) AS agencies
            FROM timed GROUP BY GROUPING SETS ({both})
        )
        SELECT * FROM summed WHERE scope_id IS NOT NULL
        """  # noqa: S608 names of our own
    )


def _write_table(
    connection: Connection,
    table: MetricTable,
    lake: Mapping[str, Any],
    now: dt.datetime,
    target: str,
    *,
    is_public: bool,
) -> None:
    """The passports of one table: its rows with what all their figures share, then a row for each figure."""
    relation = f"{target}.marts.{quoted(table.name)}"
    if not connection.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchall():  # noqa: S608 as below
        return
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE passport_rows AS
        SELECT
            own.*, {key_of(table, "own")} AS passport_key, {_inputs(table, lake, is_public=is_public)}
            AS passport_inputs, {_scoped(table)}, {_beside(table)}
        FROM {relation} AS own {_joins(table, target)}
        WHERE {" OR ".join(f"own.{quoted(measure + '_status')} = 'value'" for measure in table.measures) or "false"}
        ORDER BY passport_key
        """  # noqa: S608 names of the build's tables
    )
    until = lake.get("landed_until") if table.time_key is not None else None
    for measure in table.measures:
        numerator, denominator = _parts(table, measure)
        # Coverage is about events in a dated table, about services in one by day; of declared totals it says nothing.
        is_covered = _is_by_day(table) or (table.time_key is not None and measure in table.keyed)
        population = "passport_population" if is_covered else "NULL"
        if "population" in table.types:
            population, is_covered = "population", False
        connection.execute(
            f"""
            INSERT INTO {target}.marts.{TABLE}
            SELECT
                $table, $measure, passport_key, {"vintage" if table.time_key is not None else "NULL"},
                {"metric_version" if "metric_version" in table.types else "NULL"},
                ({numerator})::DOUBLE, ({denominator})::DOUBLE,
                {population}, {"passport_coverage" if is_covered else "NULL"},
                {"passport_status" if is_covered else "'not_applicable'"},
                $as_of, $lake_version, passport_inputs
            FROM passport_rows WHERE {quoted(measure + "_status")} = 'value'
            """,  # noqa: S608 names of the build's tables and contracts
            {
                "table": table.name,
                "measure": measure,
                "as_of": _instant(until) or now.astimezone(dt.UTC).replace(tzinfo=None),
                "lake_version": lake.get("events"),
            },
        )


def key_of(table: MetricTable, alias: str) -> str:
    """SQL of the ``key`` of a row's passports."""
    pairs = ", ".join(f"'{key}', {alias}.{quoted(key)}::VARCHAR" for key in table.keys)
    return f"json_object({pairs})::VARCHAR"


def _parts(table: MetricTable, measure: str) -> tuple[str, str]:
    """SQL of a figure's numerator and denominator.

    A count is its own numerator; what is no count and names no parts (a median, a score) has neither.
    """
    spec = table.spec(measure)
    if "numerator" in spec and "denominator" in spec:
        return str(spec["numerator"]), str(spec["denominator"])
    whole = "NULL" if table.measures[measure] == "DOUBLE" else quoted(measure)
    return _PARTS.get((table.name, measure), (whole, "NULL"))


def _is_by_day(table: MetricTable) -> bool:
    """True for an evaluation of scopes as of a day."""
    return table.time_key is None and "as_of" in table.keys and table.has_scope


def _has_events(table: MetricTable) -> bool:
    return table.time_key is not None and table.has_scope and "channel" in table.keys


def _inputs(table: MetricTable, lake: Mapping[str, Any], *, is_public: bool) -> str:
    """SQL of a row's ``inputs``: the window, and for analysts how many events of how many agencies."""
    # A dated figure rests on events and verdicts, an evaluation on the catalogue too. All versions are in _meta.
    names = [name for name in lake if name in ("events", "verdicts") or table.time_key is None]
    versions = {name: lake[name] for name in names if isinstance(lake[name], int)}
    parts = [f"'lake', '{json.dumps(versions)}'::JSON"]
    if table.time_key is not None:
        parts.append("'window', json_array(times.starts_on::VARCHAR, times.ends_before::VARCHAR)")
    if _has_events(table) and not is_public:
        parts.append("'events', coalesce(seen.events, 0), 'agencies', coalesce(seen.agencies, 0)")
    return f"json_object({', '.join(parts)})::VARCHAR"


def _scoped(table: MetricTable) -> str:
    if table.time_key is None and not _is_by_day(table):
        return "NULL::BIGINT AS passport_population, NULL::DOUBLE AS passport_coverage, NULL AS passport_status"
    return (
        "who.population AS passport_population, who.coverage AS passport_coverage, "
        "coalesce(who.status, 'not_applicable') AS passport_status"
    )


def _beside(table: MetricTable) -> str:
    if table.name not in _BESIDE:
        return "NULL::BIGINT AS beside_active_users"
    return "users.active_users AS beside_active_users, everyone.active_users AS whole_active_users"


def _joins(table: MetricTable, target: str) -> str:
    """SQL that brings to a row its window, its scope's agencies, its events and the users of the same cell."""
    scope, scope_id = ("own.scope", "own.scope_id") if table.has_scope else ("'agency'", "own.agency_id")
    if _is_by_day(table):
        return (
            "LEFT JOIN passport_scopes AS who ON who.kind = 'day' AND who.time_key = own.as_of::VARCHAR "
            f"AND who.scope = {scope} AND who.scope_id = {scope_id}"
        )
    if table.time_key is None:
        return ""
    kind = "'month'" if table.is_monthly else "'period'"
    cell = f"calendar = own.calendar AND {{0}}.time_key = own.{table.time_key}"
    joins = [
        f"LEFT JOIN passport_windows AS times ON times.kind = {kind} AND times.{cell.format('times')}",
        f"LEFT JOIN passport_scopes AS who ON who.kind = {kind} AND who.{cell.format('who')} "
        f"AND who.scope = {scope} AND who.scope_id = {scope_id}",
    ]
    if _has_events(table):
        joins.append(
            f"LEFT JOIN passport_inputs AS seen ON seen.kind = {kind} AND seen.{cell.format('seen')} "
            "AND seen.scope = own.scope AND seen.scope_id = own.scope_id AND seen.channel = own.channel"
        )
    if table.name in _BESIDE:
        same = "{0}.calendar = own.calendar AND {0}.month = own.month AND {0}.scope = own.scope "
        same += "AND {0}.scope_id = own.scope_id AND {0}.channel = {1}"
        for alias, channel in (("users", "own.channel"), ("everyone", "'all'")):
            joins.append(f"LEFT JOIN {target}.marts.monthly_users AS {alias} ON {same.format(alias, channel)}")
    return " ".join(joins)


def _instant(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None)


def _is_public(connection: Connection, target: str) -> bool:
    found = connection.execute(f"SELECT value FROM {target}.marts._meta WHERE key = 'tier'").fetchall()  # noqa: S608
    return found == [("public",)]


def _temporary_tables(connection: Connection) -> set[str]:
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    return {name for (name,) in found}
