"""Rows that memory has no room for: kept in Parquet files below the build folder while a build lasts, in portions.

DuckDB puts on disk what it can, but what it puts in order, or tells apart, lies in memory in the end; and what it puts
on disk of its own lies there with every text whole. Files are a tenth of that, and of a portion only its own are read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.settings import Settings
from warehouse.connection import Connection
from warehouse.landing_log import ENCODING

# More rows than these are not held at once; a portion then has about so many of them.
MOST_ROWS = 10_000_000
ROWS_OF_A_PORTION = 2_500_000
_WRITTEN = f"FORMAT parquet, {ENCODING}"


@dataclass(frozen=True)
class Portions:
    """A folder for such rows."""

    folder: Path

    def needed(self, rows: int) -> bool:
        """True where so many rows are not held at once."""
        return rows > MOST_ROWS

    def keep(self, connection: Connection, name: str, select: str) -> None:
        """Run ``select`` and keep its rows in a file; the temporary view ``name`` shows them."""
        file = self._new(name)
        connection.execute(f"COPY ({select}) TO '{_quoted(file)}' ({_WRITTEN}, PER_THREAD_OUTPUT true)")
        connection.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {_rows(file / "*.parquet")}')

    def of(self, connection: Connection, select: str, by: str, rows: int) -> Iterator[str]:
        """The rows of ``select`` in portions, each as a SELECT that is good until the next is asked for.

        Rows that agree in ``by`` (expressions with commas) are in one portion. ``rows``: about how many there are.
        """
        number = -(-rows // ROWS_OF_A_PORTION)
        folder = self._new("portions")
        connection.execute(
            f"COPY (SELECT *, HASH({by}) % {number} AS portion FROM ({select})) "  # noqa: S608 our own queries
            f"TO '{_quoted(folder)}' ({_WRITTEN}, PARTITION_BY (portion))"
        )
        for portion in sorted(folder.iterdir()):
            yield _rows(portion / "*.parquet")
            shutil.rmtree(portion)
        folder.rmdir()

    def _new(self, name: str) -> Path:
        found = self.folder / name
        shutil.rmtree(found, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        return found


def _rows(files: Path) -> str:
    return f"SELECT * FROM read_parquet('{_quoted(files)}', hive_partitioning = false)"  # noqa: S608 our own files


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


@contextlib.contextmanager
def portions(settings: Settings) -> Iterator[Portions]:
    """A folder for as long as it is needed; what a build that was killed left there goes first."""
    folder = settings.home / "build" / "portions"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield Portions(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
