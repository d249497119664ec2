"""Spark's structured streaming from text files that hold the topic's records, a line each: the most it could do.

They are written before (benchmarks/landing_peers.py) and lie in memory: nothing is fetched, and nothing is kept of
where a record came from. spark_stream.py says what becomes of a record.
"""

from measured import tell
from spark_session import running
from spark_stream import land

with running() as (spark, machine):
    tell(lambda asked: land(spark.readStream.text(f"{asked.folder}/topic"), asked), machine)
