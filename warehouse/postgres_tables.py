"""A published version's tables as PostgreSQL has them: types, comments, and how a table becomes another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from contracts.errors import MizanError
from warehouse.connection import Connection
from warehouse.metric_tables import quoted

# As PostgreSQL itself writes the types. Published instants are TIMESTAMP in UTC, which every DuckDB client can read.
_TYPES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric(39,0)",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIMESTAMP": "timestamp with time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "JSON": "jsonb",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# JSON that is published as text.
_JSON = {("figure_passports", "key"), ("figure_passports", "inputs"), ("metric_definitions", "contract")}


@dataclass(frozen=True)
class Table:
    """A table: its columns with their PostgreSQL types, in order, and its comments (None: the table's own)."""

    name: str
    columns: Mapping[str, str]
    comments: Mapping[str | None, str]

    @property
    def select(self) -> str:
        """The query of its rows in DuckDB."""
        return f"SELECT {', '.join(map(quoted, self.columns))} FROM marts.{self.name}"  # noqa: S608 names of the version

    def ddl(self, schema: str) -> sql.Composed:
        """CREATE TABLE."""
        columns = [_typed(name, kind) for name, kind in self.columns.items()]
        return sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(schema, self.name), sql.SQL(", ").join(columns))

    def changes(self, schema: str, before: Mapping[str, str]) -> Iterator[sql.Composed]:
        """ALTER TABLE from the columns of ``before``: a column of another type is another column."""
        alter = sql.SQL("ALTER TABLE {} ").format(sql.Identifier(schema, self.name))
        for name, kind in before.items():
            if self.columns.get(name) != kind:
                yield alter + sql.SQL("DROP COLUMN {}").format(sql.Identifier(name))
        for name, kind in self.columns.items():
            if before.get(name) != kind:
                yield alter + sql.SQL("ADD COLUMN ") + _typed(name, kind)


def described(source: Connection) -> list[Table]:
    """Every table of an open version. Raises MizanError at a type without counterpart."""
    comments: dict[str, dict[str | None, str]] = defaultdict(dict)
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    for table, said in source.execute(
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'marts' AND comment IS NOT NULL"
    ).fetchall():
        comments[table][None] = said
    for table, column, kind, said in source.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'marts' "
        "ORDER BY table_name, column_index"
    ).fetchall():
        columns[table][column] = "jsonb" if (table, column) in _JSON else _type(kind, f"{table}.{column}")
        if said is not None:
            comments[table][column] = said
    return [Table(name, columns[name], comments[name]) for name in columns]


def columns_there(cursor: Any, schema: str) -> dict[str, dict[str, str]]:
    """Tables of a schema with their columns and types."""
    cursor.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a "
        "JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r' "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
        (schema,),
    )
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, kind in cursor.fetchall():
        found[table][column] = kind
    return dict(found)


def comment(cursor: Any, schema: str, tables: Iterable[Table]) -> None:
    """COMMENT ON what has another comment than the version; the rest is left alone."""
    cursor.execute(
        "SELECT c.relname, a.attname, d.description FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid "
        "LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 "
        "WHERE d.classoid = 'pg_class'::regclass AND c.relnamespace = to_regnamespace(%s)",
        (schema,),
    )
    there = {(table, column): said for table, column, said in cursor.fetchall()}
    statements = []
    for table in tables:
        for column in (None, *table.columns):
            said = table.comments.get(column)
            if said != there.get((table.name, column)):
                names = (schema, table.name) if column is None else (schema, table.name, column)
                statements.append(
                    sql.SQL("COMMENT ON {} {} IS {}").format(
                        sql.SQL("TABLE" if column is None else "COLUMN"), sql.Identifier(*names), sql.Literal(said)
                    )
                )
    if statements:
        cursor.execute(sql.SQL(";").join(statements))


def _typed(name: str, kind: str) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))


def _type(kind: str, where: str) -> str:
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        return f"numeric({decimal[1]},{decimal[2]})"
    if kind not in _TYPES:
        raise MizanError(f"{where} is {kind}, which has no counterpart in PostgreSQL yet")
    return _TYPES[kind]
