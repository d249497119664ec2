"""What a published version holds besides the numbers: states of months, dimensions, _meta."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.erasures import was_erased_after
from warehouse.lake import Lake
from warehouse.metric_tables import columns_of
from warehouse.shaping import dimensions_of

if TYPE_CHECKING:
    from warehouse.published import Manifest

RETRACTED = "ir.egov.event.retracted.v1"
_LAKE_TABLES = (
    *("events", "quarantine", "quarantine_decisions", "verdicts"),
    *("catalogue/agencies", "catalogue/places", "catalogue/services"),
    *("catalogue/mandates", "catalogue/frameworks", "catalogue/assessments"),
)


def lake_state(settings: Settings) -> dict[str, Any]:
    """Versions of the lake's tables, and up to when events had landed; empty where there is no lake."""
    lake = Lake(settings)
    state: dict[str, Any] = {}
    for name in _LAKE_TABLES:
        try:
            state[name] = lake.open(name, {}).version
        except UsageError:
            continue
    if "events" in state:
        with memory_connection(settings, threads=1) as connection:
            view_files(connection, "events", lake.open("events").files, dict(lake_tables()["events"]))
            ((until,),) = connection.execute("SELECT max(landed_at) FROM events").fetchall()
        state["landed_until"] = None if until is None else until.isoformat()
    return state


def change_kinds(
    connection: Connection,
    settings: Settings,
    before: Manifest | None,
    lake: Mapping[str, Any],
    *,
    is_rollback: bool,
) -> None:
    """Temporary table ``change_kinds``: why cells may differ from the version before, as far as the lake tells.

    One row: ``only_kind`` where there was one kind of change alone, whether retractions were among the new events, and
    whether persons were erased.
    """
    only, has_retractions, has_erasures = None, False, False
    if is_rollback:
        only = "correction"
    elif before is not None and "events" in lake:
        retractions, others = _landed_since(settings, before.lake.get("landed_until"))
        has_retractions = retractions > 0
        has_erasures = was_erased_after(Lake(settings), int(before.lake.get("events") or 0))
        catalogue = [name for name in _LAKE_TABLES if name.startswith("catalogue/")]
        if has_erasures and not retractions and not others:
            only = "erasure"
        elif retractions and not others and not has_erasures:
            only = "retraction"
        elif (
            not retractions
            and not others
            and before.lake.get("verdicts") == lake.get("verdicts")
            and any(before.lake.get(name) != lake.get(name) for name in catalogue)
        ):
            only = "catalogue"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE change_kinds (only_kind VARCHAR, has_retractions BOOLEAN, has_erasures BOOLEAN)"
    )
    found = {"only": only, "retractions": has_retractions, "erasures": has_erasures}
    connection.execute("INSERT INTO change_kinds VALUES ($only, $retractions, $erasures)", found)


def _landed_since(settings: Settings, since: str | None) -> tuple[int, int]:
    """Retractions and other events that landed after an instant."""
    with memory_connection(settings, threads=1) as connection:
        view_files(connection, "events", Lake(settings).open("events").files, dict(lake_tables()["events"]))
        ((retractions, others),) = connection.execute(
            "SELECT count(*) FILTER (WHERE event_type = $retracted), count(*) FILTER (WHERE event_type <> $retracted) "
            "FROM events WHERE landed_at > $since",
            {
                "retracted": RETRACTED,
                "since": dt.datetime.fromisoformat(since) if since else dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
            },
        ).fetchall()
    return int(retractions), int(others)


def write_dimensions(connection: Connection, *, target: str) -> None:
    """Copy the dimensions and the months' states. Instants become UTC timestamps, which every client can read."""
    for name in dimensions_of(connection):
        columns = ", ".join(
            f"{column}::TIMESTAMP AS {column}" if kind == "TIMESTAMP WITH TIME ZONE" else column
            for column, kind in columns_of(connection, name).items()
        )
        connection.execute(f"CREATE TABLE {target}.marts.{name} AS SELECT {columns} FROM {name} ORDER BY ALL")  # noqa: S608
    connection.execute(
        f"CREATE TABLE {target}.marts.month_states AS "  # noqa: S608
        "SELECT calendar, time_key AS month, state, vintage, expected, reported, closed_by, closed_at, note, "
        "if(time_key >= first_month, 'discontinuity', 'comparable') AS users "
        "FROM standing LEFT JOIN user_breaks USING (calendar) WHERE is_month ORDER BY ALL"
    )


def write_meta(
    connection: Connection,
    settings: Settings,
    tier: str,
    version: int,
    lake: Mapping[str, object],
    now: dt.datetime,
    *,
    target: str,
) -> None:
    """The table ``_meta``: key and value; NULL where there is nothing to say yet."""
    rows: dict[str, str | None] = {
        "version": str(version),
        "as_of": now.isoformat(),
        "tier": tier,
        "calendar_default": settings.calendar,
        "time_zone": "Asia/Tehran",
        "generator": "Mizan",
        **{f"lake.{name}": None if value is None else str(value) for name, value in lake.items()},
    }
    if tier == "public":
        rows |= {
            "min_cell": str(settings.min_cell),
            "note.suppression": "A number that rests on fewer than min_cell persons is withheld (status suppressed).",
            "note.complementary_suppression": "What was found to give a withheld number away by sums, by longer times, "
            "by the other calendar or by earlier versions is withheld too. Numbers of people who are counted in "
            "several scopes, and of a day, are not searched. disclosure.public_already counts what follows from "
            "numbers told before.",
        }
    connection.execute(f"CREATE TABLE {target}.marts._meta (key VARCHAR, value VARCHAR)")
    for key, value in rows.items():
        connection.execute(f"INSERT INTO {target}.marts._meta VALUES ($key, $value)", {"key": key, "value": value})  # noqa: S608
