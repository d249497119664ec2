"""Runs of the fault matrix: what `make faults` has just run (var/faults), and what is kept (docs/reliability-runs.csv).

The full gate is hours of two cores. What was run is kept beside the report that counts it, so that the gate goes on
where it was broken off, on another machine and at a later commit; the report says by commit what was tried.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FRESH = ROOT / "var" / "faults"
KEPT = ROOT / "docs" / "reliability-runs.csv"
COLUMNS = ("row", "seed", "outcome", "at", "commit", "seconds", "failed_before", "violations")
Run = dict[str, Any]


def recorded(fresh: Path = FRESH, kept: Path = KEPT) -> list[Run]:
    """Every recorded run, the last of each row and seed; ``failed_before`` where an earlier one of it had failed."""
    found: dict[tuple[str, int], Run] = {}
    for one in sorted([*_kept(kept), *_fresh(fresh)], key=lambda one: str(one["at"])):
        earlier = found.get((one["row"], one["seed"]))
        failed_before = earlier is not None and (earlier["outcome"] == "failed" or earlier.get("failed_before"))
        found[one["row"], one["seed"]] = one | ({"failed_before": True} if failed_before else {})
    return list(found.values())


def note(shard: str, run: Run, fresh: Path = FRESH) -> None:
    """Add a run that is just over to its shard's lines."""
    fresh.mkdir(parents=True, exist_ok=True)
    with (fresh / f"runs-{shard.replace('/', '-of-')}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(run, ensure_ascii=False) + "\n")


def keep(runs: Iterable[Run], kept: Path = KEPT) -> None:
    """Write runs down for good. What a machine could not run is no run, and is not kept."""
    with kept.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for one in sorted(runs, key=lambda one: (str(one["row"]), int(one["seed"]))):
            if one["outcome"] != "skipped":
                lines.writerow(_cells(one))


def _cells(run: Run) -> list[Any]:
    broken = json.dumps(run["violations"], ensure_ascii=False) if run["violations"] else ""
    given = run | {"failed_before": "yes" if run.get("failed_before") else "", "violations": broken}
    return [given[column] for column in COLUMNS]


def _kept(path: Path) -> Iterator[Run]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:
        for one in csv.DictReader(file):
            run: Run = one | {"seed": int(one["seed"]), "seconds": float(one["seconds"])}
            run["violations"] = json.loads(one["violations"] or "[]")
            run["failed_before"] = one["failed_before"] == "yes"
            yield run


def _fresh(folder: Path) -> Iterator[Run]:
    for path in sorted(folder.glob("*.jsonl")):
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line)
