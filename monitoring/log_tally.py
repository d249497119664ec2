"""Sums over the lake's own log, kept up to date by reading the entries that are new."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from contracts.settings import Settings
from contracts.topics import sender_of
from warehouse.lake import Lake
from warehouse.landing_log import LandedCommit, commits


class LogTally:
    """What the commits of ``events`` say, summed by agency; ``security`` by reason code."""

    def __init__(self) -> None:
        self.landed: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.security: Counter[str] = Counter()
        self.last_landing: dict[str, dt.datetime] = {}
        self.last_event: dict[str, dt.datetime] = {}
        self._waiting: dict[str, dt.datetime] = {}  # batches that were not published when last asked
        self._version = -1

    def read(self, settings: Settings) -> None:
        """Take in the commits since the last call."""
        for commit in commits(Lake(settings), "events", self._version):
            self._version = commit.version
            self._take(commit)

    def _take(self, commit: LandedCommit) -> None:
        for place, part in commit.partitions.items():
            topic = place.rpartition("/")[0]
            sender = sender_of(topic) or topic
            self.quarantined[sender] += part.quarantined
            self.duplicates[sender] += part.duplicates
        self.security.update(commit.said.get("security", {}))
        agencies = commit.said.get("agencies", {})
        if not agencies:
            return
        at = dt.datetime.fromisoformat(commit.said["landed_at"])
        self._waiting[commit.batch_id] = at
        for agency, told in agencies.items():
            self.landed[agency] += told["rows"]
            self.last_landing[agency] = max(at, self.last_landing.get(agency, at))
            last = dt.datetime.fromisoformat(told["last"])
            self.last_event[agency] = max(last, self.last_event.get(agency, last))

    def unpublished_since(self, settings: Settings) -> dt.datetime | None:
        """When the oldest batch landed on which the published version does not rest; None where there is none.

        A batch that the gate holds has been told of: it waits for a person, and is counted elsewhere.
        """
        from pipeline import progress

        noted = progress.noted(settings, "publish")
        if noted is not None:
            verdicts = Lake(settings).open("verdicts", version=int(noted["verdicts"])).rows()
            for batch in verdicts.column("batch_id").to_pylist():
                self._waiting.pop(batch, None)
        return min(self._waiting.values(), default=None)
