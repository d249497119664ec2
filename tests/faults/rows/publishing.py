"""Publications killed, half-written, watched and held open: whole versions only, never going back (P1 to P3)."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import Any, Protocol

import duckdb

from contracts.settings import Settings
from faults import oracle
from faults.build_run import PUBLISH, UPDATE, BuildRun, begun, monthly_tables, truncate
from faults.registry import Row, Violation
from faults.rig import Rig
from faults.site import Site

FAILPOINTS = (
    "pub.start", "pub.file", "pub.file@2", "pub.fsync", "pub.fsync@2", "pub.rename", "pub.rename@2", "pub.pointer_tmp",
    "pub.pointer", "pub.gc",
)  # fmt: skip
TIERS = ("analyst", "public")
SWEPT = 6  # every so manieth run looks for person keys in all that is published


class Watched(Protocol):
    """What a check of the versions in service needs of a run."""

    @property
    def settings(self) -> Settings: ...

    def broke(self, invariant: str, what: str) -> None:
        """Note a violation."""


def killed_publication(rig: Rig, seed: int) -> list[Violation]:
    """Killed at each step by seed, or at a random moment; leftovers of the dead cut short; then published again."""
    run = begun(rig, seed, published=True)
    old = _pointer(run, TIERS[0])["version"]
    run.add(rig.rng.randrange(5, 60))
    run.update()
    if seed % 4 == 3:
        _kill_at_random(run, rig.rng.random() * 4)
    else:
        name, _, number = FAILPOINTS[seed % len(FAILPOINTS)].partition("@")
        run.killed(PUBLISH, f"{name}:kill" + (f"@{number}" if number else ""))
    for tier in TIERS:
        check_service(run, tier, at_least=old)
    _spoil_leftovers(run)
    for tier in TIERS:
        check_service(run, tier, at_least=old)
    new = _publish(run)
    if new <= old:
        run.broke("I5", f"version {new} came after {old}")
    for tier in TIERS:
        if check_service(run, tier, at_least=new) != new:
            run.broke("I5", f"{tier} does not serve version {new}")
        check_leftovers(run, tier)
    with _open(run, "analyst") as connection:
        run.violations += oracle.compare(
            oracle.monthly(run.kept, run.catalogue["agencies"]), monthly_tables(connection, "marts.{}")
        )
    run.check_disclosure()
    if seed % SWEPT == 0:
        run.check_no_keys()
    return run.violations


def _publish(run: BuildRun) -> int:
    from warehouse.publish import publish

    return publish(run.settings).version


def _kill_at_random(run: BuildRun, seconds: float) -> None:
    with run.process(PUBLISH) as process:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()


def _pointer(run: Watched, tier: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run.settings.published / tier / "CURRENT.json").read_text())
    return document


def _open(run: Watched, tier: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(run.settings.published / tier / _pointer(run, tier)["database"]), read_only=True)


def check_service(run: Watched, tier: str, at_least: int) -> int:
    """I5: what the pointer names opens, is the version it says, and both fixed paths read."""
    folder: Path = run.settings.published / tier
    try:
        pointer = _pointer(run, tier)
        with _open(run, tier) as connection:
            version = int(connection.execute("SELECT value FROM marts._meta WHERE key = 'version'").fetchall()[0][0])
            rows = connection.execute("SELECT count(*) FROM marts.monthly_users").fetchall()[0][0]
        with duckdb.connect(str(folder / "current.duckdb"), read_only=True) as connection:
            fixed = int(connection.execute("SELECT value FROM marts._meta WHERE key = 'version'").fetchall()[0][0])
        parquet = duckdb.read_parquet(str(folder / "parquet" / "monthly_users" / f"v{version:06d}.parquet"))
        if len(parquet.fetchall()) != rows:
            run.broke("I5", f"{tier}: the Parquet file of version {version} has other rows than its database")
    except Exception as error:
        run.broke("I5", f"{tier} cannot be read: {type(error).__name__}: {error}")
        return 0
    if version != pointer["version"] or version < at_least or fixed < version:
        run.broke("I5", f"{tier} serves {version} (fixed path {fixed}), the pointer says {pointer['version']}")
    return version


def _spoil_leftovers(run: BuildRun) -> None:
    """What a power cut may do to files that nothing points to: cut them short, pointers in the making too."""
    for tier in TIERS:
        folder = run.settings.published / tier
        served = _pointer(run, tier)["versions"]
        loose = [path for path in folder.glob("v*.duckdb") if int(path.stem[1:]) not in served]
        loose += [path for path in folder.glob(".*.next") if path.is_file() and not path.is_symlink()]
        loose += [path for path in (run.settings.published / ".work").glob("*") if path.is_file()]
        for path in loose:
            path.chmod(0o600)
            if path.stat().st_nlink == 1 and path.stat().st_size:
                truncate(path, run.rng.random())


def check_leftovers(run: Watched, tier: str) -> None:
    """I10: nothing of the dead is left but what the pointer lists."""
    folder = run.settings.published / tier
    served = {f"v{version:06d}" for version in _pointer(run, tier)["versions"]}
    found = {path.stem for path in folder.glob("v*.duckdb")} | {path.stem for path in folder.glob("parquet/*/v*")}
    if found - served:
        run.broke("I10", f"{tier} keeps {sorted(found - served)}, which no version list names")
    hidden = {path.name for path in folder.glob(".*")} - {".csv"}
    if hidden:
        run.broke("I10", f"{tier} keeps {sorted(hidden)}")


# Runs under DuckDB 1.5 as well as 2.0: the standard library and duckdb alone.
READER = """
import json, pathlib, sys, time, urllib.request
folder, done, how, pause = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
if how != "http":
    import duckdb
