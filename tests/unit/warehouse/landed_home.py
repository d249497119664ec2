"""What tests of backups share: rows landed as landing lands them, and a folder's files as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from warehouse.connection import memory_connection
from warehouse.lake import Lake
from warehouse.landing_log import PartitionRange, as_said, commit, marks, write_file

TOPIC = "egov.events.v1.tax"


def landed(settings: Settings, start: int, count: int) -> None:
    """Land ``count`` rows of one partition as landing does."""
    known = {"event_id": "concat('e-', i)", "source": "'/agencies/tax'", "agency_id": "'tax'", "topic": f"'{TOPIC}'"}
    known |= {"partition": "0", "offset": "i", "batch_id": f"'b-{start}'"}
    columns = [f'({known.get(name, "NULL")})::{kind} AS "{name}"' for name, kind in lake_tables()["events"].items()]
    snapshot = Lake(settings).open("events")
    with memory_connection() as connection:
        query = f"SELECT {', '.join(columns)} FROM range({start}, {start + count}) AS n(i)"
        file = write_file(connection, query, snapshot, f"b-{start}.parquet")
    end = start + count
    said = {"kind": "land", "batch_id": f"b-{start}"}
    said["partitions"] = as_said({f"{TOPIC}/0": PartitionRange("uuid", start, end, count, 0, 0, 0)})
    commit(snapshot, [file], marks({f"{TOPIC}/0": end, TOPIC: 1}), said)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lost(settings: Settings) -> None:
    """The home is gone, its keys excepted."""
    for name in ("lake", "releases", "published", "build"):
        shutil.rmtree(settings.home / name, ignore_errors=True)
