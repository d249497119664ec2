"""DuckDB, asked as one would: COUNT(DISTINCT)."""

import duckdb
from measured import BEFORE, FIRST, Answer, sets, tell


def ask(folder: str, columns: list[str]) -> Answer:
    """One query of the question's grouping sets."""
    rows = duckdb.execute(
        f"SELECT CASE WHEN grouping(channel) = 1 THEN 'all' ELSE concat_ws(' ', {', '.join(columns)}) END, "  # noqa: S608
        f"count(DISTINCT pid), count(DISTINCT visit_id) FROM '{folder}/*.parquet' "
        f"WHERE occurred_at >= TIMESTAMPTZ '{FIRST}+00' AND occurred_at < TIMESTAMPTZ '{BEFORE}+00' "
        f"GROUP BY GROUPING SETS ({sets(columns)})"
    ).fetchall()
    return {cell: [persons, visits] for cell, persons, visits in rows}


tell(ask)
