"""Make a lost or damaged file of ``events`` again from Kafka: the same rows, by their offsets, in one fenced commit.

What was decided then stands: offsets that are in quarantine stay there, what is repeated stays with the row that the
lake already has, batch id and instants are the commit's. The catalogue is not asked again. A file is put in only if
each batch gives the very counts, partition by partition and agency by agency, and the first and last instants that
its commit says. A compaction's file is made of its batches, each from its own file where that is still whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.event import OFFLINE
from contracts.failpoints import failpoint
from contracts.keys import read_key
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.batch_rows import RANGED, agencies_of, event_rows, name_topics, new_batch
from landing.cluster import Cluster, Topic
from landing.confidential import forbid_core_dumps, unspilling_connection
from landing.consumer import Chunk, Partition
from landing.decode import Decoder
from landing.incarnations import cut_below, in_lake, reader, shifts_of
from landing.plan import make_plan, place
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.lake import Lake, Snapshot
from warehouse.lake_damage import damage
from warehouse.landing_log import (
    DataFile,
    LandedCommit,
    commit,
    commits,
    live_files,
    local_folder,
    next_offsets,
    open_table,
    write_file,
)
from warehouse.quarantine_states import TABLE as DECISIONS
from warehouse.quarantine_states import decisions

KIND = "refetch"
Place = tuple[str, int, int]  # topic, partition number, offset
_PLACE = ("topic", "partition", "offset")


class NotTheSame(Exception):
    """A batch cannot be made again as it was; the message says why."""


@dataclass(frozen=True)
class Refetched:
    """Files made again (old name to new names), and those that could not be, with the reason."""

    files: Mapping[str, tuple[str, ...]]
    kept: Mapping[str, str]

    def notes(self) -> list[str]:
        """One line a file, for people."""
        done = [f"events/{old} was made again from Kafka, as {', '.join(new)}" for old, new in self.files.items()]
        return done + [f"events/{old} was not made again: {why}" for old, why in self.kept.items()]


def refetch(settings: Settings) -> Refetched:
    """Replace every lost or damaged live file of ``events`` that Kafka still holds the records of.

    One commit a file. Raises Fenced where a compaction came first, TryAgain where Kafka does not answer.
    """
    forbid_core_dumps()
    lake = Lake(settings)
    done: dict[str, tuple[str, ...]] = {}
    kept: dict[str, str] = {}
    looked_at: dict[str, bool] = {}
    while True:
        events = open_table(lake, "events")
        log = _Log(events, list(commits(lake, "events")), looked_at)
        # Oldest first: a later batch's duplicates are those whose first row is in the lake again by then.
        waiting = [path for path in log.damaged() if path not in kept]
        if not waiting:
            return Refetched(done, kept)
        path = min(waiting, key=lambda one: log.origins(one)[0].version)
        try:
            done[path] = _Maker(settings, lake, events, log).make_again(path)
        except NotTheSame as reason:
            kept[path] = str(reason)


class _Log:
    """The commits of ``events``, by the files they wrote."""

    def __init__(self, events: Snapshot, landings: Sequence[LandedCommit], looked_at: dict[str, bool]) -> None:
        self._looked_at = looked_at  # each file is read once, however many are lost
        self.folder = local_folder(events)
        self.live = live_files(events)
        self.landings = landings
        self.writers = {str(file["path"]): one for one in landings for file in one.files}
        self.noted = {str(file["path"]): file for one in landings for file in one.files}

    def damaged(self) -> list[str]:
        """Live files that are not as they were committed."""
        return [path for path in self.live if path in self.noted and not self.is_whole(path)]

    def is_whole(self, path: str) -> bool:
        """True where the file is there as it was committed."""
        if path not in self._looked_at:
            self._looked_at[path] = not damage(self.folder / path, self.noted[path])
        return self._looked_at[path]

    def origins(self, path: str) -> list[LandedCommit]:
        """The landings and replays whose rows a file holds, oldest first."""
        writer = self.writers[path]
        if not writer.removed:
            return [writer]
        batches = writer.said.get("batches")
        found = {one.version: one for old in writer.removed for one in self.origins(old)}
        # Of a file that was made again in parts, each part holds one batch.
        only = None if batches is None else batches.get(path)
        return [one for _, one in sorted(found.items()) if only in (None, one.batch_id)]


class _Maker:
    """Makes one file again, through the handle it is committed on."""

    def __init__(self, settings: Settings, lake: Lake, events: Snapshot, log: _Log) -> None:
        self._settings = settings
        self._lake = lake
        self._events = events
        self._log = log
        self._landed = next_offsets(events)
        self._key = read_key(settings.platform_key_file)
        self._cluster = Cluster(settings.kafka())
        self._topics = self._cluster.topics()
        plan = make_plan(self._cluster, self._landed)
        halted = {halt.where for halt in plan.halts if halt.reason != "COULD_NOT_READ_OFFSET_RANGE"}
        halted |= {place(*at) for at in cut_below(settings.kafka(), self._landed, plan.ranges)}
        self._halted = halted

    def make_again(self, path: str) -> tuple[str, ...]:
        """Commit the file's rows anew and take the file out; the new names. Raises NotTheSame, Fenced."""
        made: list[DataFile] = []
        batches = {}
        for origin in self._log.origins(path):
            file = self._from_copy(origin) or self._from_kafka(origin, made, path)
            if file is not None:
                made.append(file)
                batches[file.path] = origin.batch_id
        rows = sum(file.rows for file in made)
        if rows != self._log.noted[path]["rows"]:
            raise NotTheSame(f"its batches give {rows} rows instead of {self._log.noted[path]['rows']}")
        failpoint("refetch.pre_commit")
        commit(
            self._events,
            made,
            {"compact": self._events.version},  # as a compaction: of two that replace files, one is refused
            {"kind": KIND, "batch_id": "", "batches": batches},
            [path],
        )
        return tuple(file.path for file in made)

    def _from_copy(self, origin: LandedCommit) -> DataFile | None:
        """The batch's rows from the file it landed in, where a compaction left that behind and it is whole."""
        for file in origin.files:
            if self._log.live.get(file["path"]) is None and self._log.is_whole(file["path"]):
                connection = memory_connection(self._settings)
                view_files(connection, "copy", [str(self._log.folder / file["path"])], dict(self._events.columns))
                listed = ", ".join(f'"{column}"' for column in self._events.columns)
                made = write_file(connection, f"SELECT {listed} FROM copy", self._events, _name(origin), RANGED)  # noqa: S608
                connection.close()
                return made
        return None

    def _from_kafka(self, origin: LandedCommit, made: Iterable[DataFile], lost: str) -> DataFile | None:
        if not origin.files:
            return None
        wanted, ranges, skip = self._wanted(origin)
        topics = self._readable(origin, ranges)
        connection = unspilling_connection()
        decoder = Decoder(connection, topics, OFFLINE, self._key)
        with reader(self._settings.kafka(), ranges, self._landed) as reading:
            for chunk in reading.chunks():
                some = chunk if wanted is None else _only(chunk, wanted)
                if some:
                    decoder.add(some, skip)
            if reading.stopped:
                stop = next(iter(reading.stopped.values()))
                raise NotTheSame(f"{stop.reason}: {stop.message}")
        decoder.decode()
        others = [str(self._log.folder / one) for one in self._log.live if one != lost and self._log.is_whole(one)]
        _take_out_repeats(connection, [*others, *(str(self._log.folder / file.path) for file in made)])
        _compare(connection, topics, origin)
        name_topics(connection, topics)
        version = str(origin.said["validator_version"]).partition("+")[0]
        rows = event_rows(origin.batch_id, _instant(origin))
        query = f"SELECT * REPLACE ('{version}' AS contract_version) FROM ({rows})"  # noqa: S608 our own log's words
        file = write_file(connection, query, self._events, _name(origin), RANGED)
        connection.close()
        return file

    def _wanted(
        self, origin: LandedCommit
    ) -> tuple[frozenset[Place] | None, dict[Partition, tuple[int, int]], frozenset[Place]]:
        """The places to take (None: all), the ranges that hold them, and the places to pass over."""
        connection = memory_connection(self._settings)
        try:
            if origin.kind == "replay":
                decided = decisions(self._lake)
                columns = dict(lake_tables()[DECISIONS])
                view_files(connection, "decided", decided.files if decided else [], columns)
                found = _places(
                    connection, "decided", "decision = 'replayed' AND batch_id = $batch", {"batch": origin.batch_id}
                )
                ranges: dict[Partition, tuple[int, int]] = {}
                for topic, number, offset in found:
                    first, end = ranges.get((topic, number), (offset, offset + 1))
                    ranges[topic, number] = (min(first, offset), max(end, offset + 1))
                return found, ranges, frozenset()
            ranges = {
                (name.rpartition("/")[0], int(name.rpartition("/")[2])): (part.start, part.end)
                for name, part in origin.partitions.items()
                if part.rows
            }
            quarantine = open_table(self._lake, "quarantine")
            view_files(connection, "set_aside", quarantine.files, dict(quarantine.columns))
            skip: set[Place] = set()
            for (topic, number), (start, end) in ranges.items():
                given = {"topic": topic, "partition": number, "start": start, "end": end}
                where = 'topic = $topic AND partition = $partition AND "offset" >= $start AND "offset" < $end'
                skip |= _places(connection, "set_aside", where, given)
            return None, ranges, frozenset(skip)
        finally:
            connection.close()

    def _readable(self, origin: LandedCommit, ranges: Mapping[Partition, tuple[int, int]]) -> list[Topic]:
        """The topics of the ranges, if Kafka still holds these very records; else NotTheSame."""
        begun: dict[str, int] = {}
        for one in self._log.landings:
            begun |= {name: one.partitions[name].end for name in one.said.get("begun", {})}
        for (name, number), (start, _) in ranges.items():
            where, topic = place(name, number), self._topics.get(name)
            if topic is None or number not in topic.partitions:
                raise NotTheSame(f"Kafka does not have {where} any more")
            if topic.uuid_bits != self._landed.get(name) or start < begun.get(where, 0) or where in self._halted:
                raise NotTheSame(f"Kafka holds other records of {where} now")
        firsts = in_lake(self._cluster.first_offsets(ranges), shifts_of(self._landed, ranges))
        for partition, (start, _) in ranges.items():
            if firsts[partition] > start:
                raise NotTheSame(
                    f"Kafka keeps {place(*partition)} from {firsts[partition]} on, the file begins at {start}"
                )
        return [self._topics[name] for name in sorted({name for name, _ in ranges})]


