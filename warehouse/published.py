"""Read what is published: the version in service, opened read-only, and a table for people.

Readers open the file that CURRENT.json names. ``current.duckdb`` is the same file for tools that want a fixed path; a
process that keeps running should ask again, because an opened file stays the version it was.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from contracts.errors import UsageError
from contracts.settings import Settings
from warehouse.connection import Connection

TIERS = ("analyst", "public")
POINTER = "CURRENT.json"


@dataclass(frozen=True)
class Manifest:
    """CURRENT.json of one tier: the version in service and the versions that were before and are kept."""

    folder: Path
    version: int
    as_of: dt.datetime
    lake: Mapping[str, Any]
    checksums: Mapping[str, str]
    versions: list[int]
    source: str

    @property
    def database(self) -> Path:
        """The version's own file."""
        return self.folder / f"v{self.version:06d}.duckdb"

    def is_whole(self) -> bool:
        """True where the file is there and current.duckdb is that very file."""
        current = self.folder / "current.duckdb"
        return self.database.exists() and current.exists() and current.samefile(self.database)


def current(settings: Settings, tier: str = "analyst") -> dict[str, Any] | None:
    """CURRENT.json of a tier as it is: version, as_of, lake, checksums …; None before the first publication."""
    try:
        document: dict[str, Any] = json.loads((settings.published / tier / POINTER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return document


def manifest(settings: Settings, tier: str) -> Manifest | None:
    """What is in service in a tier; None before the first publication."""
    folder = settings.published / tier
    document = current(settings, tier)
    if document is None:
        return None
    return Manifest(
        folder,
        document["version"],
        dt.datetime.fromisoformat(document["as_of"]),
        document["lake"],
        document["checksums"],
        [version for version in document["versions"] if (folder / f"v{version:06d}.duckdb").exists()],
        document["source"],
    )


@contextlib.contextmanager
def open_published(settings: Settings, tier: str = "analyst") -> Iterator[Connection]:
    """A read-only connection to the version in service. UsageError before the first publication."""
    found = manifest(settings, tier)
    if found is None:
        raise UsageError("nothing is published yet", hint="run: mizan publish")
    with open_version(found.database) as connection:
        yield connection


@contextlib.contextmanager
def open_version(database: Path) -> Iterator[Connection]:
    """A read-only connection to one version's file, in UTC. Whatever it is asked, it reaches no other file."""
    connection = duckdb.connect(str(database), read_only=True)
    try:
        # Who opens it twice in one process gets the same instance, which is locked already. Hence GLOBAL, too.
        if connection.execute("SELECT NOT current_setting('lock_configuration')::BOOLEAN").fetchone() == (True,):
            connection.execute("SET GLOBAL TimeZone = 'UTC'; SET TimeZone = 'UTC'; SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def monthly_table(
    settings: Settings,
    *,
    tier: str = "analyst",
    calendar: str | None = None,
    scope: str = "national",
    scope_id: str = "IR",
    last_months: int = 3,
) -> list[dict[str, Any]]:
    """Rows for a printed table, oldest month first, ``all`` before the channels.

    Columns: month, month_fa, month_en, channel, state, then each measure (None unless its status is ``value``) and
    its status.
    """
    wanted = {
        "calendar": calendar or settings.calendar,
        "scope": scope,
        "scope_id": scope_id,
        "months": last_months,
    }
    with open_published(settings, tier) as connection:
        found = connection.execute(
            """
            WITH keys AS (
                SELECT month, channel, any_value(state) AS state FROM (
                    SELECT calendar, month, scope, scope_id, channel, state FROM marts.monthly_users
                    UNION ALL SELECT calendar, month, scope, scope_id, channel, state FROM marts.monthly_visits
                    UNION ALL SELECT calendar, month, scope, scope_id, channel, state FROM marts.monthly_transactions
                )
                WHERE calendar = $calendar AND scope = $scope AND scope_id = $scope_id
                GROUP BY month, channel
            ),
            shown AS (SELECT DISTINCT month FROM keys ORDER BY month DESC LIMIT $months)
            SELECT
                k.month, m.name_fa AS month_fa, m.name_en AS month_en, k.channel, k.state,
                u.active_users, u.active_users_status, u.new_users, u.new_users_status,
                u.registered_users, u.registered_users_status,
                v.visits, v.visits_status, v.visits_per_active_user, v.visits_per_active_user_status,
                t.received, t.received_status, t.completed, t.completed_status, t.accepted, t.accepted_status,
                t.declared, t.declared_status,
                s.share, s.share_status, s.users_share, s.users_share_status
            FROM keys AS k
            SEMI JOIN shown ON shown.month = k.month
            LEFT JOIN marts.dim_month AS m ON m.calendar = $calendar AND m.month = k.month
            LEFT JOIN marts.monthly_users AS u
                ON u.calendar = $calendar AND u.scope = $scope AND u.scope_id = $scope_id
                AND u.month = k.month AND u.channel = k.channel
            LEFT JOIN marts.monthly_visits AS v
                ON v.calendar = $calendar AND v.scope = $scope AND v.scope_id = $scope_id
                AND v.month = k.month AND v.channel = k.channel
            LEFT JOIN marts.monthly_transactions AS t
                ON t.calendar = $calendar AND t.scope = $scope AND t.scope_id = $scope_id
                AND t.month = k.month AND t.channel = k.channel
            LEFT JOIN marts.monthly_channel_share AS s
                ON s.calendar = $calendar AND s.scope = $scope AND s.scope_id = $scope_id
                AND s.month = k.month AND s.channel = k.channel
            ORDER BY k.month, k.channel <> 'all', k.channel
            """,
            wanted,
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
