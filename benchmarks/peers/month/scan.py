"""The limit: the three columns of the month read once, and nothing found out about them."""

import duckdb
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str) -> Answer:
    """No answer, on purpose."""
    duckdb.execute(
        f"SELECT max(pid), max(visit_id), max(channel) FROM '{folder}/*.parquet' "  # noqa: S608 our own folder
        f"WHERE occurred_at >= TIMESTAMPTZ '{FIRST}+00' AND occurred_at < TIMESTAMPTZ '{BEFORE}+00'"
    ).fetchall()
    return {}


tell(ask)