def fetched(path):
    with urllib.request.urlopen(sys.argv[5] + path, timeout=60) as answer:
        return answer.read()
last = seen = looks = 0
while True:
    over = done.exists()
    if how == "http":
        version = json.loads(fetched("/CURRENT.json"))["version"]
        table = fetched(f"/parquet/monthly_users/v{version:06d}.parquet")
        assert table[:4] == table[-4:] == b"PAR1", "a broken file"
        rows = len(fetched("/csv/monthly_users.csv").splitlines())
    else:
        pointer = json.loads((folder / "CURRENT.json").read_text())
        if how == "parquet":
            path = folder / "parquet" / "monthly_users" / f"v{pointer['version']:06d}.parquet"
            rows, version = len(duckdb.read_parquet(str(path)).fetchall()), pointer["version"]
        else:
            con = duckdb.connect()
            path = folder / (pointer["database"] if how == "attach" else "current.duckdb")
            con.execute(f"ATTACH '{path}' AS shown (READ_ONLY)")
            version = int(con.execute("SELECT value FROM shown.marts._meta WHERE key = 'version'").fetchall()[0][0])
            rows = con.execute("SELECT count(*) FROM shown.marts.monthly_users").fetchall()[0][0]
            con.close()
            assert how == "fixed" or version == pointer["version"], "another version than its name says"
    assert rows, "an empty version"
    assert version >= last, f"{version} after {last}"
    seen, last, looks = seen + (version > last), version, looks + 1
    if over:
        break
    time.sleep(pause)
