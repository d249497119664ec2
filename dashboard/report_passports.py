"""What published figures are made of, for the pages that show them: one passport a figure, as the tables have it.

As-of and lake version are the same for all dated figures of a version: they stand once, on the page of passports, so
that a page whose figures did not change stays the page it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from warehouse.connection import Connection

# Where the measures that the pages show come from.
TABLES: Mapping[str, tuple[str, ...]] = {
    "monthly_users": ("active_users", "new_users"),
    "monthly_visits": ("visits",),
    "monthly_transactions": ("completed", "declared"),
    "monthly_channel_share": ("share",),
    "monthly_digital_take_up": ("digital_take_up",),
    "period_totals": ("active_users", "visits", "completed", "declared"),
    "service_levels": ("services", "share_lower", "share_upper", "share_of_known"),
}

Place = tuple[str, str, str]  # time (month, period or day), channel, measure


class Passport(NamedTuple):
    """Numerator and denominator (None where a figure has none), and how many of the expected agencies it knows.

    ``covered`` and ``expected`` are None unless ``status`` is ``value``.
    """

    numerator: float | None
    denominator: float | None
    covered: int | None
    expected: int | None
    status: str


def read_passports(connection: Connection, scopes: Sequence[str]) -> Mapping[str, Mapping[Place, Passport]]:
    """The passports of scopes of these kinds, by scope key."""
    found = connection.execute(
        """
        WITH own AS (
            SELECT *, json_extract_string(
                key, ['$.scope', '$.scope_id', '$.month', '$.period', '$.as_of', '$.channel']
            ) AS parts
            FROM marts.figure_passports
            WHERE list_contains($tables, table_name) AND list_contains($measures, measure)
        )
        SELECT parts[1] || ':' || parts[2], coalesce(parts[3], parts[4], parts[5]), coalesce(parts[6], 'all'), measure,
            numerator, denominator, round(coverage * population)::BIGINT, population, coverage_status
        FROM own WHERE list_contains($scopes, parts[1])
        """,
        {
            "tables": list(TABLES),
            "measures": sorted({measure for measures in TABLES.values() for measure in measures}),
            "scopes": list(scopes),
        },
    )
    passports: dict[str, dict[Place, Passport]] = defaultdict(dict)
    for scope_key, time, channel, measure, numerator, denominator, covered, expected, status in found.fetchall():
        known = status == "value"
        passports[scope_key][time, channel, measure] = Passport(
            numerator, denominator, covered if known else None, expected if known else None, status
        )
    return passports
