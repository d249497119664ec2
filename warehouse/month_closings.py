"""The ledger of closed months: who closed or reopened which month, when, at which vintage. Rows are only ever added."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from warehouse.lake import Lake

TABLE = "month_closings"
CLOSE, REOPEN = "close", "reopen"


@dataclass(frozen=True)
class Closing:
    """One row: ``vintage`` and ``version`` (of the published snapshot) as they were when it was decided."""

    calendar: str
    month: str
    action: str
    vintage: int
    version: int
    content_hash: str | None
    decided_by: str
    note: str
    decided_at: dt.datetime

    @property
    def closed_vintage(self) -> int | None:
        """The vintage that is final by this row; None for a reopening."""
        return self.vintage if self.action == CLOSE else None


def releases_folder(settings: Settings) -> Path:
    """Where the releases of closed months lie."""
    return settings.home / "releases"


def release_folder(settings: Settings, month: str, vintage: int) -> Path:
    """The folder of one release."""
    return releases_folder(settings) / f"{month}-{vintage}"


def ledger(settings: Settings) -> list[Closing]:
    """Every row, oldest first; none where the lake is older than the ledger, or not there."""
    try:
        rows = Lake(settings).open(TABLE).rows().to_pylist()
    except UsageError:
        return []
    return sorted((Closing(**row) for row in rows), key=lambda row: row.decided_at)


def latest(settings: Settings) -> Mapping[tuple[str, str], Closing]:
    """The last word on each month (calendar, month) that was ever closed."""
    return {(row.calendar, row.month): row for row in ledger(settings)}


def add(settings: Settings, row: Closing) -> None:
    """Add a row, in one commit."""
    lake = Lake(settings)
    lake.create({TABLE: lake_tables()[TABLE]})
    lake.append(TABLE, [vars(row)])
