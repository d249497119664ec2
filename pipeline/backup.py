"""Back up what cannot be made again: lake, releases, published versions and the operator's own files.

The copy is of one moment: every lake table at a version that was its newest together with all others, while the build's
turn keeps publications and closings away. Landing goes on meanwhile. Keys are copied only where a folder of their own
is named for them; the manifest keeps a fingerprint of the platform key, which tells another key from the right one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import BadInput, Halted, MizanError, UsageError
from contracts.failpoints import failpoint
from contracts.keys import keep_secret, read_secret, secret_folder, write_secret
from contracts.platform_key import is_older_copy, read_platform_key
from contracts.settings import Settings
from pipeline.backup_store import BackupManifest, BackupStore, StoredFile

if TYPE_CHECKING:
    from warehouse.lake_files import PinnedLake

LAKE = "lake"
# What a publication, a closing or a gate is still writing has no meaning of its own.
_IN_THE_MAKING = (".work", ".next", ".draft", ".tmp")


@dataclass(frozen=True)
class BackedUp:
    """A backup that was made: its manifest's file, and how much of it had to be copied."""

    manifest_file: Path
    manifest: BackupManifest
    copied_files: int
    copied_bytes: int
    keys: tuple[Path, ...]
    removed: tuple[str, ...] = ()


def parts(settings: Settings) -> dict[str, Path]:
    """What a backup holds: the name of each part, and its folder in this home. The lake comes last."""
    from warehouse.lake_files import lake_folder

    # Build database, Airflow's home, the local broker and handed out bundles are no part: made anew, or secret.
    named = {name: settings.home / name for name in ("catalogue", "gate", "months", "releases")}
    return {**named, "published": settings.published, LAKE: lake_folder(settings)}


def backup(
    settings: Settings,
    folder: Path,
    *,
    keys_folder: Path | None = None,
    keep: int | None = None,
    now: dt.datetime | None = None,
) -> BackedUp:
    """Add a backup to ``folder``; only contents that are not there yet are copied.

    ``keep``: once it is made, remove all but the newest ``keep`` backups of the folder.
    ``keys_folder``: also copy the keys, into that folder (0700), which must lie apart. Raises UsageError where there is
    no lake or a folder is not apart, TryAgain where a publication does not end, Halted (LAKE_FILE_MISSING) where a
    file of the lake is not what was committed: damage is never backed up as if it were good.
    """
    from warehouse.connection import build_turn
    from warehouse.lake_files import pin
    from warehouse.published import TIERS, current

    folder = folder.absolute()
    _check_apart(settings, folder, keys_folder)
    pin(settings)  # no lake, no folder
    store = BackupStore(folder)
    secret_folder(folder)
    store.sweep()
    with build_turn(settings):
        pinned = pin(settings)
        copying = _Copying(settings, store)
        published = {tier: int(found["version"]) for tier in TIERS if (found := current(settings, tier))}
        for name, root in parts(settings).items():
            copying.part(name, root)
        failpoint("backup.parts")
        copying.lake(pinned)
        failpoint("backup.lake")
        manifest = BackupManifest(
            made_at=(now or dt.datetime.now(dt.UTC)).strftime("%Y%m%dT%H%M%S%fZ"),
            versions=pinned.versions,
            next_offsets=pinned.next_offsets,
            published=published,
            platform_key=_platform_key(settings, pinned),
            folders=copying.folders,
            links=copying.links,
            files=tuple(copying.files),
        )
        keys = () if keys_folder is None else tuple(copy_keys(settings, keys_folder.absolute()))
        failpoint("backup.keys")
        written = store.add(manifest)
        failpoint("backup.made")
        # Within the turn: a backup of this home that is being made elsewhere has no page yet that names its contents.
        removed = () if keep is None else tuple(store.prune(keep))
    return BackedUp(written, manifest, copying.copied_files, copying.copied_bytes, keys, removed)


def key_files(settings: Settings) -> dict[str, Path]:
    """The keys by the name they have in a folder of keys. Those the configuration places elsewhere are among them."""
    there = sorted(settings.keys.iterdir()) if settings.keys.is_dir() else []
    found = {path.name: path for path in there if path.is_file() and not path.name.startswith(".")}
    return found | {name: path for name, path in configured_keys(settings).items() if path.is_file()}


def configured_keys(settings: Settings) -> dict[str, Path]:
    """The keys that the configuration may place elsewhere, by the name they have in a folder of keys."""
    transport = settings.transport_key_file
    return {
        "transport.key": transport,
        "transport.key.id": transport.with_name(transport.name + ".id"),
        "platform.key": settings.platform_key_file,
    }


def put_key(source: Path, target: Path, text: str, hint: str) -> bool:
    """Write a key where none is (0600), True; False where it is there already. UsageError where another key is.

    A platform key that was rotated takes the place of its older copy; an older copy never takes the newer one's.
    """
    if keep_secret(target, lambda: text):
        return True
    there = read_secret(target)
    if is_older_copy(there, text):
        write_secret(target, text)
        return True
    if there != text and not is_older_copy(text, there):
        raise UsageError(f"{target} is another key than {source}", hint=hint)
    return False


