"""Each step of the pipeline as one call. Tasks and commands pass versions and months, never rows.

Every step takes its work list from the lake or the build database, so it may be run twice, late, or beside another.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import GateClosed, UsageError
from contracts.logs import tell
from contracts.postgres_target import TIER, URL, URL_FILE
from contracts.reporting_time import Month, parse_month
from contracts.settings import Settings
from pipeline import progress

if TYPE_CHECKING:
    from expectations.gate import GateResult
    from landing.replay import Replayed
    from warehouse.connection import Connection
    from warehouse.postgres import Copied
    from warehouse.publish import Published

log = logging.getLogger("mizan.pipeline")

# Longer than the build of an ordinary batch takes: waking a second run beside the first would only cost.
LEFT_BEHIND_AFTER = dt.timedelta(minutes=3)


@dataclass(frozen=True)
class LandedStep:
    """What a landing run leaves behind. ``work_waits``: something downstream has work, from this run or an earlier."""

    lake_version: int
    work_waits: bool


@dataclass(frozen=True)
class Waiting:
    """Work that no step has done yet. ``unjudged``: also batches that wait for a judge who failed on them."""

    offsets: int
    unjudged: bool
    unpublished: bool

    @property
    def anything(self) -> bool:
        """True where a step has work."""
        return bool(self.offsets) or self.unjudged or self.unpublished

    def words(self) -> str:
        """One line for people."""
        parts = [f"{self.offsets:,} offsets to land"] if self.offsets else []
        parts += ["batches to judge"] if self.unjudged else []
        parts += ["figures to build and publish"] if self.unpublished else []
        return ", ".join(parts) or "nothing waits"


def initialise(settings: Settings) -> list[Path]:
    """Keys, folders, an empty lake and an empty catalogue; what is there stays. The key files that were made.

    UsageError where a key is gone from a lake that holds events: under a fresh one every person would be counted a
    second time.
    """
    from catalogue.tables import create
    from warehouse.guarded_keys import make_keys
    from warehouse.lake import Lake
    from warehouse.signing import create_signing_key
    from warehouse.store_fence import check_fence

    settings.home.mkdir(parents=True, exist_ok=True)
    check_fence(settings)
    made = [*make_keys(settings), *create_signing_key(settings)]
    Lake(settings).create()
    create(settings)
    _close_to_readers(settings)
    return made


def _close_to_readers(settings: Settings) -> None:
    """Lake, build and gate speak of single persons: who reads what is published has no business there."""
    lake = [Path(settings.lake_uri)] if "://" not in settings.lake_uri else []
    for folder in (*lake, settings.build_file.parent):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    # Made by the first gate; an empty one is no part of a home that a restore would have to move aside.
    if (gate := settings.home / "gate").is_dir():
        gate.chmod(0o700)


def offsets_ahead(settings: Settings) -> dict[str, int]:
    """Offsets that the broker has and the lake has not, by topic. Reads no event."""
    from landing.watch import lag

    return {topic.topic: topic.lag for topic in lag(settings) if topic.lag}


def waiting(settings: Settings) -> Waiting:
    """What every step still has to do. Asks the broker and the lake's logs; opens no data."""
    unjudged, unpublished = _lake_waits(settings)
    unjudged |= progress.judge_again_at(settings) is not None
    return Waiting(sum(offsets_ahead(settings).values()), unjudged, unpublished)


def _lake_waits(settings: Settings) -> tuple[bool, bool]:
    again_at = progress.judge_again_at(settings)
    return (
        progress.noted(settings, "gate") != progress.landed_state(settings)
        or (again_at is not None and again_at <= dt.datetime.now(dt.UTC)),
        progress.noted(settings, "publish") != progress.counted_state(settings),
    )


def land_events(settings: Settings | None = None) -> LandedStep:
    """Land what was there when it began: more may come for ever. Raises Halted after landing what could be landed."""
    from landing.drain import land

    settings = settings or Settings.load()
    landed = land(settings)
    return LandedStep(landed.lake_version, bool(landed.batches) or _was_left_behind(settings))


def replay_quarantine(reason: str | None, agency: str | None, settings: Settings | None = None) -> Replayed:
    """Judge open records again, of one reason or agency where named. UsageError where there is no such name."""
    from landing.decisions import known_filter
    from landing.replay import replay

    known_filter(reason, agency)
    done = replay(settings or Settings.load(), reason=reason, agency=agency)
    if done.events:
        tell(log, "records replayed", step="replay", agency=agency, lake_version=done.lake_version, events=done.events)
    return done


def _was_left_behind(settings: Settings) -> bool:
    """Work waits, and so long after the last landing that the run it woke must have died, or never came."""
    from warehouse.lake import Lake

    last = Lake(settings).open("events").committed_at
    patience = dt.datetime.now(dt.UTC) - last > LEFT_BEHIND_AFTER
    return patience and any(_lake_waits(settings))


def judge_batches(settings: Settings) -> tuple[GateResult, Path]:
    """Judge every landed batch that has no verdict; what stands, and the report that says so."""
    from dashboard.validation_report import write_report
    from expectations.gate import gate
    from warehouse.lake_damage import names_damage

    before = progress.landed_state(settings)
    result = names_damage(gate)(settings)
    for entry in result.judged:
        tell(
            log,
            "batch judged",
            step="gate",
            batch_id=entry["batch"],
            agency=entry["agency_id"],
            verdict=entry["verdict"],
        )
    report = write_report(settings)
    progress.note_judge_again(settings, result.judge_again_at)
    progress.note(settings, "gate", before)
    return result, report


