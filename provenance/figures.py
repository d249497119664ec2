"""Cells of a published version, as a claim asks for them: value or status, range, and which rows it rests on."""

from __future__ import annotations

import datetime as dt
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from contracts.errors import UsageError
from provenance.claim_files import Condition, Figure
from provenance.wording import Range
from warehouse.connection import Connection

Row = dict[str, Any]
# A cell without a number, from the weakest to the strongest reason: of several rows the strongest speaks.
WITHOUT_A_NUMBER = ("not_applicable", "not_provided", "suppressed", "not_published")


@dataclass(frozen=True)
class Cell:
    """What the published version says to one figure.

    ``status`` is ``value`` where there is a number: then ``value`` (at full scale, with the figure's factor) and
    ``range``, which is wider than the value where a scale or unknown rows leave more open. ``text`` is set for states.
    """

    figure: Figure
    status: str
    value: float | None = None
    range: Range | None = None
    text: str | None = None
    has_unknown: bool = False
    rows: tuple[Row, ...] = field(default=(), compare=False)
    passport: Mapping[str, Any] | None = field(default=None, compare=False)


class PublishedTables:
    """The tables of one published version, read as claims read them. ``scale``: 0.001 where a thousandth was simulated.

    Published counts of events and people then stand for count / scale, exact to half an event / scale.
    """

    def __init__(self, connection: Connection, scale: float = 1.0) -> None:
        self.connection = connection
        self.scale = scale

    def cell(self, figure: Figure) -> Cell:
        """The figure's cell. UsageError where a column does not exist, or several rows fit.

        A table that this version does not have is no mistake of the claim's: nothing is published then.
        """
        rows = self.rows(figure) if figure.table in self.tables() else []
        if not rows:
            return Cell(figure, "not_published")
        if figure.combine == "count":
            return _counted(figure, rows)
        if len(rows) > 1 and figure.combine is None:
            raise UsageError(f"{len(rows)} rows of {figure.table} fit {dict(figure.key)}", hint="name its whole key")
        statuses = {_status(row, figure.measure) for row in rows}
        for status in WITHOUT_A_NUMBER[::-1]:
            if status in statuses:
                return Cell(figure, status, rows=tuple(rows))
        values = [row[figure.measure] for row in rows]
        if any(isinstance(value, str | bool) for value in values):
            texts = sorted({str(value).lower() for value in values})
            return Cell(figure, "value", text=", ".join(texts), rows=tuple(rows))
        number = sum(float(value) for value in values)
        slack = 0.0
        if figure.scaled and self.scale != 1.0:
            number, slack = number / self.scale, 0.5 * len(values) / self.scale
        if figure.combine == "mean":
            number, slack = number / len(values), slack / len(values)
        number, slack = number * figure.factor, slack * figure.factor
        passport = self.passport(figure.table, figure.measure, rows[0]) if len(rows) == 1 else None
        return Cell(figure, "value", number, Range(number - slack, number + slack), None, False, tuple(rows), passport)

    def rows(self, figure: Figure) -> list[Row]:
        """The rows a figure names, whole. UsageError for an unknown table or column, with the nearest one."""
        columns = self.columns(figure.table)
        named = [
            *figure.key,
            *figure.like,
            *figure.by,
            *(one.column for one in figure.where),
            figure.measure,
            *([figure.newest] if figure.newest else []),
        ]
        for name in named:
            check_known(name, columns, f"{figure.table} has no column")
        wanted: dict[str, object] = {}
        conditions = ["true"]
        for name, values in figure.key.items():
            wanted[f"key_{name}"] = list(values)
            conditions.append(f'list_contains($key_{name}, "{name}"::VARCHAR)')
        for name, pattern in figure.like.items():
            wanted[f"like_{name}"] = pattern
            conditions.append(f'"{name}" LIKE $like_{name}')
        choice = ""
        if figure.newest:
            wanted["until"] = figure.until or dt.date.max
            conditions.append(f'"{figure.newest}"::DATE <= $until')
            parts = ", ".join(f'"{name}"' for name in figure.by)
            partition = f"PARTITION BY {parts} " if parts else ""
            choice = f'QUALIFY rank() OVER ({partition}ORDER BY "{figure.newest}" DESC) = 1'
        found = self.connection.execute(
            f'SELECT * FROM marts."{figure.table}" WHERE {" AND ".join(conditions)} {choice} ORDER BY ALL',  # noqa: S608 checked names
            wanted,
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @cache  # noqa: B019 (a reader lives as long as its connection)
    def tables(self) -> tuple[str, ...]:
        """The names of the published tables."""
        found = self.connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts' ORDER BY table_name"
        ).fetchall()
        return tuple(name for (name,) in found)

    @cache  # noqa: B019 (as above)
    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a published table. UsageError with the nearest name where there is none."""
        check_known(table, self.tables(), "nothing is published as")
        found = self.connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'marts' AND table_name = $table "
            "ORDER BY column_index",
            {"table": table},
        ).fetchall()
        return tuple(name for (name,) in found)

    @cache  # noqa: B019 (as above)
    def key_columns(self, table: str) -> tuple[str, ...]:
        """The columns that name a row of a table, as its passports say; none where it has no passports."""
        if "figure_passports" not in self.tables():
            return ()
        found = self.connection.execute(
            "SELECT key FROM marts.figure_passports WHERE table_name = $table LIMIT 1", {"table": table}
        ).fetchall()
        return tuple(json.loads(found[0][0])) if found else ()

    def passport(self, table: str, measure: str, row: Mapping[str, Any]) -> Row | None:
        """The passport of a row's figure, with ``inputs`` as a mapping; None where the version has none."""
        keys = self.key_columns(table)
        if not keys or not set(keys) <= row.keys():
            return None
        pairs = ", ".join(f"'{name}', ${name}::VARCHAR" for name in keys)
        found = self.connection.execute(
            "SELECT * FROM marts.figure_passports "  # noqa: S608 checked names
            f"WHERE table_name = $the_table AND measure = $the_measure AND key = json_object({pairs})::VARCHAR",
            {"the_table": table, "the_measure": measure} | {name: str(row[name]) for name in keys},
        )
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
        if not rows:
            return None
        passport = dict(zip(names, rows[0], strict=True))
        passport["inputs"] = json.loads(passport["inputs"]) if passport.get("inputs") else {}
        return passport


