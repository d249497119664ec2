"""Where everything stands: each agency's lag and counts, the months' states, the published version."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contracts.errors import TryAgain, UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from contracts.topics import sender_of

if TYPE_CHECKING:
    from landing.watch import Lag


def standing(settings: Settings) -> dict[str, Any]:
    """What `mizan status --json` prints.

    ``agencies``: agency_id, lag (None where Kafka does not answer), held_back (offsets behind an open transaction of
    the agency's; lag cannot count them), waits_longer_than (seconds that the oldest record to land has passed, a step
    of landing.watch.AGES; None where none waits a minute), last_event_at, landed, quarantined, duplicates,
    state (``halted``, ``held``, ``behind``, ``current`` or ``silent``: no event yet), held batches and halts.
    """
    told = _lags(settings)
    counts = _counts(settings)
    held = _held(settings)
    agencies = []
    for agency in sorted(told.keys() | counts.keys()):
        row = counts.get(agency, {"landed": 0, "last_event_at": None, "quarantined": 0, "duplicates": 0})
        lag = told.get(agency)
        agencies.append(
            {
                "agency_id": agency,
                "lag": lag and lag.lag,
                "held_back": lag and lag.held_back,
                "waits_longer_than": lag and lag.older_than,
                **row,
                "state": _state(lag, bool(held[agency]), row["landed"]),
                "held_batches": held[agency],
                "halts": list(lag.halts) if lag else [],
            }
        )
    return {"agencies": agencies, "months": _months(settings), "published": _published(settings)}


def _state(lag: Lag | None, held: bool, landed: int) -> str:
    if lag and lag.halts:
        return "halted"
    if held:
        return "held"
    if lag and (lag.lag or lag.held_back):
        return "behind"
    return "current" if landed else "silent"


def _lags(settings: Settings) -> dict[str, Lag]:
    """By agency; nothing where Kafka does not answer."""
    from landing.watch import lag

    try:
        return {one.agency_id: one for one in lag(settings)}
    except (TryAgain, UsageError):
        return {}


def _counts(settings: Settings) -> dict[str, dict[str, Any]]:
    from warehouse.connection import memory_connection, view_files
    from warehouse.lake import Lake
    from warehouse.landing_log import commits
    from warehouse.quarantine_states import decisions, view_quarantine

    lake = Lake(settings)
    duplicates: Counter[str] = Counter()
    for commit in commits(lake, "events"):
        for place, part in commit.partitions.items():
            topic, _, _ = place.rpartition("/")
            duplicates[sender_of(topic) or topic] += part.duplicates
    connection = memory_connection(settings)
    view_files(connection, "events", lake.open("events").files, dict(lake_tables()["events"]))
    view_quarantine(connection, "quarantine", lake.open("quarantine"), decisions(lake))
    rows: Sequence[tuple[str, int, Any, int]] = connection.execute("""
        SELECT agency_id, SUM(landed)::BIGINT, MAX(last_event_at), SUM(quarantined)::BIGINT
        FROM (
            SELECT agency_id, COUNT(*) AS landed, MAX(occurred_at) AS last_event_at, 0 AS quarantined
            FROM events GROUP BY agency_id
            UNION ALL
            SELECT agency_id, 0, NULL, COUNT(*) FROM quarantine WHERE state = 'open' GROUP BY agency_id
        )
        GROUP BY agency_id
    """).fetchall()
    connection.close()
    found = {
        agency: {"landed": landed, "last_event_at": last, "quarantined": aside, "duplicates": duplicates[agency]}
        for agency, landed, last, aside in rows
    }
    for agency, count in duplicates.items():
        found.setdefault(agency, {"landed": 0, "last_event_at": None, "quarantined": 0, "duplicates": count})
    return found


def _held(settings: Settings) -> defaultdict[str, list[str]]:
    from expectations.gate import standing as verdicts
    from warehouse.lake import Lake

    found: defaultdict[str, list[str]] = defaultdict(list)
    for (batch, agency), row in verdicts(settings, Lake(settings)).items():
        if row["verdict"] == "held":
            found[agency].append(batch)
    return found


def _months(settings: Settings) -> list[dict[str, Any]]:
    from warehouse.published import manifest, open_published

    if manifest(settings, "analyst") is None:
        return []
    with open_published(settings, "analyst") as connection:
        rows = connection.execute(
            "SELECT calendar, month, state, vintage FROM marts.month_states ORDER BY calendar, month"
        ).fetchall()
    return [dict(zip(("calendar", "month", "state", "vintage"), row, strict=True)) for row in rows]


def _published(settings: Settings) -> dict[str, Any] | None:
    from warehouse.published import manifest

    found = manifest(settings, "analyst")
    if found is None:
        return None
    return {"version": found.version, "as_of": found.as_of, "lake": dict(found.lake)}
