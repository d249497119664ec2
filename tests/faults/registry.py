"""The fault matrix: what is injected, what must hold, and how often; rows are found in the modules of ``rows``.

A row's function gets a Rig (a fresh folder and the shard's broker) and a seed that decides everything random. It
gives the promises that broke, named by invariant. An empty list is a run without a violation. The same seed makes
the same choices again; what the operating system's scheduler does in between is not replayed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.rig import Rig

OLD_DUCKDB = "1.5.5"  # what readers of published files may still have
INVARIANTS = {
    "I1": "no loss: every acknowledged event is in events or quarantine, or a duplicate of one that is",
    "I2": "no duplicate: an offset is stored once, an event id of an agency is counted once",
    "I3": "conservation: end - start = rows + quarantined + duplicates + gaps, tied to Kafka's end offsets",
    "I4": "tiling: commits cover [first, next) without hole or overlap; the files they list read back",
    "I5": "atomic view: a reader sees whole versions, never going back, no undocumented error",
    "I6": "oracle: monthly numbers equal an independent computation",
    "I7": "determinism: a rebuild gives the same content hash",
    "I8": "no raw id: planted ids and person keys as said are nowhere in the home, no person key in what is published",
    "I9": "liveness: afterwards everything lands without a manual step",
    "I10": "bounded: memory, open files, left-over files",
    "I11": "disclosure: suppression holds in every published version",
    "I12": "loud: a halt has a name, a non-zero exit and a runbook line",
}
ALL = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9")
MODULES = (
    "landing",
    "memory",
    "damage",
    "gate",
    "transforms",
    "publishing",
    "dashboard",
    "broker",
    "topics",
    "replicas",
    "airflow",
    "airflow_itself",
    "clock",
    "soak",
)


@dataclass(frozen=True)
class Violation:
    """A promise that broke: the invariant's id and what was seen."""

    invariant: str
    what: str

    def __post_init__(self) -> None:
        if self.invariant not in INVARIANTS:
            raise ValueError(f"no such invariant: {self.invariant}")


@dataclass(frozen=True)
class Row:
    """One row of the matrix.

    ``every_change`` runs belong to `make test`, ``full`` runs to `make faults`. ``needs`` names what the machine must
    have (keys of NEEDS); where it has not, the row is skipped with that name. ``note`` says what a reader of the
    report should know: why fewer runs than designed, what is not covered.
    """

    id: str
    title: str
    holds: tuple[str, ...]
    every_change: int
    full: int
    run: Callable[[Rig, int], list[Violation]]
    needs: tuple[str, ...] = ()
    note: str = ""
    seconds: float = 180.0  # a run that takes longer is a violation of I9


def _has_airflow() -> bool:
    return importlib.util.find_spec("airflow") is not None


@cache
def _may_mount() -> bool:
    """Root alone is not enough in a container: try it."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "mizan-faults", folder], capture_output=True, check=False
        )
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], capture_output=True, check=True)
        return mounted.returncode == 0


@cache
def old_duckdb_python() -> Path | None:
    """A Python with DuckDB 1.5, made once in var/test-tools as the warehouse's tests have it; None: not to be had."""
    folder = Path(__file__).resolve().parents[2] / "var" / "test-tools" / f"duckdb-{OLD_DUCKDB}"
    python = folder / "bin" / "python"
    if not python.exists():
        environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
        uv = [sys.executable, "-m", "uv"]
        for call in (
            ["venv", "-q", "--python", sys.executable, str(folder)],
            ["pip", "install", "-q", "--python", str(python), f"duckdb=={OLD_DUCKDB}"],
        ):
            if subprocess.run([*uv, *call], env=environment, capture_output=True, check=False).returncode != 0:
                shutil.rmtree(folder, ignore_errors=True)
                return None
    return python


# What a row may need, and whether this machine has it.
NEEDS: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "tmpfs": lambda: shutil.which("mount") is not None and _may_mount(),
    "strace": lambda: shutil.which("strace") is not None,
    "faketime": lambda: shutil.which("faketime") is not None,
    "C compiler": lambda: shutil.which("cc") is not None,
    "DuckDB 1.5": lambda: old_duckdb_python() is not None,
    "airflow": _has_airflow,
    "three brokers": lambda: shutil.which("java") is not None,
}


