"""Kafka Connect with Iceberg's own sink: JsonConverter without schemas, a table it makes from what it sees, zstd.

Exactly once: offsets and files travel through the control topic in transactions, and the table's snapshot says which
offsets it has. A record that is no JSON ends the task. Types are what JSON has: an instant stays a text.

A worker of Kafka Connect (standalone, the heap of its own launcher) answers before the clock starts, as other programs
have their imports behind them; the clock runs from the sink's configuration to the snapshot with the last record. The
table gets a snapshot each COMMIT seconds, instead of each five minutes, so that its end can be seen: the seconds are up
to so many too long, the processor seconds are not. The cost is that of the worker and of this process, which looks on.
"""

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
from confluent_kafka.admin import AdminClient, NewTopic
from measured import Asked, asked, tell

COMMIT = 2
START_SECONDS = 120
# At its topic's end a task sleeps so long (else a minute) before it hears that it shall commit.
FLUSH = "offset.flush.interval.ms"
CONTROL = "control-iceberg"
TABLE = "bench.events"
WORKER = """
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
"""


@contextlib.contextmanager
def worker(asked: Asked) -> Iterator[tuple[httpx.Client, int]]:
    """A worker without a connector: what speaks to it, and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "http://{}:{}".format(*free.getsockname())
    folder = Path(asked.folder)
    kept = {"listeners": address, "offset.storage.file.filename": folder / "offsets", FLUSH: COMMIT * 1000}
    lines = [f"{name}={value}" for name, value in (kept | {"bootstrap.servers": asked.bootstrap}).items()]
    (folder / "worker.properties").write_text("\n".join(lines) + WORKER)
    call = [shutil.which("java") or "java", "-Xms256M", "-Xmx2G", "-cp", f"{os.environ['PEER_JARS']}/*"]
    call += ["org.apache.kafka.connect.cli.ConnectStandalone", str(folder / "worker.properties")]
    with subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=sys.stderr) as process:
        try:
            with httpx.Client(base_url=address, timeout=60) as client:
                deadline = time.monotonic() + START_SECONDS
                while not _answers(client):
                    if process.poll() is not None or time.monotonic() > deadline:
                        sys.exit("Kafka Connect did not start")
                    time.sleep(0.2)
                yield client, process.pid
        finally:
            process.terminate()


def land(client: httpx.Client, asked: Asked) -> None:
    """Let the sink land the topic; an exit where its task fails."""
    sink = {
        "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
        "tasks.max": "1",
        "topics": asked.topic,
        "iceberg.tables": TABLE,
        "iceberg.tables.auto-create-enabled": "true",
        "iceberg.tables.auto-create-props.write.parquet.compression-codec": "zstd",
        "iceberg.control.topic": CONTROL,
        "iceberg.control.commit.interval-ms": str(COMMIT * 1000),
        "iceberg.catalog.type": "hadoop",
        "iceberg.catalog.warehouse": f"file://{asked.folder}/warehouse",
        "iceberg.kafka.bootstrap.servers": asked.bootstrap,
    }
    client.put("/connectors/bench/config", json=sink).raise_for_status()
    table = Path(asked.folder, "warehouse", *TABLE.split("."))
    for turn in itertools.count():
        if _rows(table) >= asked.count:
            return
        time.sleep(0.1)
        if turn % 50:
            continue  # the worker pays for each answer
        tasks = client.get("/connectors/bench/status").json().get("tasks", [])
        if failed := [task["trace"] for task in tasks if task["state"] == "FAILED"]:
            sys.exit(failed[0])


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/connectors").is_success
    except httpx.TransportError:
        return False


def _rows(table: Path) -> int:
    """How many rows the table's newest snapshot has."""
    newest = table / "metadata" / "version-hint.text"
    if not newest.exists():
        return 0
    state = json.loads((table / "metadata" / f"v{newest.read_text()}.metadata.json").read_text())
    snapshots = state["snapshots"]
    return max((int(one["summary"]["total-records"]) for one in snapshots), default=0)


administrator = AdminClient({"bootstrap.servers": asked().bootstrap})
administrator.create_topics([NewTopic(CONTROL, 1, 1)])[CONTROL].result()
with worker(asked()) as (client, process):
    tell(partial(land, client), process)
