"""What landing keeps in the lake's own log: offsets, counts and checksums, committed together with the rows.

Transaction ids of the table ``events`` (and, with the same names, of ``quarantine``):

* ``land:<topic>/<partition>``: the next offset to land. Two writers of one partition conflict on it.
* ``land:<topic>``: 63 bits of the topic's own id. It is written with every commit that touches the topic, so two
  writers of different partitions of one topic conflict as well: duplicates are sought across a topic's partitions.

Delta Lake does not compare the numbers, it only refuses a commit on a stale snapshot: every commit here goes through
the handle that the offsets were read from, and nobody but this module commits landed rows.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import pyarrow.parquet as pq
from deltalake import Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from contracts.errors import Fenced, Halted, MizanError, UsageError
from warehouse.connection import Connection
from warehouse.lake import Lake, Snapshot, arrow_schema, missing_columns
from warehouse.object_store import asked
from warehouse.table_folder import LOG, TableFolder, entry_name

PREFIX = "land:"
METADATA = "landing"
ROW_GROUP_ROWS = 122_880
# Parquet's second version keeps differences of numbers and ends of texts: at zstd's first level files are as small as
# the first version's at its third, for half the work.
ENCODING = "PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 1"


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a commit, as it was when written: name below the table, bytes, SHA-256 (hex), rows."""

    path: str
    size: int
    sha256: str
    rows: int
    stats: str = field(default="{}", compare=False)

    def noted(self) -> dict[str, Any]:
        """What the commit's metadata keep of it."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256, "rows": self.rows}


@dataclass(frozen=True)
class PartitionRange:
    """What one commit says of one partition: ``end - start = rows + quarantined + duplicates + gaps``."""

    topic_id: str
    start: int
    end: int
    rows: int
    quarantined: int
    duplicates: int
    gaps: int


@dataclass(frozen=True)
class LandedCommit:
    """One commit of the landing log, read back: its Delta version and what its metadata say."""

    version: int
    kind: str  # land, compact or loss
    batch_id: str
    partitions: Mapping[str, PartitionRange]
    files: Sequence[Mapping[str, Any]]
    removed: Sequence[str]
    said: Mapping[str, Any]


def next_offsets(snapshot: Snapshot) -> dict[str, int]:
    """Every ``land:`` transaction id of the loaded version without its prefix: ``topic/partition`` and ``topic``.

    Read from the newest checkpoint and the log entries after it, because the library answers only for ids one knows.
    """
    folder = snapshot.folder
    found: dict[str, int] = {}
    begin = 0
    pointer = folder.read(f"{LOG}/_last_checkpoint")
    if pointer is not None:
        checkpoint = int(json.loads(pointer)["version"])
        if checkpoint <= snapshot.version:
            begin = checkpoint + 1
            whole = re.compile(rf"{checkpoint:020d}\.checkpoint.*\.parquet")
            for part in sorted(filter(whole.fullmatch, folder.log_names())):
                with folder.open_input(f"{LOG}/{part}") as file:
                    rows = pq.read_table(file, columns=["txn"]).column("txn").to_pylist()
                for row in rows:
                    if row and row["appId"].startswith(PREFIX):
                        found[row["appId"].removeprefix(PREFIX)] = int(row["version"])
    for _, entry in _entries(folder, range(begin, snapshot.version + 1)):
        for action in entry:
            if "txn" in action and action["txn"]["appId"].startswith(PREFIX):
                found[action["txn"]["appId"].removeprefix(PREFIX)] = int(action["txn"]["version"])
    return found


def marks(offsets: Mapping[Any, int]) -> dict[str, int]:
    """Transaction versions of ``topic/partition`` and ``topic`` names, under the ids of the log."""
    return {PREFIX + name: version for name, version in offsets.items()}


def next_offset(snapshot: Snapshot, name: str) -> int | None:
    """The transaction version of one ``topic/partition`` (or topic) on this very handle."""
    return snapshot.handle.transaction_version(PREFIX + name)


def write_file(
    connection: Connection, query: str, snapshot: Snapshot, name: str, ranged: Sequence[str] = ()
) -> DataFile | None:
    """Write a query's rows to ``name`` in the table's folder, durably; None where there are none.

    ``ranged`` names columns whose smallest and largest values go into the log: never a person's key. The file is
    invisible until a commit names it.
    """
    with snapshot.folder.draft(name) as draft:
        # The path is our own; COPY takes no parameter there.
        target = str(draft).replace("'", "''")
        try:
            connection.execute(
                f"COPY ({query}) TO '{target}' (FORMAT parquet, {ENCODING}, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
            )
        except duckdb.IOException as error:
            if str(draft) not in str(error):
                raise  # the trouble is in what was read
            trouble = f"{snapshot.name}/{name} cannot be written: {error}"
            raise MizanError(trouble, hint="nothing was committed") from error
        metadata = pq.read_metadata(draft)
        if metadata.num_rows == 0:
            return None
        size, sha256 = snapshot.folder.keep(draft, name)
    return DataFile(name, size, sha256, metadata.num_rows, _stats(metadata, ranged))


def commit(
    snapshot: Snapshot,
    files: Sequence[DataFile],
    transactions: Mapping[str, int],
    said: Mapping[str, Any],
    removed: Sequence[str] = (),
) -> int:
    """Commit files and transaction versions through the snapshot's own handle; the table's version afterwards.

    ``removed`` names files whose rows the new ones hold: the table's content stays the same then. Raises Fenced
    where another writer came first: nothing of ours is visible then. The log entry is durable before this returns.
    """
    now = int(time.time() * 1000)
    actions: list[AddAction | RemoveAction] = [
        AddAction(file.path, file.size, {}, now, not removed, file.stats) for file in files
    ]
    actions += [RemoveAction(path, False, now) for path in removed]
    document = {**said, "files": [file.noted() for file in files], "removed": list(removed)}
    properties = CommitProperties(
        app_transactions=[Transaction(name, version) for name, version in sorted(transactions.items())],
        custom_metadata={METADATA: json.dumps(document, sort_keys=True)},
        max_commit_retries=100,
    )
    try:
        with asked(str(snapshot.handle.table_uri)):
            snapshot.handle.create_write_transaction(
                actions,
                mode="append",
                schema=Schema.from_arrow(arrow_schema(snapshot.columns)),
                commit_properties=properties,
            )
    except CommitFailedError as error:
        raise Fenced(f"another writer landed first: {error}", hint="run it again: it plans anew") from error
    return settle(snapshot)


def settle(snapshot: Snapshot) -> int:
    """Make every log entry newer than the snapshot durable; the newest version."""
    return max(snapshot.folder.settle(snapshot.version), int(snapshot.handle.version()))


def commits(lake: Lake, name: str, after: int = -1) -> Iterator[LandedCommit]:
    """Every landing or compaction commit of a table beyond version ``after``, oldest first."""
    snapshot = lake.open(name)
    for version, entry in _entries(snapshot.folder, range(after + 1, snapshot.version + 1)):
        for action in entry:
            said = action.get("commitInfo", {}).get(METADATA)
            if said is not None:
                yield _landed(version, json.loads(said) if isinstance(said, str) else said)


def offsets_of(snapshot: Snapshot, version: int) -> dict[str, int]:
    """The ``land:`` transaction ids that one commit of the table set, without their prefix."""
    ((_, entry),) = _entries(snapshot.folder, [version])
    found = [action["txn"] for action in entry if "txn" in action]
    return {txn["appId"].removeprefix(PREFIX): int(txn["version"]) for txn in found if txn["appId"].startswith(PREFIX)}


def damaged_entries(lake: Lake, name: str) -> list[str]:
    """Names of a table's log entries that are gone or cannot be read. Looks at the folder alone."""
    folder, damaged = lake.folder(name), []
    for version, entry in _entries(folder, range(max(folder.versions(), default=-1) + 1)):
        try:
            whole = sum(1 for _ in entry) > 0
        except ValueError:
            whole = False
        if not whole:
            damaged.append(f"{version:020d}.json")
    return damaged


