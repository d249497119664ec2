"""A backup or a restore killed at any step: the next one is whole, or the home is refused; never half a home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from landed_home import files_of, landed, lost

from contracts.errors import UsageError
from contracts.settings import Settings
from landing.verify import verify
from pipeline.backup import backup
from pipeline.backup_store import BackupStore
from pipeline.restore import check, restore
from pipeline.steps import initialise
from warehouse.guarded_keys import UNFINISHED_RESTORE, make_keys
from warehouse.lake import Lake
from warehouse.version_floor import version_floor

BACKUP_FAILPOINTS = (
    "backup.parts:kill",
    *("backup.draft:kill", "backup.draft:kill@9", "backup.content:kill@5"),
    *("backup.lake:kill", "backup.keys:kill", "backup.page:kill", "backup.page:kill@2", "backup.made:kill"),
)
RESTORE_FAILPOINTS = (
    *("restore.file:kill", "restore.file:kill@9", "restore.laid_out:kill", "restore.keys:kill"),
    *("restore.caches:kill", "restore.aside:kill", "restore.aside:kill@2"),
    *("restore.part:kill", "restore.part:kill@2", "restore.swapped:kill"),
)
INTO_AN_EMPTY_HOME = ("restore.file:kill@9", "restore.laid_out:kill", "restore.part:kill", "restore.swapped:kill")
CALL = """
import sys
from pathlib import Path
from contracts.settings import Settings
{imported}
{call}
"""


@pytest.fixture
def home(settings: Settings) -> Settings:
    """A home with 40 events in the lake and something published (files of the right names: nothing reads them here)."""
    initialise(settings)
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    landed(settings, 0, 30)
    landed(settings, 30, 10)
    for tier in ("analyst", "public"):
        folder = settings.published / tier
        folder.mkdir(parents=True)
        (folder / "v000007.duckdb").write_bytes(b"seven of " + tier.encode())
        (folder / "current.duckdb").hardlink_to(folder / "v000007.duckdb")
        (folder / "CURRENT.json").write_text(json.dumps({"version": 7, "lake": {"events": 2}}))
    settings.build_file.parent.mkdir(exist_ok=True)
    settings.build_file.write_bytes(b"a cache of this lake")
    return settings


def killed(settings: Settings, faultpoint: str, imported: str, call: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(imported=imported, call=call)],
        env={**os.environ, "MIZAN_HOME": str(settings.home), "FAULTPOINT": faultpoint},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def whole(settings: Settings) -> None:
    proof = verify(settings, deep=True)
    assert proof.ok, proof.problems
    assert proof.checked["events"] == 40
    folder = settings.published / "analyst"
    assert (folder / "current.duckdb").samefile(folder / "v000007.duckdb")
    assert not (settings.home / UNFINISHED_RESTORE).exists()
    assert not list(settings.home.glob(".restoring-*"))


@pytest.mark.parametrize("faultpoint", BACKUP_FAILPOINTS)
def test_a_killed_backup_is_none_or_whole_and_the_next_is_whole(home: Settings, tmp_path: Path, faultpoint: str):
    folder = tmp_path / "backup"
    call = f"backup(Settings.load(), Path({str(folder)!r}), keys_folder=Path({str(tmp_path / 'keys')!r}))"
    killed(home, faultpoint, "from pipeline.backup import backup", call)
    moments = BackupStore(folder).moments()
    assert len(moments) == (faultpoint in ("backup.page:kill@2", "backup.made:kill"))
    for moment in moments:
        check(home, folder, at=moment)
    # The home is as it was, and what the killed one had copied is not copied again.
    whole(home)
    copied = len(list((folder / "files").glob("??/*")))
    again = backup(home, folder, keys_folder=tmp_path / "keys")
    assert again.copied_files + copied >= len({file.sha256 for file in again.manifest.files})
    if moments:
        assert again.copied_files == 0
    check(home, folder)
    assert not list(folder.rglob(".*draft*"))
    lost(home)
    home.platform_key_file.unlink()
    restore(home, folder, keys_folder=tmp_path / "keys")
    whole(home)


@pytest.mark.parametrize(
    ("faultpoint", "is_lost"),
    [*((one, False) for one in RESTORE_FAILPOINTS), *((one, True) for one in INTO_AN_EMPTY_HOME)],
)
def test_a_killed_restore_leaves_a_home_that_is_refused_until_it_is_whole(
    home: Settings, tmp_path: Path, faultpoint: str, is_lost: bool
):
    folder, keys = tmp_path / "backup", tmp_path / "keys"
    backup(home, folder, keys_folder=keys)
    if is_lost:
        lost(home)
        home.platform_key_file.unlink()
    else:
        landed(home, 40, 5)
    before = files_of(home.home / "lake") if not is_lost else {}
    call = f"restore(Settings.load(), Path({str(folder)!r}), keys_folder=Path({str(keys)!r}), force=True)"
    killed(home, faultpoint, "from pipeline.restore import restore", call)
    begun = (home.home / UNFINISHED_RESTORE).exists()
    if begun:
        # Nobody makes a key or a lake in the place of what is still to come.
        kept = home.platform_key_file.read_bytes()
        with pytest.raises(UsageError, match="begun and not finished"):
            initialise(home)
        assert home.platform_key_file.read_bytes() == kept
    elif is_lost:
        with pytest.raises(UsageError, match="there is no lake"):
            Lake(home).open("events")
    else:
        assert files_of(home.home / "lake") == before
        assert verify(home).checked["events"] == 45
    # Without force the second call is refused where there is something, and with it brings all back.
    if any((home.home / name).exists() for name in ("lake", "published", "releases")):
        with pytest.raises(UsageError, match="is not empty"):
            restore(home, folder, keys_folder=keys)
    restore(home, folder, keys_folder=keys, force=True)
    whole(home)
    assert version_floor(home) == 7
    assert make_keys(home) == []
    if not is_lost:
        # What was there before lies in one of the folders, to the byte.
        asides = [files_of(aside / "lake") for aside in home.home.glob("replaced-*") if (aside / "lake").exists()]
        assert before in asides
