"""Rewrite a landed table: every row under another key, without some persons, or without the pids of old events.

The log of a table notes the platform key its rows are under (transaction id ``platform_key``: the key's mark) and how
often it was rewritten (``rewritten``): what was computed from the rows before that is no longer of this lake.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from deltalake import Field, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, CommitProperties, Transaction

from contracts.errors import Fenced
from warehouse.lake import Snapshot
from warehouse.landing_log import METADATA, DataFile, LandedCommit, settle
from warehouse.object_store import asked

KEY_MARK = "platform_key"
REWRITTEN = "rewritten"
ROTATION = "rotate"
ERASURE = "forget"
RETENTION = "drop-pids"
# Commits after which a file that was written earlier holds rows as they may never come back.
REWRITING = (ROTATION, ERASURE, RETENTION)


def key_mark(snapshot: Snapshot) -> int | None:
    """The mark of the platform key that a table's rows are under; None where none is noted yet."""
    return snapshot.handle.transaction_version(KEY_MARK)


def times_rewritten(snapshot: Snapshot) -> int:
    """How often a table was rewritten."""
    return snapshot.handle.transaction_version(REWRITTEN) or 0


def rewritten_at(landings: Iterable[LandedCommit]) -> int:
    """The version of the newest rewriting commit; -1 where there is none."""
    return max((one.version for one in landings if one.kind in REWRITING), default=-1)


def replace_all(
    snapshot: Snapshot,
    files: Mapping[str, DataFile],
    transactions: Mapping[str, int],
    said: Mapping[str, Any],
    column: str,
) -> int:
    """Put new files in the place of all files of a table (old name to new file), in one commit; the version afterwards.

    ``column``: the one whose values are other ones now. The number of the rewriting goes into its description, and so
    into the table's metadata: every writer that loaded the table before is refused, whatever it wants to commit.
    Raises Fenced where any writer committed since the snapshot was loaded; nothing is changed then.
    """
    now, turn = int(time.time() * 1000), times_rewritten(snapshot) + 1
    new = list(files.values())
    document = {
        **said,
        "batch_id": "",
        "files": [file.noted() for file in new],
        "removed": list(files),
        "sources": {file.path: old for old, file in files.items()},
    }
    marks = {**transactions, REWRITTEN: turn}
    fields = [
        Field(one.name, one.type, nullable=one.nullable, metadata={**one.metadata, f"mizan.{REWRITTEN}": turn})
        if one.name == column
        else one
        for one in snapshot.handle.schema().fields
    ]
    try:
        with asked(str(snapshot.handle.table_uri)):
            snapshot.handle.create_write_transaction(
                [AddAction(file.path, file.size, {}, now, False, file.stats) for file in new],
                mode="overwrite",  # takes out every file of the snapshot, and takes the new description over
                schema=Schema(fields),
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(name, version) for name, version in sorted(marks.items())],
                    custom_metadata={METADATA: json.dumps(document, sort_keys=True)},
                    max_commit_retries=0,  # not on top of what came in between: those rows are under the old key
                ),
            )
    except CommitFailedError as error:
        raise Fenced(f"another writer changed {snapshot.name} first: {error}", hint="run it again") from error
    return settle(snapshot)
