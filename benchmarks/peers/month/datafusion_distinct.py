"""DataFusion: COUNT(DISTINCT) of each channel and of all."""

from datafusion import SessionContext
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str) -> Answer:
    """Two queries over one listed table."""
    context = SessionContext()
    context.register_parquet("month", folder)
    where = f"WHERE occurred_at >= TIMESTAMP '{FIRST}+00:00' AND occurred_at < TIMESTAMP '{BEFORE}+00:00'"
    counts = f"count(DISTINCT pid) AS p, count(DISTINCT visit_id) AS v FROM month {where}"
    of_all = context.sql(f"SELECT {counts}").to_pylist()
    of_each = context.sql(f"SELECT channel, {counts} GROUP BY channel").to_pylist()
    return {"all": [of_all[0]["p"], of_all[0]["v"]]} | {row["channel"]: [row["p"], row["v"]] for row in of_each}


tell(ask)
