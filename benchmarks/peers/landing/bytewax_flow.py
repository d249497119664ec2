"""Bytewax: its Kafka source, json.loads, and a sink of ours that writes a Parquet file for each hundred thousand.

At least once, and here without recovery: what a restart would read again is not kept. A record that is no JSON ends
the flow.
"""

import json
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pyarrow as pa
import pyarrow.parquet as pq
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from measured import BATCH, Asked, tell


class Files(StatelessSinkPartition[dict[str, Any]]):
    """One worker's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.written = 0

    def write_batch(self, items: list[dict[str, Any]]) -> None:
        """Take rows; write a file when there are enough."""
        self.rows += items
        if len(self.rows) >= BATCH:
            self.close()

    def close(self) -> None:
        """Write what is left."""
        if self.rows:
            pq.write_table(pa.Table.from_pylist(self.rows), self.folder / f"{self.written}.parquet", compression="zstd")
            self.rows, self.written = [], self.written + 1


class Sink(DynamicSink[dict[str, Any]]):
    """Files below a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Files:
        """The only worker's."""
        return Files(self.folder)


def _row(message: KafkaSourceMessage[bytes, bytes]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(message.value)
    return event


def land(asked: Asked) -> None:
    """Run the flow to the end of the topic."""
    flow = Dataflow("landing")
    source = KafkaSource([asked.bootstrap], [asked.topic], tail=False, batch_size=10_000)
    rows = op.map("json", op.input("kafka", flow, source), _row)
    op.output("parquet", rows, Sink(asked.folder))
    run_main(flow)


tell(land)
