"""`mizan forget` as one call: the rows, the figures, and the day on which nothing of the persons is left."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.errors import UsageError
from contracts.failpoints import failpoint
from contracts.settings import Settings

if TYPE_CHECKING:
    from landing.erasure import Erased

# A record goes with its segment, and a segment is closed after a week at the latest (Kafka's own default).
_SEGMENT = dt.timedelta(days=7)


@dataclass(frozen=True)
class Forgotten:
    """An erasure with the build behind it, and until when which store may still hold something."""

    erased: Erased
    kafka_until: dt.datetime
    lake_until: dt.datetime

    @property
    def complete_on(self) -> dt.datetime:
        """When Kafka and the lake have let go of everything, if `mizan compact` runs daily as Airflow has it do."""
        return max(self.kafka_until, self.lake_until + dt.timedelta(days=1))

    def document(self) -> dict[str, Any]:
        """What `mizan forget --json` prints."""
        times = {"kafka_until": self.kafka_until, "lake_until": self.lake_until, "complete_on": self.complete_on}
        return {**vars(self.erased), **times}


def forget(
    settings: Settings, user_keys: Sequence[str], *, by: str, reason: str, kafka_days: int | None = None
) -> Forgotten:
    """Erase the persons of these user_keys and build the figures anew; see landing.erasure.erase for what it raises.

    ``kafka_days``: how long a record may stay in Kafka, where the topics are not as `mizan agency add` makes them.
    """
    from broker.administration import TOPIC_CONFIGURATION
    from landing.erasure import erase
    from landing.losses import given
    from pipeline.keys import build_anew
    from warehouse.lake import Lake
    from warehouse.lake_versions import note_versions
    from warehouse.maintenance import RETENTION_HOURS

    if kafka_days is not None and kafka_days < 1:
        raise UsageError("--kafka-days is at least 1")
    kept = dt.timedelta(milliseconds=int(TOPIC_CONFIGURATION["retention.ms"])) + _SEGMENT
    if kafka_days is not None:
        kept = dt.timedelta(days=kafka_days)
    begun, now = time.monotonic(), dt.datetime.now(dt.UTC)
    names = {"by": given("--by", by), "reason": given("--reason", reason)}
    erased = erase(settings, user_keys, **names, kafka_until=now + kept)
    build_anew(settings)
    failpoint("forget.built")
    Lake(settings).append(
        "outcomes",
        [
            {
                "step": "forget",
                "subject": erased.erasure_id,
                "rows_in": erased.rows,
                "rows_out": 0,
                "rows_aside": erased.rows,
                "completed_at": dt.datetime.now(dt.UTC),
                "seconds": time.monotonic() - begun,
                "result": "done",
            }
        ],
    )
    note_versions(settings)
    return Forgotten(erased, now + kept, dt.datetime.now(dt.UTC) + dt.timedelta(hours=RETENTION_HOURS))
