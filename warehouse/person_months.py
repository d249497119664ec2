"""What is kept of persons whose events have lost their pid: what they did in a month, and sessions of nobody.

The rows are written first, in files named for the drop they come from; the commit that takes the pids out of ``events``
names that drop. Rows of a drop that never came to that commit say what the events still say, and are passed over.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator

from contracts.errors import Halted, UsageError
from contracts.lake_tables import lake_tables
from warehouse.connection import Connection, view_files
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import LandedCommit, commits, live_files
from warehouse.rewriting import ERASURE, RETENTION, key_mark

PERSONS, SESSIONS = "person_months", "session_starts"
TABLES = (PERSONS, SESSIONS)
# Transaction ids of `events`: how many drops it went through, and each of them.
DROPS = "drops"


def new_drop_id() -> str:
    """``drop-`` with the instant and a random part: the beginning of the names of its files."""
    return f"drop-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def drop_marks(events: Snapshot, drop_id: str) -> dict[str, int]:
    """What the commit that takes the pids out notes as transaction versions."""
    return {DROPS: times_dropped(events) + 1, f"{DROPS}:{drop_id}": 1}


def times_dropped(events: Snapshot) -> int:
    """How often pids were dropped."""
    return events.handle.transaction_version(DROPS) or 0


def is_done(events: Snapshot, drop_id: str) -> bool:
    """True where a drop came to its commit on ``events``."""
    return events.handle.transaction_version(f"{DROPS}:{drop_id}") is not None


def kept_table(lake: Lake, name: str) -> Snapshot | None:
    """One of the two tables; None in a lake made before pids were dropped."""
    try:
        return lake.open(name)
    except UsageError:
        return None


def view_kept(connection: Connection, lake: Lake, events: Snapshot) -> None:
    """Show both tables to SQL (lnd_person_months, lnd_session_starts) as they belong to a loaded version of ``events``.

    UsageError where a rotation of the platform key has reached one table and not the other, Halted where one is gone.
    """
    for name in TABLES:
        table = kept_table(lake, name) if times_dropped(events) else None
        if table is None and times_dropped(events):
            raise Halted("LAKE_FILE_MISSING", f"the lake has no table {name} any more", hint="put it back from a copy")
        if table is not None and name == PERSONS and table.files and key_mark(table) != key_mark(events):
            raise UsageError(
                f"lake/{name} and lake/events are under different platform keys",
                hint="mizan key rotate did not come to its end: the same command again",
            )
        files = [] if table is None else [path for path in table.files if is_done(events, drop_id_of(path))]
        view_files(connection, f"lnd_{name}", files, dict(lake_tables()[name]))


def kept_problems(lake: Lake, landings: Iterable[LandedCommit]) -> Iterator[tuple[str, str, str]]:
    """Drops (``landings``: commits of ``events``) of which not all is there that was kept, less what was erased since.

    Kind, where, hint. Each drop has one file in each table.
    """
    drops = {str(one.said["drop_id"]): one.said["kept"] for one in landings if one.kind == RETENTION}
    for name in TABLES:
        table = kept_table(lake, name)
        found: Counter[str] = Counter()
        if table is not None:
            found.update({drop_id_of(path): rows for path, rows in live_files(table).items()})
            for one in commits(lake, name):
                if one.kind == ERASURE:
                    found.update(one.said["tombstone"]["by_drop"])
        for drop_id, kept in drops.items():
            if found[drop_id] != kept[name]:
                yield "counts", f"{name} of {drop_id}", f"{found[drop_id]} rows there or erased, {kept[name]} were kept"


def drop_id_of(path: str) -> str:
    """The drop that a file is named for, also after persons were taken out of it or it was put under another key."""
    return "-".join(path.rpartition("/")[2].removesuffix(".parquet").split("-")[:3])
