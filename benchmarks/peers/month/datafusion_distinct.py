"""DataFusion: COUNT(DISTINCT)."""

from datafusion import SessionContext
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str, columns: list[str]) -> Answer:
    """One query over one listed table, and another for the whole."""
    context = SessionContext()
    context.register_parquet("month", folder)
    where = f"WHERE occurred_at >= TIMESTAMP '{FIRST}+00:00' AND occurred_at < TIMESTAMP '{BEFORE}+00:00'"
    counts = f"count(DISTINCT pid) AS p, count(DISTINCT visit_id) AS v FROM month {where}"
    by = ", ".join(columns)
    of_each = context.sql(f"SELECT {by}, {counts} GROUP BY {by}").to_pylist()
    answer = {" ".join(row[name] for name in columns): [row["p"], row["v"]] for row in of_each}
    if columns == ["channel"]:
        of_all = context.sql(f"SELECT {counts}").to_pylist()
        answer["all"] = [of_all[0]["p"], of_all[0]["v"]]
    return answer


tell(ask)