def copy_keys(settings: Settings, target: Path) -> Iterator[Path]:
    """Copy every key into ``target``, 0600; those that were not there. UsageError where another key has the name."""
    for name, source in key_files(settings).items():
        text = read_secret(source) if source.suffix != ".pub" else source.read_text(encoding="ascii").strip()
        if put_key(source, target / name, text, "name an empty folder for the keys"):
            yield target / name


def _platform_key(settings: Settings, pinned: PinnedLake) -> str | None:
    """The fingerprint of the key that the copied rows are under, where the key is at hand."""
    from warehouse.lake import Lake
    from warehouse.rewriting import key_mark

    if not settings.platform_key_file.exists():
        return None
    chain, lake = read_platform_key(settings.platform_key_file), Lake(settings)
    # While a rotation is under way the quarantine is ahead; a file that has its key has that of the events too.
    for name in ("quarantine", "events"):
        mark = key_mark(lake.open(name, version=pinned.versions[name])) if name in pinned.versions else None
        found = None if mark is None else chain.as_marked(mark)
        if found is not None:
            return found.fingerprint
    return chain.fingerprint


def _check_apart(settings: Settings, folder: Path, keys_folder: Path | None) -> None:
    """A backup inside what it copies would copy itself; keys beside the data would open it to whoever finds it."""
    home = settings.home.resolve()
    for root in (home, *(path.resolve() for path in parts(settings).values())):
        if folder.resolve().is_relative_to(root):
            raise UsageError(f"{folder} is inside {root}", hint="name a folder elsewhere, best on another disk")
    if keys_folder is not None:
        keys, data = keys_folder.resolve(), folder.resolve()
        if keys.is_relative_to(data) or data.is_relative_to(keys) or keys.is_relative_to(home):
            raise UsageError("keys are kept apart from the backup and the home", hint="name a folder elsewhere")


class _Copying:
    """The files of one backup as they are taken into the store."""

    def __init__(self, settings: Settings, store: BackupStore) -> None:
        self.settings = settings
        self.store = store
        self.files: list[StoredFile] = []
        self.links: dict[str, str] = {}
        self.folders: dict[str, int] = {}
        self.copied_files = self.copied_bytes = 0
        # A damaged page of the last backup costs a full reading, never the next backup.
        before: tuple[StoredFile, ...] = ()
        with contextlib.suppress(BadInput):
            before = store.manifest().files if store.moments() else ()
        self._before = {file.path: file for file in before}
        self._by_inode: dict[tuple[int, int], str] = {}

    def part(self, name: str, root: Path) -> None:
        """Take a part's folder as it stands. The lake's own files are named by its log instead."""
        if name == LAKE or not root.is_dir():
            return
        self._folder(name, root)
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if any(piece.startswith(".work") or piece.endswith(_IN_THE_MAKING) for piece in relative.parts):
                continue
            place = f"{name}/{relative}"
            if path.is_symlink():
                self.links[place] = str(path.readlink())
            elif path.is_dir():
                self._folder(place, path)
            elif path.is_file():
                # A page that is just being replaced (a validation report) is there again under the next backup.
                with contextlib.suppress(FileNotFoundError):
                    self._file(place, path, None)

    def lake(self, pinned: PinnedLake) -> None:
        """Take every table at its pinned version."""
        from warehouse.lake_files import files_of_table, known_checksums

        self._folder(LAKE, pinned.folder)
        expected = known_checksums(self.settings, pinned)
        for name in pinned.versions:
            for path in files_of_table(self.settings, pinned, name):
                place = f"{LAKE}/{path.relative_to(pinned.folder)}"
                if not path.is_file():
                    raise Halted("LAKE_FILE_MISSING", f"{place} is not there", hint="mizan verify says what it held")
                self._file(place, path, expected.get(path))

    def _folder(self, place: str, path: Path) -> None:
        self.folders[place] = stat.S_IMODE(path.stat().st_mode)

    def _file(self, place: str, path: Path, expected: str | None) -> None:
        found = path.stat()
        inode = (found.st_dev, found.st_ino)
        before = self._before.get(place)
        if (
            before is not None
            and (before.size, before.mtime_ns) == (found.st_size, found.st_mtime_ns)
            and self.store.holds(before.sha256, before.size)
        ):
            sha256, size = before.sha256, before.size
        else:
            sha256, size = self.store.put(path)
            self.copied_files += 1
            self.copied_bytes += size
        if expected is not None and sha256 != expected:
            raise Halted("LAKE_FILE_MISSING", f"{place} is not the file that was committed", hint="mizan verify")
        if size != found.st_size:
            raise MizanError(f"{place} changed while it was copied", hint="run the same command again")
        mode = stat.S_IMODE(found.st_mode)
        first = self._by_inode.setdefault(inode, place) if found.st_nlink > 1 else place
        same_as = None if first == place else first
        self.files.append(StoredFile(place, size, sha256, mode, found.st_mtime_ns, same_as))
