"""Spark's side, run by Spark's own Python (warehouse/spark.py starts it): one request a line in, one answer a line out.

It knows SQL that was written for Spark, Delta tables and folders of Parquet files, and nothing of Mizan. What a request
needs stands in it; what failed is answered in words and the session goes on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession


def session(conf: dict[str, str]) -> SparkSession:
    """The session; what spark-defaults.conf says of a cluster goes before our wishes for a single machine."""
    builder = SparkSession.builder.appName("mizan")
    for name, value in conf.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def handlers(spark: SparkSession) -> dict[str, Callable[..., Any]]:
    """What can be asked, by the request's ``do``."""

    def delta(name: str, uri: str, version: int) -> None:
        spark.read.format("delta").option("versionAsOf", version).load(uri).createOrReplaceTempView(name)

    def parquet(name: str, paths: list[str], schema: str) -> None:
        spark.read.schema(schema).parquet(*paths).createOrReplaceTempView(name)

    def view(name: str, sql: str) -> None:
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW `{name}` AS {sql}")

    def write(sql: str, path: str) -> None:
        spark.sql(sql).write.parquet(path)

    def about() -> dict[str, Any]:
        context = spark.sparkContext
        return {"version": spark.version, "master": context.master, "parallelism": context.defaultParallelism}

    return {one.__name__: one for one in (delta, parquet, view, write, about)}


def main() -> None:
    """Answer until the input ends."""
    # What Spark and its libraries print must not stand between answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spark = session(json.loads(sys.stdin.readline()))
    known = handlers(spark)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"is": known[request.pop("do")](**request)}
        except Exception as error:  # whatever Spark raises is told: whoever asked decides
            print(line, error, file=sys.stderr)  # noqa: T201 the log
            answer = {"failed": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    spark.stop()
    # The virtual machine goes when its input ends; whoever waits for us waits for it too, and is told what it cost.
    gateway: Any = spark.sparkContext._gateway
    gateway.proc.stdin.close()
    gateway.proc.wait()


if __name__ == "__main__":
    main()
