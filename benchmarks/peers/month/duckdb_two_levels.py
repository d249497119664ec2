"""DuckDB in two levels under a limit of 2 GB: a mask of channels for each person and visit, then a count of bits."""

import duckdb
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str) -> Answer:
    """Two queries, one for persons and one for visits."""
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    source = (
        f"FROM '{folder}/*.parquet' "
        f"WHERE occurred_at >= TIMESTAMPTZ '{FIRST}+00' AND occurred_at < TIMESTAMPTZ '{BEFORE}+00'"
    )
    found = connection.execute(f"SELECT DISTINCT channel {source} ORDER BY 1").fetchall()
    channels = [channel for (channel,) in found]
    sums = ", ".join(f"sum((mask >> {n}) & 1)::BIGINT" for n in range(len(channels)))
    answer: Answer = {channel: [] for channel in ("all", *channels)}
    for column in ("pid", "visit_id"):
        ((*counts,),) = connection.execute(
            f"SELECT count(*), {sums} FROM (SELECT bit_or(1 << (list_position($names, channel) - 1)) AS mask "  # noqa: S608
            f"{source} AND {column} IS NOT NULL GROUP BY {column})",
            {"names": channels},
        ).fetchall()
        for channel, count in zip(("all", *channels), counts, strict=True):
            answer[channel].append(count)
    return answer


tell(ask)
