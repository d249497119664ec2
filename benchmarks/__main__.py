"""`make bench`: run every benchmark once and write docs/benchmarks.md, each figure beside its baseline."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "var" / "bench"
BENCHMARKS = (
    "landing",
    "landing_peers",
    "poison",
    "month_build",
    "month_peers",
    "many_topics",
    "many_landers",
    "gateway",
    "whole_run",
)
PEERS = ROOT / "benchmarks" / "peers"
PACKAGES = ("duckdb", "deltalake", "confluent-kafka", "kafka-python", "pyarrow")


def main() -> None:
    """Run the benchmarks named on the command line (default: all), one after another."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    failed = []
    ROWS.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        (ROWS / f"{name}.jsonl").unlink(missing_ok=True)  # a page shows one run, not a history of machines
        # One that misses its mark says so at the end: the others' figures are wanted all the same.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode:
            failed.append(name)
    page = ROOT / "docs" / "benchmarks.md"
    page.write_text(_page(), encoding="utf-8")
    print(f"wrote {page.relative_to(ROOT)}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _page() -> str:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; nothing here is entered by hand. A speed is a ratio against the baseline of the",
        "same run; the unit of cost is CPU-seconds per million events. Machines are shared and noisy: read ratios.",
        "",
        f"Machine: {os.cpu_count()} cores, {_memory_gib()} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; " + ", ".join(f"{name} {version(name)}" for name in PACKAGES) + ".",
        f"Peers: {', '.join(_pinned_peers())}.",
        f"Date: {dt.datetime.now(dt.UTC).date().isoformat()}.",
    ]
    for name in BENCHMARKS:
        file = ROWS / f"{name}.jsonl"
        if not file.exists():
            continue
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines += ["", f"## {name.replace('_', ' ')}", ""]
        lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _pinned_peers() -> list[str]:
    """The programs measured beside ours, as pinned: ``chdb 4.4.0``."""
    lines = [(file.stem, line) for file in sorted(PEERS.glob("*.txt")) for line in file.read_text().splitlines()]
    return [line.split()[0].replace("==", " ") for name, line in lines if line.startswith(f"{name}==")]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value if value is not None else "–")


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


if __name__ == "__main__":
    main()
