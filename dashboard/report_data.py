"""What the report shows, read from one published version: rows of plain values, nothing computed but comparisons.

Everything comes from the open database of the public tier, so a page can show no more than the tables beside it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard.report_passports import Passport, Place, read_passports
from dashboard.wording import Cell
from warehouse.connection import Connection

MONTHS_SHOWN = 13  # a year, and the same month of the year before
PERIODS_SHOWN = 12
SCOPES = ("national", "ministry", "agency", "province")
NATION = "national:IR"
BEHIND = ("disconnected", "standard_lost", "degraded", "connecting", "never")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """A page's subject: the nation, a ministry, an agency or a province."""

    scope: str
    scope_id: str
    name_fa: str | None
    name_en: str | None
    parent: str | None = None  # scope key

    @property
    def key(self) -> str:
        """``agency:tax``."""
        return f"{self.scope}:{self.scope_id}"


@dataclass(frozen=True)
class MonthName:
    """A month of either calendar, and its days by the Gregorian one."""

    label: str
    name_fa: str
    name_en: str
    year: int
    days: int
    first: dt.date | None

    @property
    def last(self) -> dt.date | None:
        """The month's last day."""
        return self.first and self.first + dt.timedelta(days=self.days - 1)


@dataclass
class Figures:
    """Everything of one version, by what the pages are about."""

    meta: Mapping[str, str]
    calendar: str
    other_calendar: str
    scopes: Mapping[str, Scope] = field(default_factory=dict)  # those that have a page
    names: Mapping[str, Row] = field(default_factory=dict)  # by scope key: name_fa, name_en, parent_key
    months: Mapping[str, MonthName] = field(default_factory=dict)  # of both calendars: their years lie far apart
    monthly: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by scope key; month and channel in order
    monthly_other: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # of the other calendar, all channels
    by_month: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by month; scope key in order, all channels
    periods: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by scope key
    states: Mapping[str, Row] = field(default_factory=dict)  # by month, the oldest first
    levels: Mapping[str, Row] = field(default_factory=dict)  # by scope key, the newest
    ranking: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by agency id, oldest round first
    rounds: Sequence[Row] = ()  # of the evaluation, the newest first; in a round all agencies before the matched ones
    connections: Mapping[str, Row] = field(default_factory=dict)  # by agency id, the newest day
    mandates: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # by scope key, the newest of each
    take_up: Mapping[str, Cell] = field(default_factory=dict)  # the nation's, by month
    definitions: Sequence[Row] = ()  # of every published table: its name, its labels, its version
    passports: Mapping[str, Mapping[Place, Passport]] = field(default_factory=dict)  # by scope key
    losses: int = 0
    restatements: int = 0

    def of_kind(self, scope: str) -> list[Scope]:
        """The subjects of one kind."""
        return [one for one in self.scopes.values() if one.scope == scope]

    @property
    def headline_month(self) -> str | None:
        """The newest month that is over and has figures of the whole country; the newest of all where none is over."""
        told = {row["month"] for row in self.monthly.get(NATION, ())}
        over = [month for month, row in self.states.items() if row["state"] != "open" and month in told]
        return max(over or told, default=None)

    def cell(self, key: str, month: str, measure: str, channel: str = "all") -> Cell:
        """One figure of a subject; not provided where the table has no such row."""
        for row in self.monthly.get(key, ()):
            if row["month"] == month and row["channel"] == channel:
                found: Cell = row[measure]
                return found
        return Cell(None, "not_provided")

    def passport(self, key: str, time: str, channel: str, measure: str) -> Passport | None:
        """What a figure of a subject, month, period or day is made of; None where it has no number."""
        return self.passports.get(key, {}).get((time, channel, measure))

    def year_before(self, month: str) -> str:
        """The label of the same month of the year before."""
        return f"{int(month[:4]) - 1:04d}{month[4:]}"


