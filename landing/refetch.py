"""Make lost or damaged files of ``events`` and ``quarantine`` again from Kafka, each in one fenced commit.

What was decided then stands, whatever the contract and the catalogue say today: see refetch_events and
refetch_quarantine. A file is put in only if every batch gives the very counts that its commit says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.settings import Settings
from landing.confidential import forbid_core_dumps
from landing.lost_files import FileLog, NotTheSame
from landing.refetch_events import EventsMaker
from landing.refetch_quarantine import QuarantineMaker
from warehouse.lake import Lake
from warehouse.landing_log import commits, open_table
from warehouse.quarantine_states import TABLE as DECISIONS
from warehouse.quarantine_states import decisions

_MAKERS: Mapping[str, type[QuarantineMaker | EventsMaker]] = {"quarantine": QuarantineMaker, "events": EventsMaker}


@dataclass(frozen=True)
class Refetched:
    """Files made again (``table/name`` to new names), and those that could not be, with the reason."""

    files: Mapping[str, tuple[str, ...]]
    kept: Mapping[str, str]

    def notes(self) -> list[str]:
        """One line a file, for people."""
        done = [f"{old} was made again from Kafka, as {', '.join(new)}" for old, new in self.files.items()]
        return done + [f"{old} was not made again: {why}" for old, why in self.kept.items()]


def refetch(settings: Settings) -> Refetched:
    """Replace every lost or damaged live file of ``events`` and ``quarantine`` that Kafka still holds the records of.

    One commit a file. Raises Fenced where a compaction came first, TryAgain where Kafka does not answer.
    """
    forbid_core_dumps()
    lake = Lake(settings)
    done: dict[str, tuple[str, ...]] = {}
    kept: dict[str, str] = {}
    looked_at: dict[str, dict[str, bool]] = {"quarantine": {}, "events": {}, DECISIONS: {}}
    while True:
        logs: dict[str, FileLog] = {}
        # Decisions before events, which a replay commits first; the quarantine before all, as in a landing.
        for name in ("quarantine", DECISIONS, "events"):
            if name != DECISIONS or decisions(lake) is not None:
                logs[name] = FileLog(open_table(lake, name), list(commits(lake, name)), looked_at[name])
        # Oldest first: a later batch's duplicates are those whose first row is in the lake again by then. A batch's
        # verdicts before its events, which are the records that no verdict is on.
        waiting = [
            (logs[name].origins(path)[0].batch_id, number, name, path)
            for number, name in enumerate(_MAKERS)
            for path in logs[name].damaged()
            if f"{name}/{path}" not in kept
        ]
        if not waiting:
            return Refetched(done, kept)
        _, _, name, path = min(waiting)
        try:
            done[f"{name}/{path}"] = _MAKERS[name](settings, logs).make_again(path)
        except NotTheSame as reason:
            kept[f"{name}/{path}"] = str(reason)
        else:
            kept.clear()  # what failed for want of this file may succeed now
