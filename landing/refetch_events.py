"""Make a file of ``events`` again from Kafka: the same rows, by their offsets.

Offsets that are in quarantine stay there, what is repeated stays with the row that the lake already has, batch id and
instants are the commit's. The catalogue is not asked again. Each batch must give the very counts, partition by
partition and agency by agency, and the first and last instants that its commit says. A compaction's file is made of
its batches, each from its own file where that is still whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from contracts.event import OFFLINE
from contracts.failpoints import failpoint
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.batch_rows import RANGED, agencies_of, event_rows, name_topics
from landing.cluster import Topic
from landing.confidential import unspilling_connection
from landing.consumer import Partition
from landing.decode import Decoder
from landing.incarnations import reader
from landing.lost_files import FileLog, NotTheSame, Retained, chosen, name_again, partition_of
from landing.places import Place, places, places_in
from landing.plan import place
from landing.rekeying import keys_for
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.erasures import erased_places
from warehouse.lake import Lake
from warehouse.landing_log import DataFile, LandedCommit, next_offsets, write_file
from warehouse.quarantine_states import TABLE as DECISIONS


class EventsMaker:
    """Makes one file again, through the handle it is committed on."""

    def __init__(self, settings: Settings, logs: Mapping[str, FileLog]) -> None:
        self._settings = settings
        self._logs = logs
        self._log = logs["events"]
        self._events = self._log.snapshot
        self._landed = next_offsets(self._events)
        self._keys = keys_for(settings, self._events, logs["quarantine"].snapshot)
        self._retained = Retained(settings, self._landed, self._log.landings)

    def make_again(self, path: str) -> tuple[str, ...]:
        """Commit the file's rows anew and take the file out; the new names. Raises NotTheSame, Fenced."""
        made: dict[str, DataFile] = {}
        for origin in self._log.origins(path):
            file = self._log.copy_of(self._settings, origin, RANGED) or self._from_kafka(origin, made.values())
            if file is not None:
                made[origin.batch_id] = file
        failpoint("refetch.file")
        return self._log.put_in(path, made)

    def _from_kafka(self, origin: LandedCommit, made: Iterable[DataFile]) -> DataFile | None:
        if not origin.files:
            return None
        wanted, ranges, skip = self._wanted(origin)
        skip |= erased_places(Lake(self._settings), self._log.landings)
        topics = self._retained.topics(ranges, self._landed)
        self._retained.require_from_start(ranges)
        connection = unspilling_connection()
        decoder = Decoder(connection, topics, OFFLINE, self._keys)
        with reader(self._settings.kafka(), ranges, self._landed) as reading:
            for chunk in reading.chunks():
                some = chunk if wanted is None else chosen(chunk, wanted, within=True)
                if some:
                    decoder.add(some, skip)
            if reading.stopped:
                stop = next(iter(reading.stopped.values()))
                raise NotTheSame(f"{stop.reason}: {stop.message}")
        failpoint("refetch.read")
        decoder.decode()
        _take_out_repeats(
            connection, [*self._log.whole(), *(self._log.snapshot.folder.address(file.path) for file in made)]
        )
        _compare(connection, topics, origin, self._log.erased)
        name_topics(connection, topics)
        version = str(origin.said["validator_version"]).partition("+")[0]
        rows = event_rows(origin.batch_id, dt.datetime.fromisoformat(str(origin.said["landed_at"])))
        query = f"SELECT * REPLACE ('{version}' AS contract_version) FROM ({rows})"  # noqa: S608 our own log's words
        file = write_file(connection, query, self._events, name_again(origin), RANGED)
        connection.close()
        return file

    def _wanted(
        self, origin: LandedCommit
    ) -> tuple[frozenset[Place] | None, dict[Partition, tuple[int, int]], frozenset[Place]]:
        """The places to take (None: all), the ranges that hold them, and the places to pass over."""
        with memory_connection(self._settings) as connection:
            if origin.kind == "replay":
                decided = self._logs[DECISIONS].whole() if DECISIONS in self._logs else []
                view_files(connection, "decided", decided, dict(lake_tables()[DECISIONS]))
                found = places(
                    connection, "decided", "decision = 'replayed' AND batch_id = $batch", {"batch": origin.batch_id}
                )
                ranges: dict[Partition, tuple[int, int]] = {}
                for topic, number, offset in found:
                    first, end = ranges.get((topic, number), (offset, offset + 1))
                    ranges[topic, number] = (min(first, offset), max(end, offset + 1))
                return found, ranges, frozenset()
            ranges = {}
            skip: set[Place] = set()
            view_files(connection, "set_aside", self._logs["quarantine"].whole(), dict(lake_tables()["quarantine"]))
            for name, part in origin.partitions.items():
                if part.rows:
                    one = {partition_of(name): (part.start, part.end)}
                    aside = places_in(connection, "set_aside", one)
                    if len(aside) != part.quarantined:
                        raise NotTheSame(f"what was set aside of {name} is lost too, and so what was not")
                    ranges |= one
                    skip |= aside
            return None, ranges, frozenset(skip)


def _take_out_repeats(connection: Connection, files: Sequence[str]) -> None:
    """Delete from ``decoded`` what another file holds, and all but the first of what the batch repeats.

    Conflicts need no look: they are in quarantine.
    """
    columns = {name: lake_tables()["events"][name] for name in ("source", "event_id")}
    view_files(connection, "elsewhere", files, columns)
    connection.execute("""
        DELETE FROM decoded WHERE rowid IN (
            SELECT decoded.rowid FROM decoded SEMI JOIN elsewhere
            ON elsewhere.event_id = decoded.event_id AND elsewhere.source = decoded.source
        )
    """)
    connection.execute("""
        DELETE FROM decoded WHERE rowid IN (
            SELECT rowid FROM decoded
            QUALIFY row_number() OVER (PARTITION BY source, event_id ORDER BY p, o) > 1
        )
    """)


def _compare(
    connection: Connection, topics: Sequence[Topic], origin: LandedCommit, erased: Mapping[tuple[str, str], int]
) -> None:
    """Raise NotTheSame where the rows are not in number and time what the commit says, less what was erased since."""
    counted = connection.sql("SELECT t, p, count(*) FROM decoded GROUP BY t, p").fetchall()
    found = {place(topics[t].name, p): count for t, p, count in counted}
    said = {name: part.rows for name, part in origin.partitions.items() if part.rows}
    said = said or {str(name): int(count) for name, count in origin.said.get("replayed", {}).items()}
    gone = {name: erased.get((origin.batch_id, name), 0) for name in said}
    for name in sorted(found.keys() | said.keys()):
        expected = said.get(name, 0) - gone.get(name, 0)
        if found.get(name, 0) != expected:
            raise NotTheSame(f"{name} gives {found.get(name, 0)} rows of batch {origin.batch_id}, not {expected}")
    if not any(gone.values()) and agencies_of(connection) != origin.said["agencies"]:
        raise NotTheSame(f"the rows of batch {origin.batch_id} are not those of its commit")
