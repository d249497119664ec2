"""The metric tables a build database holds, as the database itself says: keys, measures, their inner key counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contracts.errors import UsageError
from warehouse.connection import Connection

_METRIC = re.compile(r"((?:monthly_[a-z_]+|period_totals))_v(\d+)")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
MONTHLY_PREFIX = "monthly_"
# What names a row beside its month or period.
PLACE_KEYS = ("scope", "scope_id", "channel")


@dataclass(frozen=True)
class MetricTable:
    """One metric table: its name as published, its name in the build, its measures and their types.

    ``keyed`` are the measures that count people or are computed from what does: they have ``<measure>_keys``.
    """

    name: str
    built_as: str
    time_key: str
    measures: dict[str, str]
    keyed: frozenset[str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return ("calendar", self.time_key, *PLACE_KEYS)

    @property
    def is_monthly(self) -> bool:
        """True for a table by month; the other kind is by period."""
        return self.time_key == "month"

    @property
    def columns(self) -> list[str]:
        """The published columns, in order."""
        values = [name for measure in self.measures for name in (measure, f"{measure}_status")]
        return [
            "calendar",
            self.time_key,
            "month_start",
            "scope",
            "scope_id",
            "scope_key",
            "channel",
            "is_headline",
            *values,
            "metric_version",
            "state",
            "vintage",
            "held_agencies",
        ]


def metric_tables(connection: Connection) -> list[MetricTable]:
    """The newest version of each metric table of the build database. UsageError where there is none."""
    newest: dict[str, int] = {}
    for (name,) in connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main'"
    ).fetchall():
        match = _METRIC.fullmatch(name)
        if match:
            newest[match[1]] = max(newest.get(match[1], 0), int(match[2]))
    if not newest:
        raise UsageError("the build database holds no metric tables", hint="run: mizan build")
    return [_described(connection, name, f"{name}_v{version}") for name, version in sorted(newest.items())]


def columns_of(connection: Connection, relation: str) -> dict[str, str]:
    """Column to type of a relation (``database.schema.name`` or a name)."""
    found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608 names checked by callers
    return {name: kind for name, kind, *_ in found if _IDENTIFIER.fullmatch(name)}


def _described(connection: Connection, name: str, built_as: str) -> MetricTable:
    columns = columns_of(connection, built_as)
    measures = {column: kind for column, kind in columns.items() if f"{column}_status" in columns}
    keyed = frozenset(column for column in measures if f"{column}_keys" in columns)
    return MetricTable(name, built_as, "month" if name.startswith(MONTHLY_PREFIX) else "period", measures, keyed)
