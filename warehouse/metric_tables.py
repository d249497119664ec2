"""The tables a build database offers for publishing, as its own list (``ops_published``) describes them.

Two shelves. *Metrics* have rows by month or period: they are given states and vintages. *Evaluations* are computed
whole, as of a day or a round, and are published as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from contracts.errors import UsageError
from warehouse.connection import Connection

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_TIME_KEYS = ("month", "period")
# What publishing itself says of a row; the first two are read from the built rows, the others joined in when written.
ROW_REMARKS = ("completeness", "completeness_status")
STANDING = ("state", "vintage")


@dataclass(frozen=True)
class MetricTable:
    """One table: its name as published, its name in the build, and its contract as the build wrote it down.

    ``types`` are the built columns with their SQL types, inner ones (``<measure>_keys``) included.
    """

    name: str
    built_as: str
    shelf: str
    contract: Mapping[str, Any] = field(compare=False)
    types: Mapping[str, str] = field(compare=False)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return tuple(self.contract["grain"])

    @cached_property
    def time_key(self) -> str | None:
        """``month`` or ``period`` for a table of that shelf; None for an evaluation, which is published whole."""
        return next((name for name in self.keys if name in _TIME_KEYS), None) if self.shelf == "metrics" else None

    @property
    def metric(self) -> str:
        """What it measures, whatever the version: ``monthly_visits`` for ``monthly_visits_v1`` too."""
        return str(self.contract.get("metric", self.name))

    @property
    def is_monthly(self) -> bool:
        """True for a table by month; another dated table is by period."""
        return self.time_key == "month"

    @property
    def has_scope(self) -> bool:
        """True where rows speak of scopes; a table without speaks of an agency."""
        return {"scope", "scope_id"} <= set(self.keys)

    @cached_property
    def measures(self) -> dict[str, str]:
        """Measure to SQL type, in order: each has a status beside it."""
        return {
            name: kind for name, kind in self.types.items() if name not in self.keys and f"{name}_status" in self.types
        }

    @cached_property
    def keyed(self) -> frozenset[str]:
        """The measures that count people or are computed from what does: they have ``<measure>_keys``."""
        return frozenset(name for name in self.measures if f"{name}_keys" in self.types)

    def spec(self, column: str) -> Mapping[str, Any]:
        """What the contract says of a column; empty for one it does not list."""
        return next((one for one in self.contract["columns"] if one["name"] == column), {})

    @cached_property
    def values(self) -> list[str]:
        """Measures with their status, and attributes, in the contract's order."""
        inner = {f"{measure}_keys" for measure in self.keyed}
        placed = {*self.keys, *inner, "metric_version", "scope_key", "is_headline"}
        if self.time_key is not None:
            placed.add("month_start")
        return [name for name in self.types if name not in placed]

    @cached_property
    def shaped(self) -> list[str]:
        """The published columns but for those that depend on earlier publications (state, vintage), in order."""
        columns: list[str] = []
        for key in self.keys:
            columns.append(key)
            if key == self.time_key:
                columns.append("month_start")
            elif key == "scope_id" and self.has_scope:
                columns.append("scope_key")
        if self.time_key is not None:
            columns.append("is_headline")
        columns += self.values
        if "metric_version" in self.types:
            columns.append("metric_version")
        if self.time_key is not None:
            columns += [*ROW_REMARKS, "held_agencies"]
        return columns

    @cached_property
    def columns(self) -> list[str]:
        """The published columns, in order."""
        if self.time_key is None:
            return self.shaped
        return [*self.shaped[:-1], *STANDING, self.shaped[-1]]


def metric_tables(connection: Connection) -> list[MetricTable]:
    """Every table of the build database that is to be published: metrics, then evaluations, by name.

    UsageError where no metric is built.
    """
    listed = columns_of(connection, "ops_published") if _is_there(connection, "ops_published") else {}
    found = (
        connection.execute(
            "SELECT table_name, built_as, shelf, contract FROM ops_published "
            "ORDER BY shelf <> 'metrics', shelf, table_name"
        ).fetchall()
        if listed
        else []
    )
    tables = [
        MetricTable(name, built_as, shelf, json.loads(contract), columns_of(connection, built_as))
        for name, built_as, shelf, contract in found
    ]
    if not any(table.time_key for table in tables):
        raise UsageError("the build database holds no metric tables", hint="run: mizan build")
    return tables


def quoted(name: str) -> str:
    """A column's name in SQL: ``full`` and ``none`` are words of the language as well as levels of a service."""
    return f'"{name}"'


def columns_of(connection: Connection, relation: str) -> dict[str, str]:
    """Column to type of a relation (``database.schema.name`` or a name)."""
    found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608 names checked by callers
    return {name: kind for name, kind, *_ in found if _IDENTIFIER.fullmatch(name)}


def _is_there(connection: Connection, table: str) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main' "
            "AND table_name = $table",
            {"table": table},
        ).fetchall()
    )
