"""Persons taken apart from the events that told of them: what stays to be counted when older events lose their pid.

Everything is computed by the facts' own queries, over the events that lose it alone. What belongs together is kept or
dropped together: of a session that is not over, or a visit that goes on, every event keeps its pid until the next time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa

from contracts.errors import TryAgain
from contracts.settings import Settings
from transforms import changes
from transforms.changes import COUNTED_KINDS, count, keep, point
from transforms.model import models
from warehouse.connection import Connection, build_connection
from warehouse.lake import Lake, Snapshot

_SESSION = f"{COUNTED_KINDS} AND e.visit_id IS NULL"
# A later event no more than this after a session's last one is part of it.
_GAP = "INTERVAL '30 minutes'"
_SCOPES = "province, county, district, ministry_id, agency_id"
_DID = f"""
    SELECT
        'active' AS did, jalali_no, gregorian_no, user_no, channel, 'IR' AS nation, {_SCOPES}, service_id,
        NULL AS outcome, NULL AS reason_in_person, NULL AS assisted_by, NULL AS is_timed, NULL AS is_observed,
        NULL AS is_full, events AS times
    FROM det_fct_user_activity
    UNION ALL BY NAME
    SELECT 'visited' AS did, jalali_no, gregorian_no, user_no, channel, nation, {_SCOPES}, count(*) AS times
    FROM (
        SELECT jalali_no, gregorian_no, user_no, channel, nation, {_SCOPES} FROM det_fct_visits
        UNION ALL SELECT jalali_no, gregorian_no, user_no, channel, nation, {_SCOPES} FROM det_fct_sessions
    ) WHERE user_no IS NOT NULL GROUP BY ALL
    UNION ALL BY NAME
    SELECT
        kind AS did, jalali_no, gregorian_no, user_no, channel, 'IR' AS nation, {_SCOPES}, service_id, outcome,
        reason_in_person, assisted_by, duration_seconds IS NOT NULL AS is_timed,
        in_person_steps IS NOT NULL AS is_observed,
        in_person_steps IS NOT NULL AND human_steps IS NOT NULL AND documents_requested IS NOT NULL
            AND duration_seconds IS NOT NULL AS is_full,
        count(*) AS times
    FROM det_fct_transactions WHERE user_no IS NOT NULL GROUP BY ALL
