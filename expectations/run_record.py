"""What the last gate run saw, as one file for the validation report: $MIZAN_HOME/gate/run.json.

Stages meet in data: the dashboard reads this file and nothing of this room. Numbers of batches, no values of events.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.settings import Settings
from expectations.judge import Finding
from expectations.landed_events import Expectation

if TYPE_CHECKING:
    from catalogue.read import Catalogue
    from warehouse.lake import Lake

HISTORY = 50  # runs shown below the last one


def path(settings: Settings) -> Path:
    """Where the record is."""
    return settings.home / "gate" / "run.json"


def run(
    decided_at: dt.datetime,
    rows: Sequence[Mapping[str, Any]],
    found: Sequence[Sequence[Finding]],
    suite: Sequence[Expectation],
) -> dict[str, Any]:
    """One run: its expectations, and per (batch, agency) the observed values and what failed."""
    return {
        "decided_at": decided_at.isoformat(),
        "expectations": [
            {
                "name": spec.name,
                "severity": spec.severity,
                "column": spec.column,
                "en": spec.en,
                "fa": spec.fa,
                "at_least": spec.at_least,
                "at_most": spec.at_most,
            }
            for spec in suite
        ],
        "pairs": [
            {
                "batch_id": row["batch_id"],
                "agency_id": row["agency_id"],
                "landed": row["landed"],
                "quarantined": row["quarantined"],
                "observed": {spec.name: row[spec.column] for spec in suite},
                "failed": {finding.expectation: finding.severity for finding in findings},
                "notes": [finding.note for finding in findings if finding.note],
            }
            for row, findings in zip(rows, found, strict=True)
        ],
    }


def write(
    settings: Settings,
    lake: Lake,
    record: Mapping[str, Any],
    standing: Iterable[Mapping[str, Any]],
    catalogue: Catalogue | None,
) -> None:
    """Write the record whole: the last run that judged anything, the verdicts that stand, the runs before."""
    target = path(settings)
    before = read(settings)
    names = before.get("names", {})
    if catalogue is not None:
        names = {row["agency_id"]: {"fa": row["name_fa"], "en": row["name_en"]} for row in catalogue.agencies}
    document = {
        "run": record or before.get("run"),
        "standing": [
            {
                "batch_id": row["batch_id"],
                "agency_id": row["agency_id"],
                "verdict": row["verdict"],
                "findings": json.loads(row["findings"] or "[]"),
                "decided_at": row["decided_at"].isoformat(),
                "decided_by": row["decided_by"],
                "reason": row["reason"],
            }
            for row in standing
            if row["verdict"] in ("held", "released")
        ],
        "history": _history(settings, lake),
        "names": names,
    }
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, ensure_ascii=False, default=float), encoding="utf-8")
    temporary.replace(target)


def read(settings: Settings) -> dict[str, Any]:
    """The record, or an empty one before the first run."""
    try:
        document: dict[str, Any] = json.loads(path(settings).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return document


def _history(settings: Settings, lake: Lake) -> list[dict[str, Any]]:
    """Decisions by run, newest first: how many of each verdict, and by whom."""
    from warehouse.connection import memory_connection, view_files

    snapshot = lake.open("verdicts")
    connection = memory_connection(settings)
    try:
        view_files(connection, "verdicts", snapshot.files, dict(snapshot.columns))
        rows = connection.execute(
            "SELECT decided_at, decided_by, any_value(reason), "
            "count(*) FILTER (WHERE verdict = 'passed'), count(*) FILTER (WHERE verdict = 'warned'), "
            "count(*) FILTER (WHERE verdict = 'held'), count(*) FILTER (WHERE verdict = 'released') "
            "FROM verdicts GROUP BY decided_at, decided_by ORDER BY decided_at DESC LIMIT $most",
            {"most": HISTORY},
        ).fetchall()
    finally:
        connection.close()
    names = ("decided_at", "decided_by", "reason", "passed", "warned", "held", "released")
    return [dict(zip(names, (row[0].isoformat(), *row[1:]), strict=True)) for row in rows]
