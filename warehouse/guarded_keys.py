"""Keys are made for a new home alone: a lake that holds records was landed under keys that no fresh one replaces."""

from __future__ import annotations

from pathlib import Path

from deltalake.exceptions import DeltaError

from contracts.errors import UsageError
from contracts.keys import create_keys
from contracts.settings import Settings
from warehouse.lake import Lake

# There from a restore's first move to its last; what it names was moved aside, or is not there yet.
UNFINISHED_RESTORE = ".restore-unfinished"


def make_keys(settings: Settings) -> list[Path]:
    """As ``contracts.keys.create_keys``; the files that were made.

    UsageError where a key is gone from a home whose lake holds records: under a fresh platform key every person would
    be counted a second time and no rejected record would be known again, under a fresh transport key every person of
    the agencies that are given it. UsageError too where a restore was begun and not finished.
    """
    unfinished = settings.home / UNFINISHED_RESTORE
    if unfinished.exists():
        raise UsageError(
            f"a restore into {settings.home} was begun and not finished",
            hint=f"run it again: {unfinished.read_text(encoding='utf-8').strip()}",
        )
    gone = [path for path in (settings.platform_key_file, settings.transport_key_file) if not path.exists()]
    if gone and _holds_records(settings):
        is_platform = gone[0] == settings.platform_key_file
        raise UsageError(
            f"{gone[0]} is gone, and the lake holds events that were landed with that key",
            hint="see docs/runbooks/lost-platform-key.md"
            if is_platform
            else "put it back from your copy of the keys; every agency's bundle holds it too, as transport.key",
        )
    return create_keys(settings)


def _holds_records(settings: Settings) -> bool:
    lake = Lake(settings)
    for name in ("events", "quarantine"):
        try:
            if lake.open(name).files:
                return True
        except UsageError:
            continue  # no such table yet
        except DeltaError:
            return True  # its log is damaged: nobody knows that it is empty
    return False
