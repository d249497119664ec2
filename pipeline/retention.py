"""How long an event keeps the pid of its person: the months of the setting, then what was done stays by month alone."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.errors import Fenced, MizanError, TryAgain
from contracts.failpoints import failpoint
from contracts.reporting_time import Month, month_of, tehran_date, tehran_today
from contracts.settings import Settings

if TYPE_CHECKING:
    from landing.retention import Dropped

STEP = "drop-pids"
# Landing and gates go on meanwhile: what was taken apart of a lake that has moved since is taken apart again.
_TRIES = 5


@dataclass(frozen=True)
class RetentionDone:
    """What was dropped (None: nothing was old enough).

    ``waiting``: older events that keep their pid until they are judged.
    """

    before: dt.datetime
    dropped: Dropped | None
    waiting: int
    old_pids_gone_from: dt.datetime | None

    def document(self) -> dict[str, Any]:
        """What `mizan key drop-pids --json` prints."""
        told = {"before": self.before, "waiting": self.waiting, "old_pids_gone_from": self.old_pids_gone_from}
        none = {"drop_id": None, "rows": 0, "files": 0, "person_months": 0, "sessions": 0, "lake_version": None}
        return told | (none if self.dropped is None else vars(self.dropped))


def kept_from(months: int, now: dt.datetime) -> dt.datetime:
    """The first instant whose events keep their pid: the Jalali month ``months`` before the one that holds ``now``."""
    today = month_of("jalali", tehran_date(now))
    count = today.year * 12 + today.number - 1 - months
    return Month("jalali", count // 12, count % 12 + 1).start


@dataclass(frozen=True)
class _Figures:
    """What is built: of which parts of batches, looked at on which day, and the content hash of it."""

    counted: int
    day: dt.date
    content_hash: str


def drop_old_pids(settings: Settings, *, by: str, now: dt.datetime | None = None) -> RetentionDone:
    """Drop the pids of events older than MIZAN_PID_MONTHS, and build the figures anew: they stay what they are.

    Raises TryAgain where the lake leaves no moment for it, Halted where a file of the lake is damaged, MizanError where
    a figure moved.
    """
    from landing.losses import given
    from landing.retention import drop_pids
    from pipeline.keys import build_anew
    from transforms.detached import detach
    from transforms.refresh import update
    from warehouse.lake import Lake
    from warehouse.lake_versions import note_versions
    from warehouse.maintenance import RETENTION_HOURS
    from warehouse.person_months import PERSONS, SESSIONS

    begun, name = time.monotonic(), given("--by", by)
    before = kept_from(settings.pid_months, now or dt.datetime.now(dt.UTC))
    for _ in range(_TRIES):
        update(settings)
        try:
            detached = detach(settings, before)
            if not detached.rows:
                return RetentionDone(before, None, detached.waiting, None)
            before_it = _figures(settings)
            kept = {PERSONS: detached.person_months, SESSIONS: detached.session_starts}
            done = drop_pids(settings, detached.events, before, detached.rows, detached.spared, kept, by=name)
        except (Fenced, TryAgain):
            continue
        break
    else:
        raise TryAgain("the lake changes too often", hint="run the same command when landing rests")
    build_anew(settings)
    failpoint("drop.built")
    outcome = {"step": STEP, "subject": done.drop_id, "rows_in": done.rows, "rows_out": done.rows, "rows_aside": 0}
    ended = {"completed_at": dt.datetime.now(dt.UTC), "seconds": time.monotonic() - begun, "result": "done"}
    Lake(settings).append("outcomes", [outcome | ended])
    note_versions(settings)
    _require_same(before_it, _figures(settings))
    gone = dt.datetime.now(dt.UTC) + dt.timedelta(hours=RETENTION_HOURS)
    return RetentionDone(before, done, detached.waiting, gone)


def _figures(settings: Settings) -> _Figures:
    from transforms.refresh import content_hash
    from warehouse.connection import build_connection

    with build_connection(settings) as connection:
        counted = "SELECT coalesce(bit_xor(hash(batch_id, agency_id)), 0)::HUGEINT FROM ops_counted"
        ((parts,),) = connection.execute(counted).fetchall()
        return _Figures(int(parts), tehran_today(), content_hash(connection))


def _require_same(before: _Figures, after: _Figures) -> None:
    """Raise MizanError where the same batches give other figures; where others are counted now, nothing can be said."""
    if (before.counted, before.day) == (after.counted, after.day) and before.content_hash != after.content_hash:
        raise MizanError("figures moved when pids were dropped", hint="see docs/runbooks/dropped-pids.md")