"""  # noqa: S608 our own words


@dataclass(frozen=True)
class Detached:
    """What dropping the pids of events before an instant takes out of ``events``, and what is kept in their place.

    ``events``: the version it was computed of. ``rows``: how many lose their pid. Those at ``spared`` (topic,
    partition, offset) keep it, until a verdict (so many are ``waiting``) or the end of their session or visit.
    """

    events: Snapshot
    rows: int
    spared: pa.Table
    waiting: int
    person_months: pa.Table
    session_starts: pa.Table


def detach(settings: Settings, before: dt.datetime) -> Detached:
    """Compute it, of a build that is up to date. Raises TryAgain where the lake went on meanwhile."""
    with build_connection(settings) as connection:
        lake = Lake(settings)
        events = changes.open_lake(connection, lake)
        _require_up_to_date(connection, events)
        at = f"TIMESTAMPTZ '{before.isoformat()}'"
        waiting = _find_spared(connection, at)
        keep(
            connection,
            "det_dropped",
            f"""SELECT e.source, e.event_id
            FROM lnd_events AS e ANTI JOIN det_spared USING (topic, partition, "offset")
            WHERE e.pid IS NOT NULL AND e.occurred_at < {at}""",  # noqa: S608 our own names
        )
        _compute_facts(connection, at)
        persons = connection.sql(
            f"SELECT u.pid, d.* EXCLUDE (user_no) FROM ({_DID}) AS d JOIN fct_users AS u USING (user_no)"  # noqa: S608
        )
        sessions = connection.sql("SELECT agency_id, channel, started_at, province, district FROM det_fct_sessions")
        return Detached(
            events,
            count(connection, "det_dropped"),
            connection.sql("SELECT * FROM det_spared").to_arrow_table(),
            waiting,
            persons.to_arrow_table(),
            sessions.to_arrow_table(),
        )


def _require_up_to_date(connection: Connection, events: Snapshot) -> None:
    noted = dict(connection.execute("SELECT name, value FROM ops_state").fetchall())
    verdicts = "SELECT batch_id, agency_id FROM chg_verdicts WHERE verdict IN ('passed', 'warned', 'released')"
    ((differ,),) = connection.execute(f"""
        SELECT (SELECT count(*) FROM ({verdicts} EXCEPT SELECT * FROM ops_counted))
            + (SELECT count(*) FROM (SELECT * FROM ops_counted EXCEPT {verdicts}))
    """).fetchall()  # noqa: S608 our own names
    if differ or noted.get("lake_version") != str(events.version):
        raise TryAgain("the lake went on while persons were taken apart", hint="run the same command again")


def _find_spared(connection: Connection, at: str) -> int:
    """det_spared: the places of older events that keep their pid; how many of them wait for a verdict."""
    old = f"e.pid IS NOT NULL AND e.occurred_at < {at}"
    place = 'e.topic, e.partition, e."offset"'
    keep(
        connection,
        "det_spared",
        f"SELECT {place} FROM lnd_events AS e ANTI JOIN ops_counted USING (batch_id, agency_id) WHERE {old}",  # noqa: S608
    )
    waiting = count(connection, "det_spared")
    # A chain of a person's events without a gap holds whole sessions.
    connection.execute(f"""
        INSERT INTO det_spared
        WITH line AS (
            SELECT {place}, e.agency_id, e.pid, e.channel, e.occurred_at,
                e.occurred_at - lag(e.occurred_at) OVER one_person > {_GAP} AS is_after_gap
            FROM lnd_events AS e WHERE {_SESSION} AND e.pid IS NOT NULL AND e.occurred_at < {at} + {_GAP}
            WINDOW one_person AS (PARTITION BY e.agency_id, e.pid, e.channel ORDER BY e.occurred_at)
        ), chains AS (
            SELECT *, count(*) FILTER (WHERE is_after_gap) OVER (
                PARTITION BY agency_id, pid, channel ORDER BY occurred_at
            ) AS chain
            FROM line
        )
        SELECT topic, partition, "offset" FROM (
            SELECT *, max(occurred_at) OVER (PARTITION BY agency_id, pid, channel, chain) AS ends_at FROM chains
        ) AS e
        WHERE ends_at >= {at} - {_GAP} AND occurred_at < {at}
        UNION
        SELECT {place} FROM lnd_events AS e
        SEMI JOIN (SELECT visit_id FROM lnd_events WHERE occurred_at >= {at} AND visit_id IS NOT NULL) USING (visit_id)
        WHERE {old}
    """)  # noqa: S608 our own names
    keep(connection, "det_spared", "SELECT DISTINCT * FROM det_spared")
    return waiting


def _compute_facts(connection: Connection, at: str) -> None:
    """det_<fact>: the facts of the older counted events, where none but those that lose their pid have a person."""
    staging, facts = models("staging"), models("facts")
    point(
        connection,
        "stg_counted",
        f"SELECT * FROM ({staging['stg_counted'].query}) WHERE occurred_at < {at}",  # noqa: S608
    )
    keep(
        connection,
        "det_events",
        f"""SELECT e.* REPLACE (CASE WHEN d.event_id IS NOT NULL THEN e.user_no END AS user_no)
        FROM ({staging["stg_events"].query}) AS e LEFT JOIN det_dropped AS d USING (source, event_id)""",  # noqa: S608
    )
    point(connection, "stg_events", "SELECT * FROM det_events")
    for name in ("fct_user_activity", "fct_visits", "fct_sessions", "fct_transactions"):
        keep(connection, f"det_{name}", facts[name].selection)
