"""The same tables as Parquet for both tiers, and as CSV with a data package for the public one.

A table whose rows are those of the version before is not written again: its files are given a second name.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.durable import sha256
from warehouse.connection import Connection
from warehouse.metric_tables import columns_of, quoted
from warehouse.published import POINTER
from warehouse.restated import tables_of
from warehouse.version_files import Tier, version_name

_FIELD_TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "datetime",
    "DOUBLE": "number",
    "BIGINT": "integer",
    "INTEGER": "integer",
}
# A row for every number of every table: as text more than twice all others together.
_PARQUET_ALONE = ("figure_passports",)
# Rows that say of which version they are.
_OF_EACH_VERSION = ("figure_passports", "_meta")


def write(connection: Connection, tier: Tier, *, is_public: bool) -> None:
    """Write the version's exports under their final, versioned names; nothing points to them yet."""
    path = str(tier.database).replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS snapshot (READ_ONLY)")
    connection.execute("SET preserve_insertion_order = true")
    found = connection.execute(
        "SELECT table_name, comment, estimated_size FROM duckdb_tables() "
        "WHERE database_name = 'snapshot' AND schema_name = 'marts' ORDER BY table_name"
    ).fetchall()
    name = version_name(tier.version)
    earlier = _attach_earlier(connection, tier)
    before = tables_of(connection, "earlier") - frozenset(_OF_EACH_VERSION)
    grains = dict(
        connection.execute(
            "SELECT table_name, json_extract_string(contract, '$.grain[*]') FROM snapshot.marts.metric_definitions"
        ).fetchall()
    )
    described: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, said in connection.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE database_name = 'snapshot' AND schema_name = 'marts' AND comment IS NOT NULL"
    ).fetchall():
        described[table][column] = said
    resources = []
    for table, comment, _ in found:
        relation = f"snapshot.marts.{table}"
        columns = (
            columns_of(connection, relation) if not table.startswith("_") else {"key": "VARCHAR", "value": "VARCHAR"}
        )
        is_same = table in before and _is_same(connection, table)
        working = tier.working_folder / f"{tier.name}-{table}.parquet"
        if not (is_same and earlier and earlier.link(f"parquet/{table}/{earlier.name}.parquet", working)):
            _copy(connection, f"SELECT * FROM {relation}", str(working), "FORMAT parquet, COMPRESSION zstd")  # noqa: S608
        final = tier.folder / "parquet" / table / f"{name}.parquet"
        tier.place(working, final)
        if not is_public:
            continue
        resources.append(
            _resource(tier, f"{table}_parquet", final, f"parquet/{table}/{name}.parquet", comment)
            | {"profile": "data-resource", "format": "parquet", "mediatype": "application/vnd.apache.parquet"}
        )
        if table in _PARQUET_ALONE:
            continue
        working = tier.working_folder / f"{table}.csv"
        if not (is_same and earlier and earlier.link(f".csv/{earlier.name}/{table}.csv", working)):
            texts = [quoted(column) for column, kind in columns.items() if kind == "VARCHAR"]
            force = f", FORCE_QUOTE ({', '.join(texts)})" if texts else ""
            safe = f"SELECT {_spreadsheet_safe(columns)} FROM {relation}"  # noqa: S608 names of the snapshot's tables
            _copy(connection, safe, str(working), f"FORMAT csv, HEADER{force}")
        final = tier.folder / ".csv" / name / f"{table}.csv"
        tier.place(working, final)
        told = described.get(table, {})
        fields = [_field(column, kind, told) for column, kind in columns.items()]
        schema: dict[str, Any] = {"fields": fields, "missingValues": [""]}
        if table in grains:
            schema["primaryKey"] = grains[table]
        resources.append(
            _resource(tier, table, final, f"csv/{table}.csv", comment)
            | {"profile": "tabular-data-resource", "format": "csv", "mediatype": "text/csv", "encoding": "utf-8"}
            | {"schema": schema}
        )
    if is_public:
        package = {
            "profile": "data-package",
            "name": "mizan-public",
            "title": "Mizan: monthly figures of electronic government",
            "description": "A number is empty unless its <measure>_status is value; numbers that rest on few persons, "
            "or would give such a number away, are withheld (suppressed). Each table comes as CSV and as Parquet.",
            "version": str(tier.version),
            "resources": resources,
        }
        document = json.dumps(package, ensure_ascii=False, indent=1)
        (tier.working_folder / f"{tier.name}-datapackage.json").write_text(document, encoding="utf-8")


