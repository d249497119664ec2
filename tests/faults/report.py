"""docs/reliability-report.md: what was run, with which seeds, what broke, and what is not built yet."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from faults.registry import DESIGNED, INVARIANTS, Row

PACKAGES = ("duckdb", "deltalake", "confluent-kafka", "pyarrow", "apache-airflow", "great-expectations")


def page(table: Mapping[str, Row], runs: Sequence[Mapping[str, Any]]) -> str:
    """The whole report, of rows that are built and runs that are recorded."""
    of_row: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in runs:
        of_row[one["row"]].append(one)
    done = [one for one in runs if one["outcome"] != "skipped"]
    failed = [one for one in done if one["outcome"] == "failed"]
    planned = sum(row.full for row in table.values())
    is_whole = not set(DESIGNED) - set(table) and all(_is_done(row, of_row[row.id]) for row in table.values())
    lines = [
        "# Reliability report",
        "",
        "Written by `make faults`; nothing here is entered by hand. A run is one seeded fault; a violation is a",
        "promise that did not hold. `make faults ROWS=L1 SEED=7` repeats that one: the same choices.",
        "",
        f"**{'Complete' if is_whole else 'Partial'}: {len(done):,} runs of {planned:,} that the built rows ask for "
        f"({_designed():,} by design), {len(failed)} with a violation.**",
        "Zero failures in n runs bound a row's failure rate by 3/n (95 %).",
        "",
        "| Row | Fault | Runs | Asked | Failed | Failed before, mended | Seeds that passed | Seconds a run |",
        "|---|---|---:|---:|---:|---:|---|---:|",
    ]
    for name, (title, _, full) in DESIGNED.items():
        lines.append(_row_line(name, title, full, table.get(name), of_row[name]))
    lines += (
        _commits(of_row)
        + _skips(table, of_row)
        + _failures(failed)
        + _notes(table)
        + _invariants(table)
        + _versions(done)
    )
    return "\n".join(lines) + "\n"


def _is_done(row: Row, runs: Sequence[Mapping[str, Any]]) -> bool:
    return sum(one["outcome"] == "passed" for one in runs) >= row.full


def _designed() -> int:
    return sum(full for _, _, full in DESIGNED.values())


def _row_line(name: str, title: str, full: int, row: Row | None, runs: Sequence[Mapping[str, Any]]) -> str:
    if row is None:
        return f"| {name} | {title} | not built | {full} | | | | |"
    done = [one for one in runs if one["outcome"] != "skipped"]
    failed = sum(one["outcome"] == "failed" for one in done)
    mended = sum(bool(one.get("failed_before")) and one["outcome"] == "passed" for one in done)
    seconds = sum(one["seconds"] for one in done) / len(done) if done else 0
    passed = _spans(one["seed"] for one in done if one["outcome"] == "passed")
    count = f"{len(done)}" if done or not runs else "skipped"
    return f"| {name} | {row.title} | {count} | {row.full} | {failed} | {mended} | {passed} | {seconds:.0f} |"


def _spans(seeds: Iterable[int]) -> str:
    """1-4, 7, 9-12."""
    spans: list[list[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ", ".join(f"{first}-{last}" if first < last else f"{first}" for first, last in spans)


def _commits(of_row: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Which code each row's runs tried: they are gathered over several commits."""
    lines = ["", "## Runs by commit", "", "The commit that was checked out when the run began, and its runs.", ""]
    lines += ["| Row | Commits |", "|---|---|"]
    for name in DESIGNED:
        done = sorted((one["at"], one["commit"]) for one in of_row[name] if one["outcome"] != "skipped")
        counted = Counter(commit for _, commit in done)
        if counted:
            lines.append(f"| {name} | {', '.join(f'{commit} ({count})' for commit, count in counted.items())} |")
    return lines


def _skips(table: Mapping[str, Row], of_row: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    found = [
        f"* {name}: needs {', '.join(one['needs'])}"
        for name in table
        for one in of_row[name][:1]
        if one["outcome"] == "skipped"
    ]
    return ["", "## Skipped on this machine", "", *found] if found else []


def _failures(failed: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["", "## Violations", ""]
    for one in failed:
        for violation in one["violations"][:3]:
            what = " ".join(str(violation["what"]).split())[:200]
            lines.append(f"* {one['row']} seed {one['seed']} at {one['commit']}: {violation['invariant']}, {what}")
    return lines if failed else [*lines, "None."]


def _notes(table: Mapping[str, Row]) -> list[str]:
    found = [f"* {row.id}: {row.note}" for row in table.values() if row.note]
    return ["", "## What the rows do not cover, and why", "", *found] if found else []


def _invariants(table: Mapping[str, Row]) -> list[str]:
    lines = ["", "## What must hold", "", "| Id | Statement | Rows |", "|---|---|---|"]
    for name, words in INVARIANTS.items():
        held = ", ".join(row.id for row in table.values() if name in row.holds)
        lines.append(f"| {name} | {words} | {held} |")
    return lines


def _versions(done: Sequence[Mapping[str, Any]]) -> list[str]:
    days = sorted({one["at"][:10] for one in done})
    commits = sorted({one["commit"] for one in done})
    return [
        "",
        "## Versions",
        "",
        f"* Runs of {' to '.join(dict.fromkeys([days[0], days[-1]])) if days else 'no day yet'}; "
        f"commits {', '.join(commits) or 'none'}",
        f"* {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{_java()}, Kafka {_kafka()}",
        "* " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "* strace: " + ("yes" if shutil.which("strace") else "no")
        + "; faketime: " + ("yes" if shutil.which("faketime") else "no")
        + "; root: " + ("yes" if os.geteuid() == 0 else "no"),
    ]  # fmt: skip


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        return "no Java"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    return said.splitlines()[0].replace('"', "") if said else "Java"


def _kafka() -> str:
    from broker.jars import KAFKA_VERSION

    return KAFKA_VERSION
