"""DuckDB, asked as one would: COUNT(DISTINCT) of each channel and of all."""

import duckdb
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str) -> Answer:
    """One query of two grouping sets."""
    rows = duckdb.execute(
        "SELECT CASE WHEN grouping(channel) = 1 THEN 'all' ELSE channel END, count(DISTINCT pid), "  # noqa: S608
        f"count(DISTINCT visit_id) FROM '{folder}/*.parquet' "
        f"WHERE occurred_at >= TIMESTAMPTZ '{FIRST}+00' AND occurred_at < TIMESTAMPTZ '{BEFORE}+00' "
        "GROUP BY GROUPING SETS ((), (channel))"
    ).fetchall()
    return {channel: [persons, visits] for channel, persons, visits in rows}


tell(ask)
