"""The ledger of transport keys: which was put in the place of which, when, by whom. Rows are only ever added.

Persons of before and after a replacement cannot be told to be the same, so users from that month on are flagged.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from contracts.reporting_time import CALENDARS, month_of, tehran_date
from contracts.settings import Settings
from warehouse.connection import Connection
from warehouse.lake import Lake

TABLE = "transport_key_changes"


@dataclass(frozen=True)
class KeyChange:
    """One replacement. An event that happened before ``retired_at`` may still come with ``old_key_id``."""

    old_key_id: str
    new_key_id: str
    introduced_at: dt.datetime
    retired_at: dt.datetime
    decided_by: str
    reason: str


def key_changes(lake: Lake) -> list[KeyChange]:
    """Every replacement, oldest first; none where the lake is older than the ledger, or not there."""
    try:
        rows = lake.open(TABLE).rows().to_pylist()
    except UsageError:
        return []
    return sorted((KeyChange(**row) for row in rows), key=lambda row: row.introduced_at)


def add(lake: Lake, change: KeyChange) -> None:
    """Add a replacement, in one commit."""
    lake.create({TABLE: lake_tables()[TABLE]})
    lake.append(TABLE, [vars(change)])


def show_breaks(connection: Connection, settings: Settings) -> None:
    """Make the temporary table ``user_breaks``: calendar, first_month of the first replacement; empty without one."""
    changes = key_changes(Lake(settings))
    rows = [
        {"calendar": calendar, "first_month": month_of(calendar, tehran_date(changes[0].introduced_at)).label}
        for calendar in (CALENDARS if changes else ())
    ]
    schema = pa.schema([("calendar", pa.string()), ("first_month", pa.string())])
    connection.register("breaks_found", pa.Table.from_pylist(rows, schema=schema))
    connection.execute("CREATE OR REPLACE TEMP TABLE user_breaks AS SELECT * FROM breaks_found")
    connection.unregister("breaks_found")
