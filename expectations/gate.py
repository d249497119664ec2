"""The gate: every landed batch, agency by agency, is passed, warned or held before it counts.

Verdicts are rows of lake/verdicts, one per decision; the latest decision on a (batch, agency) counts, and a pair
without any does not count yet. A held pair closes nobody else's gate; an operator may release it by name and reason.
One that is held because the judge failed, not the batch, is judged again by later runs.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from contracts.errors import UsageError
from contracts.failpoints import failpoint
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from expectations import run_record
from expectations.judge import Finding, judge
from expectations.landed_events import landed_events
from expectations.policy import thresholds
from expectations.summary import LakeFiles, Reference, frame
from expectations.unjudged import failed_to_judge, unjudged

if TYPE_CHECKING:
    from catalogue.read import Catalogue
    from warehouse.lake import Lake, Snapshot

Pair = tuple[str, str]
GATE = "gate"


@dataclass(frozen=True)
class GateResult:
    """What stands after a run: the pairs judged now, every pair still held, and each other agency's latest verdict.

    Each entry has agency_id, batch, verdict (passed, warned, held, released), findings (expectation, severity,
    observed) and judged_now. ``judge_again_at``: when the next of those falls due that the judge itself failed on.
    """

    agencies: list[dict[str, Any]] = field(default_factory=list)
    judge_again_at: dt.datetime | None = None

    @property
    def held(self) -> list[dict[str, Any]]:
        """The pairs whose gate is closed."""
        return [entry for entry in self.agencies if entry["verdict"] == "held"]

    @property
    def judged(self) -> list[dict[str, Any]]:
        """The pairs this run decided."""
        return [entry for entry in self.agencies if entry["judged_now"]]


def gate(settings: Settings, *, catalogue: Catalogue | None = None, now: dt.datetime | None = None) -> GateResult:
    """Judge every landed (batch, agency) without a verdict, record the verdicts, say what stands.

    ``catalogue`` is read from the lake where it is not given. Whatever Great Expectations cannot judge is held, and
    judged again by a later run (unjudged.py).
    """
    from warehouse.lake import Lake

    failpoint("gate.plan")
    started = now or dt.datetime.now(dt.UTC)
    policy = thresholds(settings)
    lake = Lake(settings)
    # Events first: landing commits quarantine before events, so a batch seen here has all its rejects there.
    events, quarantine = lake.open("events"), lake.open("quarantine")
    decided = standing(settings, lake)
    fresh = _pending(settings, events, quarantine, decided)
    again = frozenset(unjudged(settings, lake, decided, policy).due(started))
    pairs = [*fresh, *again]
    record: dict[str, Any] = {}
    if pairs:
        catalogue = catalogue or _catalogue(settings)
        rows = frame(
            settings,
            LakeFiles(events.files, quarantine.files),
            pairs,
            _reference(catalogue),
            policy,
            now=started,
            last_decided=_last_decided(row for row in decided.values() if not failed_to_judge(row)),
        )
        # Apart: what broke the judge before must not hold up, nor close, what it never saw.
        parts = [row for row in rows if _pair(row) not in again], [row for row in rows if _pair(row) in again]
        rows = [row for part in parts for row in part]
        suite = landed_events(policy)
        patience = {"seconds": policy["judge_seconds"], "retry_seconds": policy["retry_seconds"]}
        found = [findings for part in parts for findings in judge(part, suite, group_by="agency_id", **patience)]
        verdicts = [
            _verdict_row(row, findings, events.version, _after(decided.get(_pair(row)), started))
            for row, findings in zip(rows, found, strict=True)
        ]
        # An operator or another run may have decided meanwhile: the earlier decision stands.
        known, decided = decided, standing(settings, lake)
        verdicts = [row for row in verdicts if decided.get(_pair(row)) == known.get(_pair(row))]
        lake.append("verdicts", verdicts)
        _record_outcome(lake, rows, verdicts, started)
        decided |= {_pair(row): row for row in verdicts}
        record = run_record.run(started, rows, found, suite)
    run_record.write(settings, lake, record, decided.values(), catalogue)
    again_at = unjudged(settings, lake, decided, policy).again_at
    return GateResult(_what_stands(decided, frozenset(pairs)), again_at)


def release(settings: Settings, batch_id: str, agency_id: str, *, by: str, reason: str) -> None:
    """Let a held batch of an agency count, in an operator's name. UsageError where no such batch is held."""
    from warehouse.lake import Lake

    if not by.strip() or not reason.strip():
        raise UsageError("a release needs a name and a reason")
    lake = Lake(settings)
    row = standing(settings, lake).get((batch_id, agency_id))
    if row is None or row["verdict"] != "held":
        state = "has no verdict" if row is None else f"is {row['verdict']}"
        raise UsageError(
            f"batch {batch_id!r} of agency {agency_id!r} is not held: it {state}", hint="see: mizan gate --json"
        )
    now = dt.datetime.now(dt.UTC)
    released = {
        **row,
        "verdict": "released",
        "lake_version": row["lake_version"],
        "decided_at": max(now, row["decided_at"] + dt.timedelta(microseconds=1)),
        "decided_by": by.strip(),
        "reason": reason.strip(),
    }
    lake.append("verdicts", [released])
    run_record.write(settings, lake, {}, standing(settings, lake).values(), None)


