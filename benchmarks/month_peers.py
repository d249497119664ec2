"""A month's distinct persons and visits: ours, what else one would use, and the limit, over the same lake files.

``python -m benchmarks.month_peers [--events 2000000] [--peer chdb]`` makes the lake of benchmarks/month_build.py and
asks each program of benchmarks/peers/month, each in an environment and a process of its own, for the persons and the
visits of one month: of each channel and of all, and then of each agency and channel. Their answers must be the same.
Ours does more: ``ours, facts of all months from events`` brings the whole lake into the facts, from which every monthly
table of seven kinds of scope is computed; ``ours, all scopes of the month from facts`` is the month alone, as after
each batch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.environment import HERE, is_here, told_by
from benchmarks.rows import keep


class Peer(NamedTuple):
    """A program of peers/month: whose environment it runs in (peers/environment.py), and what it is called."""

    script: str
    environment: str
    name: str


PEERS = (
    Peer("scan", "ours", "the columns read once (limit)"),
    Peer("chdb_exact", "chdb", "chdb uniqExact"),
    Peer("duckdb_two_levels", "ours", "DuckDB, two levels, 2 GB"),
    Peer("duckdb_distinct", "ours", "DuckDB count(DISTINCT)"),
    Peer("polars_distinct", "polars", "Polars, streaming"),
    Peer("datafusion_distinct", "datafusion", "DataFusion"),
    Peer("spark_distinct", "spark", "Spark local, 2 GB heap"),
)
# What is asked, and how it is called.
QUESTIONS = {"channel": "channels and all", "agency": "agency and channel"}
OURS = (("facts", "ours, facts of all months from events"), ("month", "ours, all scopes of the month from facts"))


def main() -> None:
    """Make the lake, ask everybody, compare the answers, keep the rows. Exit 1 where two answers differ."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--peer", choices=sorted({peer.environment for peer in PEERS}), help="that one alone")
    asked = arguments.parse_args()
    chosen = [peer for peer in PEERS if asked.peer in (None, peer.environment) and is_here(peer.environment)]
    if not chosen:
        return
    with tempfile.TemporaryDirectory(prefix="month-peers-") as home:
        _build(home, asked.events, "lake")
        folder = _flat(Path(home))
        told = {by: [(peer.name, _ask(peer, folder, by)) for peer in chosen] for by in QUESTIONS}
        ours = [(name, _build(home, asked.events, step)) for step, name in OURS] if asked.peer in (None, "ours") else []
    limits = {by: rows[0][1]["cpu_seconds"] if chosen[0].script == "scan" else None for by, rows in told.items()}
    for by, question in QUESTIONS.items():
        keep("month_peers", [_row(name, question, row, asked.events, limits[by]) for name, row in told[by]])
        if len({json.dumps(row["answer"]) for _, row in told[by] if row["answer"]}) > 1:
            sys.exit(f"the answers of {question} differ")
    everything = "every scope and channel"
    keep("month_peers", [_row(name, everything, row, asked.events, limits["channel"]) for name, row in ours])


def _build(home: str, events: int, step: str) -> dict[str, Any]:
    """One measurement of benchmarks/month_build.py in this home."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.month_build", "--events", str(events), "--measure", step],
        env=os.environ | {"MIZAN_HOME": home},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def _flat(home: Path) -> Path:
    """The lake's live files under one folder, as links."""
    from contracts.settings import Settings
    from warehouse.lake import Lake

    folder = home / "files"
    folder.mkdir()
    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    for number, file in enumerate(Lake(settings).open("events").files):
        (folder / f"{number:06d}.parquet").hardlink_to(file)
    return folder


def _ask(peer: Peer, folder: Path, by: str) -> dict[str, Any]:
    return told_by(peer.environment, HERE / "month" / f"{peer.script}.py", str(folder), by)


def _row(name: str, of: str, told: dict[str, Any], events: int, limit: float | None) -> dict[str, Any]:
    row = {"measurement": name, "of": of, "events": events}
    row |= {column: told[column] for column in ("seconds", "cpu_seconds", "peak_rss_mb")}
    return row | {"cpu_ratio_to_limit": round(told["cpu_seconds"] / limit, 1) if limit else None}


if __name__ == "__main__":
    main()
