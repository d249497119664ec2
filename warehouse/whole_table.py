"""Small tables that are rewritten as a whole: one commit, fenced like every other, earlier versions kept by Delta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import Transaction

from contracts.errors import Fenced
from warehouse.checked_rows import write_rows
from warehouse.lake import Snapshot, arrow_schema


def replace_rows(snapshot: Snapshot, rows: Sequence[Mapping[str, Any]], remarks: Mapping[str, str]) -> None:
    """Put ``rows`` in the place of all rows of ``snapshot``, in one commit that carries ``remarks`` in the log.

    Raises Fenced where another writer committed after the snapshot was loaded; nothing is written then.
    """
    # Two overwrites of an empty table do not touch a common file and would both pass; a common transaction id stops
    # the second one.
    turn = Transaction(f"replace:{snapshot.name}", snapshot.version + 1)
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(snapshot.columns))
    try:
        write_rows(snapshot, table, overwrite=True, transactions=[turn], remarks=remarks, retries=0)
    except CommitFailedError as error:
        raise Fenced(f"another writer changed {snapshot.name} first", hint="run the same command again") from error
