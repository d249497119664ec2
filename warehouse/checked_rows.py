"""Rows of the lake's small tables (verdicts, closings, outcomes, the catalogue), durable and with a checksum.

The library fsyncs nothing that it writes and notes no checksum. So the Parquet file is written here, fsynced with its
folder, and its size and SHA-256 go into the commit, as landing does with its own files.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from warehouse.object_store import asked
from warehouse.table_folder import TableFolder, entry_name

if TYPE_CHECKING:
    from warehouse.lake import Snapshot

METADATA = "checked_files"
RETRIES = 100


def write_rows(
    snapshot: Snapshot,
    rows: pa.Table,
    *,
    overwrite: bool = False,
    transactions: Sequence[Transaction] = (),
    remarks: Mapping[str, str] | None = None,
    retries: int = RETRIES,
) -> None:
    """Commit rows through a loaded handle: beside the table's rows, or in their place.

    ``remarks`` go into the commit's metadata. Raises the library's CommitFailedError where a writer that conflicts
    came first.
    """
    handle, folder, before = snapshot.handle, snapshot.folder, snapshot.version
    metadata = dict(remarks or {})
    mode: Literal["overwrite", "append"] = "overwrite" if overwrite else "append"
    actions: list[AddAction | RemoveAction] = [_written(folder, rows, metadata)] if rows.num_rows else []
    with asked(str(handle.table_uri)):
        handle.create_write_transaction(
            actions,
            mode=mode,
            schema=handle.schema(),
            commit_properties=_properties(transactions, metadata, retries),
        )
    folder.settle(before)


def noted(folder: TableFolder) -> Iterator[Mapping[str, Any]]:
    """Path, size, SHA-256 and rows of every file of a table that a commit noted, oldest first."""
    for entry in folder.read_each(map(entry_name, folder.versions())):
        for line in (entry or b"").decode().splitlines():
            said = json.loads(line).get("commitInfo", {}).get(METADATA) if line else None
            if said is not None:
                yield json.loads(said) if isinstance(said, str) else said


def _written(folder: TableFolder, rows: pa.Table, metadata: dict[str, str]) -> AddAction:
    """Write the file and note it in ``metadata``."""
    now = time.time_ns()
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now // 10**9))}-{secrets.token_hex(8)}.parquet"
    with folder.draft(name) as draft:
        pq.write_table(rows, draft, compression="zstd")
        size, sha256 = folder.keep(draft, name)
    metadata[METADATA] = json.dumps({"path": name, "size": size, "sha256": sha256, "rows": rows.num_rows})
    return AddAction(name, size, {}, now // 10**6, True, json.dumps({"numRecords": rows.num_rows}))


def _properties(transactions: Sequence[Transaction], metadata: dict[str, str], retries: int) -> CommitProperties:
    return CommitProperties(app_transactions=list(transactions), custom_metadata=metadata, max_commit_retries=retries)
