"""Batches held because the judge failed, not because of what is in them: they are judged again by themselves.

A judge that hangs, dies or cannot start says nothing about the batch, so its verdict is no last word: the gate stays
closed and a later run asks again. How often and how soon is bounded (`judge_tries`, `judge_pause_minutes`); every try
is a row of lake/verdicts.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from expectations.judge import GATE_ITSELF

if TYPE_CHECKING:
    from warehouse.lake import Lake

Pair = tuple[str, str]


@dataclass(frozen=True)
class Unjudged:
    """When each pair (batch_id, agency_id) that the judge failed on is tried again; none where it was tried enough."""

    next_try: Mapping[Pair, dt.datetime]

    def due(self, now: dt.datetime) -> list[Pair]:
        """Those to judge now."""
        return sorted(pair for pair, at in self.next_try.items() if at <= now)

    @property
    def again_at(self) -> dt.datetime | None:
        """The earliest next try."""
        return min(self.next_try.values(), default=None)


def failed_to_judge(row: Mapping[str, Any]) -> bool:
    """Whether a verdict is the judge's own failure. What an operator decided since is a verdict of its own."""
    if row["verdict"] != "held":
        return False
    return any(finding["expectation"] == GATE_ITSELF for finding in json.loads(row["findings"] or "[]"))


def unjudged(
    settings: Settings, lake: Lake, standing: Mapping[Pair, Mapping[str, Any]], policy: Mapping[str, float]
) -> Unjudged:
    """The pairs of ``standing`` that wait for a judge.

    The first new try is due at once, each later one after twice the pause of the one before, from a minute up to
    ``judge_pause_minutes``.
    """
    waiting = {pair: row for pair, row in standing.items() if failed_to_judge(row)}
    tries = _tries(settings, lake) if waiting else {}
    return Unjudged(
        {
            pair: row["decided_at"] + _pause(tries.get(pair, 1), policy["judge_pause_minutes"])
            for pair, row in waiting.items()
            if tries.get(pair, 1) < policy["judge_tries"]
        }
    )


def _pause(tries: int, most: float) -> dt.timedelta:
    return dt.timedelta(minutes=min(most, 2.0 ** min(tries - 2, 30)) if tries > 1 else 0)


def _tries(settings: Settings, lake: Lake) -> dict[Pair, int]:
    """How often the judge failed on each pair."""
    from warehouse.connection import memory_connection, view_files

    connection = memory_connection(settings)
    try:
        view_files(connection, "verdicts", lake.open("verdicts").files, dict(lake_tables()["verdicts"]))
        rows = connection.execute(
            "SELECT batch_id, agency_id, count(*) FROM verdicts "
            "WHERE verdict = 'held' AND contains(findings, $name) GROUP BY ALL",
            {"name": json.dumps(GATE_ITSELF)},
        ).fetchall()
    finally:
        connection.close()
    return {(batch, agency): count for batch, agency, count in rows}
