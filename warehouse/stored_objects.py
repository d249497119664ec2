"""How DuckDB reads what lies in an object store: a file system of Python's, registered with the connection.

DuckDB's own extension for it (httpfs) is not built in and cannot be had on a machine without its extension server.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from typing import TYPE_CHECKING, Any

import fsspec

from contracts.errors import UsageError
from warehouse.object_store import SCHEME, asked, file_system

if TYPE_CHECKING:
    from warehouse.connection import Connection


def let_read(connection: Connection) -> None:
    """Make a DuckDB connection able to read ``s3://…``; nothing where it is already."""
    if not connection.filesystem_is_registered(StoredObjects.protocol):
        connection.register_filesystem(StoredObjects())


class StoredObjects(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """What DuckDB asks of a file system, for reading alone.

    Not fsspec's own wrapper of Arrow's file systems: DuckDB's threads share one open file and first seek, then read.
    In between another thread seeks elsewhere, and both read the wrong bytes.
    """

    protocol = "s3"
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, int] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(SCHEME)

    def glob(self, path: str, **_: Any) -> list[str]:
        """The path itself: files are listed by the lake's log, never by a pattern."""
        return [path]

    def exists(self, path: str, **_: Any) -> bool:
        """True; a file that is not there is found missing when it is opened."""
        return True

    def open(self, path: str, mode: str = "rb", **_: Any) -> StoredObject:
        """The object, opened for reading. FileNotFoundError where it is gone."""
        if mode != "rb":
            raise UsageError(f"{path} is only read here")
        with asked(path):
            file = file_system().open_input_file(self._strip_protocol(path))
            self._sizes[path] = file.size()
        return StoredObject(path, file, self._sizes[path])

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and bytes. No object of a lake is ever written twice: what was once seen stays so."""
        if path not in self._sizes:
            with self.open(path):
                pass
        return {"name": path, "size": self._sizes[path], "type": "file"}

    def modified(self, path: str) -> dt.datetime:
        """One instant for all: no object of a lake is ever written twice."""
        return dt.datetime.fromtimestamp(0, dt.UTC)


class StoredObject:
    """An open object; each thread has a position of its own in it."""

    def __init__(self, uri: str, file: Any, size: int) -> None:
        self._uri = uri
        self._file = file
        self._size = size
        self._position = threading.local()

    def __enter__(self) -> StoredObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset, from the beginning, from here or from the end; the offset from the beginning."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._position.at = begin + offset
        return begin + offset

    def tell(self) -> int:
        """Where this thread is."""
        return int(getattr(self._position, "at", 0))

    def read(self, length: int = -1) -> bytes:
        """The next bytes, fewer at the end; all that are left where ``length`` is negative."""
        here = self.tell()
        left = max(self._size - here, 0)
        with asked(self._uri):
            found: bytes = self._file.read_at(left if length < 0 else min(length, left), here)
        self._position.at = here + len(found)
        return found

    def close(self) -> None:
        """Let go of it."""
        self._file.close()
