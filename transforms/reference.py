"""Dimensions: the reporting calendar, and the catalogue's agencies, services and places over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import pyarrow as pa

from contracts.reporting_time import CALENDARS, Month, Period, all_months, day_start, enclosing_periods
from contracts.vocabularies import codes
from transforms.model import Model, models
from warehouse.connection import Connection
from warehouse.lake import arrow_schema

Row = Mapping[str, Any]
Run = tuple[str, dt.date, dt.date, str]  # what, first day, day after the last, to what it belongs
_ALL_CHANNELS = 15  # the bit of all channels in a mark, see stg_told
EVER, NEVER = dt.date(1, 1, 1), dt.date(9999, 12, 31)


class CatalogueRows(Protocol):
    """What transforms need of the catalogue: rows as dicts, blank cells None, ``valid_to`` the last valid day."""

    @property
    def agencies(self) -> Sequence[Row]:
        """agency_id, parent_id, valid_from, valid_to and the columns of dim_agency."""

    @property
    def places(self) -> Sequence[Row]:
        """place_id, kind, parent_id, valid_from, valid_to and names."""

    @property
    def services(self) -> Sequence[Row]:
        """service_id, agency_id and the columns of dim_service."""

    @property
    def mandates(self) -> Sequence[Row]:
        """mandate_id, valid_from, valid_to and the columns of dim_mandate."""

    @property
    def frameworks(self) -> Sequence[Row]:
        """The columns of dim_framework."""

    @property
    def assessments(self) -> Sequence[Row]:
        """The columns of dim_assessment."""


def month_number(month: Month) -> int:
    """A month's place in its calendar, the unit in which facts count months: year * 12 + number - 1."""
    return month.year * 12 + month.number - 1


def month_of_number(calendar: str, number: int) -> Month:
    """The month at a place of its calendar."""
    return Month("jalali" if calendar == "jalali" else "gregorian", number // 12, number % 12 + 1)


def load_calendar(connection: Connection) -> None:
    """Fill dim_month, dim_day and dim_period, and dim_channel, once per build file."""
    if connection.execute("SELECT COUNT(*) FROM dim_month").fetchall() == [(0,)]:
        for name, table in _calendar_tables().items():
            _append(connection, name, table)
        rows = [{"channel": code, "bit": 1 << place} for place, code in enumerate(codes("channel"))]
        assert len(rows) < _ALL_CHANNELS, "a mark has sixteen bits"
        fill(connection, models("dimensions")["dim_channel"], [*rows, {"channel": "all", "bit": 1 << _ALL_CHANNELS}])


@cache
def _calendar_tables() -> Mapping[str, pa.Table]:
    known = models("dimensions")
    months = [month for calendar in CALENDARS for month in all_months(calendar)]
    periods = dict.fromkeys((month.calendar, period) for month in months for period in enclosing_periods(month))
    return {
        "dim_month": _table(known["dim_month"], (_month_row(month) for month in months)),
        "dim_day": _table(known["dim_day"], _day_rows()),
        "dim_period": _table(known["dim_period"], (_period_row(calendar, period) for calendar, period in periods)),
    }


def load_catalogue(connection: Connection, catalogue: CatalogueRows) -> bool:
    """Replace the dimensions that come of the catalogue (dim_scope apart: see load_scopes).

    True where an agency that has facts changed its ministry, or a district its county: the facts are then of another
    world and must be computed anew. Onboarding an agency, renaming one or adding a service is no such change.
    """
    known = models("dimensions")
    ministries = list(ministry_runs(catalogue.agencies))
    newest = {row["agency_id"]: row for row in _by_version(catalogue.agencies)}
    for name in ("dim_agency_ministry", "dim_district_county"):
        connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}_before" AS SELECT * FROM "{name}"')  # noqa: S608 literals
    for table, rows in (
        ("dim_agency", [{**row, "ministry_id": _last_ministry(row, ministries)} for row in newest.values()]),
        ("dim_service", list({row["service_id"]: row for row in _by_version(catalogue.services)}.values())),
        ("dim_place", list({row["place_id"]: row for row in _by_version(catalogue.places)}.values())),
        ("dim_agency_ministry", [_run_row("agency_id", "ministry_id", run) for run in ministries]),
        ("dim_district_county", [_run_row("district", "county", run) for run in county_runs(catalogue.places)]),
        ("dim_agency_history", _half_open(catalogue.agencies)),
        ("dim_service_history", _half_open(catalogue.services)),
        ("dim_place_history", _half_open(catalogue.places)),
        ("dim_mandate", _half_open(catalogue.mandates)),
        ("dim_framework", catalogue.frameworks),
        ("dim_assessment", catalogue.assessments),
    ):
        connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 names from the literal above
        fill(connection, known[table], rows)
    _load_agency_scopes(connection)
    ((moved,),) = connection.execute("""
        WITH agencies AS (
            SELECT agency_id FROM (SELECT * FROM dim_agency_ministry EXCEPT SELECT * FROM dim_agency_ministry_before)
            UNION
            SELECT agency_id FROM (SELECT * FROM dim_agency_ministry_before EXCEPT SELECT * FROM dim_agency_ministry)
        ),
        districts AS (
            SELECT district FROM (SELECT * FROM dim_district_county EXCEPT SELECT * FROM dim_district_county_before)
            UNION
            SELECT district FROM (SELECT * FROM dim_district_county_before EXCEPT SELECT * FROM dim_district_county)
        )
        SELECT
            EXISTS (SELECT 1 FROM fct_activity SEMI JOIN agencies USING (agency_id))
            OR EXISTS (SELECT 1 FROM fct_declaration_events SEMI JOIN agencies USING (agency_id))
            OR EXISTS (SELECT 1 FROM fct_activity SEMI JOIN districts USING (district))
    """).fetchall()
    return bool(moved)