def standing(settings: Settings, lake: Lake) -> dict[Pair, dict[str, Any]]:
    """The latest verdict of every (batch_id, agency_id)."""
    from warehouse.connection import memory_connection, view_files

    snapshot = lake.open("verdicts")
    connection = memory_connection(settings)
    try:
        view_files(connection, "verdicts", snapshot.files, dict(lake_tables()["verdicts"]))
        found = connection.execute(
            "SELECT * FROM verdicts QUALIFY row_number() OVER (PARTITION BY batch_id, agency_id "
            "ORDER BY decided_at DESC) = 1 ORDER BY decided_at, batch_id, agency_id"
        )
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    finally:
        connection.close()
    return {(row["batch_id"], row["agency_id"]): row for row in rows}


def _pending(
    settings: Settings, events: Snapshot, quarantine: Snapshot, decided: dict[Pair, dict[str, Any]]
) -> list[Pair]:
    """Landed pairs without a verdict. Only the batches committed since the gate last looked are read."""
    from warehouse.connection import memory_connection, view_files

    looked_at = max(
        (row["lake_version"] for row in decided.values() if row["lake_version"] is not None),
        default=-1,
    )
    batches = _batches_since(events, looked_at)
    if batches is not None and not batches:
        return []
    connection = memory_connection(settings)
    try:
        view_files(connection, "events", events.files, dict(lake_tables()["events"]))
        view_files(connection, "quarantine", quarantine.files, dict(lake_tables()["quarantine"]))
        found = connection.execute(
            "SELECT DISTINCT batch_id, agency_id FROM ("
            "SELECT batch_id, agency_id FROM events WHERE $all OR list_contains($batches, batch_id) "
            "UNION ALL SELECT batch_id, agency_id FROM quarantine WHERE $all OR list_contains($batches, batch_id)"
            ") WHERE batch_id IS NOT NULL AND agency_id IS NOT NULL",
            {"all": batches is None, "batches": batches or []},
        ).fetchall()
    finally:
        connection.close()
    return sorted({(batch, agency) for batch, agency in found} - decided.keys())


def _batches_since(events: Snapshot, version: int) -> list[str] | None:
    """Batches that commits after ``version`` name; None where a commit wrote rows without naming its batch."""
    from warehouse.landing_log import METADATA

    if events.version <= version:
        return []
    batches = []
    for commit in events.handle.history(limit=events.version - version):
        if commit.get("version", 0) <= version:
            continue
        if METADATA in commit:
            # Compaction and accepted losses are commits too; they bring no batch.
            batch = json.loads(commit[METADATA]).get("batch_id")
            batches += [str(batch)] if batch else []
        elif commit.get("operation") == "WRITE":
            return None
    return batches