def check_known(name: str, known: Sequence[str], complaint: str) -> None:
    """UsageError with the nearest known names where ``name`` is not among them."""
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)[:5]
        raise UsageError(f"{complaint} {name}", hint=f"nearest: {', '.join(nearest)}")


def _status(row: Row, measure: str) -> str:
    """A measure's status; a column without one (a state, a rank's text) is a value, or not provided where empty."""
    found = row.get(f"{measure}_status")
    if found is not None:
        return str(found)
    return "not_provided" if row[measure] is None else "value"


def _counted(figure: Figure, rows: list[Row]) -> Cell:
    """How many rows fulfil the figure's conditions; a row that cannot be judged leaves a range open."""
    fulfilled = [[_fulfils(row, one) for one in figure.where] for row in rows]
    low = sum(1 for answers in fulfilled if all(answer is True for answer in answers))
    high = sum(1 for answers in fulfilled if not any(answer is False for answer in answers))
    factor = figure.factor
    return Cell(figure, "value", low * factor, Range(low, high).times(factor), None, high > low, tuple(rows))


def _fulfils(row: Row, condition: Condition) -> bool | None:
    """True, False, or None where the row does not say."""
    if _status(row, condition.column) != "value":
        return None
    value = row[condition.column]
    if condition.at_least is not None:
        return float(value) >= condition.at_least
    return bool(str(value).lower() == str(condition.equals).lower())
