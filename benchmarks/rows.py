"""Rows of a benchmark: measured in a process of their own, printed and kept for the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


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
    """Print rows as they come, and add them to the benchmark's file."""
    kept = Path("var") / "bench" / f"{benchmark}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    for row in rows:
        print(json.dumps(row), flush=True)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
