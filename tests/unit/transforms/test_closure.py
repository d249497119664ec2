"""Dense hours, few persons, few names: in whatever order events and retractions come, the build is the same."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest
import random_events
from lake_bench import LakeBench, as_oracle, assert_equal, expected

from transforms import refresh

# Two hours before Tehran's midnight between Farvardin and Ordibehesht 1399, which is 19:30 UTC.
START = dt.datetime(2020, 4, 19, 17, 30, tzinfo=dt.UTC)
KINDS = (random_events.COMPLETED, "ir.egov.transaction.received.v1", "ir.egov.visit.recorded.v1")


def dense(rng: random.Random, count: int, hours: int) -> list[dict[str, Any]]:
    """Events in steps of ten minutes, so that gaps of exactly half an hour, a whole day, and equal instants abound."""
    events = []
    for number in range(count):
        kind = rng.choice(KINDS)
        is_visit = kind == KINDS[2]
        agency = rng.choice(("water", "energy"))
        event = {
            "event_id": f"e{number}",
            "source": f"/agencies/{agency}",
            "agency_id": agency,
            "event_type": kind,
            "occurred_at": START + dt.timedelta(minutes=10 * rng.randrange(hours * 6)),
            "channel": rng.choice(("portal", "national_window")),
            "pid": rng.choice((b"p" * 16, b"q" * 16, None)),
            "visit_id": f"v-{rng.randrange(8)}" if is_visit or rng.random() < 0.2 else None,
        }
        if not is_visit:
            event |= {"transaction_id": f"t-{rng.randrange(count)}", "service_id": "s1"}
        if kind == KINDS[0]:
            event |= {"outcome": rng.choice(("accepted", "rejected")), "duration_seconds": rng.choice((None, 60))}
        events.append(event)
    for number, target in enumerate(rng.sample(events, count // 6)):
        events.append(
            {
                "event_id": f"r{number}",
                "source": target["source"],
                "agency_id": target["agency_id"],
                "event_type": random_events.RETRACTED,
                "occurred_at": dt.datetime(2021, 6, 1, tzinfo=dt.UTC),
                "retracted_event_id": target["event_id"],
                "retraction_reason": "test",
            }
        )
    rng.shuffle(events)
    return events


@pytest.mark.parametrize(("seed", "hours"), [(1, 4), (2, 12), (3, 30), (4, 80), (5, 80)])
def test_sessions_visits_and_transactions_follow_events_in_any_order(
    bench: LakeBench, tmp_path: Path, seed: int, hours: int
) -> None:
    rng = random.Random(seed)
    events = dense(rng, 120, hours)
    cuts = sorted(rng.sample(range(1, len(events)), 5))
    batches = [events[first:last] for first, last in zip([0, *cuts], [*cuts, None], strict=True)]
    landed: list[dict[str, Any]] = []
    with bench.build() as connection:
        for number, batch in enumerate(batches):
            bench.land(f"b{number}", batch)
            bench.update(connection)
            landed += batch
            assert_equal(as_oracle(connection), expected(landed, bench.catalogue))
        once = LakeBench(tmp_path / "once", bench.catalogue)
        once.land("all", events)
        with once.build() as anew:
            once.update(anew)
            for fact in ("fct_sessions", "fct_visits", "fct_transactions"):
                columns = "* EXCLUDE (user_no)"  # persons are numbered as they come
                found, wanted = (
                    one.execute(f"SELECT {columns} FROM {fact} ORDER BY ALL").fetchall() for one in (connection, anew)
                )
                assert found == wanted
            assert refresh.content_hash(connection) == refresh.content_hash(anew)
