"""The highest version number readers have seen, kept beside what is published: a number is never given twice.

The published folder knows its own numbers, but it may be an old copy, or have been moved aside.
"""

from __future__ import annotations

import os
from pathlib import Path

from contracts.durable import sync
from contracts.settings import Settings


def floor_file(settings: Settings) -> Path:
    """Where the number is kept."""
    return settings.published.with_name(f"{settings.published.name}.floor")


def version_floor(settings: Settings) -> int:
    """The highest number known to have been published; 0 where none is, or the note cannot be read."""
    try:
        return max(int(floor_file(settings).read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        return 0


def raise_floor(settings: Settings, version: int) -> None:
    """Note durably that ``version`` is taken; a higher note stays."""
    if version <= version_floor(settings):
        return
    path = floor_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{version}\n", encoding="ascii")
    sync(draft)
    draft.replace(path)
    sync(path.parent)
