"""A run of a row about builds and publications: a lake filled straight with rows, no broker, the oracle's numbers.

Making a home, its first build and its first publication costs more than most faults. ``begun`` therefore copies one
of a few homes that this process made once; all that the row then does is its own.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from contracts.settings import Settings
from faults import canaries, disclosed, oracle, schedule
from faults.registry import Violation, old_duckdb_python
from faults.rig import Rig
from faults.schedule import Stream

FORMS = 6  # homes to begin with
MONTHLY = ("monthly_users", "monthly_visits", "monthly_transactions", "monthly_channel_share")
KEYS = ("calendar", "month", "scope", "scope_id", "channel")
UPDATE = "from contracts.settings import Settings; from transforms.refresh import update; update(Settings.load())"
PUBLISH = "from contracts.settings import Settings; from warehouse.publish import publish; publish(Settings.load())"


class BuildRun:
    """One home with a lake, a catalogue and some agencies; ``kept`` is what must be counted."""

    def __init__(self, rig: Rig, agencies: int = 2, copied: BuildRun | None = None) -> None:
        from catalogue.load import load_tables
        from pipeline.steps import initialise

        self.rig, self.rng = rig, rig.rng
        self.home = rig.folder / "home"
        self.environment = {"MIZAN_HOME": str(self.home)}
        self.settings = Settings.load(self.environment, folder=rig.folder)
        self.violations: list[Violation] = []
        if copied is not None:
            self._copy(copied)
            return
        initialise(self.settings)
        (self.home / "ALLOW_FAULTPOINTS").touch()
        self.streams = [
            Stream(rig.rng, f"agency-{number}", broken=0, repeated=0, conflicting=0) for number in range(agencies)
        ]
        self.catalogue = schedule.catalogue(stream.agency for stream in self.streams)
        load_tables(self.settings, "catalogue", self.catalogue)
        self.kept: list[dict[str, Any]] = []
        self.kept_at: dict[int, int] = {0: 0}  # version of the lake's events to how many of ``kept`` it holds
        self._batches = 0

    def _copy(self, other: BuildRun) -> None:
        """Take over a finished home with its hard links; what it says of where it lies is said anew."""
        subprocess.run(["cp", "-a", str(other.home), str(self.home)], check=True)
        seen = self.settings.build_file.with_name(f"{self.settings.build_file.name}.lake-versions")
        if seen.exists():
            seen.write_text(seen.read_text().replace(str(other.home), str(self.home)))
        self.streams = [dataclasses.replace(one, rng=self.rng, past=list(one.past)) for one in other.streams]
        self.catalogue, self.kept = other.catalogue, list(other.kept)
        self.kept_at, self._batches = dict(other.kept_at), other._batches

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
        self.kept_at[len(list((self.home / "lake" / "events" / "_delta_log").glob("*.json"))) - 1] = len(self.kept)

    def process(
        self, code: str, *arguments: str, old_duckdb: bool = False, **environment: str
    ) -> subprocess.Popen[str]:
        """Python of its own on this home; with ``old_duckdb`` one that has DuckDB 1.5 and nothing else."""
        python = old_duckdb_python() if old_duckdb else sys.executable
        return subprocess.Popen(
            [str(python), "-c", code, *arguments],
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

    def check_disclosure(self) -> None:
        """I11 of every public version that is kept."""
        self.violations += disclosed.check_public(
            self.settings.published / "public",
            lambda version: self.kept[: self.kept_at[version]],
            self.catalogue["agencies"],
        )

    def check_no_keys(self) -> None:
        """I8 of what is published: the lake's person keys stay in the lake and the build. Costs seconds."""
        keys = {event["pid"] for event in self.kept if event["pid"] is not None}
        self.violations += canaries.sweep(self.settings.published, canaries.Needles((), keys))


def begun(rig: Rig, seed: int, *, published: bool = False) -> BuildRun:
    """A run whose first wave is built already, and published: the home is one of FORMS, by seed."""
    return BuildRun(rig, copied=_form(seed % FORMS, published))


@cache
def _form(number: int, published: bool) -> BuildRun:
    from warehouse.publish import publish

    folder = Path(tempfile.mkdtemp(prefix="mizan-faults-form-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if published:
        run = BuildRun(
            Rig("form", number, Settings.load({}, folder=folder), folder, contextlib.ExitStack()),
            copied=_form(number, False),
        )
        publish(run.settings)
        return run
    run = BuildRun(Rig("form", number, Settings.load({}, folder=folder), folder, contextlib.ExitStack()))
    run.add(run.rng.randrange(30, 90))
    run.update()
    return run


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
