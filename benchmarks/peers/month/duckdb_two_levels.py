"""DuckDB in two levels under a limit of 2 GB: a mask of channels for each person and visit, then a count of bits."""

import duckdb
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str, columns: list[str]) -> Answer:
    """Two queries, one for persons and one for visits."""
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    source = (
        f"FROM '{folder}/*.parquet' "
        f"WHERE occurred_at >= TIMESTAMPTZ '{FIRST}+00' AND occurred_at < TIMESTAMPTZ '{BEFORE}+00'"
    )
    found = connection.execute(f"SELECT DISTINCT channel {source} ORDER BY 1").fetchall()
    channels = [channel for (channel,) in found]
    sums = ", ".join(f"sum((mask >> {n}) & 1)::BIGINT" for n in range(len(channels)))
    answer: Answer = {}
    outer = "".join(f"{name}, " for name in columns if name != "channel")
    for place, column in enumerate(("pid", "visit_id")):
        rows = connection.execute(
            f"SELECT {outer}count(*), {sums} FROM (SELECT {outer}"  # noqa: S608
            "bit_or(1 << (list_position($names, channel) - 1)) AS mask "
            f"{source} AND {column} IS NOT NULL GROUP BY {outer}{column}) GROUP BY {outer or '()'}".rstrip(", "),
            {"names": channels},
        ).fetchall()
        for row in rows:
            agency, (whole, *counts) = row[: len(columns) - 1], row[len(columns) - 1 :]
            cells = dict(zip(channels, counts, strict=True)) | ({} if agency else {"all": whole})
            for channel, count in cells.items():
                if count:
                    answer.setdefault(" ".join((*agency, channel)), [0, 0])[place] = count
    return answer


tell(ask)
