"""Three users of the operating system: who publishes, who analyses (the files' group), anybody (checklist S11)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings
from pipeline.steps import initialise
from transforms.refresh import update
from warehouse.publish import publish

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what another user may do")
ANYBODY = 65534
READ, LIST, WRITE, MAKE, REMOVE = 'cat "$1"', 'ls "$1"', ': >> "$1"', 'touch "$1/mine"', 'rm "$1"'


@pytest.fixture(scope="module")
def home() -> Iterator[Settings]:
    """A published home below a folder that everybody may enter, as a server's data folder is."""
    folder = Path(tempfile.mkdtemp(prefix="mizan-users-"))
    folder.chmod(0o711)
    settings = Settings.load({"MIZAN_HOME": str(folder / "home")}, folder=folder)
    initialise(settings)
    update(settings)
    publish(settings)
    yield settings
    shutil.rmtree(folder)


def may(deed: str, path: Path, *, group: int) -> bool:
    """Whether a process of another user, in ``group``, can do it."""
    # The shell, not Python: the interpreter of a checkout may lie where others cannot go.
    done = subprocess.run(
        ["/bin/sh", "-c", deed, "sh", str(path)],
        user=ANYBODY, group=group, extra_groups=[], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or b"ermission denied" in done.stderr or b"cannot remove" in done.stderr, done.stderr
    return done.returncode == 0


def test_anybody_reads_the_public_tier_and_changes_nothing_in_it(home: Settings) -> None:
    public = home.published / "public"
    database = public / "current.duckdb"
    assert may(READ, database, group=ANYBODY)
    assert may(LIST, public / "csv", group=ANYBODY)
    assert not may(WRITE, database, group=ANYBODY)
    assert not may(REMOVE, database, group=ANYBODY)
    assert not may(MAKE, public, group=ANYBODY)


def test_the_analysts_tier_is_for_its_group_alone_and_nobody_writes_it(home: Settings) -> None:
    analyst = home.published / "analyst"
    database = analyst / "current.duckdb"
    group = database.stat().st_gid
    assert may(READ, database, group=group)
    assert not may(WRITE, database, group=group)
    assert not may(MAKE, analyst, group=group)
    assert not may(REMOVE, database, group=group)
    assert not may(READ, database, group=ANYBODY)
    assert not may(LIST, analyst, group=ANYBODY)


def test_lake_build_and_keys_are_the_publishers_alone(home: Settings) -> None:
    group = (home.published / "analyst" / "current.duckdb").stat().st_gid
    closed = [Path(home.lake_uri), home.build_file, home.platform_key_file, home.transport_key_file]
    closed += [home.build_file.parent, home.published / ".work", home.platform_key_file.parent]
    for path in closed:
        assert path.exists(), path
        for of in (group, ANYBODY):
            assert not may(LIST if path.is_dir() else READ, path, group=of), path


def test_of_the_whole_home_anybody_opens_the_public_tier_alone(home: Settings) -> None:
    search = 'find "$1" -type f -readable 2>/dev/null; true'
    done = subprocess.run(
        ["/bin/sh", "-c", search, "sh", str(home.home)],
        user=ANYBODY, group=ANYBODY, extra_groups=[], cwd="/", capture_output=True, text=True, check=True,
    )  # fmt: skip
    public = home.published / "public"
    found = [Path(line) for line in done.stdout.splitlines()]
    assert found
    assert [path for path in found if not path.is_relative_to(public)] == []
