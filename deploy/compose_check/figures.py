"""What was published: read from the volume as an analyst does, and from the report site as anybody does."""

from __future__ import annotations

import csv
import http.client
import io
from pathlib import Path

from compose_check.traffic import MONTH
from contracts.settings import Settings
from warehouse.published import manifest, open_published

_VISITS = """
    SELECT visits FROM marts.monthly_visits
    WHERE calendar = 'gregorian' AND month = $month AND scope = $scope AND scope_id = $scope_id AND channel = 'all'
"""


def of_volume(home: Path, scope: str, scope_id: str, tier: str = "analyst") -> int | None:
    """The month's visits in the published database of a tier; None while there is none."""
    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    if manifest(settings, tier) is None:
        return None
    with open_published(settings, tier) as connection:
        row = connection.execute(_VISITS, {"month": MONTH, "scope": scope, "scope_id": scope_id}).fetchone()
    return None if row is None else row[0]


def of_site(port: int, scope: str, scope_id: str) -> int | None:
    """The same number in the CSV file that the report site offers."""
    _, body = asked(port, "/csv/monthly_visits.csv")
    for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"))):
        if (row["calendar"], row["month"], row["scope"], row["scope_id"], row["channel"]) == (
            "gregorian",
            MONTH,
            scope,
            scope_id,
            "all",
        ):
            return int(row["visits"]) if row["visits"] else None
    return None


def asked(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one page on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
