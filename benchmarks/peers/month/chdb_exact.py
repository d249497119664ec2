"""ClickHouse in the process (chdb): uniqExact, of each channel and of all."""

import json

import chdb
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str) -> Answer:
    """One query of two grouping sets."""
    query = (
        "SELECT if(grouping(channel) = 1, 'all', toString(channel)) AS name, uniqExact(pid) AS persons, "  # noqa: S608
        f"uniqExact(visit_id) AS visits FROM file('{folder}/*.parquet', 'Parquet') "
        f"WHERE occurred_at >= toDateTime64('{FIRST}', 6, 'UTC') AND occurred_at < toDateTime64('{BEFORE}', 6, 'UTC') "
        "GROUP BY GROUPING SETS ((), (channel)) SETTINGS force_grouping_standard_compatibility = 1"
    )
    lines = str(chdb.query(query, "JSONEachRow")).splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["name"]: [int(row["persons"]), int(row["visits"])] for row in rows}


tell(ask)
