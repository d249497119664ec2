"""Erasures, read back from the log of ``events``: tombstones say how many rows went, of which batch and partition.

A tombstone is part of the commit that takes the rows out, and signed. It names no person, by no key. Where Kafka may
still hold a record of an erased person, its place is kept in ``erased_records``, so that it is not made an event again.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from warehouse.lake import Lake
from warehouse.landing_log import LandedCommit, commits
from warehouse.rewriting import ERASURE, times_rewritten
from warehouse.signing import is_signed, sign, trusted_keys
from warehouse.whole_table import replace_rows

TABLE = "erased_records"
Place = tuple[str, int, int]


def tombstone(
    settings: Settings, erasure_id: str, erased: Mapping[tuple[str, str], int], said: Mapping[str, str]
) -> dict[str, Any]:
    """What the commit says of an erasure (``erased``: rows by batch and ``topic/partition``), and its signature."""
    rows: dict[str, dict[str, int]] = {}
    for (batch, place), count in sorted(erased.items()):
        rows.setdefault(batch, {})[place] = count
    stone = {**said, "erasure_id": erasure_id, "rows": sum(erased.values()), "erased": rows}
    signature, public_key = sign(settings, _signed_text(stone))
    signed = {"signature": base64.b64encode(signature).decode(), "public_key": public_key.decode()}
    return {"kind": ERASURE, "batch_id": "", "tombstone": stone, **signed}


def erased_by(landing: LandedCommit) -> int:
    """How many rows a commit took out for good."""
    return int(landing.said["tombstone"]["rows"]) if landing.kind == ERASURE else 0


def erased_rows(landings: Iterable[LandedCommit]) -> Counter[tuple[str, str]]:
    """Rows that erasures took out, by batch and ``topic/partition``."""
    found: Counter[tuple[str, str]] = Counter()
    for landing in landings:
        if landing.kind == ERASURE:
            for batch, places in landing.said["tombstone"]["erased"].items():
                found.update({(batch, place): int(count) for place, count in places.items()})
    return found


def was_erased_after(lake: Lake, version: int) -> bool:
    """True where persons were erased after a version of ``events``. A lake without erasures is not read through."""
    if not times_rewritten(lake.open("events")):
        return False
    return any(one.kind == ERASURE and one.version > version for one in commits(lake, "events"))


def tombstone_problems(settings: Settings, landings: Iterable[LandedCommit]) -> Iterator[tuple[str, str, str]]:
    """Tombstones that were not signed by us, or do not add up: kind, where, hint."""
    stones = [one for one in landings if one.kind == ERASURE]
    trusted = trusted_keys(settings) if stones else []
    for one in stones:
        where, text = f"events version {one.version}", _signed_text(one.said["tombstone"])
        if not any(is_signed(text, base64.b64decode(one.said["signature"]), key) for key in trusted):
            yield "tombstone", where, "the signature is not one of ours"
        if sum(erased_rows([one]).values()) != erased_by(one):
            yield "tombstone", where, "the rows by batch are not those it says"


def keep_places(lake: Lake, erasure_id: str, places: Sequence[Place], until: dt.datetime) -> None:
    """Keep where Kafka may still hold erased records, before their rows go."""
    lake.create({TABLE: lake_tables()[TABLE]})
    lake.append(
        TABLE,
        [
            {"erasure_id": erasure_id, "topic": topic, "partition": partition, "offset": offset, "kept_until": until}
            for topic, partition, offset in places
        ],
    )


def erased_places(lake: Lake, landings: Iterable[LandedCommit]) -> frozenset[Place]:
    """Where Kafka may still hold records of persons who were erased; of erasures that came to their commit alone."""
    done = {one.said["tombstone"]["erasure_id"] for one in landings if one.kind == ERASURE}
    if not done:
        return frozenset()
    rows = lake.open(TABLE).rows().to_pylist()
    return frozenset((row["topic"], row["partition"], row["offset"]) for row in rows if row["erasure_id"] in done)


def let_go(lake: Lake, now: dt.datetime, retention_hours: int) -> None:
    """Take out the places that Kafka cannot hold any more, and the files that had them. Raises Fenced."""
    try:
        snapshot = lake.open(TABLE)
    except UsageError:
        return  # a lake made before there were erasures
    rows = snapshot.rows().to_pylist()
    kept = [row for row in rows if row["kept_until"] > now]
    if len(kept) < len(rows):
        replace_rows(snapshot, kept, {})
    lake.open(TABLE).handle.vacuum(retention_hours, dry_run=False, full=True)


def _signed_text(stone: Mapping[str, Any]) -> bytes:
    return json.dumps(stone, sort_keys=True, separators=(",", ":")).encode()
