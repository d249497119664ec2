"""Statistical disclosure control of the public tier: cells that rest on too few people are withheld.

A number is withheld (NULL, status ``suppressed``) where it counts events of fewer than k distinct persons, none
included. Structural zeros are shown: a channel that the service does not have. What is computed from a withheld number
is withheld with it, and so is the remark that there is nothing to divide by. What must be withheld beside those,
because they would follow from it, public_withheld.py decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, quoted

# A derived measure is withheld together with any of these measures of its own row. Those whose contract names their
# numerator and denominator need no line here.
_TOGETHER = {
    ("monthly_channel_share", "share"): ("transactions", "total_transactions"),
    ("monthly_transactions", "reject_rate"): ("completed",),
    ("monthly_transactions", "duration_p50"): ("completed",),
    ("monthly_transactions", "duration_p90"): ("completed",),
    ("monthly_visits", "visits_per_active_user"): ("visits",),
    ("reasons_in_person", "rank"): ("transactions",),
    **{
        ("metric_drift", name): ("completed", "completed_before")
        for name in ("change", "real_change", "definition_change", "coverage_change", "catalogue_change")
    },
    ("declared_against_landed", "difference"): ("completed",),
    ("declared_against_landed", "finding"): ("completed",),
    ("service_observations", "observed_level"): ("observations",),
    ("service_observations", "agrees"): ("observations",),
    ("service_desk", "observed_level"): ("observations",),
}
# Computed of users of the same cell, or of all channels: their rows are in monthly_users.
_OF_USERS = (
    ("monthly_visits", "visits_per_active_user", {"users": "own.channel"}),
    ("monthly_channel_share", "users_share", {"users": "own.channel", "everyone": "'all'"}),
)
# Numbers of all channels that a channel's row repeats: no zero of theirs is structural.
_OF_ALL_CHANNELS = frozenset({"total_transactions"})
# Counts of one agency's records of a day or a week, withheld for what they are: few records are soon few people.
_WITHHELD = {
    ("agency_status", name): f"own.{name}_status = 'value'"
    for name in ("landed", "control_total", "landed_of_total", "rejected", "arrived")
} | {
    ("agency_status", "completeness"): "(own.completeness_status = 'value' AND own.landed_of_total < {k})",
    ("agency_status", "failure_rate"): "(own.failure_rate_status = 'value' AND own.arrived < {k})",
}
# Rows that hold an agency's own word, not a count of people's events.
_DECLARED_ROWS = {"reasons_in_person": "own.reported_by = 'agency'"}
_WORD = re.compile(r"[a-z][a-z0-9_]*")


def public_select(table: MetricTable, source: str, withheld: frozenset[str], users: str | None, k: int) -> str:
    """SQL of the table as the public may see it: the analyst's columns, made of ``source`` (which has the key counts).

    ``withheld``: the measures that ``withheld_<table>`` flags (see public_withheld.py). ``users``: a relation of
    monthly_users' rows with the flag ``is_withheld``: what is computed of users is withheld with them.
    """
    few = {measure: too_few(table, measure, k) for measure in table.keyed}
    few |= {measure: f"({few[measure]} OR beside.{measure})" for measure in few if measure in withheld}
    hidden = dict(few)
    joins = f"LEFT JOIN withheld_{table.name} AS beside ON beside.row_id = own.rowid" if withheld else ""
    for measure in (*table.measures, *(value for value in table.values if value not in table.measures)):
        # A derived measure is no number of its own where its base is withheld, whatever its status says.
        parts = [few[base] for base in _bases(table, measure) if base in few and base != measure]
        if (table.metric, measure) in _WITHHELD:
            parts.append(_WITHHELD[table.metric, measure].format(k=int(k)))
        if parts:
            hidden[measure] = " OR ".join([*([hidden[measure]] if measure in hidden else []), *parts])
    if table.metric == "monthly_channel_share" and "users_share" in hidden:
        # Not applicable means that nobody was active in any channel: a zero that rests on nobody.
        hidden["users_share"] += " OR own.users_share_status = 'not_applicable'"
    if users is not None:
        cell = ("calendar", "month", "scope", "scope_id")
        same = " AND ".join(f"{{0}}.{name} = own.{name}" for name in cell)
        for metric, measure, channels in _OF_USERS:
            if table.metric == metric and measure in hidden:
                for alias, channel in channels.items():
                    joins += f" LEFT JOIN {users} AS {alias} ON {same.format(alias)} AND {alias}.channel = {channel}"
                    hidden[measure] += f" OR coalesce({alias}.is_withheld, true)"
    if table.time_key is not None:
        # The share of a handful of events that landed tells how many there were.
        hidden["completeness"] = f"(own.completeness_status = 'value' AND own.completeness_landed < {int(k)})"
    values = []
    for column in table.shaped:
        measure = column.removesuffix("_status")
        if measure in hidden:
            shown = "'suppressed'" if column != measure else "NULL"
            values.append(f"CASE WHEN {hidden[measure]} THEN {shown} ELSE own.{quoted(column)} END AS {quoted(column)}")
        else:
            values.append(f"own.{quoted(column)}")
    return f"SELECT {', '.join(values)} FROM {source} AS own {joins}"  # noqa: S608 names of the build's tables


def users_withheld(connection: Connection, tables: Sequence[MetricTable], k: int) -> str | None:
    """Make ``withheld_users``: the rows of monthly_users and whether their active users are withheld. None without."""
    table = next((one for one in tables if one.name == "monthly_users"), None)
    if table is None:
        return None
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE withheld_users AS
        SELECT
            own.calendar, own.month, own.scope, own.scope_id, own.channel,
            beside.active_users OR {too_few(table, "active_users", k)} AS is_withheld
        FROM shaped_monthly_users AS own INNER JOIN withheld_monthly_users AS beside ON beside.row_id = own.rowid
        """  # noqa: S608 names of the build's tables
    )
    return "withheld_users"


def _bases(table: MetricTable, measure: str) -> list[str]:
    """The measures that ``measure`` is computed from: by its contract's numerator and denominator, and by our list."""
    spec = table.spec(measure)
    named = _WORD.findall(f"{spec.get('numerator', '')} {spec.get('denominator', '')}")
    return [*_TOGETHER.get((table.metric, measure), ()), *named]


def too_few(table: MetricTable, measure: str, k: int) -> str:
    """SQL that is true where a keyed measure of the row ``own`` is a number that rests on fewer than k persons."""
    parts = [f"own.{measure}_status = 'value'", f"coalesce(own.{measure}_keys, 0) < {int(k)}"]
    if measure not in _OF_ALL_CHANNELS and table.time_key is not None:
        parts.append(f"NOT (own.channel_is_foreign AND own.{quoted(measure)} = 0)")
    if table.metric in _DECLARED_ROWS:
        parts.append(f"NOT ({_DECLARED_ROWS[table.metric]})")
    return f"({' AND '.join(parts)})"
