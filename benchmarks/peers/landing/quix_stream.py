"""Quix Streams: its JSON deserializer and its own Parquet sink; offsets are committed after each checkpoint.

At least once. A record that is no JSON ends the application unless an error handler skips it.
"""

from measured import BATCH, Asked, tell
from quixstreams import Application
from quixstreams.sinks.community.file.formats import ParquetFormat
from quixstreams.sinks.community.file.local import LocalFileSink


def land(asked: Asked) -> None:
    """Run the application until it has seen the count."""
    application = Application(
        broker_address=asked.bootstrap,
        consumer_group="bench-quix",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_every=BATCH,
        commit_interval=3600,
        loglevel="WARNING",
    )
    rows = application.dataframe(application.topic(asked.topic, value_deserializer="json"))
    rows.sink(LocalFileSink(directory=asked.folder, format=ParquetFormat(compression="zstd")))
    application.run(count=asked.count)


tell(land)
