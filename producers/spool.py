"""A folder that keeps accepted events until the broker has acknowledged them.

Layout: segment files ``<first record, 20 digits>.ndjson`` of one event a line, only ever appended to, and
``cursor``, the count of records that are acknowledged, from the first on. Records are numbered from 0 and
keep their number for the spool's life; a segment whose records are all acknowledged is removed.

A process killed at any moment leaves at worst a torn last line (never accepted, cut off at the next start)
and a cursor that is behind (those records are sent again, and landing knows their ids).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import IO

from contracts.durable import sync
from contracts.errors import Halted, MizanError, TryAgain, UsageError

SEGMENT_BYTES = 16 * 2**20


class FolderLock:
    """The only process at work in a folder. Raises TryAgain where there is another; the kernel frees it at any end."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"cannot use the spool folder {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise TryAgain(f"another process is using the spool {folder}", hint="wait for it to end") from None

    def release(self) -> None:
        """Let the next process in; safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Spool:
    """One spool, held by one process. ``durable``: an accepted record survives a power cut, not only a crash."""

    def __init__(self, folder: Path, *, durable: bool = True, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._lock = FolderLock(folder)
        self._file: IO[bytes] | None = None
        self._size = 0
        try:
            self._acknowledged = self._read_cursor()
            self._accepted = self._recover()
        except BaseException:
            self._lock.release()
            raise

    @property
    def accepted(self) -> int:
        """Records accepted in the spool's life."""
        return self._accepted

    @property
    def acknowledged(self) -> int:
        """Records the broker has, from the first on without a hole."""
        return self._acknowledged

    @property
    def pending(self) -> int:
        """Records still to be acknowledged."""
        return self._accepted - self._acknowledged

    def append(self, value: bytes) -> int:
        """Accept one event of one line and return its number. Durable mode returns after fsync."""
        number = self.write(value)
        self.sync()
        return number

    def write(self, value: bytes) -> int:
        """Put one event in line without waiting for the disk; call ``sync`` before relying on it."""
        if b"\n" in value or not value:
            raise UsageError("a spooled event is one line")
        file = self._segment()
        try:
            file.write(value + b"\n")
        except OSError as error:
            raise MizanError(f"cannot write to the spool {self.folder}: {error.strerror}") from error
        self._size += len(value) + 1
        self._accepted += 1
        return self._accepted - 1

    def sync(self) -> None:
        """Hand everything written to the system, in durable mode to the disk."""
        if self._file is None:
            return
        try:
            self._file.flush()
            if self._durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise MizanError(f"cannot write to the spool {self.folder}: {error.strerror}") from error

    def unacknowledged(self) -> Iterator[bytes]:
        """The pending records in order, as of now."""
        if self._file is not None:
            self._file.flush()
        end = self._accepted
        for path in self._segments():
            number = int(path.stem)
            with path.open("rb") as lines:
                for line in lines:
                    if number >= end:
                        return
                    if number >= self._acknowledged:
                        yield line.rstrip(b"\n")
                    number += 1

    def acknowledge(self, count: int) -> None:
        """Mark the next ``count`` pending records as acknowledged, on disk, and drop segments that are done."""
        if count == 0:
            return
        if not 0 <= count <= self.pending:
            raise ValueError("more records acknowledged than are pending")
        self._acknowledged += count
        draft = self.folder / "cursor.draft"
        with draft.open("wb") as file:
            file.write(f"{self._acknowledged}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / "cursor")
        self._sync_folder()
        self._drop_finished()

    def close(self) -> None:
        """Keep what is pending for the next process; safe to repeat."""
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None
        self._lock.release()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]" * 20 + ".ndjson"))

    def _segment(self) -> IO[bytes]:
        if self._file is not None and self._size >= self._segment_bytes:
            self.sync()
            self._file.close()
            self._file = None
        if self._file is None:
            path = self.folder / f"{self._accepted:020d}.ndjson"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(descriptor, "ab")
            self._size = 0
            self._sync_folder()
        return self._file

    def _sync_folder(self) -> None:
        # A file whose name is not on disk is lost with all its fsynced content.
        if self._durable:
            sync(self.folder)

    def _drop_finished(self) -> None:
        segments = self._segments()
        for path, following in pairwise(segments):
            if int(following.stem) <= self._acknowledged:
                path.unlink()
        if segments and self.pending == 0:
            if self._file is not None:
                self._file.close()
                self._file = None
            segments[-1].unlink()

    def _read_cursor(self) -> int:
        try:
            text = (self.folder / "cursor").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return 0
        if not text.isdigit():
            raise Halted("SPOOL_DAMAGED", f"the cursor of {self.folder} is not a number")
        return int(text)

    def _recover(self) -> int:
        """Count the records, cut a torn end off, and refuse to guess about anything else."""
        segments = self._segments()
        if not segments:
            return self._acknowledged
        expected = int(segments[0].stem)
        if expected > self._acknowledged:
            raise Halted("SPOOL_DAMAGED", f"records {self._acknowledged} to {expected - 1} are missing: {self.folder}")
        for path in segments:
            if int(path.stem) != expected:
                raise Halted("SPOOL_DAMAGED", f"records {expected} to {int(path.stem) - 1} are missing: {self.folder}")
            expected += _count_lines(path, is_last=path is segments[-1])
        if expected <= self._acknowledged:
            # Killed between the cursor and the removal: whatever these segments hold, the broker has it.
            for path in segments:
                path.unlink()
        return max(expected, self._acknowledged)


def _count_lines(path: Path, *, is_last: bool) -> int:
    """Whole lines of a segment. Only the end of the last one may be torn: it is cut off, for it was never accepted."""
    content = path.read_bytes()
    good_end, count, bad = 0, 0, False
    position = 0
    while position < len(content):
        end = content.find(b"\n", position)
        line = content[position:] if end < 0 else content[position:end]
        whole = end >= 0 and line.startswith(b"{") and line.endswith(b"}") and b"\x00" not in line
        position = len(content) if end < 0 else end + 1
        if not whole:
            bad = True
        elif bad:
            raise Halted("SPOOL_DAMAGED", f"a damaged line is followed by whole ones: {path}, line {count + 1}")
        else:
            good_end, count = position, count + 1
    if bad:
        if not is_last:
            raise Halted("SPOOL_DAMAGED", f"the end of a finished segment is damaged: {path}")
        with path.open("r+b") as file:
            file.truncate(good_end)
            os.fsync(file.fileno())
    return count
