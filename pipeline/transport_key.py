"""The transport key replaced after a leak: a new key under a new id, the old one retired, later months flagged."""

from __future__ import annotations

import datetime as dt
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.errors import UsageError
from contracts.failpoints import failpoint
from contracts.keys import (
    KEY_BYTES,
    current_key_id,
    keep_secret,
    put_transport_key,
    read_key,
    read_secret,
    transport_key_of,
)
from contracts.settings import Settings

STEP = "replace-transport"


@dataclass(frozen=True)
class Replaced:
    """A replacement that is done. ``agencies``: those whose bundle on this machine has the new key now."""

    old_key_id: str
    new_key_id: str
    introduced_at: dt.datetime
    retired_at: dt.datetime
    agencies: Sequence[str]
    resumed: bool

    def document(self) -> dict[str, Any]:
        """What `mizan key replace-transport --json` prints."""
        return vars(self)


def replace_transport_key(
    settings: Settings, *, by: str, reason: str, retire_at: dt.datetime | None = None
) -> Replaced:
    """Put a new transport key in the place of the domain's, or finish what a run which died has begun.

    ``retire_at``: events that happened from then on are not accepted with the old id; by default from now on. The old
    key stays beside the new one, as ``transport.key.<id>``: agencies may need it to name a person for an erasure.
    """
    from broker.bundle import renew_kept
    from landing.losses import given
    from warehouse.connection import build_turn
    from warehouse.lake import Lake
    from warehouse.transport_keys import KeyChange, add, key_changes

    begun, lake, file = time.monotonic(), Lake(settings), settings.transport_key_file
    by, reason = given("--by", by), given("--reason", reason)
    read_key(file)
    with build_turn(settings):  # of two at once one finds what the other has done
        last = next(iter(reversed(key_changes(lake))), None)
        done = {row["subject"] for row in lake.open("outcomes").rows().to_pylist() if row["step"] == STEP}
        resumed = last is not None and last.new_key_id not in done
        if last is None or not resumed:
            now, old = dt.datetime.now(dt.UTC), current_key_id(settings)
            last = KeyChange(old, _following(old), now, retire_at or now, by, reason)
        new_file = transport_key_of(settings, last.new_key_id)
        # Both keys are on disk under their ids before anything says that the new one holds.
        keep_secret(new_file, lambda: secrets.token_hex(KEY_BYTES))
        keep_secret(transport_key_of(settings, last.old_key_id), lambda: read_secret(file))
        failpoint("replace.keys")
        if not resumed:
            add(lake, last)
            failpoint("replace.noted")
        put_transport_key(settings, read_secret(new_file), last.new_key_id)
        failpoint("replace.put")
        agencies = renew_kept(settings)
        failpoint("replace.bundles")
        outcome = {"step": STEP, "subject": last.new_key_id, "rows_in": 0, "rows_out": 0, "rows_aside": 0}
        times = {"completed_at": dt.datetime.now(dt.UTC), "seconds": time.monotonic() - begun}
        lake.append("outcomes", [{**outcome, **times, "result": "done"}])
        new_file.unlink()
    return Replaced(last.old_key_id, last.new_key_id, last.introduced_at, last.retired_at, agencies, resumed)


def parsed_instant(text: str) -> dt.datetime:
    """An instant with a zone, as ISO 8601 has it. UsageError for anything else."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"no instant with a zone: {text!r}", hint="such as 2026-12-22T00:00+03:30")
    return found.astimezone(dt.UTC)


def _following(key_id: str) -> str:
    """The id after this one: t2 after t1."""
    match = re.fullmatch(r"(.*?)([0-9]+)", key_id)
    return f"{match[1]}{int(match[2]) + 1}" if match else f"{key_id}2"
