"""Publications killed and half-written: the version before stays in service, whole (P2)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import duckdb

from faults import oracle
from faults.build_run import PUBLISH, BuildRun, monthly_tables, truncate
from faults.registry import Row, Violation
from faults.rig import Rig

FAILPOINTS = (
    "pub.start", "pub.file", "pub.file@2", "pub.fsync", "pub.fsync@2", "pub.rename", "pub.rename@2", "pub.pointer_tmp",
    "pub.pointer", "pub.gc",
)  # fmt: skip
TIERS = ("analyst", "public")


def killed_publication(rig: Rig, seed: int) -> list[Violation]:
    """Killed at each step by seed, or at a random moment; leftovers of the dead cut short; then published again."""
    run = BuildRun(rig)
    run.add(rig.rng.randrange(30, 90))
    run.update()
    old = _publish(run)
    run.add(rig.rng.randrange(5, 60))
    run.update()
    if seed % 4 == 3:
        _kill_at_random(run, rig.rng.random() * 4)
    else:
        name, _, number = FAILPOINTS[seed % len(FAILPOINTS)].partition("@")
        run.killed(PUBLISH, f"{name}:kill" + (f"@{number}" if number else ""))
    for tier in TIERS:
        _check_service(run, tier, at_least=old)
    _spoil_leftovers(run)
    for tier in TIERS:
        _check_service(run, tier, at_least=old)
    new = _publish(run)
    if new <= old:
        run.broke("I5", f"version {new} came after {old}")
    for tier in TIERS:
        if _check_service(run, tier, at_least=new) != new:
            run.broke("I5", f"{tier} does not serve version {new}")
        _check_leftovers(run, tier)
    with _open(run, "analyst") as connection:
        run.violations += oracle.compare(
            oracle.monthly(run.kept, run.catalogue["agencies"]), monthly_tables(connection, "marts.{}")
        )
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


def _pointer(run: BuildRun, tier: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run.settings.published / tier / "CURRENT.json").read_text())
    return document


def _open(run: BuildRun, tier: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(run.settings.published / tier / _pointer(run, tier)["database"]), read_only=True)


def _check_service(run: BuildRun, tier: str, at_least: int) -> int:
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


def _check_leftovers(run: BuildRun, tier: str) -> None:
    """I10: nothing of the dead is left but what the pointer lists."""
    folder = run.settings.published / tier
    served = {f"v{version:06d}" for version in _pointer(run, tier)["versions"]}
    found = {path.stem for path in folder.glob("v*.duckdb")} | {path.stem for path in folder.glob("parquet/*/v*")}
    if found - served:
        run.broke("I10", f"{tier} keeps {sorted(found - served)}, which no version list names")
    hidden = {path.name for path in folder.glob(".*")} - {".csv"}
    if hidden:
        run.broke("I10", f"{tier} keeps {sorted(hidden)}")


ROWS = [
    Row(
        "P2", "publication killed at each step; what it left half-written", ("I5", "I6", "I10"), 2, 120,
        killed_publication, note="every change runs 2 of 6, for time: tests/unit/warehouse has each step once",
    ),
]  # fmt: skip