def open_table(lake: Lake, name: str) -> Snapshot:
    """As ``lake.open``; raises Halted where the table's log cannot be read, UsageError where it lacks columns."""
    try:
        snapshot = lake.open(name)
        missing = missing_columns(snapshot.handle, snapshot.columns)
    except DeltaError as error:
        entries = damaged_entries(lake, name)
        where = f"{name}/_delta_log" + (f"/{entries[0]}" if entries else "")
        raise Halted(
            "LAKE_LOG_DAMAGED", f"{where}: {type(error).__name__}", hint="see docs/runbooks/halts.md"
        ) from error
    if missing:
        raise UsageError(f"lake/{name} is of an earlier contract: it lacks {', '.join(missing)}", hint="mizan init")
    return snapshot


def live_files(snapshot: Snapshot) -> dict[str, int]:
    """Name and rows of every Parquet file of the loaded version."""
    actions = snapshot.handle.get_add_actions(flatten=True)
    return dict(zip(actions.column("path").to_pylist(), actions.column("num_records").to_pylist(), strict=True))


def check_files(snapshot: Snapshot) -> None:
    """Raise Halted where a file of the loaded version is not there, or not of the size that was committed.

    So too where a log entry is empty, as a power cut may leave it: the library takes that for a commit of nothing.
    Looks at the folder alone, some microseconds a file; `mizan verify` reads the files and names the offsets.
    """
    for entry in snapshot.folder.empty_entries():
        where = f"{snapshot.name}/_delta_log/{entry} is empty"
        raise Halted("LAKE_LOG_DAMAGED", where, hint="mizan verify; see docs/runbooks/halts.md")
    actions = snapshot.handle.get_add_actions(flatten=True)
    paths, there = actions.column("path").to_pylist(), snapshot.folder.sizes(actions.column("path").to_pylist())
    for path, size in zip(paths, actions.column("size_bytes").to_pylist(), strict=True):
        if there.get(path) != size:
            where = f"{snapshot.name}/{path} is not there as it was committed"
            raise Halted("LAKE_FILE_MISSING", where, hint="mizan verify; see docs/runbooks/halts.md")