def _catalogue(settings: Settings) -> Catalogue:
    from catalogue import read

    return read.current(settings)


def _reference(catalogue: Catalogue) -> Reference:
    return Reference(
        services=frozenset(row["service_id"] for row in catalogue.services),
        places={row["place_id"]: row["kind"] for row in catalogue.places},
        agencies=frozenset(row["agency_id"] for row in catalogue.agencies),
    )


def _pair(row: Mapping[str, Any]) -> Pair:
    return row["batch_id"], row["agency_id"]


def _after(earlier: dict[str, Any] | None, now: dt.datetime) -> dt.datetime:
    """Now, but later than the decision it replaces, whatever the clock did meanwhile."""
    return now if earlier is None else max(now, earlier["decided_at"] + dt.timedelta(microseconds=1))


def _last_decided(rows: Iterable[dict[str, Any]]) -> dict[str, dt.datetime]:
    last: dict[str, dt.datetime] = {}
    for row in rows:
        last[row["agency_id"]] = max(last.get(row["agency_id"], row["decided_at"]), row["decided_at"])
    return last


def _verdict_row(
    row: dict[str, Any], findings: Sequence[Finding], lake_version: int, decided_at: dt.datetime
) -> dict[str, Any]:
    severities = {finding.severity for finding in findings}
    return {
        "batch_id": row["batch_id"],
        "agency_id": row["agency_id"],
        "lake_version": lake_version,
        "verdict": "held" if "critical" in severities else "warned" if findings else "passed",
        "findings": json.dumps([_without_blanks(asdict(finding)) for finding in findings], default=float),
        "decided_at": decided_at,
        "decided_by": GATE,
        "reason": None,
    }


def _without_blanks(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "note" or value is not None}


def _record_outcome(
    lake: Lake, rows: Sequence[dict[str, Any]], verdicts: Sequence[dict[str, Any]], started: dt.datetime
) -> None:
    landed = {(row["batch_id"], row["agency_id"]): int(row["landed"]) for row in rows}
    held = [row for row in verdicts if row["verdict"] == "held"]
    rows_in = sum(landed[row["batch_id"], row["agency_id"]] for row in verdicts)
    aside = sum(landed[row["batch_id"], row["agency_id"]] for row in held)
    completed = dt.datetime.now(dt.UTC)
    lake.append(
        "outcomes",
        [
            {
                "step": GATE,
                "subject": f"{len(verdicts)} pairs of batch and agency",
                "rows_in": rows_in,
                "rows_out": rows_in - aside,
                "rows_aside": aside,
                "completed_at": completed,
                "seconds": max(0.0, (completed - started).total_seconds()),
                "result": f"held {len(held)}" if held else "open",
            }
        ],
    )


def _what_stands(decided: dict[Pair, dict[str, Any]], judged: frozenset[Pair]) -> list[dict[str, Any]]:
    latest: dict[str, dict[str, Any]] = {}
    for row in decided.values():
        before = latest.get(row["agency_id"])
        if before is None or row["decided_at"] >= before["decided_at"]:
            latest[row["agency_id"]] = row
    shown = [row for pair, row in decided.items() if pair in judged or row["verdict"] == "held"]
    spoken_of = {row["agency_id"] for row in shown}
    shown += [row for agency, row in latest.items() if agency not in spoken_of]
    return [
        {
            "agency_id": row["agency_id"],
            "batch": row["batch_id"],
            "verdict": row["verdict"],
            "findings": json.loads(row["findings"] or "[]"),
            "judged_now": (row["batch_id"], row["agency_id"]) in judged,
        }
        for row in sorted(shown, key=lambda row: (row["verdict"] != "held", row["agency_id"], row["batch_id"]))
    ]
