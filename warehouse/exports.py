"""The same tables as Parquet for both tiers, and as CSV with a data package for the public one."""

from __future__ import annotations

import json

from warehouse.connection import Connection
from warehouse.metric_tables import columns_of, quoted
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
    resources = []
    for table, comment, _ in found:
        relation = f"snapshot.marts.{table}"
        columns = (
            columns_of(connection, relation) if not table.startswith("_") else {"key": "VARCHAR", "value": "VARCHAR"}
        )
        working = tier.working_folder / f"{tier.name}-{table}.parquet"
        _copy(connection, f"SELECT * FROM {relation}", str(working), "FORMAT parquet, COMPRESSION zstd")  # noqa: S608
        tier.place(working, tier.folder / "parquet" / table / f"{name}.parquet")
        if not is_public or table in _PARQUET_ALONE:
            continue
        working = tier.working_folder / f"{table}.csv"
        texts = [quoted(column) for column, kind in columns.items() if kind == "VARCHAR"]
        force = f", FORCE_QUOTE ({', '.join(texts)})" if texts else ""
        safe = f"SELECT {_spreadsheet_safe(columns)} FROM {relation}"  # noqa: S608 names of the snapshot's tables
        _copy(connection, safe, str(working), f"FORMAT csv, HEADER{force}")
        final = tier.folder / ".csv" / name / f"{table}.csv"
        tier.place(working, final)
        resources.append(
            {
                "name": table.strip("_").replace("_", "-"),
                "path": f"csv/{table}.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "bytes": final.stat().st_size,
                "hash": f"sha256:{tier.checksums[str(final.relative_to(tier.folder))]}",
                "description": comment or "",
                "schema": {
                    "fields": [
                        {"name": column, "type": _FIELD_TYPES.get(kind, "string")} for column, kind in columns.items()
                    ],
                    "missingValues": [""],
                },
            }
        )
    if is_public:
        package = {
            "profile": "tabular-data-package",
            "name": "mizan-public",
            "title": "Mizan: monthly figures of electronic government",
            "version": str(tier.version),
            "resources": resources,
        }
        document = json.dumps(package, ensure_ascii=False, indent=1)
        (tier.working_folder / f"{tier.name}-datapackage.json").write_text(document, encoding="utf-8")


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