print("@@" + json.dumps({"last": last, "seen": seen, "looks": looks}))
"""
HOLDER = """
import sys, time, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
con.execute("SELECT 1").fetchall()
print("open", flush=True)
sys.stdin.read()
con.execute("SHOW ALL TABLES").fetchall()
"""


# Tier, way, and whether with DuckDB 1.5.
READERS = (
    ("analyst", "attach", False), ("analyst", "fixed", False), ("analyst", "parquet", False),
    ("analyst", "attach", True),
    ("public", "attach", False), ("public", "fixed", True), ("public", "parquet", True), ("public", "http", False),
)  # fmt: skip
MANY, FEW = 50, 6  # publications; many in every MANY_EVERY-th run
MANY_EVERY = 5


def watched_publications(rig: Rig, seed: int) -> list[Violation]:
    """Eight readers, by ATTACH, fixed path, Parquet and HTTP, with two DuckDBs, while versions come and old ones go."""
    from dashboard.report import write_pages
    from warehouse.publish import publish

    run = begun(rig, seed)
    publish(run.settings, pages=write_pages)
    site = Site(run.environment, rig.folder)
    rig.finally_(site.kill)
    site.start()
    done = rig.folder / "done"
    count = MANY if seed % MANY_EVERY == 0 else rig.rng.randrange(3, FEW + 1)
    pause, address = "1.0" if count == MANY else "0.5", f"http://127.0.0.1:{site.port}"
    readers = [
        run.process(READER, str(run.settings.published / tier), str(done), how, pause, address, old_duckdb=is_old)
        for tier, how, is_old in READERS
    ]
    try:
        for number in range(1, count + 1):
            if number % 3 == 1:
                run.add(rig.rng.randrange(1, 5))
                run.update()
            # In between two days pass: what is older and not among the newest is removed under the readers.
            later = dt.timedelta(days=2 if number % 10 == 0 else 0)
            newest = publish(run.settings, force=True, now=dt.datetime.now(dt.UTC) + later).version
    finally:
        done.touch()
        said = [reader.communicate(timeout=240) for reader in readers]
    for (tier, how, is_old), reader, (out, err) in zip(READERS, readers, said, strict=True):
        name = f"a reader of {tier} by {how}" + (" with DuckDB 1.5" if is_old else "")
        if reader.returncode != 0:
            run.broke("I5", f"{name}: {err[-400:]}")
            continue
        told = json.loads(out.rpartition("@@")[2])  # DuckDB may have drawn a progress bar before it
        if told["last"] != newest:
            run.broke("I5", f"{name} ended at {out}, published is {newest}")
        if told["seen"] < min(count // 4, 3):
            run.broke("I9", f"{name} saw {told['seen']} of {count} versions: this run tried little")
    run.check_disclosure()
    return run.violations


def held_session(rig: Rig, seed: int) -> list[Violation]:
    """A session that never lets go, on what is published or on the build file itself: nobody waits for it."""
    run = begun(rig, seed, published=True)
    old = _pointer(run, TIERS[0])["version"]
    on_build = seed % 2 == 1
    held = run.settings.build_file if on_build else run.settings.published / TIERS[seed // 2 % 2] / "current.duckdb"
    holder = run.process(HOLDER, str(held))
    try:
        if holder.stdout is None or holder.stdout.readline() != "open\n":
            run.broke("I9", "the session did not open")
        for _ in range(rig.rng.choice((1, 2, 3))):
            run.add(rig.rng.randrange(1, 20))
            with run.process(f"{UPDATE}\n{PUBLISH}") as writer:
                _, err = writer.communicate(timeout=120)
            if writer.returncode != 0:
                run.broke("I9", f"a session on {held.name} holds the writer up: {err[-400:]}")
            new = check_service(run, TIERS[0], at_least=old)
            if new <= old:
                run.broke("I9", f"beside a session on {held.name} version {new} came after {old}")
            old = new
    finally:
        _, err = holder.communicate("", timeout=60)
    if holder.returncode != 0:
        run.broke("I5", f"the session on {held.name} broke: {err[-400:]}")
    files = len(list(run.settings.build_file.parent.glob("*")))
    if files > 12:
        run.broke("I10", f"{files} files beside the build")
    run.check_numbers()
    return run.violations


ROWS = [
    Row(
        "P1", "eight readers over publications", ("I5", "I9", "I11"), 1, 20, watched_publications,
        needs=("DuckDB 1.5",), seconds=3600,
        note=f"{MANY} publications in every {MANY_EVERY}th run, else 3 to {FEW}; every third has new events, "
        "the rest are forced; DuckDB 1.5 and 2.0, Parquet, HTTP",
    ),
    Row(
        "P2", "publication killed at each step; what it left half-written", ("I5", "I6", "I8", "I10", "I11"), 0, 120,
        killed_publication,
        note="at every change tests/unit/warehouse has each step once; the first version is one of 6 made beforehand; "
        f"I8 (person keys in what is published) in every {SWEPT}th run",
    ),
    Row("P3", "a session held open on what is published or built", ("I5", "I9", "I10"), 0, 20, held_session),
]  # fmt: skip
