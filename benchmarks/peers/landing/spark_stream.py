"""Structured streaming of Spark, whatever it reads: from_json by a schema that is given, and its own Parquet sink.

Exactly once: the checkpoint knows what was read, and the sink's log which files belong to it; a reader that goes by
neither may see a file twice written. A record that is no JSON, or has no id, is a row of nothing: it is dropped, and
nobody is told of it. A field that is no instant or no number is empty. One batch, of all that is there when it begins;
the session is running before the clock starts (spark_session.py).
"""

from measured import Asked
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

# The fields of the events of benchmarks/landing.py.
EVENT = """
specversion STRING, id STRING, source STRING, type STRING, time TIMESTAMP, data STRUCT<
    transaction_id: STRING, service_id: STRING, channel: STRING, user_key: STRING, audience: STRING, province: STRING,
    district: STRING, age_band: STRING, authn_level: STRING, outcome: STRING, in_person_steps: INT, human_steps: INT,
    documents_requested: INT, duration_seconds: BIGINT>
"""


def land(records: DataFrame, asked: Asked) -> None:
    """Write what the column ``value`` of a stream says."""
    event = f.from_json(f.col("value").cast("string"), EVENT).alias("event")
    rows = records.select(event).where("event.id IS NOT NULL").select("event.*")
    stream = rows.writeStream.option("checkpointLocation", f"{asked.folder}/checkpoint").trigger(availableNow=True)
    stream.start(f"{asked.folder}/events", format="parquet").awaitTermination()
