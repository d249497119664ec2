"""Rows of the lake's small tables (verdicts, closings, outcomes, the catalogue), durable and with a checksum.

The library fsyncs nothing that it writes and notes no checksum. So the Parquet file is written here, fsynced with its
folder, and its size and SHA-256 go into the commit, as landing does with its own files.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from contracts.durable import sha256, sync

METADATA = "checked_files"
RETRIES = 100


def write_rows(
    handle: DeltaTable,
    rows: pa.Table,
    *,
    overwrite: bool = False,
    transactions: Sequence[Transaction] = (),
    remarks: Mapping[str, str] | None = None,
    retries: int = RETRIES,
) -> None:
    """Commit rows through a loaded handle: beside the table's rows, or in their place.

    ``remarks`` go into the commit's metadata. Raises the library's CommitFailedError where a writer that conflicts
    came first. A lake that is no folder of this machine answers for its files itself.
    """
    folder = Path(str(handle.table_uri).removeprefix("file://"))
    metadata = dict(remarks or {})
    mode: Literal["overwrite", "append"] = "overwrite" if overwrite else "append"
    if "://" in str(folder) or not folder.is_dir():
        properties = _properties(transactions, metadata, retries)
        write_deltalake(handle, rows, mode=mode, commit_properties=properties)
        return
    actions: list[AddAction | RemoveAction] = [_written(folder, rows, metadata)] if rows.num_rows else []
    handle.create_write_transaction(
        actions,
        mode=mode,
        schema=handle.schema(),
        commit_properties=_properties(transactions, metadata, retries),
    )
    for entry in sorted((folder / "_delta_log").glob("*.json"))[-3:]:
        sync(entry)
    sync(folder / "_delta_log")


def noted(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Path, size, SHA-256 and rows of every file of a table that a commit noted, oldest first."""
    for entry in sorted((folder / "_delta_log").glob("*.json")):
        for line in entry.read_text(encoding="utf-8").splitlines():
            said = json.loads(line).get("commitInfo", {}).get(METADATA) if line else None
            if said is not None:
                yield json.loads(said) if isinstance(said, str) else said


def _written(folder: Path, rows: pa.Table, metadata: dict[str, str]) -> AddAction:
    """Write the file and note it in ``metadata``."""
    now = time.time_ns()
    path = folder / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now // 10**9))}-{secrets.token_hex(8)}.parquet"
    draft = path.with_name(f"{path.name}.draft")
    pq.write_table(rows, draft, compression="zstd")
    sync(draft)
    draft.rename(path)
    sync(folder)
    size = path.stat().st_size
    metadata[METADATA] = json.dumps({"path": path.name, "size": size, "sha256": sha256(path), "rows": rows.num_rows})
    return AddAction(path.name, size, {}, now // 10**6, True, json.dumps({"numRecords": rows.num_rows}))


def _properties(transactions: Sequence[Transaction], metadata: dict[str, str], retries: int) -> CommitProperties:
    return CommitProperties(app_transactions=list(transactions), custom_metadata=metadata, max_commit_retries=retries)