def read_figures(connection: Connection) -> Figures:
    """Read a published version; tables that an older one lacks are taken for empty."""
    meta = dict(connection.execute("SELECT key, value FROM marts._meta WHERE value IS NOT NULL").fetchall())
    calendar = meta["calendar_default"]
    figures = Figures(meta, calendar, "jalali" if calendar == "gregorian" else "gregorian")
    wanted = {"calendar": figures.calendar, "months": MONTHS_SHOWN, "scopes": list(SCOPES)}
    figures.monthly = _grouped(_monthly(connection, wanted), "scope_key")
    others = _monthly(connection, wanted | {"calendar": figures.other_calendar})
    figures.monthly_other = _grouped([row for row in others if row["channel"] == "all"], "scope_key")
    newest = _grouped([row for rows in figures.monthly.values() for row in rows if row["channel"] == "all"], "month")
    figures.by_month = newest
    figures.periods = _grouped(_periods(connection, figures.calendar), "scope_key")
    figures.months = {
        row["label"]: MonthName(**row)
        for row in _rows(
            connection,
            "SELECT month AS label, name_fa, name_en, year, days, month_start AS first FROM marts.dim_month",
        )
    }
    figures.states = {
        row["month"]: row
        for row in _rows(
            connection,
            "SELECT month, state, vintage, expected, reported FROM marts.month_states "
            "WHERE calendar = $calendar ORDER BY month",
            {"calendar": figures.calendar},
        )
    }
    figures.levels = {row["scope_key"]: row for row in _levels(connection)}
    figures.ranking = _grouped(_ranking(connection), "agency_id")
    figures.rounds = _rounds(connection)
    figures.connections = {row["agency_id"]: row for row in _connections(connection)}
    figures.mandates = _grouped(_mandates(connection), "scope_key")
    figures.take_up = {row["month"]: row["digital_take_up"] for row in _take_up(connection, wanted)}
    figures.definitions = _definitions(connection)
    figures.passports = read_passports(connection, SCOPES) if _exists(connection, "figure_passports") else {}
    figures.losses = _count(connection, "accepted_losses")
    figures.restatements = _count(connection, "restatements")
    figures.names = {
        row["scope_key"]: row
        for row in _rows(
            connection, "SELECT scope_key, parent_key, name_fa, name_en FROM marts.dim_scope WHERE scope <> 'service'"
        )
    }
    figures.scopes = _scopes(figures)
    return figures


def _monthly(connection: Connection, wanted: Mapping[str, object]) -> list[Row]:
    return _rows(
        connection,
        """
        WITH keys AS (
            SELECT month, scope_key, channel FROM marts.monthly_users
            WHERE calendar = $calendar AND list_contains($scopes, scope)
            UNION SELECT month, scope_key, channel FROM marts.monthly_visits
            WHERE calendar = $calendar AND list_contains($scopes, scope)
            UNION SELECT month, scope_key, channel FROM marts.monthly_transactions
            WHERE calendar = $calendar AND list_contains($scopes, scope)
        )
        SELECT
            k.month, k.scope_key, k.channel,
            coalesce(t.state, u.state, v.state) AS state, coalesce(t.vintage, u.vintage, v.vintage) AS vintage,
            coalesce(t.held_agencies, u.held_agencies, v.held_agencies) AS held_agencies,
            u.active_users, u.active_users_status, u.new_users, u.new_users_status, v.visits, v.visits_status,
            t.completed, t.completed_status, t.declared, t.declared_status, s.share, s.share_status,
            t.completeness, t.completeness_status
        FROM keys AS k
        LEFT JOIN marts.monthly_users AS u
            ON u.calendar = $calendar AND u.month = k.month AND u.scope_key = k.scope_key AND u.channel = k.channel
        LEFT JOIN marts.monthly_visits AS v
            ON v.calendar = $calendar AND v.month = k.month AND v.scope_key = k.scope_key AND v.channel = k.channel
        LEFT JOIN marts.monthly_transactions AS t
            ON t.calendar = $calendar AND t.month = k.month AND t.scope_key = k.scope_key AND t.channel = k.channel
        LEFT JOIN marts.monthly_channel_share AS s
            ON s.calendar = $calendar AND s.month = k.month AND s.scope_key = k.scope_key AND s.channel = k.channel
        QUALIFY dense_rank() OVER (PARTITION BY k.scope_key ORDER BY k.month DESC) <= $months
        ORDER BY k.scope_key, k.month, k.channel <> 'all', k.channel
        """,
        wanted,
    )


def _periods(connection: Connection, calendar: str) -> list[Row]:
    """The newest periods of each subject and calendar, declared ranges among them."""
    return _rows(
        connection,
        """
        SELECT scope_key, calendar, period, channel, state, active_users, active_users_status, visits, visits_status,
            completed, completed_status, declared, declared_status, days, days_status, held_agencies
        FROM marts.period_totals
        WHERE list_contains($scopes, scope) AND (calendar = $calendar OR declared_status = 'value' OR period LIKE '%/%')
        QUALIFY dense_rank() OVER (PARTITION BY scope_key, calendar ORDER BY month_start DESC, period) <= $periods
        ORDER BY scope_key, calendar DESC, month_start, period, channel <> 'all', channel
        """,
        {"scopes": list(SCOPES), "calendar": calendar, "periods": PERIODS_SHOWN},
    )


