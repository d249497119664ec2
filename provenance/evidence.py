"""The events behind a published figure: found again in the lake as it was when the figure was published.

What counts is said once in transforms (stg_counted, stg_events, fct_transactions); here it is asked again of the
lake's own rows, by other means, so that a recount is a proof and not an echo.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.lake_tables import lake_tables
from contracts.reporting_time import day_start, month_of
from contracts.settings import Settings
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.lake import Lake
from warehouse.landing_log import commits, live_files
from warehouse.person_months import view_kept

Row = dict[str, Any]
RECEIVED = "ir.egov.transaction.received.v1"
COMPLETED = "ir.egov.transaction.completed.v1"
VISIT = "ir.egov.visit.recorded.v1"
RETRACTED = "ir.egov.event.retracted.v1"
COUNTED = (RECEIVED, COMPLETED, VISIT)
_OPEN = ("passed", "warned", "released")


@dataclass(frozen=True)
class Asked:
    """Which events a figure rests on.

    ``types``: event types. ``columns``: event column to the value it must have. ``start`` and ``end``: a half-open run
    of Tehran dates, None for no bound. ``ministry`` and ``county`` follow the runs given to ``LakeThen``. ``once``:
    what makes events one thing, of which the earliest speaks (before any other condition), such as a transaction id.
    ``calendar``: the one whose whole months ``start`` and ``end`` bound.
    """

    types: tuple[str, ...]
    columns: Mapping[str, str]
    start: dt.date | None = None
    end: dt.date | None = None
    ministry: str | None = None
    county: str | None = None
    once: tuple[str, ...] = ()
    with_tests: bool = False
    calendar: str | None = None


class LakeThen:
    """The lake at the versions a publication names. ``notes`` says where it could not be read as it was."""

    def __init__(self, settings: Settings, versions: Mapping[str, Any], landed_until: str | None) -> None:
        self.lake = Lake(settings)
        self.connection: Connection = memory_connection(settings)
        self.notes: list[str] = []
        events = self.lake.open("events", version=versions.get("events"))
        self.version = events.version
        columns = dict(lake_tables()["events"])
        live = live_files(events)
        if events.folder.sizes(live).keys() == live.keys():
            view_files(self.connection, "all_events", events.files, columns, with_names=True)
            self.files = events.files
            view_kept(self.connection, self.lake, events)
        else:
            # A compaction removed the files after a week; the merged ones hold the same rows, and later ones too.
            self.notes.append(f"files of lake version {events.version} were merged since; read from the newest version")
            newest = self.lake.open("events")
            self.files = newest.files
            view_kept(self.connection, self.lake, newest)
            view_files(self.connection, "later_events", self.files, columns, with_names=True)
            self.connection.execute(
                "CREATE TEMP TABLE landed_until AS SELECT $until::TIMESTAMPTZ AS until", {"until": landed_until}
            )
            self.connection.execute(
                "CREATE TEMP VIEW all_events AS SELECT e.* FROM later_events AS e, landed_until AS l "
                "WHERE e.landed_at <= l.until"
            )
        self.connection.register("verdict_rows", self.lake.open("verdicts", version=versions.get("verdicts")).rows())
        # As in the build: of two decisions at one instant the closing one counts.
        self.connection.execute(
            """
            CREATE TEMP TABLE decisions AS
            SELECT batch_id, agency_id, verdict, decided_at, decided_by, reason FROM verdict_rows
            QUALIFY row_number() OVER (
                PARTITION BY batch_id, agency_id ORDER BY decided_at DESC, verdict = 'held' DESC, verdict
            ) = 1
            """
        )
        self.connection.execute(
            f"""
            CREATE TEMP TABLE taken_back AS
            SELECT DISTINCT e.source, e.retracted_event_id AS event_id
            FROM all_events AS e INNER JOIN decisions AS d USING (batch_id, agency_id)
            WHERE e.event_type = '{RETRACTED}' AND d.verdict IN {_OPEN}
            """  # noqa: S608 our own words
        )

    def close(self) -> None:
        """Let go of the files."""
        self.connection.close()

    def know_runs(self, name: str, rows: Sequence[tuple[str, str, dt.date, dt.date]]) -> None:
        """``ministries`` or ``counties``: (what, owner, first day, day after the last), in Tehran dates."""
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} (what VARCHAR, owner VARCHAR, starts TIMESTAMPTZ, ends TIMESTAMPTZ)"
        )
        for what, owner, first, following in rows:
            self.connection.execute(
                f"INSERT INTO {name} VALUES ($what, $owner, $starts, $ends)",  # noqa: S608 a literal of ours
                {"what": what, "owner": owner, "starts": _instant(first), "ends": _instant(following)},
            )

    def find(self, asked: Asked) -> None:
        """Make ``cell_events``: the figure's very events, each with its verdict; and ``cell_aside``: those left out."""
        wanted: dict[str, Any] = {"types": list(asked.types)}
        conditions = ["true"]
        for name, value in asked.columns.items():
            wanted[f"is_{name}"] = value
            conditions.append(f'e."{name}" = $is_{name}')
        for name, bound, sign in (("start", asked.start, ">="), ("end", asked.end, "<")):
            if bound is not None:
                wanted[name] = day_start(bound)
                conditions.append(f"e.occurred_at {sign} ${name}")
        for run, column, owner in (("ministries", "agency_id", asked.ministry), ("counties", "district", asked.county)):
            if owner is not None:
                wanted[run] = owner
                conditions.append(
                    f"EXISTS (SELECT 1 FROM {run} AS r WHERE r.what = e.{column} AND r.owner = ${run} "  # noqa: S608
                    "AND coalesce(e.occurred_at >= r.starts, true) AND coalesce(e.occurred_at < r.ends, true))"
                )
        counts = f"d.verdict IN {_OPEN} AND t.event_id IS NULL"
        if not asked.with_tests:
            counts += " AND e.is_test IS NOT TRUE"
        earliest, nearby = "", ""
        if asked.once:
            same = ", ".join(f'e."{name}"' for name in asked.once)
            # Only things that have an event here can have their earliest one here.
            nearby = (
                f"AND ({same}) IN (SELECT ({same}) FROM all_events AS e "  # noqa: S608 names of our own
                f"WHERE list_contains($types, e.event_type) AND {' AND '.join(conditions)})"
            )
            earliest = f"QUALIFY row_number() OVER (PARTITION BY {same} ORDER BY occurred_at, event_id, source) = 1"
        self.connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE cell_events AS
            WITH counted AS (
                SELECT e.*, d.verdict, d.decided_at, d.decided_by
                FROM all_events AS e
                INNER JOIN decisions AS d USING (batch_id, agency_id)
                LEFT JOIN taken_back AS t ON t.source = e.source AND t.event_id = e.event_id
                WHERE list_contains($types, e.event_type) AND {counts} {nearby}
            ),
            things AS (SELECT e.* FROM counted AS e {earliest})
            SELECT e.* FROM things AS e WHERE {" AND ".join(conditions)}
            """,  # noqa: S608 names of our own
            wanted,
        )
        self._find_persons(asked)
        self.connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE cell_aside AS
            SELECT
                CASE
                    WHEN d.verdict IS NULL THEN 'not_judged'
                    WHEN d.verdict NOT IN {_OPEN} THEN 'held'
                    WHEN t.event_id IS NOT NULL THEN 'retracted'
                    ELSE 'test'
                END AS why,
                count(*) AS events
            FROM all_events AS e
            LEFT JOIN decisions AS d USING (batch_id, agency_id)
            LEFT JOIN taken_back AS t ON t.source = e.source AND t.event_id = e.event_id
            WHERE list_contains($types, e.event_type) AND NOT coalesce({counts}, false) AND {" AND ".join(conditions)}
            GROUP BY why ORDER BY why
            """,  # noqa: S608 names of our own
            wanted,
        )

    def _find_persons(self, asked: Asked) -> None:
        """``cell_persons``: the pids of the figure's events, and those kept by month for events that have none now."""
        persons = "CREATE OR REPLACE TEMP TABLE cell_persons AS SELECT pid FROM cell_events WHERE pid IS NOT NULL"
        if set(asked.types) != set(COUNTED):
            self.connection.execute(persons)
            return
        wanted: dict[str, Any] = {}
        conditions = ["did = 'active'"]
        owners = {"ministry_id": asked.ministry, "county": asked.county}
        for name, value in {**asked.columns, **owners}.items():
            if value is not None:
                wanted[name] = value
                conditions.append(f'"{name}" = ${name}')
        for name, day, sign in (("start", asked.start, ">="), ("end", asked.end, "<")):
            if day is not None:
                month = month_of("jalali" if asked.calendar == "jalali" else "gregorian", day)
                wanted[name] = month.year * 12 + month.number - 1
                conditions.append(f"{month.calendar}_no {sign} ${name}")
        self.connection.execute(
            f"{persons} UNION SELECT pid FROM lnd_person_months WHERE {' AND '.join(conditions)}",  # noqa: S608 as above
            wanted,
        )

    def number(self, expression: str) -> float | None:
        """One number over the figure's events, as SQL of ours says."""
        ((found,),) = self.connection.execute(f"SELECT {expression} FROM cell_events").fetchall()  # noqa: S608
        return None if found is None else float(found)

    def inputs(self) -> dict[str, Any]:
        """Where the figure's events are: topics, partitions, offsets, batches with verdicts, files with checksums."""
        partitions = self._dicts(
            """
            SELECT topic, partition, count(*) AS events, min("offset") AS first_offset, max("offset") AS last_offset
            FROM cell_events GROUP BY ALL ORDER BY ALL
            """
        )
        return {
            "lake_version": self.version,
            "events": int(self.number("count(*)") or 0),
            "left_out": dict(self._all("SELECT why, events FROM cell_aside")),
            "partitions": partitions,
            "batches": self._dicts(
                """
                SELECT batch_id AS batch, agency_id, verdict, decided_by, count(*) AS events
                FROM cell_events GROUP BY ALL ORDER BY ALL
                """
            ),
            "files": self._files(),
            "notes": [*self.notes, *self._lives({f"{row['topic']}/{row['partition']}" for row in partitions})],
        }

    def _lives(self, places: set[str]) -> list[str]:
        """Where a partition's offsets are not Kafka's own, because its topic was made anew or its log was cut."""
        return [
            f"from offset {commit.partitions[name].end} of {name} on, offsets are Kafka's plus {life['shift']}"
            for commit in commits(self.lake, "events")
            for name, life in commit.said.get("begun", {}).items()
            if name in places
        ]

    def _files(self) -> list[Row]:
        """The files that hold the events, with what the lake's log noted of each when it was written."""
        noted = {
            file["path"]: {**file, "delta_version": commit.version}
            for commit in commits(self.lake, "events")
            for file in commit.files
        }
        found = self._all("SELECT filename, count(*) FROM cell_events GROUP BY ALL ORDER BY ALL")
        files = []
        for path, events in found:
            known = noted.get(Path(path).name, {})
            files.append(
                {
                    "path": path,
                    "sha256": known.get("sha256"),
                    "rows": known.get("rows"),
                    "delta_version": known.get("delta_version"),
                    "events": events,
                }
            )
        return files

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _dicts(self, query: str) -> list[Row]:
        found = self.connection.execute(query)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _instant(day: dt.date) -> dt.datetime | None:
    """The instant at which a day begins in Tehran; None for a run without that end."""
    return None if day.year in (dt.MINYEAR, dt.MAXYEAR) else day_start(day)
