"""The limit: the columns of the month read once, and nothing found out about them."""

import duckdb
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str, columns: list[str]) -> Answer:
    """No answer, on purpose."""
    read = ", ".join(f"max({name})" for name in ("pid", "visit_id", *columns))
    duckdb.execute(
        f"SELECT {read} FROM '{folder}/*.parquet' "  # noqa: S608 our own folder
        f"WHERE occurred_at >= TIMESTAMPTZ '{FIRST}+00' AND occurred_at < TIMESTAMPTZ '{BEFORE}+00'"
    ).fetchall()
    return {}


tell(ask)
