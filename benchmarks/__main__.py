"""`make bench`: run every benchmark once and write docs/benchmarks.md, each figure beside its baseline, with its plots.

``python -m benchmarks [NAME…]`` runs these alone; ``--page`` runs none and writes the page of the rows that are there.
A benchmark without rows here keeps what the page says of it, with the date and the machine that it names: some runs
take hours, and none is repeated for another's sake.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import plots
from benchmarks.marks import TOLERANCE, dearer, unmarked
from warehouse.spark import SPARK_VERSION

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "var" / "bench"
BENCHMARKS = (
    "landing",
    "landing_peers",
    "poison",
    "month_build",
    "month_peers",
    "growth",
    "spark_build",
    "many_topics",
    "many_landers",
    "gateway",
    "producer",
    "freshness",
    "whole_run",
)
PEERS = ROOT / "benchmarks" / "peers"
PAGE = ROOT / "docs" / "benchmarks.md"


def main() -> None:
    """Run the benchmarks named on the command line (default: all), one after another."""
    chosen = [] if sys.argv[1:] == ["--page"] else sys.argv[1:] or list(BENCHMARKS)
    failed = []
    ROWS.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        (ROWS / f"{name}.jsonl").unlink(missing_ok=True)  # a page shows one run, not a history of machines
        # One that misses its mark says so at the end: the others' figures are wanted all the same.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode:
            failed.append(name)
    PAGE.write_text(_page(_sections(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    for measurement in unmarked(chosen):
        print(f"no mark guards {measurement}: python -m benchmarks.marks --set")
    lines = [f"failed: {', '.join(failed)}"] if failed else []
    if found := dearer(chosen):
        lines += ["dearer than marked (benchmarks/marks.json):", *found]
    if lines:
        sys.exit("\n".join(lines))


def _sections(page: str) -> dict[str, list[str]]:
    """What a page says of each benchmark: the lines below its title, without empty ones around them."""
    parts = (part.partition("\n") for part in page.split("\n## ")[1:])
    return {title.replace(" ", "_"): said.strip("\n").splitlines() for title, _, said in parts}


def _page(before: Mapping[str, list[str]]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; nothing here is entered by hand. A speed is a ratio against the baseline of the",
        "same run; the unit of cost is CPU-seconds per million events. Machines are shared and noisy: read ratios.",
        "",
        "`make bench` ends with exit 1 where a CPU ratio of ours is above its mark (benchmarks/marks.json) by more",
        f"than {TOLERANCE:.0%}.",
        f"Peers: {', '.join(_pinned_peers())}.",
    ]
    for name in BENCHMARKS:
        file = ROWS / f"{name}.jsonl"
        if not file.exists():
            lines += ["", f"## {name.replace('_', ' ')}", "", *before[name]] if name in before else []
            continue
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines += ["", f"## {name.replace('_', ' ')}", "", _measured_on(file), ""]
        drawn = plots.write(ROOT / "docs" / "plots", plots.of(name, rows))
        lines += [line for plot in drawn for line in (plot, "")]
        lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _pinned_peers() -> list[str]:
    """The programs measured beside ours, as pinned: ``chdb 4.4.0``."""
    of_packages = {file: rf"^{re.escape(file.stem)}==(\S+)" for file in PEERS.glob("*.txt")}
    of_jars = {file: rf"{re.escape(file.stem)}-(\d\S*)\.jar$" for file in PEERS.glob("*.sha256")}
    pinned = {file.stem: re.search(named, file.read_text(), re.M) for file, named in (of_packages | of_jars).items()}
    versions = {name: found[1] for name, found in pinned.items() if found} | {"pyspark": SPARK_VERSION}
    return [f"{name} {version}" for name, version in sorted(versions.items())]


def _measured_on(file: Path) -> str:
    """Date, machine and versions of a benchmark's rows, as noted when they were measured."""
    noted = file.with_suffix(".machine.json")
    if not noted.exists():
        return "Measured before machine and versions were noted beside the rows."
    said = json.loads(noted.read_text(encoding="utf-8"))
    return f"Measured on {said['date']}: {said['machine']}; {said['versions']}."


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value if value is not None else "–")


if __name__ == "__main__":
    main()
