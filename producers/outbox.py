"""Files of events on their way: ``mizan send``, resumable by the file's own content.

Below the agency's spool folder each file gets a folder named by the digest of its lines. Its lines are copied
there before the first is sent; then the copy alone counts, so the file may go away. ``sent`` replaces the copy
when the broker has every line, and makes the next call with the same file a matter of nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from contracts.durable import sync
from producers.delivery import Sender, deliver
from producers.spool import FolderLock, Spool


@dataclass(frozen=True)
class Sending:
    """What one call did for one file, in events; ``earlier`` were left by calls before it, for other files."""

    sent: int
    already_sent: int
    earlier: int


class Outbox:
    """The spool folder of one agency's files, held by one process: TryAgain where another holds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder)

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def accept(self, lines: Sequence[bytes], *, again: bool = False) -> str:
        """Take a file's events, already checked, onto the disk and return the file's name here.

        A file taken before is not taken again, unless ``again`` says that the broker lost it.
        """
        digest = hashlib.sha256(b"\n".join(lines)).hexdigest()[:32]
        folder = self._folder / digest
        if again:
            shutil.rmtree(folder, ignore_errors=True)
        if _is_whole(folder):
            return digest
        # A copy without its mark was cut short before anything was sent.
        shutil.rmtree(folder, ignore_errors=True)
        with Spool(folder) as spool:
            for line in lines:
                spool.write(line)
            spool.sync()
        _mark(folder / "whole", len(lines))
        return digest

    def send(self, name: str, connect: Callable[[], Sender], progress: Callable[[int], None] | None = None) -> Sending:
        """Send what is left of the file ``name``, and whatever earlier calls left behind.

        ``connect`` is called only where there is something to send. Raises what it raises, and TryAgain
        where the broker stops taking events: nothing is lost, the next call goes on.
        """
        sent, before, earlier = 0, 0, 0
        sender: Sender | None = None
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            if not _is_whole(folder):
                continue
            if (folder / "sent").exists():
                before = int((folder / "sent").read_text()) if folder.name == name else before
                continue
            with Spool(folder) as spool:
                if folder.name == name:
                    before = spool.acknowledged
                if spool.pending:
                    sender = sender or connect()
                    count = deliver(spool, sender, progress)
                    sent, earlier = (count, earlier) if folder.name == name else (sent, earlier + count)
                total = spool.accepted
            _mark(folder / "sent", total)
        return Sending(sent, before, earlier)

    def pending(self) -> int:
        """Events on disk that the broker does not have yet."""
        count = 0
        for folder in self._folder.iterdir():
            if folder.is_dir() and _is_whole(folder) and not (folder / "sent").exists():
                with Spool(folder) as spool:
                    count += spool.pending
        return count


def _is_whole(folder: Path) -> bool:
    return (folder / "whole").exists()


def _mark(path: Path, count: int) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{count}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)
