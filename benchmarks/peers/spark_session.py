"""A session of Spark on this machine alone, as warehouse/spark.py starts it, for the programs of month/ and landing/.

Its work is that of a virtual machine of Java beside Python; what that one costs is Spark's cost.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

CONFIGURATION = {
    "spark.master": "local[*]",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.parquet.compression.codec": "zstd",
}


@contextlib.contextmanager
def running(jars: Sequence[Path] = ()) -> Iterator[tuple[SparkSession, int]]:
    """A session that has these jars beside its own, and the process id of its virtual machine.

    At the end the machine has ended too: the next program has the processors for itself.
    """
    os.environ.pop("SPARK_HOME", None)  # another Spark of this machine's would be started
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.appName("bench")
    for name, value in (CONFIGURATION | {"spark.jars": ",".join(map(str, jars))}).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    yield spark, int(spark._jvm.java.lang.ProcessHandle.current().pid())
    spark.stop()
    machine = spark.sparkContext._gateway.proc
    machine.stdin.close()
    machine.wait()
