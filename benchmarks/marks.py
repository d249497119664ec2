"""A guard over the cost of things: marks.json keeps, per measurement, its CPU ratio to the baseline of its own run.

`make bench` holds its rows against the marks and ends with exit 1 where a ratio is above its mark by more than
TOLERANCE. ``python -m benchmarks.marks`` does the same with the rows that are there; ``--set`` makes them the marks:
a ratio that got better lowers its mark, one that got dearer for a reason is committed with that reason. A benchmark
without rows keeps its marks.
A mark holds for its own number of events alone; what other programs take is theirs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "var" / "bench"
MARKS = Path(__file__).with_name("marks.json")
TOLERANCE = 0.25
# Of each benchmark: the columns that name a measurement, and its ratio to the baseline (the larger, the dearer).
GUARDED = {
    "landing": (("benchmark", "transport", "events", "bytes"), "cpu_ratio_to_consume"),
    "landing_peers": (("measurement", "events", "bytes"), "cpu_ratio_to_limit"),
    "month_build": (("measurement", "events", "history"), "cpu_ratio_to_count_distinct"),
    "month_peers": (("measurement", "events"), "cpu_ratio_to_limit"),
    "growth": (("step", "history", "events"), "cpu_ratio_to_smallest"),
    "gateway": (("measurement", "events"), "cpu_ratio_to_sdk"),
}
PEERS = ("landing_peers", "month_peers")


def main() -> None:
    """Compare or set."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--set", action="store_true")
    if arguments.parse_args().set:
        found = dict(measured(list(GUARDED)))
        anew = {_benchmark(name) for name in found}
        kept = {name: ratio for name, ratio in marks().items() if _benchmark(name) not in anew} | found
        MARKS.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return
    if found := dearer(list(GUARDED)):
        sys.exit("dearer than marked:\n" + "\n".join(found))


def marks() -> dict[str, float]:
    """The committed marks: measurement to ratio."""
    return dict(json.loads(MARKS.read_text(encoding="utf-8"))) if MARKS.exists() else {}


def measured(benchmarks: Sequence[str]) -> Iterator[tuple[str, float]]:
    """(measurement, ratio) of the rows that are there; a baseline is no measurement."""
    for name in benchmarks:
        file = ROWS / f"{name}.jsonl"
        if name in GUARDED and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                yield from _measurement(name, json.loads(line))


def _measurement(name: str, row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    keys, ratio = GUARDED[name]
    is_ours = name not in PEERS or row["measurement"].startswith("ours")
    if is_ours and row.get(ratio) not in (None, 1.0):
        yield f"{name}: " + ", ".join(f"{key}={row.get(key)}" for key in keys), float(row[ratio])


def unmarked(benchmarks: Sequence[str]) -> list[str]:
    """Measurements that no mark guards, as of a run with other numbers of events."""
    marked = marks()
    return [name for name, _ in measured(benchmarks) if name not in marked]


def dearer(benchmarks: Sequence[str]) -> list[str]:
    """A line for every measurement above its mark by more than TOLERANCE."""
    marked = marks()
    return [
        f"{name}: {ratio:.2f} times its baseline, marked {marked[name]:.2f} (at most {1 + TOLERANCE:.2f} of it)"
        for name, ratio in measured(benchmarks)
        if name in marked and ratio > marked[name] * (1 + TOLERANCE)
    ]


def _benchmark(measurement: str) -> str:
    return measurement.partition(":")[0]


if __name__ == "__main__":
    main()
