"""`make faults`: the full counts of every row, resumable, in shards; then the report.

Environment: ROWS=L1,L2 (default all), RUNS=n (at most so many runs of each row), SHARD=i/n (this process takes every
n-th run), SEED=n (replay that one run of each named row; nothing is recorded), BASE=n (begin at another seed),
MINUTES=n (how long a run of Z1 lasts, 120).
A run that passed is not run again, one that failed is: on this machine or an earlier one (faults/record.py).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.settings import Settings
from faults import record, report
from faults.registry import Row, Violation, missing, rows
from faults.rig import rigged

ROOT = record.ROOT


def main() -> int:
    """Run what is asked for; 1 where a promise broke."""
    asked = _asked()
    stopping = []

    def stop(*_: object) -> None:
        stopping.append(True)
        sys.exit(143)

    # Asked to stop, it ends its broker first and records no run that the stopping broke.
    signal.signal(signal.SIGTERM, stop)
    table = rows()
    chosen = [table[name] for name in asked.rows.split(",") if name] if asked.rows else list(table.values())
    if asked.report:
        return _write(table)
    broken = False
    with _broker(chosen) as broker, tempfile.TemporaryDirectory(prefix="mizan-faults-") as folder:
        for seed, row in _plan(chosen, asked):
            result = run_once(row, seed, broker, Path(folder) / "run")
            if stopping:
                return 143
            print(_line(result), flush=True)  # noqa: T201 the seeds are printed
            broken |= bool(result["violations"])
            if asked.seed is None:
                record.note(asked.shard, result)
    return int(broken) if asked.seed is not None else max(_write(table), int(broken))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--rows", default=os.environ.get("ROWS", ""))
    parser.add_argument("--runs", type=int, default=int(os.environ.get("RUNS") or 0))
    parser.add_argument("--shard", default=os.environ.get("SHARD") or "1/1")
    parser.add_argument("--seed", type=int, default=int(os.environ["SEED"]) if os.environ.get("SEED") else None)
    parser.add_argument("--base", type=int, default=int(os.environ.get("BASE") or 0))
    parser.add_argument("--report", action="store_true", help="write the report of what is recorded, run nothing")
    return parser.parse_args()


def _plan(chosen: list[Row], asked: argparse.Namespace) -> list[tuple[int, Row]]:
    """The runs to do, the rows in turn: wherever it is broken off, every row has had its share."""
    if asked.seed is not None:
        return [(asked.seed, row) for row in chosen]
    return sorted(((seed, row) for row in chosen for seed in _seeds(row, asked)), key=lambda run: run[0])


def _seeds(row: Row, asked: argparse.Namespace) -> Iterator[int]:
    """Seeds of this shard that have not passed yet."""
    number, shards = map(int, asked.shard.split("/"))
    passed = {one["seed"] for one in record.recorded() if one["row"] == row.id and one["outcome"] == "passed"}
    lacking = missing(row)
    for place in range(min(row.full, asked.runs) if asked.runs else row.full):
        seed = asked.base + place + 1
        if place % shards == number - 1 and seed not in passed:
            yield seed
            if lacking:
                return  # one line says it for all of them


def run_once(row: Row, seed: int, broker: Settings, folder: Path) -> dict[str, Any]:
    """One run and what became of it. Never raises: an error of a row is a failure of its run."""
    result: dict[str, Any] = {"row": row.id, "seed": seed, "commit": _commit(), "violations": []}
    result["at"] = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    lacking = missing(row)
    if lacking:
        return result | {"outcome": "skipped", "needs": lacking, "seconds": 0.0}
    begun = time.monotonic()
    try:
        with _within(row.seconds), rigged(row.id, seed, broker, folder) as rig:
            found = row.run(rig, seed)
    except _TooLong:
        found = [Violation("I9", f"not over after {row.seconds:.0f} s")]
    except Exception as error:
        result["error"] = traceback.format_exc()[-3000:]
        found = [Violation("I9", f"{type(error).__name__}: {error}"[:500])]
    shutil.rmtree(folder, ignore_errors=True)
    result["violations"] = [vars(violation) for violation in found]
    result["seconds"] = round(time.monotonic() - begun, 1)
    return result | {"outcome": "failed" if found else "passed"}


class _TooLong(Exception):
    pass


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _broker(chosen: list[Row]) -> Iterator[Settings]:
    """One broker for this shard, ended with it."""
    from broker import local
    from contracts.keys import create_keys

    with tempfile.TemporaryDirectory(prefix="mizan-faults-broker-", ignore_cleanup_errors=True) as home:
        settings = Settings.load({"MIZAN_HOME": home}, folder=Path(home))
        create_keys(settings)
        if not any(not missing(row) for row in chosen):
            yield settings
            return
        try:
            local.up(settings)
            yield settings
        finally:
            local.down(settings)


def _write(table: dict[str, Row]) -> int:
    found = record.recorded()
    record.keep(found)
    page = ROOT / "docs" / "reliability-report.md"
    page.write_text(report.page(table, found), encoding="utf-8")
    print(f"wrote {page.relative_to(ROOT)}: {len(found)} runs")  # noqa: T201
    return int(any(one["outcome"] == "failed" for one in found))


def _line(result: dict[str, Any]) -> str:
    words = f"{result['row']} seed {result['seed']}: {result['outcome']} in {result['seconds']} s"
    if result.get("needs"):
        words += f" (needs {', '.join(result['needs'])})"
    for violation in result["violations"]:
        words += f"\n    {violation['invariant']}: {violation['what']}"
    return words


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
