"""Months as a process: where each stands, closing one by name, reopening it. Each ends with what readers will see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.reporting_time import parse_begun_month
from contracts.settings import Settings
from pipeline.steps import publish_marts


def month_list(settings: Settings) -> list[dict[str, Any]]:
    """The published months of both calendars, oldest first, each with its newest release.

    Keys: calendar, month, state, vintage, expected, reported, closed_by, closed_at, note, release (None where the month
    was never closed).
    """
    from warehouse.published import manifest, open_published
    from warehouse.release_checks import release_folders

    if manifest(settings, "analyst") is None:
        return []
    releases: dict[str, tuple[int, Path]] = {}
    for folder in release_folders(settings):
        month, _, vintage = folder.name.rpartition("-")
        if vintage.isdigit():
            releases[month] = max(releases.get(month, (0, folder)), (int(vintage), folder))
    with open_published(settings) as connection:
        found = connection.execute(
            "SELECT calendar, month, state, vintage, expected, reported, closed_by, closed_at, note "
            "FROM marts.month_states ORDER BY calendar DESC, month"
        )
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return [{**row, "release": releases[row["month"]][1] if row["month"] in releases else None} for row in rows]


def close_month(label: str, *, by: str, note: str, settings: Settings | None = None) -> dict[str, Any]:
    """Write the month's release and publish it as final; safe to repeat.

    Gives month, vintage, content_hash, release (its folder), version (published) and is_new. UsageError where the month
    may not be closed, see warehouse.releases.close.
    """
    from warehouse.releases import close

    settings = settings or Settings.load()
    closed = close(settings, parse_begun_month(label), by=by, note=note)
    return {
        "month": closed.month.label,
        "vintage": closed.vintage,
        "content_hash": closed.content_hash,
        "release": closed.folder,
        "version": publish_marts(settings).version,
        "is_new": closed.is_new,
    }


def reopen_month(label: str, *, by: str, note: str, settings: Settings | None = None) -> dict[str, Any]:
    """Take a closing back and publish the month as provisional; its releases stay. UsageError where none is closed."""
    from warehouse.releases import reopen

    settings = settings or Settings.load()
    month = parse_begun_month(label)
    vintage = reopen(settings, month, by=by, note=note)
    return {"month": month.label, "vintage": vintage, "version": publish_marts(settings).version}
