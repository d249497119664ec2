"""dlt: a resource that reads Kafka and yields lists of documents, loaded to files of Parquet.

It has no source for Kafka in its package: this one is twenty lines, as its users write it. At least once.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import dlt
from confluent_kafka import Consumer
from measured import BATCH, Asked, tell


def documents(asked: Asked) -> Iterator[list[dict[str, Any]]]:
    """Lists of events, as long as the consumer gives them."""
    consumer = Consumer(
        {"bootstrap.servers": asked.bootstrap, "group.id": "bench-dlt", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([asked.topic])
    left, rows = asked.count, []
    while left > 0:
        for message in consumer.consume(10_000, timeout=1.0):
            rows.append(json.loads(message.value()))
            left -= 1
        if len(rows) >= BATCH or left <= 0:
            yield rows
            rows = []
    consumer.close()


def land(asked: Asked) -> None:
    """Extract, normalize and load, one after the other, as dlt does."""
    os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    pipeline = dlt.pipeline(
        "landing", destination=dlt.destinations.filesystem(asked.folder), pipelines_dir=f"{asked.folder}/.dlt"
    )
    events = dlt.resource(documents(asked), name="events")
    pipeline.run(events, loader_file_format="parquet", write_disposition="append")


tell(land)
