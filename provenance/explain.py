"""Explain a published row: its passports, what its numbers mean, and its inputs down to offsets and files."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import UsageError
from contracts.settings import Settings
from provenance.evidence import LakeThen
from provenance.figures import PublishedTables, check_known
from provenance.selections import asked_for, recount_of
from warehouse.connection import Connection
from warehouse.published import current, open_published

Row = dict[str, Any]
TIER = "analyst"
# A recount of doubles may differ in the last bits.
_SAME = 1e-9


def explain(settings: Settings, table: str, given: Mapping[str, str], measure: str | None = None) -> dict[str, Any]:
    """One row of a table of the analysts' tier, as one JSON document. ``given``: column to value.

    Calendar and channel may be left out (the default calendar, all channels); a date picks the newest row on or before
    it. UsageError, with what is nearest, for a table, a column or a row that does not exist; also where several fit.
    """
    with open_published(settings, TIER) as connection:
        tables = PublishedTables(connection)
        check_known(table, tables.tables(), "nothing is published as")
        definition = _definition(connection, tables, table)
        row = _Row(tables, table, definition, settings.calendar).find(given)
        measures = [name for name in row if f"{name}_status" in row and name in definition["columns"]]
        if measure is not None:
            check_known(measure, measures, f"{table} has no measure")
            measures = [measure]
        document = {
            "table": table,
            "key": {name: row[name] for name in definition["grain"]},
            "row": row,
            "published": _published(settings),
            "definition": definition,
            "figures": [_figure(tables, table, name, row, definition) for name in measures],
            "restatements": _restatements(tables, table, row, definition["grain"], measures),
        }
        runs = {name: _runs(tables, *columns) for name, columns in _RUNS.items()}
    document["inputs"] = _inputs(settings, table, measures, row, runs)
    return document


_RUNS = {
    "ministries": ("dim_agency_ministry", "agency_id", "ministry_id"),
    "counties": ("dim_district_county", "district", "county"),
}


class _Row:
    """The search for one row by what was given."""

    def __init__(self, tables: PublishedTables, table: str, definition: Mapping[str, Any], calendar: str) -> None:
        self.tables = tables
        self.table = table
        self.columns = tables.columns(table)
        self.grain: Sequence[str] = definition["grain"]
        self.defaults = {"calendar": calendar, "channel": "all"}

    def find(self, given: Mapping[str, str]) -> Row:
        for name in given:
            check_known(name, self.columns, f"{self.table} has no column")
        rows = self._rows(given)
        if not rows:
            self._complain(given)
        if len(rows) > 1:
            open_keys = [name for name in self.grain if name not in given]
            wanted = [name for name in self.defaults if name in open_keys and not _tells(given, name)]
            rows = self._rows({**given, **{name: self.defaults[name] for name in wanted}}) or rows
        if len(rows) > 1:
            differing = [name for name in self.grain if len({row[name] for row in rows}) > 1]
            shown = ", ".join(
                f"{name} ({', '.join(sorted({str(row[name]) for row in rows})[:4])} …)" for name in differing
            )
            raise UsageError(f"{len(rows)} rows of {self.table} fit", hint=f"say also: {shown}")
        return rows[0]

    def _rows(self, given: Mapping[str, str]) -> list[Row]:
        """The rows that fit; of dated stocks the newest on or before a day that was given."""
        wanted: dict[str, Any] = {}
        conditions, newest = ["true"], ""
        for name, text in given.items():
            if name in ("as_of", "day"):
                wanted[name] = _day(text)
                conditions.append(f'"{name}" <= ${name}')
                newest = f'QUALIFY rank() OVER (ORDER BY "{name}" DESC) = 1'
            else:
                wanted[name] = text
                conditions.append(f'"{name}"::VARCHAR = ${name}')
        found = self.tables.connection.execute(
            f'SELECT * FROM marts."{self.table}" WHERE {" AND ".join(conditions)} {newest}',  # noqa: S608 checked names
            wanted,
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _complain(self, given: Mapping[str, str]) -> None:
        """UsageError that names the first value that no row has, and those nearest to it."""
        for name, text in given.items():
            known = [
                value
                for (value,) in self.tables.connection.execute(
                    f'SELECT DISTINCT "{name}"::VARCHAR FROM marts."{self.table}" ORDER BY 1'  # noqa: S608 checked names
                ).fetchall()
                if value is not None
            ]
            if name not in ("as_of", "day") and text not in known:
                nearest = difflib.get_close_matches(text, known, n=3, cutoff=0.3) or known[:3]
                raise UsageError(
                    f"no row of {self.table} has {name}={text}", hint=f"nearest: {', '.join(nearest) or 'none'}"
                )
        raise UsageError(f"no row of {self.table} has all of these together")


def _tells(given: Mapping[str, str], name: str) -> bool:
    """True where a month or period already says the calendar."""
    return name == "calendar" and any(key in given for key in ("month", "period"))


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"not a date: {text!r}", hint="YYYY-MM-DD") from error


def _definition(connection: Connection, tables: PublishedTables, table: str) -> dict[str, Any]:
    """What the table's numbers mean: label, owner, version, grain, and the head of its query."""
    found = (
        connection.execute(
            "SELECT contract, query FROM marts.metric_definitions WHERE table_name = $table", {"table": table}
        ).fetchall()
        if "metric_definitions" in tables.tables()
        else []
    )
    if not found:
        raise UsageError(f"{table} is published without a definition", hint="explain a table of figures")
    contract, query = json.loads(found[0][0]), found[0][1] or ""
    header = []
    for line in query.splitlines():
        if not line.startswith("--"):
            break
        header.append(line.removeprefix("--").removeprefix(" "))
    return {
        "label": contract.get("label"),
        "owner": contract.get("owner"),
        "version": contract.get("version"),
        "grain": contract["grain"],
        "reads": contract.get("reads", []),
        "header": header,
        "columns": {column["name"]: column for column in contract["columns"]},
    }