def missing(row: Row) -> list[str]:
    """Names of what the row needs and this machine has not."""
    return [name for name in row.needs if not NEEDS[name]()]


def rows() -> dict[str, Row]:
    """Every row that is built, by id, in the order of MODULES."""
    found: dict[str, Row] = {}
    for name in MODULES:
        if importlib.util.find_spec(f"faults.rows.{name}") is None:
            continue
        for row in importlib.import_module(f"faults.rows.{name}").ROWS:
            if row.id in found:
                raise ValueError(f"two rows {row.id}")
            found[row.id] = row
    return found


# The design's rows with its counts (every change, full): what is not built yet is listed in the report by name.
DESIGNED: dict[str, tuple[str, int, int]] = {
    "L1": ("kill -9 at each failpoint, then retry", 24, 300),
    "L2": ("kill -9 at a random time under load", 10, 300),
    "L3": ("kill during the recovery of L1", 0, 60),
    "L4": ("zombie: stopped, overtaken, continued", 3, 50),
    "L5": ("two workers at once", 3, 50),
    "L6": ("disk full", 3, 30),
    "L7": ("EIO on write, fsync, rename, link; EFBIG", 4, 40),
    "L8": ("power cut: recent files and log entries truncated or dropped", 0, 40),
    "L9": ("out of memory; wide events", 2, 20),
    "L10": ("log entry damaged or deleted; a table restored from an old copy", 2, 20),
    "L11": ("data file deleted or flipped after its commit", 2, 20),
    "L12": ("validator upgraded mid-backlog, also between the two commits", 0, 10),
    "L13": ("compaction, vacuum, checkpoint during landing", 2, 30),
    "B1": ("broker killed and restarted", 5, 100),
    "B2": ("leader killed, rolling restart", 0, 50),
    "B3": ("network: reset, blackhole, latency, half-open, trickle", 5, 100),
    "B4": ("acknowledgement lost after the append", 3, 60),
    "B5": ("producer restarts and re-sends its outbox", 5, 100),
    "B6": ("rebalance storm in the mirror group", 0, 20),
    "B7": ("retention passes our offset", 2, 20),
    "B8": ("topic deleted and created again", 2, 20),
    "B9": ("partitions added while running", 2, 20),
    "B10": ("producer transaction commits, aborts, hangs", 3, 40),
    "B11": ("log truncation, unclean election", 0, 10),
    "B12": ("clock skew, disorder, 1970 and 2099", 2, 20),
    "B13": ("broker's disk full, quota throttling", 0, 10),
    "B14": ("password rotated, certificate expired", 2, 15),
    "A1": ("scheduler killed in mid-run", 3, 40),
    "A2": ("heartbeat lost, a retry overlaps the live task", 2, 30),
    "A3": ("tasks cleared and run again in any order; backfill beside schedule", 5, 60),
    "A4": ("asset events doubled or missing; pause", 2, 30),
    "A5": ("metadata database down or locked", 2, 20),
    "A6": ("DAG files parsed with Kafka and lake down", 1, 5),
    "A7": ("landing timed out or terminated", 2, 30),
    "G1": ("the gate's judge raises, hangs, dies", 3, 20),
    "T1": ("kill -9 in a build and its checkpoint", 5, 100),
    "T2": ("build file or its log damaged", 3, 60),
    "T3": ("late event for a published month", 2, 20),
    "P1": ("eight readers over many publications", 1, 20),
    "P2": ("publication killed at each step; pointer half-written", 6, 120),
    "P3": ("a session held open on what is published or built", 2, 20),
    "P4": ("dashboard killed in the swap; slow client; query timeout", 2, 20),
    "C1": ("clock a day off, daylight saving, leap day, month edge", 3, 30),
    "Z1": ("two hours of everything, from one seed", 0, 3),
}
