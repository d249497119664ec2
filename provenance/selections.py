"""Which events a cell of each published table rests on, and how its number follows from them.

A table that is not listed rests on the catalogue, or on other tables: its explanation names those.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from provenance.evidence import COMPLETED, COUNTED, RECEIVED, Asked
from warehouse.shaping import period_of

Row = Mapping[str, Any]
DECLARED = "ir.egov.agency.declaration.v1"
INQUIRY = "ir.egov.inquiry.answered.v1"
ASSESSED = "ir.egov.assessment.scored.v1"
HEARTBEAT = "ir.egov.agency.heartbeat.v1"
_TRANSACTION = ("agency_id", "transaction_id")
_OF_TRANSACTIONS = (
    "completed",
    "accepted",
    "reject_rate",
    "duration_p50",
    "duration_p90",
    "transactions",
    "total_transactions",
    "share",
    "rank",
    "digital_take_up",
    "digital_take_up_assisted",
)
# Ratios over all channels rest on every channel's events.
_OVER_ALL_CHANNELS = ("total_transactions", "digital_take_up", "digital_take_up_assisted")
_EVENT_TABLES = (
    "monthly_users",
    "monthly_visits",
    "monthly_transactions",
    "monthly_channel_share",
    "monthly_digital_take_up",
    "period_totals",
)
_NO_EVENTS = ("days",)
# An aggregate like the others, of another table: persons whose events have lost the pid are known by month alone.
_PERSONS = "count(*) FILTER (false) + (SELECT count(*) FROM cell_persons)"
# SQL over the cell's events that gives the figure again. Visits and sessions join events into visits, so they are
# listed and not recounted; a share divides two counts, both of which can be explained.
_RECOUNTS = {
    "received": "count(*)",
    "completed": "count(*)",
    "transactions": "count(*)",
    "total_transactions": "count(*)",
    "accepted": "count(*) FILTER (WHERE outcome = 'accepted')",
    "reject_rate": "count(*) FILTER (WHERE outcome = 'rejected') / nullif(count(*), 0)",
    "duration_p50": "quantile_cont(duration_seconds, 0.5)",
    "duration_p90": "quantile_cont(duration_seconds, 0.9)",
    "active_users": _PERSONS,
    "registered_users": _PERSONS,
    "online": "count(*) FILTER (WHERE mode = 'online')",
    "paper": "count(*) FILTER (WHERE mode = 'paper')",
}


def asked_for(table: str, measure: str, row: Row) -> Asked | None:
    """The events that a figure rests on; None where it rests on no events of its own."""
    if measure in _NO_EVENTS:
        return None
    if table in _EVENT_TABLES or (table == "reasons_in_person" and row["reported_by"] == "citizen"):
        return _declared(row) if measure.startswith("declared") else _counted(table, measure, row)
    if table == "inquiries":
        columns = {"agency_id": row["agency_id"]}
        if row["counterpart_agency_id"] != "all":
            columns["counterpart_agency_id"] = row["counterpart_agency_id"]
        start, end = window(row)
        return Asked((INQUIRY,), columns, start, end, once=("agency_id", "inquiry_id"))
    if table == "agency_ranking":
        return Asked((ASSESSED,), {"round": row["round"], "assessed_agency_id": row["agency_id"]})
    if table == "evaluation_rounds":
        return Asked((ASSESSED,), {"round": row["round"]})
    if table == "agency_status":
        day = row["day"]
        return Asked(
            (*COUNTED, HEARTBEAT), {"agency_id": row["agency_id"]}, day, day + dt.timedelta(days=1), with_tests=True
        )
    if table in ("service_observations", "service_desk"):
        name = "service_id" if table == "service_observations" else "agency_id"
        return Asked((COMPLETED,), {name: row[name]}, None, row["as_of"] + dt.timedelta(days=1), once=_TRANSACTION)
    return None


def recount_of(table: str, measure: str, row: Row) -> str | None:
    """SQL over the found events that must give the figure; None where it takes more than its events."""
    if table == "reasons_in_person":
        return {"transactions": "count(*)", "total_transactions": "count(reason_in_person)"}.get(measure)
    if table == "inquiries" and row.get(f"{measure}_source", "events") != "events":
        return None
    if table not in (*_EVENT_TABLES, "inquiries"):
        return None
    return _RECOUNTS.get(measure)


def window(row: Row) -> tuple[dt.date, dt.date]:
    """The Tehran dates of a dated row: first day, day after the last."""
    period = period_of(row["calendar"], row.get("month") or row["period"])
    return period.first.first_day, period.last.following.first_day


def _counted(table: str, measure: str, row: Row) -> Asked:
    start: dt.date | None
    start, end = window(row)
    types: tuple[str, ...] = COUNTED
    once: tuple[str, ...] = ()
    if measure == "received":
        types, once = (RECEIVED,), _TRANSACTION
    elif measure in _OF_TRANSACTIONS:
        types, once = (COMPLETED,), _TRANSACTION
    if measure == "registered_users":
        start = None
    columns = {}
    over_all = measure in _OVER_ALL_CHANNELS and table != "reasons_in_person"
    if row.get("channel", "all") != "all" and not over_all:
        columns["channel"] = row["channel"]
    if table == "reasons_in_person" and measure == "transactions":
        columns["reason_in_person"] = row["reason"]
    ministry = county = None
    scope, scope_id = str(row["scope"]), str(row["scope_id"])
    if scope == "ministry":
        ministry = scope_id
    elif scope == "county":
        county = scope_id
    elif scope != "national":
        columns[{"agency": "agency_id", "service": "service_id"}.get(scope, scope)] = scope_id
    return Asked(types, columns, start, end, ministry, county, once, calendar=str(row["calendar"]))


def _declared(row: Row) -> Asked | None:
    """The declarations of one agency, or of one service; wider scopes add up those of many."""
    columns = {"calendar": row["calendar"], "period": row.get("month") or row["period"]}
    columns["measure"] = "transactions_completed"
    if row["scope"] in ("agency", "service"):
        columns[f"{row['scope']}_id"] = row["scope_id"]
    elif row["scope"] != "national":
        return None
    if row["channel"] != "all":
        columns["channel"] = row["channel"]
    return Asked((DECLARED,), columns)
