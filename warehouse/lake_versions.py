"""A lake that is older than it was seen to be: an old copy was put back. Nothing may land on it or be published of it.

The highest versions seen are kept outside the lake, in a small file and in what was published. The file lies beside the
build database, under its name, because both speak of one lake: whoever brings another lake on purpose moves both aside.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.durable import sync
from contracts.errors import Halted, UsageError
from contracts.settings import Settings
from warehouse.lake import Lake
from warehouse.published import TIERS, current
from warehouse.small_tables import LANDED, newest_versions

REASON = "LAKE_VERSION_WENT_BACK"


@dataclass(frozen=True)
class WentBack:
    """A table that was seen (or published) at version ``seen`` and is at ``found`` now."""

    table: str
    found: int
    seen: int

    def words(self) -> str:
        """One line for people."""
        if self.found < 0:
            return f"the lake has no table {self.table} any more, which was at version {self.seen}"
        return f"the lake is at version {self.found} of {self.table}, but was at {self.seen}"


def versions_file(settings: Settings) -> Path:
    """Where the highest versions seen are kept."""
    return settings.build_file.with_name(f"{settings.build_file.name}.lake-versions")


def went_back(settings: Settings) -> list[WentBack]:
    """The tables that are older than what was seen or published of this very lake; none where all is well."""
    # What was seen is read first: another writer may go on in between, and that is no going back.
    seen = _seen(settings)
    for tier in TIERS:
        published = (current(settings, tier) or {}).get("lake", {})
        for name in LANDED:
            if isinstance(published.get(name), int):
                seen[name] = max(seen.get(name, 0), published[name])
    found = _now(settings)
    gone = {name: -1 for name in seen if name not in found and name not in LANDED}
    found |= gone if found else {}  # no lake yet: every step says so itself
    return [WentBack(name, found[name], seen[name]) for name in found if found[name] < seen.get(name, 0)]


def check_versions(settings: Settings) -> None:
    """Raise Halted where the lake went back."""
    for one in went_back(settings):
        raise Halted(REASON, one.words(), hint="see docs/runbooks/halts.md")


def note_versions(settings: Settings) -> None:
    """Keep what the lake's versions are now, durably; what was kept higher stays."""
    seen, found = _seen(settings), _now(settings)
    highest = {name: max(version, seen.get(name, 0)) for name, version in found.items()}
    if highest == seen:
        return
    path = versions_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({settings.lake_uri: highest}), encoding="utf-8")
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def _now(settings: Settings) -> dict[str, int]:
    lake = Lake(settings)
    found = {}
    for name in LANDED:
        try:
            found[name] = lake.open(name).version
        except UsageError:
            continue  # no lake yet: every step says so itself
    return found | newest_versions(settings)


def _seen(settings: Settings) -> dict[str, int]:
    """What the file says of this lake; nothing where it cannot be read: the published versions still tell."""
    try:
        said = json.loads(versions_file(settings).read_text(encoding="utf-8"))[settings.lake_uri]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    known: Mapping[str, object] = said if isinstance(said, dict) else {}
    return {name: version for name, version in known.items() if isinstance(version, int)}