def _half_open(rows: Sequence[Row]) -> list[Row]:
    """Versions as half-open runs of dates: a blank end is EVER or NEVER."""
    one_day = dt.timedelta(days=1)
    return [
        {
            **row,
            "valid_from": row.get("valid_from") or EVER,
            "valid_before": row["valid_to"] + one_day if row.get("valid_to") else NEVER,
        }
        for row in rows
    ]


def _load_agency_scopes(connection: Connection) -> None:
    """Replace dim_agency_scope, from the histories of agencies, ministries and districts."""
    connection.execute("DELETE FROM dim_agency_scope")
    connection.execute("""
        INSERT INTO dim_agency_scope
        SELECT agency_id, 'national', 'IR', valid_from, valid_before FROM dim_agency_history
        UNION ALL SELECT agency_id, 'agency', agency_id, valid_from, valid_before FROM dim_agency_history
        UNION ALL SELECT agency_id, 'ministry', ministry_id, valid_from, valid_before FROM dim_agency_ministry
        UNION ALL
        SELECT agency_id, 'province', province, valid_from, valid_before
        FROM dim_agency_history WHERE province IS NOT NULL
        UNION ALL
        SELECT agency_id, 'district', district, valid_from, valid_before
        FROM dim_agency_history WHERE district IS NOT NULL
        UNION ALL
        SELECT
            a.agency_id, 'county', c.county,
            GREATEST(a.valid_from, c.valid_from), LEAST(a.valid_before, c.valid_before)
        FROM dim_agency_history AS a JOIN dim_district_county AS c
            ON c.district = a.district AND c.valid_from < a.valid_before AND a.valid_from < c.valid_before
    """)


def _last_ministry(row: Row, runs: Sequence[Run]) -> str | None:
    """The ministry on an agency's last day, or on the last day there is."""
    day = min(row["valid_to"] or NEVER, NEVER - dt.timedelta(days=1))
    return next((run[3] for run in runs if run[0] == row["agency_id"] and run[1] <= day < run[2]), None)


