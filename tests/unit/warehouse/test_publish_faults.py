"""Readers during publications, and publications that die: always a whole version, never an older one (P1, P2)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.settings import Settings
from dashboard.report import write_pages
from warehouse.publish import publish
from warehouse.published import manifest

PUBLISH = """
from contracts.settings import Settings
from dashboard.report import write_pages
from warehouse.publish import publish
publish(Settings.load(), pages=write_pages)
"""
VERSION_SAID = "Version <bdi>{}</bdi>"
READER = """
import json, sys, time
import duckdb
folder, done = sys.argv[1], sys.argv[2]
last = seen = looks = 0
import pathlib
while True:
    over = pathlib.Path(done).exists()
    pointer = json.loads(pathlib.Path(folder, "CURRENT.json").read_text())
    for path, least in ((f"{folder}/{pointer['database']}", pointer["version"]), (f"{folder}/current.duckdb", last)):
        con = duckdb.connect(path, read_only=True)
        version = int(con.execute("SELECT value FROM marts._meta WHERE key = 'version'").fetchall()[0][0])
        users, rows = con.execute("SELECT max(active_users), count(*) FROM marts.monthly_users").fetchall()[0]
        con.close()
        assert users == 1000 + 10 * version and rows == 2, (version, users, rows)
        assert version >= least, (version, least)
    assert pointer["version"] >= last
    seen += pointer["version"] > last
    last = pointer["version"]
    looks += 1
    if over:
        break
    time.sleep(0.5)
print(json.dumps({"last": last, "seen": seen, "looks": looks}))
"""


def put(build, users: int) -> None:
    build.put("monthly_users", active_users=users)
    build.put("monthly_users", channel="portal", active_users=users)


def test_eight_readers_over_fifteen_publications(settings: Settings, build, tmp_path: Path, old_duckdb: Path):
    put(build, 1010)
    publish(settings)
    done = tmp_path / "done"
    readers = [
        subprocess.Popen(
            [old_duckdb if number % 4 == 3 else sys.executable, "-c", READER, settings.published / tier, done],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, tier in enumerate(["analyst", "public"] * 4)
    ]
    try:
        for version in range(2, 16):
            put(build, 1000 + 10 * version)  # by fewer, the public tier would not tell it
            assert publish(settings).version == version
    finally:
        done.touch()
        results = [reader.communicate(timeout=120) for reader in readers]
    for reader, (out, error) in zip(readers, results, strict=True):
        assert reader.returncode == 0, error
        assert json.loads(out)["last"] == 15


@pytest.mark.parametrize(
    "place",
    ["pub.file", "pub.fsync", "pub.rename", "pub.pages", "pub.pointer_tmp", "pub.pointer", "pub.gc", "pub.file@2"],
)
def test_a_publication_killed_at_any_step_leaves_the_version_before(settings: Settings, build, look, place: str):
    put(build, 50)
    publish(settings, pages=write_pages)
    put(build, 60)
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    name, _, count = place.partition("@")
    fault = f"{name}:kill" + (f"@{count}" if count else "")
    environment = {**os.environ, "MIZAN_HOME": str(settings.home), "FAULTPOINT": fault}
    killed = subprocess.run([sys.executable, "-c", PUBLISH], env=environment, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    pointed = place == "pub.gc"
    for tier in ("analyst", "public"):
        assert look("SELECT max(active_users) FROM marts.monthly_users", tier) == [(60 if pointed else 50,)]
        found = manifest(settings, tier)
        assert found is not None
        assert found.is_whole()
    assert VERSION_SAID.format(2 if pointed else 1) in (settings.published / "public/report/en/index.html").read_text()
    again = publish(settings, pages=write_pages)
    assert again.is_new is not pointed
    assert look("SELECT max(active_users), max(vintage) FROM marts.monthly_users") == [(60, 2)]
    # A number once used, even by a publication that died, is not used again, and its leftovers are gone.
    folder = settings.published / "analyst"
    used = 2 if pointed or place in ("pub.file", "pub.fsync") else 3
    assert again.version == used
    served = json.loads((folder / "CURRENT.json").read_text())["versions"]
    assert sorted(path.name for path in folder.glob("v*.duckdb")) == [f"v{one:06d}.duckdb" for one in served]
    hidden = {path.name for path in (settings.published / "public").glob(".*")}
    assert hidden == {".csv", ".report"}


def test_a_faultpoint_is_refused_outside_test_homes(settings: Settings, build):
    environment = {**os.environ, "MIZAN_HOME": str(settings.home), "FAULTPOINT": "pub.file:kill"}
    done = subprocess.run([sys.executable, "-c", PUBLISH], env=environment, check=False, capture_output=True, text=True)
    assert "does not allow faults" in done.stderr
    assert not (settings.published / "analyst").exists()


def test_a_reader_that_never_lets_go_delays_nobody(settings: Settings, build):
    put(build, 50)
    publish(settings)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True); "
            "c.execute('SELECT 1'); print('open', flush=True); time.sleep(600)",
            str(settings.published / "analyst" / "current.duckdb"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    try:
        assert reader.stdout.readline() == "open\n"
        put(build, 60)
        started = time.monotonic()
        assert publish(settings).version == 2
        assert time.monotonic() - started < 30
    finally:
        reader.kill()
        reader.wait()
        reader.stdout.close()