def _levels(connection: Connection) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT * FROM marts.service_levels WHERE list_contains($scopes, scope)
        QUALIFY row_number() OVER (PARTITION BY scope_key ORDER BY as_of DESC) = 1
        """,
        {"scopes": list(SCOPES)},
    )


def _ranking(connection: Connection) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT agency_id, round, score, score_status, rank, rank_status, population, population_status,
            growth_pct, growth_pct_status, growth_points, growth_points_status, scope_flag, assessed_to
        FROM marts.agency_ranking ORDER BY agency_id, assessed_to, round
        """,
    )


def _rounds(connection: Connection) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT round, cohort, agencies, agencies_status, partial_scope, partial_scope_status, scored, scored_status,
            mean_score, mean_score_status, growth_pct, growth_pct_status, growth_points, growth_points_status,
            assessed_from, assessed_to, previous_round
        FROM marts.evaluation_rounds ORDER BY assessed_to DESC, round DESC, cohort
        """,
    )


def _definitions(connection: Connection) -> list[Row]:
    if not _exists(connection, "metric_definitions"):
        return []
    return _rows(
        connection,
        """
        SELECT table_name, metric_version, json_extract_string(contract, '$.label.fa') AS name_fa,
            json_extract_string(contract, '$.label.en') AS name_en
        FROM marts.metric_definitions ORDER BY table_name
        """,
    )


def _connections(connection: Connection) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT agency_id, connection_state, since, reason FROM marts.agency_status
        QUALIFY row_number() OVER (PARTITION BY agency_id ORDER BY day DESC) = 1
        ORDER BY since NULLS FIRST, agency_id
        """,
    )


def _mandates(connection: Connection) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT mandate_id, scope_key, as_of, measure, counted, counted_status, total, total_status, value, value_status,
            value_upper, value_upper_status,
            threshold_low, threshold_high, compliance, due, law_fa, law_en
        FROM marts.mandate_compliance
        QUALIFY row_number() OVER (PARTITION BY mandate_id, scope_key ORDER BY as_of DESC) = 1
        ORDER BY scope_key, due NULLS LAST, mandate_id
        """,
    )


def _take_up(connection: Connection, wanted: Mapping[str, object]) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT month, digital_take_up, digital_take_up_status FROM marts.monthly_digital_take_up
        WHERE calendar = $calendar AND scope = 'national' AND channel = 'all'
        """,
        {"calendar": wanted["calendar"]},
    )


def _scopes(figures: Figures) -> dict[str, Scope]:
    """The subjects that any table speaks of, with their newest names."""
    told = {*figures.monthly, *figures.periods, *figures.levels, *figures.mandates}
    told |= {f"agency:{agency}" for agency in (*figures.ranking, *figures.connections)}
    found = []
    for key in told | ({NATION} & set(figures.names)):
        kind, _, scope_id = key.partition(":")
        if kind in SCOPES:
            row = figures.names.get(key, {})
            found.append(Scope(kind, scope_id, row.get("name_fa"), row.get("name_en"), row.get("parent_key")))
    found.sort(key=lambda one: (SCOPES.index(one.scope), one.scope_id))
    return {one.key: one for one in found}


def _count(connection: Connection, table: str) -> int:
    if not _exists(connection, table):
        return 0
    row = connection.execute(f"SELECT count(*) FROM marts.{table}").fetchone()  # noqa: S608 one of two names above
    return int(row[0]) if row else 0


def _exists(connection: Connection, table: str) -> bool:
    there = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'marts' AND table_name = $table", {"table": table}
    )
    return bool(there.fetchall())


def _rows(connection: Connection, query: str, values: Mapping[str, object] | None = None) -> list[Row]:
    """The rows as mappings; a number and its ``_status`` become one Cell."""
    found = connection.execute(query, dict(values or {}))
    names = [column[0] for column in found.description or ()]
    paired = [name for name in names if f"{name}_status" in names]
    rows: list[Row] = []
    for values_of_row in found.fetchall():
        row: dict[str, Any] = dict(zip(names, values_of_row, strict=True))
        for name in paired:
            status = row.pop(f"{name}_status")
            row[name] = Cell(row[name] if status == "value" else None, status or "not_provided")
        rows.append(row)
    return rows


def _grouped(rows: Sequence[Row], name: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return dict(groups)