def load_scopes(connection: Connection) -> None:
    """Replace dim_scope: every scope of the catalogue, and every one that has rows."""
    connection.execute("DELETE FROM dim_scope")
    connection.execute("""
        INSERT INTO dim_scope
        WITH named AS (
            SELECT 'national' AS scope, 'IR' AS scope_id, NULL AS parent_key, 'کل کشور' AS name_fa, 'Iran' AS name_en
            UNION ALL
            SELECT
                p.kind, p.place_id,
                CASE WHEN p.kind = 'province' OR o.place_id IS NULL THEN 'national:IR'
                    ELSE o.kind || ':' || o.place_id END,
                p.name_fa, p.name_en
            FROM dim_place AS p LEFT JOIN dim_place AS o ON o.place_id = p.parent_id
            UNION ALL
            SELECT 'ministry', a.agency_id, 'national:IR', a.name_fa, a.name_en
            FROM dim_agency AS a WHERE a.agency_id IN (SELECT ministry_id FROM dim_agency_ministry)
            UNION ALL
            SELECT 'agency', agency_id, COALESCE('ministry:' || ministry_id, 'national:IR'), name_fa, name_en
            FROM dim_agency
            UNION ALL
            SELECT 'service', service_id, 'agency:' || agency_id, name_fa, name_en FROM dim_service
        ),
        seen AS (
            SELECT scope, scope_id FROM fct_cell_spans
            UNION SELECT scope, scope_id FROM fct_declared_cells
            UNION SELECT scope, scope_id FROM held_scopes
            UNION SELECT scope, scope_id FROM named
        )
        SELECT
            s.scope, s.scope_id, s.scope || ':' || s.scope_id,
            CASE WHEN s.scope <> 'national' THEN COALESCE(n.parent_key, 'national:IR') END,
            COALESCE(n.name_fa, s.scope_id), COALESCE(n.name_en, s.scope_id),
            ROW_NUMBER() OVER (ORDER BY
                list_position(
                    ['national', 'province', 'county', 'district', 'ministry', 'agency', 'service'], s.scope
                ),
                COALESCE(n.name_en, s.scope_id), s.scope_id
            )
        FROM seen AS s LEFT JOIN named AS n USING (scope, scope_id)
    """)


def fill(connection: Connection, model: Model, rows: Iterable[Row]) -> None:
    """Append rows to a model's table; a column a row does not have is NULL."""
    _append(connection, model.table, _table(model, rows))


def _table(model: Model, rows: Iterable[Row]) -> pa.Table:
    listed = [{name: row.get(name) for name in model.physical} for row in rows]
    return pa.Table.from_pylist(listed, schema=arrow_schema(model.physical))


def _append(connection: Connection, name: str, table: pa.Table) -> None:
    connection.register("incoming_rows", table)
    connection.execute(f'INSERT INTO "{name}" SELECT * FROM incoming_rows')  # noqa: S608 our own name
    connection.unregister("incoming_rows")


def _month_row(month: Month) -> Row:
    number = month_number(month)
    return {
        "calendar": month.calendar,
        "month": month.label,
        "month_no": number,
        "month_start": month.first_day,
        "starts_at": month.start,
        "ends_at": month.end,
        "name_fa": month.names[0],
        "name_en": month.names[1],
        "year": month.year,
        "month_of_year": month.number,
        "quarter": month.quarter,
        "half": month.half,
        "days": month.days,
        "sort_order": number,
    }


def _period_row(calendar: str, period: Period) -> Row:
    return {
        "calendar": calendar,
        "period": period.label,
        "first_no": month_number(period.first),
        "last_no": month_number(period.last),
        "month_start": period.first.first_day,
        "days": period.days,
    }