def _figure(tables: PublishedTables, table: str, measure: str, row: Row, definition: Mapping[str, Any]) -> Row:
    spec = definition["columns"].get(measure, {})
    return {
        "measure": measure,
        "label": spec.get("label"),
        "value": row[measure],
        "status": row[f"{measure}_status"],
        "parts": {part: spec[part] for part in ("numerator", "denominator") if part in spec},
        "passport": tables.passport(table, measure, row),
    }


def _published(settings: Settings) -> Row:
    document = current(settings, TIER) or {}
    return {"tier": TIER, **{name: document.get(name) for name in ("version", "as_of", "lake")}}


def _restatements(
    tables: PublishedTables, table: str, row: Row, grain: Sequence[str], measures: Sequence[str]
) -> list[Row]:
    """Every change of the row's figures since their month was first published as more than open."""
    if "restatements" not in tables.tables():
        return []
    found = tables.connection.execute(
        "SELECT * FROM marts.restatements WHERE table_name = $table ORDER BY vintage", {"table": table}
    )
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    kept = []
    for one in rows:
        key = json.loads(one["key"])
        if key.get("measure") in measures and all(str(key.get(name)) == str(row[name]) for name in grain):
            kept.append(one)
    return kept


def _runs(tables: PublishedTables, table: str, what: str, owner: str) -> list[tuple[str, str, dt.date, dt.date]]:
    if table not in tables.tables():
        return []
    return tables.connection.execute(
        f"SELECT {what}, {owner}, valid_from, valid_before FROM marts.{table}"  # noqa: S608 names of our own
    ).fetchall()


def _inputs(
    settings: Settings,
    table: str,
    measures: Sequence[str],
    row: Row,
    runs: Mapping[str, Sequence[tuple[str, str, dt.date, dt.date]]],
) -> dict[str, Any]:
    """Catalogue versions, and for each kind of events a figure rests on: where those events are, and a recount."""
    lake: Mapping[str, Any] = (current(settings, TIER) or {}).get("lake", {})
    inputs: dict[str, Any] = {
        "catalogue": {name: version for name, version in lake.items() if name.startswith("catalogue/")},
        "events": [],
    }
    asked = {measure: asked_for(table, measure, row) for measure in measures}
    if "events" not in lake or not any(asked.values()):
        return inputs
    then = LakeThen(settings, lake, lake.get("landed_until"))
    try:
        for name, rows in runs.items():
            then.know_runs(name, rows)
        for one in {repr(found): found for found in asked.values() if found is not None}.values():
            then.find(one)
            sharing = [measure for measure in measures if asked[measure] == one]
            recounts = [
                _recount(then, measure, row, expression)
                for measure in sharing
                if (expression := recount_of(table, measure, row)) is not None and row[f"{measure}_status"] == "value"
            ]
            inputs["events"].append(
                {"measures": sharing, "types": list(one.types), **then.inputs(), "recounts": recounts}
            )
    finally:
        then.close()
    return inputs


def _recount(then: LakeThen, measure: str, row: Row, expression: str) -> Row:
    found, published = then.number(expression), float(row[measure])
    return {
        "measure": measure,
        "published": published,
        "recounted": found,
        "matches": found is not None and math.isclose(found, published, rel_tol=_SAME, abs_tol=_SAME),
    }
