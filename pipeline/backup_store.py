"""A backup's folder: every file once, under its SHA-256, and one manifest for each backup that was made.

``files/ab/<sha256>`` holds contents; ``backups/<moment>.json`` says which of them belong where, and
``backups/<moment>.json.sha256`` proves that page. A manifest is written last: a backup that died is none, and
what it had copied is not copied again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contracts.durable import sync
from contracts.errors import BadInput, UsageError
from contracts.failpoints import failpoint
from contracts.keys import secret_folder

FORMAT = 1
_MOMENT = re.compile(r"\d{8}T\d{6}(\d{6})?Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 2**20


@dataclass(frozen=True)
class StoredFile:
    """One file of a backup. ``path`` begins with its part (``lake/…``); ``same_as`` names the file it is a link of."""

    path: str
    size: int
    sha256: str
    mode: int
    mtime_ns: int
    same_as: str | None = None


@dataclass(frozen=True)
class BackupManifest:
    """One backup: what was copied, and of which moment."""

    made_at: str
    versions: Mapping[str, int]
    next_offsets: Mapping[str, int]
    published: Mapping[str, int]
    platform_key: str | None
    folders: Mapping[str, int]
    links: Mapping[str, str]
    files: tuple[StoredFile, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"format": FORMAT, **asdict(self), "files": [asdict(file) for file in self.files]}


class BackupStore:
    """The folder that ``mizan backup`` fills and ``mizan restore`` reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def moments(self) -> list[str]:
        """The backups that are whole, oldest first."""
        return sorted(path.stem for path in (self.folder / "backups").glob("*.json") if _MOMENT.fullmatch(path.stem))

    def manifest(self, moment: str | None = None) -> BackupManifest:
        """A backup's manifest, by default the newest's. UsageError where none is, BadInput where it is damaged."""
        moments = self.moments()
        if not moments:
            raise UsageError(f"there is no backup in {self.folder}")
        if moment is not None and moment not in moments:
            raise UsageError(f"there is no backup {moment!r} in {self.folder}", hint=f"there are: {', '.join(moments)}")
        path = self.folder / "backups" / f"{moment or moments[-1]}.json"
        try:
            text = path.read_bytes()
            proof = path.with_name(path.name + ".sha256").read_text(encoding="ascii").split()[0]
            if hashlib.sha256(text).hexdigest() != proof:
                raise ValueError
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise BadInput(f"{path} has a format this version does not read")
            files = tuple(StoredFile(**file) for file in document.pop("files"))
            return BackupManifest(**document, files=files)
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise BadInput(f"{path} is damaged", hint="name an older backup with --at") from error

    def content(self, sha256: str) -> Path:
        """Where a content lies."""
        if not _SHA256.fullmatch(sha256):
            raise BadInput(f"the backup names a content that is no SHA-256: {sha256!r}")
        return self.folder / "files" / sha256[:2] / sha256

    def holds(self, sha256: str, size: int) -> bool:
        """True where the content is there with its size."""
        path = self.content(sha256)
        return path.is_file() and path.stat().st_size == size

    def put(self, source: Path) -> tuple[str, int]:
        """Copy a file in, durably; its SHA-256 and size. A content that is there already is not written twice."""
        drafts = secret_folder(self.folder / "files")
        draft = drafts / f".draft-{secrets.token_hex(8)}"
        try:
            sha256, size = copy_hashed(source, draft)
            failpoint("backup.draft")
            target = self.content(sha256)
            if not self.holds(sha256, size):
                secret_folder(target.parent)
                draft.replace(target)
                target.chmod(0o400)
                sync(target.parent)
                sync(drafts)
                failpoint("backup.content")
        finally:
            draft.unlink(missing_ok=True)
        return sha256, size

    def add(self, manifest: BackupManifest) -> Path:
        """Write the manifest: from here on the backup is one. Its path."""
        folder = secret_folder(self.folder / "backups")
        path = folder / f"{manifest.made_at}.json"
        text = (json.dumps(manifest.document(), indent=1) + "\n").encode()
        proof = f"{hashlib.sha256(text).hexdigest()}  {path.name}\n".encode()
        for final, content in ((path.with_name(path.name + ".sha256"), proof), (path, text)):
            draft = folder / f".{final.name}.draft"
            draft.write_bytes(content)
            sync(draft)
            draft.replace(final)
            failpoint("backup.page")
        sync(folder)
        sync(self.folder)
        return path

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest ``keep`` backups and the contents that none of these needs; the removed moments.

        BadInput, and nothing is removed, where a page that stays cannot be read: what it needs is not known then.
        """
        moments = self.moments()
        doomed, kept = moments[:-keep], moments[-keep:]
        needed = {file.sha256 for moment in kept for file in self.manifest(moment).files}
        for moment in doomed:
            # The page first: what is half removed is no backup any more.
            page = self.folder / "backups" / f"{moment}.json"
            page.unlink()
            sync(page.parent)
            failpoint("backup.prune")
            page.with_name(page.name + ".sha256").unlink(missing_ok=True)
        for path in (self.folder / "files").glob("??/*"):
            # Also what backups that died had copied: the next one copies it again.
            if path.name not in needed:
                path.unlink()
        return doomed

    def sweep(self) -> None:
        """Remove the drafts that a backup which died left behind."""
        for path in [*(self.folder / "files").glob(".draft-*"), *(self.folder / "backups").glob(".*.draft")]:
            path.unlink(missing_ok=True)


def copy_hashed(source: Path, target: Path) -> tuple[str, int]:
    """Copy to a new file, fsync it, and give SHA-256 (hex) and size of what was written. Never follows a link."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as read, target.open("xb") as written:
        target.chmod(0o600)
        for chunk in _chunks(read):
            digest.update(chunk)
            size += len(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest(), size


def _chunks(read: Any) -> Iterator[bytes]:
    while chunk := read.read(_CHUNK):
        yield chunk
