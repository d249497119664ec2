"""Where a table's files are: a folder of this machine, or a prefix of an object store. Everything else asks here.

Both promise the same: a file that was kept is there whole, and what was kept or settled outlives a power cut; one
whose keeping failed is named by no commit. The commit itself is Delta Lake's: on a disk by a rename that replaces
nothing, in a store by a conditional put (If-None-Match).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from contracts import durable
from contracts.errors import UsageError
from warehouse.object_store import SCHEME, asked, file_system, is_stored

LOG = "_delta_log"
DRAFT = ".draft"
_READERS = 16
_AHEAD = 256


def entry_name(version: int) -> str:
    """The log entry of a version, below the table."""
    return f"{LOG}/{version:020d}.json"


class TableFolder(ABC):
    """The files of one table, by their names below it."""

    @abstractmethod
    def make(self) -> None:
        """Make the place for a table, where one has to be made."""

    @abstractmethod
    def address(self, name: str) -> str:
        """How DuckDB and Delta Lake call a file: its absolute path or URI."""

    @abstractmethod
    def open_input(self, name: str) -> pa.NativeFile:
        """A file opened for reading. OSError where it cannot be."""

    @abstractmethod
    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Bytes of those of the named files that are there."""

    @abstractmethod
    def log_names(self) -> list[str]:
        """Names of all that lies in the log, without the log's own; in no order; empty where there is none."""

    @abstractmethod
    def empty_entries(self) -> list[str]:
        """Names of log entries without a byte."""

    @abstractmethod
    def draft(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A path of this machine to write a new file to; gone after the block, unless it was kept."""

    @abstractmethod
    def keep(self, draft: Path, name: str) -> tuple[int, str]:
        """Put a written draft in its place, durably; its bytes and SHA-256 (hex). No commit names it yet."""

    @abstractmethod
    def settle(self, after: int) -> int:
        """Make every log entry newer than a version durable; the newest version that was found on the way."""

    @abstractmethod
    def sweep(self, older_than_seconds: float) -> int:
        """Remove drafts that killed writers left; how many there were. A committed file is never a draft."""

    @abstractmethod
    def table_names(self) -> list[str]:
        """Names of the tables below this place, where it is a whole lake's; in their order."""

    def read(self, name: str) -> bytes | None:
        """A small file's bytes; None where it is not there."""
        try:
            with self.open_input(name) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def read_each(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """As ``read``, of several, in their order."""
        return map(self.read, names)

    def sha256(self, name: str) -> str:
        """SHA-256 (hex) of a file. OSError where it cannot be read."""
        digest = hashlib.sha256()
        with self.open_input(name) as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest()

    def versions(self) -> list[int]:
        """Versions whose log entries are there, oldest first."""
        stems = (name.removesuffix(".json") for name in self.log_names() if name.endswith(".json"))
        return sorted(int(stem) for stem in stems if stem.isdigit())


class LocalFolder(TableFolder):
    """A folder of this machine: written beside, fsynced, renamed, and the folder fsynced."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """The folder, and those above it."""
        self.path.mkdir(parents=True, exist_ok=True)

    def address(self, name: str) -> str:
        """The absolute path."""
        return str(self.path / name)

    def open_input(self, name: str) -> pa.NativeFile:
        """As a file of this machine."""
        return pa.OSFile(str(self.path / name))

    def read(self, name: str) -> bytes | None:
        """As a file of this machine."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def sha256(self, name: str) -> str:
        """As a file of this machine."""
        return durable.sha256(self.path / name)

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Asked one by one: some microseconds a file."""
        found = {}
        for name in names:
            with contextlib.suppress(OSError):
                found[name] = (self.path / name).stat().st_size
        return found

    def log_names(self) -> list[str]:
        """By one reading of the folder."""
        try:
            return os.listdir(self.path / LOG)  # noqa: PTH208 names are all that is wanted: a path each costs more
        except FileNotFoundError:
            return []

    def empty_entries(self) -> list[str]:
        """As a power cut may leave them."""
        return [entry.name for entry in (self.path / LOG).glob("*.json") if entry.stat().st_size == 0]

    @contextlib.contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """In the table's own folder, where a rename is all that is left to do."""
        path = self.path / f"{name}{DRAFT}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)  # on a full disk the room is wanted

    def keep(self, draft: Path, name: str) -> tuple[int, str]:
        """Fsync, rename, fsync the folder."""
        path = self.path / name
        durable.sync(draft)
        draft.rename(path)
        durable.sync(self.path)
        return path.stat().st_size, durable.sha256(path)

    def settle(self, after: int) -> int:
        """Fsync them: the library issues none."""
        version = after
        while (self.path / entry_name(version + 1)).exists():
            version += 1
            durable.sync(self.path / entry_name(version))
        durable.sync(self.path / LOG)
        return version

    def sweep(self, older_than_seconds: float) -> int:
        """Those of this table."""
        return _sweep(self.path, older_than_seconds)

    def table_names(self) -> list[str]:
        """Every folder with a log."""
        return [str(log.parent.relative_to(self.path)) for log in sorted(self.path.rglob(LOG))]


class StoreFolder(TableFolder):
    """A prefix of an S3-compatible object store: an object is there whole and durable once its put is answered.

    Drafts are written on this machine and put whole: checksum and footer cost no second reading over the network.
    """

    def __init__(self, uri: str, drafts: Path) -> None:
        self.uri = uri.rstrip("/")
        self._path = self.uri.removeprefix(SCHEME)
        self._drafts = drafts

    def make(self) -> None:
        """A prefix is there with the first object below it."""

    def address(self, name: str) -> str:
        """The URI."""
        return f"{self.uri}/{name}"

    def open_input(self, name: str) -> pa.NativeFile:
        """As an object."""
        with asked(self.uri):
            return file_system().open_input_file(f"{self._path}/{name}")

    def read(self, name: str) -> bytes | None:
        """As an object."""
        with asked(self.uri):
            return super().read(name)

    def read_each(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Several at a time: a store's answer is mostly waiting."""
        left = iter(names)
        with ThreadPoolExecutor(_READERS) as pool:
            while some := list(islice(left, _AHEAD)):
                yield from pool.map(self.read, some)

    def sha256(self, name: str) -> str:
        """As an object."""
        with asked(self.uri):
            return super().sha256(name)

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """By one listing, a request for a thousand objects."""
        wanted = set(names)
        if len(wanted) == 1:
            (info,) = self._about([f"{self._path}/{name}" for name in wanted])
            return {name: info.size for name in wanted if info.is_file}
        found = {info.base_name: info.size for info in self._list("") if info.is_file} if wanted else {}
        return {name: found[name] for name in wanted & found.keys()}

    def log_names(self) -> list[str]:
        """By one listing."""
        return [info.base_name for info in self._list(LOG) if info.is_file]

    def empty_entries(self) -> list[str]:
        """No power cut leaves one in a store; whoever put one there is found all the same."""
        return [info.base_name for info in self._list(LOG) if info.base_name.endswith(".json") and info.size == 0]

    @contextlib.contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """Below MIZAN_HOME, closed to others: rows speak of single persons."""
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._drafts / f"{secrets.token_hex(8)}-{name}{DRAFT}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, draft: Path, name: str) -> tuple[int, str]:
        """Put it whole; a large one in parts, which become one object when the last is there."""
        size, digest = draft.stat().st_size, hashlib.sha256()
        with asked(self.uri), draft.open("rb") as source:
            target = file_system().open_output_stream(f"{self._path}/{name}")
            while block := source.read(2**23):
                digest.update(block)
                target.write(block)
            target.close()
        draft.unlink()
        return size, digest.hexdigest()

    def settle(self, after: int) -> int:
        """Nothing is left to do, and nothing is looked for: a request costs more than the answer is worth."""
        return after

    def sweep(self, older_than_seconds: float) -> int:
        """Those of this machine's writers; objects that no commit names go with `mizan compact`."""
        return _sweep(self._drafts, older_than_seconds)

    def table_names(self) -> list[str]:
        """Looked for level by level: no table's own objects are listed."""
        return sorted(self._tables_below(""))

    def _tables_below(self, name: str) -> Iterator[str]:
        from pyarrow.fs import FileType

        inner = [f"{name}/{info.base_name}".lstrip("/") for info in self._list(name) if not info.is_file]
        logs = self._about([f"{self._path}/{one}/{LOG}" for one in inner])
        for one, log in zip(inner, logs, strict=True):
            if log.type == FileType.Directory:
                yield one
            else:
                yield from self._tables_below(one)

    def _list(self, name: str) -> list[Any]:
        from pyarrow.fs import FileSelector

        folder = f"{self._path}/{name}".rstrip("/")
        with asked(self.uri):
            return list(file_system().get_file_info(FileSelector(folder, allow_not_found=True)))

    def _about(self, paths: list[str]) -> list[Any]:
        with asked(self.uri):
            return list(file_system().get_file_info(paths))


def folder_at(uri: str, drafts: Path) -> TableFolder:
    """The files of the table (or lake) at a folder or URI; ``drafts`` is where a store's drafts are written.

    UsageError for a store that Mizan does not write to.
    """
    place = uri.removeprefix("file://")
    if is_stored(place):
        return StoreFolder(place, drafts)
    if "://" in place:
        raise UsageError(
            "a lake is kept in a folder or in an S3-compatible store", hint="MIZAN_LAKE_URI: s3://bucket/…"
        )
    return LocalFolder(Path(place))


def _sweep(folder: Path, older_than_seconds: float) -> int:
    removed = 0
    for path in folder.glob(f"*{DRAFT}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > older_than_seconds:
                path.unlink()
                removed += 1
    return removed
