"""A model is a folder: ``query.sql`` (one SELECT), ``contract.yaml`` (what its rows are) and ``examples/``.

Tables are created from the contract and nothing else; the order in which models run is read from their SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from contracts.shipped import parse_yaml

ROOM = Path(__file__).parent
SHELVES = ("dimensions", "staging", "facts", "metrics", "evaluations")
# What is published: metrics by month or period, and evaluations, which are computed whole.
PUBLISHED = ("metrics", "evaluations")


@dataclass(frozen=True)
class Column:
    """A column of a model. A measure brings ``<name>_status``; one that counts people's events ``<name>_keys`` too."""

    name: str
    type: str
    spec: Mapping[str, Any]

    @property
    def is_measure(self) -> bool:
        """True for a column that is a number, not provided or not applicable."""
        return bool(self.spec.get("status"))

    @property
    def physical(self) -> Mapping[str, str]:
        """The table's columns that come of this one: name to SQL type, value first."""
        columns = {self.name: self.type}
        if self.is_measure:
            columns[f"{self.name}_status"] = "VARCHAR"
        if self.spec.get("keys"):
            columns[f"{self.name}_keys"] = "BIGINT"
        return columns


@dataclass(frozen=True)
class Model:
    """One folder, read."""

    folder: Path
    contract: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name: ``monthly_users``, ``fct_visits``."""
        return self.folder.name

    @property
    def metric(self) -> str:
        """What it measures. The folder of an older version that is kept beside the newest is ``<metric>@<version>``."""
        return self.name.partition("@")[0]

    @property
    def published(self) -> str:
        """The name readers know: the newest version has the metric's own, an older one carries its number."""
        return self.name.replace("@", "_v")

    @property
    def version(self) -> int | None:
        """A metric's version; None for facts and dimensions, which are rebuilt and never compared."""
        found = self.contract.get("version")
        return None if found is None else int(found)

    @property
    def shelf(self) -> str:
        """The folder's folder: ``metrics``."""
        return self.folder.parent.name

    @property
    def table(self) -> str:
        """The physical table: a metric's carries its version, ``monthly_users_v1``."""
        return self.metric if self.version is None else f"{self.metric}_v{self.version}"

    @property
    def grain(self) -> tuple[str, ...]:
        """The columns that tell two rows apart."""
        return tuple(self.contract["grain"])

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns, in order."""
        return tuple(Column(spec["name"], spec["type"], spec) for spec in self.contract["columns"])

    @cached_property
    def measures(self) -> tuple[Column, ...]:
        """The columns that carry a status."""
        return tuple(column for column in self.columns if column.is_measure)

    @cached_property
    def physical(self) -> Mapping[str, str]:
        """Every column of the table: name to SQL type, in order."""
        return {name: kind for column in self.columns for name, kind in column.physical.items()}

    @cached_property
    def query(self) -> str:
        """The SELECT, with its header. Dimensions have none: they are loaded from the catalogue."""
        file = self.folder / "query.sql"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    @cached_property
    def reads(self) -> frozenset[str]:
        """The tables the query names, its own CTEs left out."""
        if not self.query:
            return frozenset()
        from warehouse.connection import names_of_tables

        return names_of_tables(self.query)

    @property
    def ddl(self) -> str:
        """CREATE TABLE, from the contract."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.physical.items())
        return f'CREATE TABLE IF NOT EXISTS "{self.table}" ({columns})'

    @property
    def selection(self) -> str:
        """The query's columns in the table's order and types, as a SELECT; says so where the query lacks one."""
        columns = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in self.physical.items())
        return f"SELECT {columns} FROM (\n{self.query}\n)"  # noqa: S608 from our own files


@cache
def models(shelf: str) -> Mapping[str, Model]:
    """The models of one shelf by name, each after those it reads."""
    found = {}
    for file in sorted((ROOM / shelf).glob("*/contract.yaml")):
        found[file.parent.name] = Model(file.parent, parse_yaml(file.read_text(encoding="utf-8")))
    return {model.name: model for model in _ordered(found.values())}


def _ordered(found: Iterable[Model]) -> list[Model]:
    by_table = {model.table: model for model in found}
    graph = {table: sorted(model.reads & by_table.keys() - {table}) for table, model in by_table.items()}
    return [by_table[table] for table in TopologicalSorter(graph).static_order()]


def metric(name: str) -> Model:
    """One metric by name. KeyError where there is none."""
    return models("metrics")[name]


@cache
def fingerprint() -> str:
    """SHA-256 (hex) over every query and contract: another text means another build."""
    digest = hashlib.sha256()
    for shelf in SHELVES:
        for file in sorted((ROOM / shelf).glob("*/*")):
            if file.name in ("query.sql", "contract.yaml"):
                digest.update(f"{file.relative_to(ROOM)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()
