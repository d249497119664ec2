"""Does the store refuse the second of two commits of one version? Tried before a lake is made there.

A store that does not know conditional puts (an old one, a gateway in front) takes both, and the second replaces the
first: rows and offsets of one lander would be gone without a word. So some writers commit one version at once, the way
landing does, into a table of nobody's; exactly one may win.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

from deltalake import Schema
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import CommitProperties, Transaction

from contracts.errors import UsageError
from contracts.settings import Settings
from warehouse.lake import Lake, Snapshot, arrow_schema
from warehouse.object_store import asked, is_stored, storage_options

WRITERS, ROUNDS = 8, 3
_COLUMNS = {"nothing": "BIGINT"}
_MARK = "fence"


def check_fence(settings: Settings) -> None:
    """UsageError where the lake's store lets two commits of one version win. Of a folder nothing is asked."""
    if not is_stored(settings.lake_uri):
        return
    lake, name = Lake(settings), f"_fence-{secrets.token_hex(8)}"
    try:
        lake.create({name: _COLUMNS})
        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in range(ROUNDS):
                writers = [lake.open(name, _COLUMNS) for _ in range(WRITERS)]
                won = sum(pool.map(_commits, writers))
                if won != 1:
                    raise UsageError(
                        f"of {WRITERS} commits of one version the store let {won} win: a lake there would lose events",
                        hint="it needs conditional puts: If-None-Match, with no gateway that takes it out",
                    )
    finally:
        with asked(lake.uri):
            DeltaStorageHandler(lake.location(name), storage_options()).delete_dir("")


def _commits(writer: Snapshot) -> bool:
    """True where this writer's commit is taken."""
    marks = CommitProperties(app_transactions=[Transaction(_MARK, writer.version + 1)], max_commit_retries=WRITERS)
    schema = Schema.from_arrow(arrow_schema(_COLUMNS))
    try:
        with asked(str(writer.handle.table_uri)):
            writer.handle.create_write_transaction([], mode="append", schema=schema, commit_properties=marks)
    except CommitFailedError:
        return False
    return True
