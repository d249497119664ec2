"""ClickHouse in the process (chdb): uniqExact."""

import json

import chdb
from measured import BEFORE, FIRST, Answer, sets, tell


def ask(folder: str, columns: list[str]) -> Answer:
    """One query of the question's grouping sets."""
    query = (
        f"SELECT {', '.join(columns)}, grouping(channel) AS of_all, uniqExact(pid) AS persons, "  # noqa: S608
        f"uniqExact(visit_id) AS visits FROM file('{folder}/*.parquet', 'Parquet') "
        f"WHERE occurred_at >= toDateTime64('{FIRST}', 6, 'UTC') AND occurred_at < toDateTime64('{BEFORE}', 6, 'UTC') "
        f"GROUP BY GROUPING SETS ({sets(columns)}) SETTINGS force_grouping_standard_compatibility = 1"
    )
    rows = [json.loads(line) for line in str(chdb.query(query, "JSONEachRow")).splitlines()]
    return {
        "all" if int(row["of_all"]) else " ".join(row[name] for name in columns): [
            int(row["persons"]),
            int(row["visits"]),
        ]
        for row in rows
    }


tell(ask)
