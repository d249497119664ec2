"""The platform key over its life: which key the lake is under, and its rotation with the figures built anew."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.failpoints import failpoint
from contracts.platform_key import read_platform_key
from contracts.settings import Settings

if TYPE_CHECKING:
    from landing.rotation import Rotated


@dataclass(frozen=True)
class RotationDone:
    """A rotation with the build behind it. From ``old_pids_gone_from`` on `mizan compact` leaves no older pid on disk.

    ``build_hash``: the content hash of the figures after it, None where nothing is built yet.
    """

    rotated: Rotated
    build_hash: str | None
    old_pids_gone_from: dt.datetime

    def document(self) -> dict[str, Any]:
        """What `mizan key rotate --json` prints."""
        return {
            "fingerprint": self.rotated.fingerprint,
            "links": self.rotated.links,
            "rows": dict(self.rotated.rows),
            "resumed": self.rotated.resumed,
            "lake_version": self.rotated.lake_version,
            "content_hash": self.build_hash,
            "old_pids_gone_from": self.old_pids_gone_from,
        }


def rotate_platform_key(settings: Settings, *, by: str, reason: str) -> RotationDone:
    """Rotate the platform key and build every figure anew; see landing.rotation.rotate for what it raises."""
    from landing.losses import given
    from landing.rotation import note, rotate
    from warehouse.lake import Lake
    from warehouse.lake_versions import note_versions
    from warehouse.maintenance import RETENTION_HOURS

    begun = time.monotonic()
    rotated = rotate(settings, by=given("--by", by), reason=given("--reason", reason))
    build_hash = build_anew(settings)
    failpoint("rotate.built")
    note(Lake(settings), rotated, time.monotonic() - begun)
    failpoint("rotate.noted")
    note_versions(settings)
    return RotationDone(rotated, build_hash, dt.datetime.now(dt.UTC) + dt.timedelta(hours=RETENTION_HOURS))


def build_anew(settings: Settings) -> str | None:
    """Bring the build up to date with a rewritten lake, which makes it anew; the content hash of its figures.

    Older builds that were set aside go too: they hold what the rewriting took out. None where nothing is built.
    """
    from transforms.refresh import content_hash, update
    from warehouse.connection import build_connection

    if not settings.build_file.exists():
        return None
    update(settings)
    for path in settings.build_file.parent.glob(f"{settings.build_file.name}*.damaged"):
        path.unlink()
    with build_connection(settings) as connection:
        return content_hash(connection)


def key_list(settings: Settings) -> list[dict[str, Any]]:
    """The links of the platform key, oldest first: link, fingerprint (of the chain up to it), tables, rotation.

    ``tables``: those whose rows are under the chain up to this link; in the end both are under the last.
    """
    from landing.rekeying import keys_for
    from warehouse.lake import Lake
    from warehouse.landing_log import commits
    from warehouse.rewriting import ROTATION

    chain, lake = read_platform_key(settings.platform_key_file), Lake(settings)
    keys = keys_for(settings, lake.open("events"), lake.open("quarantine"))
    said = {one.said.get("links"): one.said for one in commits(lake, "events") if one.kind == ROTATION}
    rows = []
    for count in range(1, len(chain.links) + 1):
        upto = chain.first(count)
        under = [name for name, key in (("events", keys.events), ("quarantine", keys.quarantine)) if key == upto]
        told = said.get(count, {})
        row = {"link": count, "fingerprint": upto.fingerprint, "tables": under}
        rows.append(row | {name: told.get(name) for name in ("rotated_at", "by", "reason")})
    return rows
