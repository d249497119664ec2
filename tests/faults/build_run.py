"""A run of a row about builds and publications: a lake filled straight with rows, no broker, the oracle's numbers."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.settings import Settings
from faults import oracle, schedule
from faults.registry import Violation
from faults.rig import Rig
from faults.schedule import Stream

MONTHLY = ("monthly_users", "monthly_visits", "monthly_transactions", "monthly_channel_share")
KEYS = ("calendar", "month", "scope", "scope_id", "channel")
UPDATE = "from contracts.settings import Settings; from transforms.refresh import update; update(Settings.load())"
PUBLISH = "from contracts.settings import Settings; from warehouse.publish import publish; publish(Settings.load())"


class BuildRun:
    """One home with a lake, a catalogue and some agencies; ``kept`` is what must be counted."""

    def __init__(self, rig: Rig, agencies: int = 2) -> None:
        from catalogue.load import load_tables
        from pipeline.steps import initialise

        self.rig, self.rng = rig, rig.rng
        self.home = rig.folder / "home"
        self.environment = {"MIZAN_HOME": str(self.home)}
        self.settings = Settings.load(self.environment, folder=rig.folder)
        initialise(self.settings)
        (self.home / "ALLOW_FAULTPOINTS").touch()
        self.streams = [
            Stream(rig.rng, f"agency-{number}", broken=0, repeated=0, conflicting=0) for number in range(agencies)
        ]
        self.catalogue = schedule.catalogue(stream.agency for stream in self.streams)
        load_tables(self.settings, "catalogue", self.catalogue)
        self.kept: list[dict[str, Any]] = []
        self.violations: list[Violation] = []
        self._batches = 0

    def broke(self, invariant: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(invariant, what))

    def add(self, count: int, verdict: str | None = "passed") -> None:
        """One more landed batch of ``count`` events of every agency; None: it is not judged."""
        from contracts.lake_tables import lake_tables
        from warehouse.lake import Lake

        self._batches += 1
        batch, now = f"batch-{self._batches:04d}", dt.datetime.now(dt.UTC)
        events = [said.event or {} for stream in self.streams for said in stream.take(count)]
        columns, lake = lake_tables()["events"], Lake(self.settings)
        lake.append("events", [{c: event.get(c) for c in columns} | {"batch_id": batch} for event in events])
        verdicts = [
            {"batch_id": batch, "agency_id": stream.agency, "verdict": verdict, "decided_at": now}
            for stream in self.streams
        ]
        lake.append("verdicts", verdicts if verdict is not None else [])
        self.kept += events

    def process(self, code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Python of its own on this home."""
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def killed(self, code: str, fault: str) -> bool:
        """Run it with FAULTPOINT; True where it died there, False where it never came by."""
        with self.process(code, FAULTPOINT=fault) as process:
            _, err = process.communicate(timeout=120)
        if process.returncode not in (0, -signal.SIGKILL):
            self.broke("I12", f"{fault} ended with {process.returncode}: {err[-500:]}")
        return process.returncode == -signal.SIGKILL

    def update(self) -> str:
        """Bring the build up to date; its content hash."""
        from transforms.refresh import update

        update(self.settings)
        return content(self.settings)

    def check_numbers(self) -> None:
        """I6 and I7 of the build."""
        self.violations += numbers(self.settings, self.catalogue, self.kept)


def numbers(
    settings: Settings, catalogue: Mapping[str, Sequence[Mapping[str, Any]]], kept: Sequence[Mapping[str, Any]]
) -> list[Violation]:
    """I6 and I7: the build equals the oracle, and a full rebuild equals the build."""
    from transforms.refresh import update
    from warehouse.connection import build_connection

    update(settings)
    before = content(settings)
    with build_connection(settings) as connection:
        found = oracle.compare(oracle.monthly(kept, catalogue["agencies"]), monthly_tables(connection, "{}_v1"))
    update(settings, full=True)
    after = content(settings)
    if before != after:
        found.append(Violation("I7", f"the rebuild has content {after[:16]}, the build had {before[:16]}"))
    return found


def content(settings: Settings) -> str:
    """The build's content hash."""
    from transforms.refresh import content_hash
    from warehouse.connection import build_connection

    with build_connection(settings) as connection:
        return content_hash(connection)


def monthly_tables(connection: Any, form: str) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """The monthly tables as the oracle has them: KEYS to measures, a number or the word for why there is none."""
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for name in MONTHLY:
        result = connection.execute(f"SELECT * FROM {form.format(name)}")
        columns = [column[0] for column in result.description]
        table = found.setdefault(name, {})
        for values in result.fetchall():
            row = dict(zip(columns, values, strict=True))
            table[tuple(row[column] for column in KEYS)] = {
                column: row[column] if row.get(f"{column}_status", "value") == "value" else row[f"{column}_status"]
                for column in columns
            }
    return found


def truncate(path: Path, share: float) -> None:
    """Cut a file to a share of its length, less than whole."""
    size = path.stat().st_size
    os.truncate(path, min(int(size * share), max(size - 1, 0)))


def flip(path: Path, share: float) -> None:
    """Change one byte, so far into the file."""
    with path.open("r+b") as file:
        place = min(int(path.stat().st_size * share), path.stat().st_size - 1)
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 0xFF]))
