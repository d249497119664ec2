"""Rows of a benchmark: measured in a process of their own, printed and kept for the page."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("duckdb", "deltalake", "confluent-kafka", "kafka-python", "pyarrow")


def measured(benchmark: str, *options: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The row that a benchmark's module prints last, run with these options in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{benchmark}", *options],
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def keep(benchmark: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as they come, and add them to the benchmark's file; beside it, on what machine they were measured."""
    kept = Path("var") / "bench" / f"{benchmark}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.with_suffix(".machine.json").write_text(json.dumps(machine()), encoding="utf-8")
    for row in rows:
        print(json.dumps(row), flush=True)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def machine() -> dict[str, str]:
    """The date, the machine's shape and the versions that a measurement of now belongs to."""
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}",
        "versions": f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
