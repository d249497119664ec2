"""The lake: Delta tables, opened here alone.

Every writer passes the handle it loaded (never a path): the log's conflict check on that handle is what fences a
second writer. See docs/decisions for what was measured.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.exceptions import TableNotFoundError

from contracts.errors import Halted, UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from warehouse.checked_rows import write_rows
from warehouse.connection import Connection, view_files
from warehouse.object_store import asked, is_stored, storage_options
from warehouse.table_folder import TableFolder, folder_at

_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "BLOB": pa.binary(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}
# Commit metadata feeds `verify`, and an expired transaction id would reset an offset: neither may be cleaned up.
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.dataSkippingNumIndexedCols": "0"}
# Ranges kept in the log, so that a late duplicate is sought in few files. Never a person's key: the log outlives rows.
_RANGES = {"events": "agency_id,event_id,occurred_at", "quarantine": "agency_id"}


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Arrow's form of a table's columns."""
    return pa.schema([pa.field(name, _ARROW[kind]) for name, kind in columns.items()])


# Whoever opens a table reads every log entry since the last checkpoint: from a store, a request or two for each.
_IN_A_STORE = {"delta.checkpointInterval": "10"}


def _configuration(name: str, uri: str) -> dict[str, str | None]:
    ranges = {"delta.dataSkippingStatsColumns": _RANGES[name]} if name in _RANGES else {}
    return {**_CONFIGURATION, **ranges, **(_IN_A_STORE if is_stored(uri) else {})}


def missing_columns(handle: DeltaTable, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns that a loaded table does not have yet."""
    there = {field.name for field in handle.schema().fields}
    return {name: kind for name, kind in columns.items() if name not in there}


@dataclass(frozen=True)
class Snapshot:
    """One loaded version of a table; ``handle`` is what a commit on top of it must go through."""

    name: str
    handle: DeltaTable
    columns: Mapping[str, str]
    folder: TableFolder

    @cached_property
    def version(self) -> int:
        """The Delta version that was loaded."""
        return int(self.handle.version())

    @cached_property
    def files(self) -> list[str]:
        """Absolute paths (or URIs) of the version's Parquet files."""
        return [uri.removeprefix("file://") for uri in self.handle.file_uris()]

    @property
    def committed_at(self) -> dt.datetime:
        """When the loaded version was committed."""
        (entry,) = self.handle.history(limit=1)
        return dt.datetime.fromtimestamp(entry["timestamp"] / 1000, dt.UTC)

    def view(self, connection: Connection, name: str) -> None:
        """(Re)create the temporary view ``name`` over this version's rows."""
        view_files(connection, name, self.files, dict(self.columns))
        # A build's connection may have Spark behind it (warehouse/spark_build.py), which reads the table by its log.
        show_table = getattr(connection, "show_table", None)
        if show_table is not None:
            show_table(name, self)

    def rows(self) -> pa.Table:
        """The whole table. For small tables only: catalogue, verdicts, outcomes. Halted where a file is damaged."""
        schema = arrow_schema(self.columns)
        try:
            # Not through the library's own file system: its threads call Python back, and one that does so while the
            # interpreter ends takes the process down (exit 134, "terminate called without an active exception").
            parts = [self._read(path) for path in self.handle.get_add_actions(flatten=True).column("path").to_pylist()]
            whole = pa.concat_tables([schema.empty_table(), *parts], promote_options="permissive")
            return whole.select(schema.names).cast(schema)
        except (OSError, pa.ArrowException) as error:
            trouble = f"{self.name} cannot be read: {type(error).__name__}"
            raise Halted("LAKE_FILE_MISSING", trouble, hint="mizan verify; see docs/runbooks/halts.md") from error

    def _read(self, name: str) -> pa.Table:
        with self.folder.open_input(name) as source, pq.ParquetFile(source) as file:
            return file.read()


class Lake:
    """The tables of one lake, by name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.uri = settings.lake_uri

    def location(self, name: str) -> str:
        """Where a table lives."""
        return f"{self.uri.rstrip('/')}/{name}"

    def folder(self, name: str = "") -> TableFolder:
        """Where a table's files are, whether or not it is there; without a name: the whole lake's."""
        return folder_at(self.location(name).rstrip("/"), self.settings.home / "build" / "drafts")

    @cached_property
    def _options(self) -> dict[str, str] | None:
        return storage_options() if is_stored(self.uri) else None

    def create(self, tables: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Create the tables that are not there yet (by default the contract's). Landing never creates one.

        A table of an earlier contract gets the columns it lacks; its rows have none of them: NULL.
        """
        for name, columns in (tables or lake_tables()).items():
            self.folder(name).make()
            with asked(self.uri):
                DeltaTable.create(
                    self.location(name),
                    arrow_schema(columns),
                    mode="ignore",
                    name=name,
                    configuration=_configuration(name, self.uri),
                    storage_options=self._options,
                )
                self._add_missing(name, columns)

    def _add_missing(self, name: str, columns: Mapping[str, str]) -> None:
        handle = DeltaTable(self.location(name), storage_options=self._options)
        missing = missing_columns(handle, columns)
        if missing:
            handle.alter.add_columns(Schema.from_arrow(arrow_schema(missing)).fields)

    def open(self, name: str, columns: Mapping[str, str] | None = None, version: int | None = None) -> Snapshot:
        """Load a table's newest (or a named) version. UsageError where it does not exist: `mizan init` makes it."""
        folder = self.folder(name)
        try:
            with asked(self.uri):
                handle = DeltaTable(self.location(name), version=version, storage_options=self._options)
        except TableNotFoundError as error:
            raise UsageError(f"there is no lake table {name} at {self.uri}", hint="run: mizan init") from error
        return Snapshot(name, handle, lake_tables()[name] if columns is None else columns, folder)

    def append(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append a few rows to a small table (verdicts, outcomes)."""
        columns = lake_tables()[name]
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(columns))
        if table.num_rows:
            write_rows(self.open(name), table)