def _name(origin: LandedCommit) -> str:
    # The batch's time in front, as its first file had it: a compaction then still finds neighbours in time.
    return f"{origin.batch_id}-again-{new_batch()[0].rpartition('-')[2]}.parquet"


def _instant(origin: LandedCommit) -> dt.datetime:
    return dt.datetime.fromisoformat(str(origin.said["landed_at"]))


def _places(connection: Connection, view: str, where: str, given: Mapping[str, Any]) -> frozenset[Place]:
    found = connection.execute(f'SELECT topic, partition, "offset" FROM {view} WHERE {where}', given)  # noqa: S608
    return frozenset((str(t), int(p), int(o)) for t, p, o in found.fetchall())


def _only(chunk: Chunk, wanted: frozenset[Place]) -> Chunk:
    kept = Chunk()
    for i, at in enumerate(zip(chunk.topics, chunk.partitions, chunk.offsets, strict=True)):
        if at in wanted:
            kept.topics.append(at[0])
            kept.partitions.append(at[1])
            kept.offsets.append(at[2])
            kept.values.append(chunk.values[i])
            kept.headers.append(chunk.headers[i])
            kept.times.append(chunk.times[i])
    return kept


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


def _compare(connection: Connection, topics: Sequence[Topic], origin: LandedCommit) -> None:
    """Raise NotTheSame where the rows are not in number and time what the commit says."""
    counted = connection.sql("SELECT t, p, count(*) FROM decoded GROUP BY t, p").fetchall()
    found = {place(topics[t].name, p): count for t, p, count in counted}
    said = {name: part.rows for name, part in origin.partitions.items() if part.rows}
    said = said or {str(name): int(count) for name, count in origin.said.get("replayed", {}).items()}
    for name in sorted(found.keys() | said.keys()):
        if found.get(name, 0) != said.get(name, 0):
            raise NotTheSame(
                f"{name} gives {found.get(name, 0)} rows of batch {origin.batch_id}, not {said.get(name, 0)}"
            )
    if agencies_of(connection) != origin.said["agencies"]:
        raise NotTheSame(f"the rows of batch {origin.batch_id} are not those of its commit")
