"""Spark's structured streaming from Kafka, by its own source; spark_stream.py says what becomes of a record."""

import os
from pathlib import Path

from measured import asked, tell
from spark_session import running
from spark_stream import land

with running(sorted(Path(os.environ["PEER_JARS"]).glob("*.jar"))) as (spark, machine):
    source = {"kafka.bootstrap.servers": asked().bootstrap, "subscribe": asked().topic, "startingOffsets": "earliest"}
    tell(lambda asked: land(spark.readStream.format("kafka").options(**source).load(), asked), machine)
