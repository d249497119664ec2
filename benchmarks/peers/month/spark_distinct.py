"""Spark, a session of this machine alone: COUNT(DISTINCT).

The session's start is no part of the figures, as the others' imports are none. What its virtual machine learns in the
first query of its life is: of a small month that is nearly all of it.
"""

from functools import partial

from measured import BEFORE, FIRST, Answer, sets, tell
from pyspark.sql import SparkSession
from spark_session import running


def ask(spark: SparkSession, folder: str, columns: list[str]) -> Answer:
    """One query of the question's grouping sets."""
    spark.read.parquet(folder).createOrReplaceTempView("month")
    rows = spark.sql(
        f"SELECT CASE WHEN grouping(channel) = 1 THEN 'all' ELSE concat_ws(' ', {', '.join(columns)}) END, "  # noqa: S608 our own names
        f"count(DISTINCT pid), count(DISTINCT visit_id) FROM month "
        f"WHERE occurred_at >= TIMESTAMP '{FIRST}+00:00' AND occurred_at < TIMESTAMP '{BEFORE}+00:00' "
        f"GROUP BY GROUPING SETS ({sets(columns)})"
    ).collect()
    return {cell: [persons, visits] for cell, persons, visits in rows}


with running() as (spark, machine):
    tell(partial(ask, spark), machine)