def gate_batches(settings: Settings | None = None) -> list[str]:
    """The same, as the DAG passes it on: what is held, as words: agency and batch."""
    result, _ = judge_batches(settings or Settings.load())
    return [f"{entry['agency_id']} {entry['batch']}" for entry in result.held]


def release_batch(batch: str, agency: str, *, by: str, reason: str, settings: Settings | None = None) -> None:
    """Let an agency's part of a held batch count, by name and reason. UsageError where no such part is held."""
    from contracts.settings import agency_id
    from dashboard.validation_report import write_report
    from expectations.gate import release

    settings = settings or Settings.load()
    release(settings, batch, agency_id(agency), by=by, reason=reason)
    tell(log, "batch judged", step="gate", batch_id=batch, agency=agency, verdict="released")
    write_report(settings)


def update_facts(settings: Settings | None = None) -> list[str]:
    """Take newly counted batches into the facts; the months that wait to be rebuilt, in both calendars."""
    from transforms.refresh import refresh_facts

    settings = settings or Settings.load()
    before = progress.counted_state(settings)
    months = [month.label for month in refresh_facts(settings)]
    progress.note(settings, "facts", before)
    return months


def refresh_month(label: str, settings: Settings | None = None) -> None:
    """Rebuild one month's rows and those of the periods that hold it."""
    from transforms.refresh import build_month

    build_month(settings or Settings.load(), parse_month(label))


def publish_marts(settings: Settings | None = None, *, rollback: str | None = None) -> Published:
    """Publish a new version if the marts changed. Raises GateClosed when the metrics fail; warnings go to the log.

    Months that still wait, because facts have moved on since, are built first: a version never mixes two states.
    """
    from dashboard.report import write_pages
    from expectations.metrics import check_metrics
    from transforms.refresh import build_month, pending_months, refresh_evaluations
    from warehouse.lake_damage import check_lake
    from warehouse.publish import publish
    from warehouse.published import current

    settings = settings or Settings.load()
    check_lake(settings)
    facts = progress.noted(settings, "facts")
    if rollback is None:
        for month in pending_months(settings):
            build_month(settings, month)
        refresh_evaluations(settings)

    def judge(build: Connection) -> None:
        for warning in check_metrics(build, settings):
            log.warning("%s: %d rows break %s", warning.table, warning.rows, warning.rule)

    published = publish(settings, rollback=rollback, pages=write_pages, judge=judge)
    if published.is_new:
        lake_version = ((current(settings) or {}).get("lake") or {}).get("events")
        tell(log, "version published", step="publish", published_version=published.version, lake_version=lake_version)
    if rollback is None:
        progress.note(settings, "publish", facts)
    return published


def copy_to_postgres(settings: Settings | None = None, *, tier: str | None = None) -> Copied:
    """Copy the version in service to the PostgreSQL of the settings; nothing is written where it stands there."""
    from warehouse.postgres import copy_to_postgres as copy

    settings = settings or Settings.load()
    return copy(settings, tier or settings.values[TIER] or "analyst")


def copies_are_asked_for(settings: Settings) -> bool:
    """True where the settings name a PostgreSQL."""
    return bool(settings.values[URL] or settings.values[URL_FILE])


def drop_old_pids(settings: Settings | None = None) -> None:
    """Take the pids out of events older than the setting keeps them; nothing where none is."""
    from pipeline.retention import drop_old_pids as drop

    drop(settings or Settings.load(), by="maintain_lake")


def compact_lake(settings: Settings | None = None) -> None:
    """Merge small files, write checkpoints, remove files that no version needs."""
    from warehouse.maintenance import compact

    compact(settings or Settings.load())


def sync_catalogue(directory: str | None, settings: Settings | None = None) -> bool:
    """Load CSV files from ``directory``, or from $MIZAN_HOME/catalogue where that exists; False where neither is."""
    from catalogue.load import load_directory

    settings = settings or Settings.load()
    folder = Path(directory) if directory else settings.home / "catalogue"
    if not folder.is_dir():
        if directory:
            raise UsageError(f"no such folder: {directory}")
        return False
    load_directory(settings, folder)
    return True


def months_between(first: str, last: str) -> list[str]:
    """The months from ``first`` to ``last`` of one calendar, both included. UsageError where that is none."""
    month, end = parse_month(first), parse_month(last)
    if month.calendar != end.calendar or end < month:
        raise UsageError(f"{first} to {last} is no run of months of one calendar")
    found: list[Month] = []
    while month <= end:
        found.append(month)
        month = month.following
    return [month.label for month in found]


def run(settings: Settings) -> int:
    """Land, gate, build and publish, without Airflow; the published version.

    Raises GateClosed after publishing the rest when a batch is held.
    """
    from transforms.refresh import update

    land_events(settings)
    held = gate_batches(settings)
    before = progress.counted_state(settings)
    update(settings)
    progress.note(settings, "facts", before)
    version = publish_marts(settings).version
    if held:
        raise GateClosed(f"version {version} is published without {', '.join(held)}", hint="mizan gate release")
    return version
