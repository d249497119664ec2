"""The catalogue's tables as objects, read once from catalogue.yaml; their lake tables are made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from contracts.settings import Settings
from contracts.shipped import shipped_yaml

_SQL_TYPES = {"date": "DATE", "boolean": "BOOLEAN", "number": "DOUBLE"}
# Which register a row belongs to, and when that register first said what the row says.
OWNERSHIP = {"loaded_from": "VARCHAR", "loaded_at": "TIMESTAMPTZ"}


@dataclass(frozen=True)
class Column:
    """One column of a catalogue table; the meaning of the flags is told in catalogue.yaml."""

    name: str
    kind: str
    vocabulary: str | None = None
    required: bool = False
    may_be_absent: bool = False
    references: str | None = None
    place_kind: str | None = None

    @property
    def sql_type(self) -> str:
        """The column's type in the lake. A list of codes stays text, its codes joined by ``|``."""
        return _SQL_TYPES.get(self.kind, "VARCHAR")


@dataclass(frozen=True)
class Table:
    """One catalogue table: its columns in file order and the key that is unique within a register."""

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The CSV file that holds the table."""
        return f"{self.name}.csv"

    @property
    def lake_name(self) -> str:
        """The Delta table's name in the lake."""
        return f"catalogue/{self.name}"

    @property
    def subject(self) -> tuple[str, ...]:
        """The key without the version: what two registers may both speak of, and only one is heard about."""
        return tuple(name for name in self.key if name != "valid_from")

    @property
    def has_versions(self) -> bool:
        """True where one thing may have several rows, each valid for a time."""
        return "valid_from" in self.key

    @property
    def lake_columns(self) -> Mapping[str, str]:
        """The lake table's columns and SQL types: the file's, then the ownership columns."""
        return MappingProxyType({name: column.sql_type for name, column in self.columns.items()} | OWNERSHIP)


@cache
def tables() -> Mapping[str, Table]:
    """Every catalogue table by name, referenced tables before those that refer to them."""
    document = shipped_yaml("catalogue", "catalogue.yaml")
    return MappingProxyType(
        {
            name: Table(
                name,
                MappingProxyType({column: Column(column, **spec) for column, spec in entry["columns"].items()}),
                tuple(entry["key"]),
            )
            for name, entry in document.items()
        }
    )


def create(settings: Settings) -> None:
    """Create the catalogue's Delta tables that are not there yet. Safe to repeat."""
    # Imported late: the definitions above serve readers that never open the lake.
    from warehouse.lake import Lake

    Lake(settings).create({table.lake_name: table.lake_columns for table in tables().values()})