def files_that_may_hold(snapshot: Snapshot, ids: Mapping[str, tuple[str, str]]) -> list[str]:
    """Addresses of event files whose agencies and event ids overlap ``ids`` (agency to first and last id)."""
    address = snapshot.folder.address
    actions = snapshot.handle.get_add_actions(flatten=True)
    names = actions.schema.names
    paths = actions.column("path").to_pylist()
    if "min.agency_id" not in names or not ids:
        return [address(path) for path in paths] if ids else []
    bounds = zip(
        paths,
        *(actions.column(f"{end}.{what}").to_pylist() for what in ("agency_id", "event_id") for end in ("min", "max")),
        strict=True,
    )
    return [
        address(path)
        for path, first_agency, last_agency, first_id, last_id in bounds
        if first_agency is None
        or any(
            first_agency <= agency <= last_agency and low <= last_id and first_id <= high
            for agency, (low, high) in ids.items()
        )
    ]


def as_said(partitions: Mapping[str, PartitionRange]) -> dict[str, dict[str, Any]]:
    """Partition ranges as metadata."""
    return {name: asdict(part) for name, part in partitions.items()}


def sweep(snapshot: Snapshot, older_than_seconds: float = 3600.0) -> int:
    """Remove drafts that killed writers left; how many there were. A committed file is never a draft."""
    return snapshot.folder.sweep(older_than_seconds)


def _landed(version: int, said: Mapping[str, Any]) -> LandedCommit:
    fields = PartitionRange.__dataclass_fields__
    partitions = {
        name: PartitionRange(**{key: value for key, value in part.items() if key in fields})
        for name, part in said.get("partitions", {}).items()
        if fields.keys() <= part.keys()
    }
    return LandedCommit(
        version,
        said.get("kind", "land"),
        said.get("batch_id", ""),
        partitions,
        said.get("files", []),
        said.get("removed", []),
        said,
    )


def _entries(folder: TableFolder, versions: Iterable[int]) -> Iterator[tuple[int, Iterator[dict[str, Any]]]]:
    """Each version with the actions of its log entry, read as they are asked for; of a damaged one ValueError."""
    some = list(versions)
    return zip(some, map(_actions, folder.read_each(map(entry_name, some))), strict=True)


def _actions(entry: bytes | None) -> Iterator[dict[str, Any]]:
    for line in (entry or b"").decode().splitlines():
        if line:
            yield json.loads(line)


def _stats(metadata: Any, ranged: Sequence[str]) -> str:
    smallest: dict[str, Any] = {}
    largest: dict[str, Any] = {}
    names = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    for name in ranged:
        number = names.index(name)
        found = [metadata.row_group(group).column(number).statistics for group in range(metadata.num_row_groups)]
        if found and all(stat is not None and stat.has_min_max for stat in found):
            smallest[name] = _plain(min(stat.min for stat in found))
            largest[name] = _plain(max(stat.max for stat in found), up=True)
    return json.dumps({"numRecords": metadata.num_rows, "minValues": smallest, "maxValues": largest})


def _plain(value: Any, up: bool = False) -> Any:
    """A bound as JSON. Delta's bounds of instants have milliseconds: the upper one is rounded up."""
    if not isinstance(value, dt.datetime):
        return value
    if up and value.microsecond % 1000:
        value += dt.timedelta(milliseconds=1)
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
