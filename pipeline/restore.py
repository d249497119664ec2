"""Bring a backup back: copied beside and checked whole first, then moved into place, the lake last.

What was there is moved to ``replaced-<moment>``, never removed. The build database is a cache of another lake then
and is moved aside as well. Nothing else in the home is touched: broker, Airflow's home and bundles stay.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from contracts.durable import sync
from contracts.errors import BadInput, UsageError
from contracts.failpoints import failpoint
from contracts.keys import read_secret
from contracts.platform_key import read_platform_key
from contracts.settings import Settings
from pipeline.backup import LAKE, configured_keys, parts, put_key
from pipeline.backup_store import BackupManifest, BackupStore, StoredFile, copy_hashed
from warehouse.guarded_keys import UNFINISHED_RESTORE
from warehouse.version_files import next_version
from warehouse.version_floor import raise_floor


@dataclass(frozen=True)
class Restored:
    """What was brought back (or, with ``check``, would be), and where what it replaced lies.

    ``versions_from``: the number that the next published version will have.
    """

    manifest: BackupManifest
    replaced: Path | None
    keys: tuple[Path, ...]
    versions_from: int | None = None


def check(settings: Settings, folder: Path, *, at: str | None = None, keys_folder: Path | None = None) -> Restored:
    """Read a backup back whole and compare every SHA-256; write nothing.

    Raises BadInput naming what is damaged, UsageError where the platform key at hand is another one.
    """
    from contracts.durable import sha256

    store = BackupStore(folder)
    manifest = store.manifest(at)
    damaged = [
        f"{file.path} (files/{file.sha256[:2]}/{file.sha256})"
        for file in manifest.files
        if not store.holds(file.sha256, file.size) or sha256(store.content(file.sha256)) != file.sha256
    ]
    if damaged:
        raise _damaged(store, damaged)
    _check_platform_key(settings, manifest, keys_folder, is_lost=keys_folder is None)
    return Restored(manifest, None, ())


def restore(
    settings: Settings,
    folder: Path,
    *,
    at: str | None = None,
    force: bool = False,
    keys_folder: Path | None = None,
    lost_platform_key: bool = False,
    after_version: int | None = None,
    now: dt.datetime | None = None,
) -> Restored:
    """Put a backup (the newest, or the one made ``at``) into this home; every file checked before anything moves.

    Nothing may land, build or publish meanwhile. Raises UsageError where the home holds data and ``force`` is not
    given, or where the platform key of the backup is not at hand and not declared lost; BadInput where the backup
    is damaged. Killed halfway, the same call with ``force`` finishes the work, and until then no step makes a lake or
    a key in its place. Published version numbers go on behind every one that this home, the folder's backups or
    ``after_version`` know of.
    """
    from warehouse.connection import build_turn

    store = BackupStore(folder)
    manifest = store.manifest(at)
    targets = parts(settings)
    _check_paths(manifest, targets)
    there = [name for name, path in targets.items() if path.is_dir() and any(path.iterdir())]
    if there and not force:
        raise UsageError(
            f"{settings.home} is not empty: it has {', '.join(there)}",
            hint="--force moves what is there to a folder replaced-…; nothing is removed",
        )
    _check_platform_key(settings, manifest, keys_folder, is_lost=lost_platform_key)
    moment = (now or dt.datetime.now(dt.UTC)).strftime("%Y%m%dT%H%M%S%fZ")
    settings.home.mkdir(parents=True, exist_ok=True)
    with build_turn(settings):
        works = {name: path.with_name(f".restoring-{path.name}") for name, path in targets.items()}
        try:
            for work in works.values():
                shutil.rmtree(work, ignore_errors=True)
            _lay_out(store, manifest, works)
            failpoint("restore.laid_out")
            keys = () if keys_folder is None else tuple(_put_keys(settings, keys_folder))
            raise_floor(settings, max(_published(store), next_version(settings) - 1, after_version or 0))
            failpoint("restore.keys")
            unfinished = settings.home / UNFINISHED_RESTORE
            unfinished.write_text(f"mizan restore {store.folder} --at {manifest.made_at} --force\n", encoding="utf-8")
            sync(unfinished)
            sync(settings.home)
            replaced = _swap(settings, targets, works, moment)
            failpoint("restore.swapped")
            unfinished.unlink()
            sync(settings.home)
        finally:
            for work in works.values():
                shutil.rmtree(work, ignore_errors=True)
        return Restored(manifest, replaced, keys, next_version(settings))


def _published(store: BackupStore) -> int:
    """The highest version number that any backup of the folder knows of; a damaged page tells none."""
    found = [0]
    for moment in store.moments():
        with contextlib.suppress(BadInput):
            found += store.manifest(moment).published.values()
    return max(found)


def _check_paths(manifest: BackupManifest, targets: dict[str, Path]) -> None:
    for place in (*manifest.folders, *manifest.links, *(file.path for file in manifest.files)):
        pieces = PurePosixPath(place).parts
        if not pieces or pieces[0] not in targets or ".." in pieces:
            raise BadInput(f"the backup names a place that is none of this home's: {place!r}")


def _check_platform_key(
    settings: Settings, manifest: BackupManifest, keys_folder: Path | None, *, is_lost: bool
) -> None:
    """Landing on with another key would count every person a second time, and nothing would show it."""
    runbook = "see docs/runbooks/lost-platform-key.md"
    at_hand = [settings.platform_key_file] if settings.platform_key_file.exists() else []
    if keys_folder is not None:
        at_hand.append(keys_folder / "platform.key")
    for path in at_hand:
        if manifest.platform_key is not None and not read_platform_key(path).holds(manifest.platform_key):
            raise UsageError(f"{path} is not the platform key of this backup", hint=runbook)
    if not at_hand and manifest.platform_key is not None and not is_lost:
        raise UsageError(
            "the platform key of this backup is not in this home",
            hint=f"give --with-keys FOLDER; is it lost? {runbook}",
        )


def _lay_out(store: BackupStore, manifest: BackupManifest, works: dict[str, Path]) -> None:
    """Write every file into the work folders, durably; BadInput where one is not what was backed up."""

    def at(place: str) -> Path:
        name, *rest = PurePosixPath(place).parts
        return works[name].joinpath(*rest)

    damaged = []
    for file in manifest.files:
        at(file.path).parent.mkdir(parents=True, exist_ok=True)
        if file.same_as is not None:
            at(file.path).hardlink_to(at(file.same_as))
        elif not _brought_back(store, file, at(file.path)):
            damaged.append(file.path)
            break
    if damaged:
        raise _damaged(store, damaged)
    for place, target in manifest.links.items():
        at(place).parent.mkdir(parents=True, exist_ok=True)
        at(place).symlink_to(target)
    for place, mode in manifest.folders.items():
        at(place).mkdir(parents=True, exist_ok=True)
        at(place).chmod(mode)
    for work in works.values():
        if work.is_dir():
            for path in (work, *(one for one in work.rglob("*") if one.is_dir() and not one.is_symlink())):
                sync(path)


def _brought_back(store: BackupStore, file: StoredFile, target: Path) -> bool:
    try:
        found = copy_hashed(store.content(file.sha256), target)
    except FileNotFoundError:
        return False
    failpoint("restore.file")
    target.chmod(file.mode)
    os.utime(target, ns=(file.mtime_ns, file.mtime_ns))
    return found == (file.sha256, file.size)


def _damaged(store: BackupStore, places: list[str]) -> BadInput:
    listed = ", ".join(places[:5]) + (" …" if len(places) > 5 else "")
    return BadInput(
        f"{store.folder} does not hold what was backed up: {listed}",
        hint="nothing was restored; name an older backup with --at, or another copy",
    )


def _put_keys(settings: Settings, keys_folder: Path) -> list[Path]:
    """The keys that were not there, put where the configuration wants them; UsageError where another one is."""
    places = configured_keys(settings)
    made = []
    for source in sorted(path for path in keys_folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        target, text = places.get(source.name, settings.keys / source.name), read_secret(source)
        if put_key(source, target, text, "move it away first, or leave --with-keys out"):
            made.append(target)
    return made


def _swap(settings: Settings, targets: dict[str, Path], works: dict[str, Path], moment: str) -> Path | None:
    """Move what is there aside and the work folders into place, the lake last: without it nothing runs."""
    aside = settings.home / f"replaced-{moment}"
    old = {name: path for name, path in targets.items() if path.exists()}
    caches = [path for path in settings.build_file.parent.glob(f"{settings.build_file.name}*") if path.is_file()]
    progress = settings.build_file.with_name("progress.json")
    caches += [progress] if progress.exists() else []
    if old or caches:
        aside.mkdir(mode=0o700)
    for path in caches:
        path.rename(aside / path.name)
    failpoint("restore.caches")
    # The lake goes first and comes last: in between there is none, and every step says so.
    for name in sorted(old, key=lambda name: name != LAKE):
        home_of = aside if old[name].is_relative_to(settings.home) else old[name].parent
        old[name].rename(home_of / (name if home_of == aside else f"{old[name].name}.replaced-{moment}"))
        failpoint("restore.aside")
    for name, work in works.items():
        if work.is_dir():
            targets[name].parent.mkdir(parents=True, exist_ok=True)
            work.rename(targets[name])
            sync(targets[name].parent)
            failpoint("restore.part")
    return aside if old or caches else None