def _resource(tier: Tier, name: str, file: Path, path: str, comment: str | None) -> dict[str, Any]:
    """What a data package says of any file; ``path`` is where it is below the published folder."""
    return {
        "name": name.strip("_").replace("_", "-"),
        "path": path,
        "bytes": file.stat().st_size,
        "hash": f"sha256:{tier.checksums[str(file.relative_to(tier.folder))]}",
        "description": comment or "",
    }


def _field(column: str, kind: str, described: Mapping[str, str]) -> dict[str, str]:
    """A column as a table schema has it: name, type and what its comment says."""
    field = {"name": column, "type": _FIELD_TYPES.get(kind, "string")}
    if kind == "TIMESTAMP":
        field["format"] = "any"  # with a space, and parts of seconds where there are any
    if column in described:
        field["description"] = described[column]
    return field


@dataclass(frozen=True)
class _Earlier:
    """The files of the version that is still in service, with the checksums it was published under."""

    folder: Path
    name: str
    checksums: dict[str, str]

    def link(self, file: str, working: Path) -> bool:
        """Give a file of that version the name ``working``; False where it is not what was published."""
        path = self.folder / file
        if not path.is_file() or sha256(path) != self.checksums.get(file):
            return False
        working.hardlink_to(path)
        return True


def _attach_earlier(connection: Connection, tier: Tier) -> _Earlier | None:
    """Attach the version in service as ``earlier``; None where there is none."""
    pointer = tier.folder / POINTER
    if not pointer.exists():
        return None
    document = json.loads(pointer.read_text(encoding="utf-8"))
    database = tier.folder / document["database"]
    if not database.exists():
        return None
    # Under a name of its own: a reader in this process may hold the same file open.
    link = tier.working_folder / f"earlier-{tier.name}.duckdb"
    link.unlink(missing_ok=True)
    link.hardlink_to(database)
    escaped = str(link).replace("'", "''")
    connection.execute(f"ATTACH '{escaped}' AS earlier (READ_ONLY)")
    link.unlink()
    return _Earlier(tier.folder, version_name(document["version"]), document["checksums"])


def _is_same(connection: Connection, table: str) -> bool:
    """True where both versions of a table have the same columns, and the same rows in the same order."""
    # Each row in its place: the order of rows is part of a file.
    placed = "(SELECT rowid AS place, * FROM {}.marts.{}) AS own"
    found = [
        (
            connection.execute(f"DESCRIBE {database}.marts.{table}").fetchall(),
            connection.execute(f"SELECT count(*), sum(hash(own)) FROM {placed.format(database, table)}").fetchall(),  # noqa: S608 a table of the snapshot
        )
        for database in ("snapshot", "earlier")
    ]
    return found[0] == found[1]


def _spreadsheet_safe(columns: dict[str, str]) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers."""
    return ", ".join(
        f"""if(regexp_matches("{name}", '^[=+\\-@\\t\\r]'), '''' || "{name}", "{name}") AS "{name}\""""
        if kind == "VARCHAR"
        else f'"{name}"'
        for name, kind in columns.items()
    )


def _copy(connection: Connection, select: str, path: str, options: str) -> None:
    target = path.replace("'", "''")
    connection.execute(f"COPY ({select}) TO '{target}' ({options})")
