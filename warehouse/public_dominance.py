"""Cells that one person makes: where the second largest contributor could tell the largest one's part (p % rule).

Of a number of events the second largest contributor knows all but the largest part and the rest. Where that rest is
under SHARE of the largest part, he knows the largest one's part to SHARE of itself: the number is withheld, and what
is known of it must stay as wide apart. A number can only be so where it is large for its persons, so few are looked
at. To a number of persons each adds one: nobody dominates it.
"""

from __future__ import annotations

import numpy as np

from disclosure.relations import Numbers
from warehouse.connection import Connection

# The p of the rule, as statistics offices set it for magnitudes (from 5 to 20 %).
SHARE = 0.1
# The rest of a dominated number holds all its persons but two, once each at least.
_LEAST = 1 + 1 / SHARE
_PLACES = "province, county, district, ministry_id, agency_id"
_OF_SCOPE = {
    "national": "nation", "province": "province", "county": "county", "district": "district", "ministry": "ministry_id",
    "agency": "agency_id", "service": "service_id",
}  # fmt: skip
# Which units a quantity counts, by the facts that hold them; definitions are those of the metrics.
_DIGITAL = "channel IN ('portal', 'mobile_app', 'national_window')"
_ASSISTED = "(channel = 'counter_office' OR assisted_by IN ('counter_office', 'call_centre'))"
_UNITS = {
    "visits": ("visited", "true"),
    "received": ("received", "true"),
    "completed": ("completed", "true"),
    "accepted": ("completed", "outcome = 'accepted'"),
    "rejected": ("completed", "outcome = 'rejected'"),
    "digital": ("completed", _DIGITAL),
    "digital_or_assisted": ("completed", f"({_DIGITAL} OR {_ASSISTED})"),
    "reasons_in_person": ("completed", "reason_in_person IS NOT NULL"),
}


def dominated(connection: Connection, k: int) -> Numbers:
    """For each of ``public_cells`` how wide what is known of it must stay for its largest person's sake; mostly 0.

    Reads the facts of the build; of a build without them (figures that were declared, no events) nobody dominates.
    """
    ((cells,),) = connection.execute("SELECT count(*) FROM public_cells").fetchall()
    wide = np.zeros(cells)
    if not _has_facts(connection):
        return wide
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE crowded AS
        SELECT
            cells.cell, cells.number, split_part(cells.quantity, '_v', 1) AS quantity, cells.calendar, cells.scope,
            cells.scope_id, cells.channel, cells.item, first.month_no AS first_no, last.month_no AS last_no
        FROM public_cells AS cells
        INNER JOIN dim_month AS first ON first.calendar = cells.calendar AND first.month_start = cells.starts_on
        INNER JOIN dim_month AS last
            ON last.calendar = cells.calendar AND last.month_start + last.days::INTEGER = cells.ends_before
        WHERE cells.shown AND cells.kind = 'flow' AND cells.number >= {_LEAST} * (cells.persons - 2) + 2
        """  # noqa: S608 our own words
    )
    if connection.execute("SELECT count(*) FROM crowded").fetchall() == [(0,)]:
        return wide
    asked = connection.execute("SELECT DISTINCT quantity, scope FROM crowded ORDER BY ALL").fetchall()
    # A quantity and a kind of scope at a time: joined by equal names, or every unit would be held against every cell.
    parts = " UNION ALL ".join(
        f"""
            SELECT crowded.cell, crowded.number, units.user_no, units.times
            FROM ({_units_of(quantity)}) AS units
            INNER JOIN crowded
                ON crowded.scope_id = units.{_OF_SCOPE[scope]}
                AND crowded.channel IN ('all', units.channel) AND crowded.item IN ('all', units.item)
                AND if(crowded.calendar = 'jalali', units.jalali_no, units.gregorian_no)
                    BETWEEN crowded.first_no AND crowded.last_no
            WHERE units.user_no IS NOT NULL AND crowded.quantity = '{quantity}' AND crowded.scope = '{scope}'
        """  # noqa: S608 names of our own closed lists
        for quantity, scope in asked
    )
    found = connection.execute(
        f"""
        WITH parts AS (
            SELECT cell, number, user_no, sum(times) AS part FROM ({parts}) GROUP BY ALL
        ), largest AS (
            SELECT cell, number, max(part, 2) AS parts FROM parts GROUP BY ALL
        )
        SELECT cell, parts[1] * {SHARE} AS wide FROM largest
        WHERE number - parts[1] - coalesce(parts[2], 0) < parts[1] * {SHARE}
        """  # noqa: S608 our own words
    ).fetchnumpy()
    wide[found["cell"]] = np.maximum(np.ceil(found["wide"]), float(k))
    return wide


def _units_of(quantity: str) -> str:
    """One row for each unit, or for several of a person whose events have lost the pid, as the facts keep it."""
    did, which = _UNITS[quantity]
    kept = f"fct_person_months WHERE did = '{did}'"
    if did == "visited":
        item, nation, service, rows = "NULL", "nation", "NULL", {"fct_visits": "1", "fct_sessions": "1", kept: "times"}
    else:
        item, nation, service = "reason_in_person", "'IR'", "service_id"
        rows = {f"fct_transactions WHERE kind = '{did}' AND {which}": "1", f"{kept} AND {which}": "times"}
    return " UNION ALL ".join(
        f"SELECT {item} AS item, user_no, jalali_no, gregorian_no, channel, {_PLACES}, {nation} AS nation, "  # noqa: S608
        f"{service} AS service_id, {times} AS times FROM {table}"
        for table, times in rows.items()
    )


def _has_facts(connection: Connection) -> bool:
    ((count,),) = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name IN ('fct_visits', 'fct_sessions', 'fct_transactions', "
        "'fct_person_months')"
    ).fetchall()
    return bool(count == 4)