def _day_rows() -> Iterator[Row]:
    """One row per UTC date: Tehran's midnight falls into each exactly once."""
    one_day = dt.timedelta(days=1)
    numbers: dict[dt.date, list[int]] = {}
    for calendar in CALENDARS:
        for month in all_months(calendar):
            opens, closes, number = month.first_day, month.following.first_day, month_number(month)
            for offset in range((closes - opens).days):
                numbers.setdefault(opens + offset * one_day, []).append(number)
    for day, here in numbers.items():
        after = numbers.get(day + one_day)
        if len(here) == 2 and after is not None and len(after) == 2:
            turn = day_start(day + one_day)
            assert turn.date() == day, "Tehran is between 0 and 24 hours ahead of UTC"
            yield {
                "utc_date": day,
                "turns_at": turn,
                "day_before": day,
                "day_after": day + one_day,
                "jalali_no_before": here[0],
                "jalali_no_after": after[0],
                "gregorian_no_before": here[1],
                "gregorian_no_after": after[1],
            }


def ministry_runs(agencies: Sequence[Row]) -> Iterator[Run]:
    """Each agency's ministry over time: the root of its parent chain as valid on the day.

    A parent that is not in the catalogue on a day does not count then. A root is a ministry only while it has
    children. A chain that runs in a circle has no root.
    """
    parents = {row["parent_id"] for row in agencies if row["parent_id"]}
    chained = [row for row in agencies if row["parent_id"] or row["agency_id"] in parents]
    days = _turning_days(chained)
    found: list[Run] = []
    for day, following in zip(days, [*days[1:], NEVER], strict=True):
        parent_of = {row["agency_id"]: row["parent_id"] for row in _by_version(chained) if _is_valid(row, day)}
        links = {child: parent for child, parent in parent_of.items() if parent in parent_of}
        with_children = set(links.values())
        for agency_id in parent_of:
            root, steps = agency_id, 0
            while root in links and steps <= len(links):
                root, steps = links[root], steps + 1
            if root not in links and root in with_children:
                found.append((agency_id, day, following, root))
    yield from _joined(found)


def county_runs(places: Sequence[Row]) -> Iterator[Run]:
    """Each district's county over time: its parent on the day, where that is a county on that day."""
    days = _turning_days(places)
    found: list[Run] = []
    for day, following in zip(days, [*days[1:], NEVER], strict=True):
        valid = {row["place_id"]: row for row in _by_version(places) if _is_valid(row, day)}
        for place_id, row in valid.items():
            parent = valid.get(row["parent_id"])
            if row["kind"] == "district" and parent is not None and parent["kind"] == "county":
                found.append((place_id, day, following, parent["place_id"]))
    yield from _joined(found)


def _turning_days(rows: Sequence[Row]) -> list[dt.date]:
    """The days on which validity may change, the first of all days included."""
    days = {EVER}
    for row in rows:
        if row.get("valid_from"):
            days.add(row["valid_from"])
        if row.get("valid_to"):
            days.add(row["valid_to"] + dt.timedelta(days=1))
    return sorted(days)


def _is_valid(row: Row, day: dt.date) -> bool:
    first, last = row.get("valid_from"), row.get("valid_to")
    return (first is None or first <= day) and (last is None or day <= last)


def _by_version(rows: Sequence[Row]) -> list[Row]:
    """Older versions first, so that the newest that is valid is the one that stays in a dict."""
    return sorted(rows, key=lambda row: row.get("valid_from") or EVER)


def _joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Neighbouring runs of one thing to one owner as one run."""
    current: Run | None = None
    for run in sorted(runs):
        if current is not None and (current[0], current[2], current[3]) == (run[0], run[1], run[3]):
            current = (current[0], current[1], run[2], run[3])
            continue
        if current is not None:
            yield current
        current = run
    if current is not None:
        yield current


def _run_row(what: str, owner: str, run: Run) -> Row:
    return {what: run[0], "valid_from": run[1], "valid_before": run[2], owner: run[3]}
