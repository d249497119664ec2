"""Lost and damaged files of a landed table: whose rows they held, what is left of those, and what Kafka still holds."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Container, Iterable, Mapping, Sequence

from contracts.failpoints import failpoint
from contracts.settings import Settings
from landing.cluster import Cluster, Topic
from landing.consumer import Chunk, Partition
from landing.incarnations import cut_below, in_lake, shifts_of
from landing.places import Place
from landing.plan import make_plan, place
from warehouse.connection import memory_connection, view_files
from warehouse.erasures import erased_rows
from warehouse.lake import Snapshot
from warehouse.lake_damage import damage
from warehouse.landing_log import DataFile, LandedCommit, commit, live_files, write_file
from warehouse.rewriting import rewritten_at

KIND = "refetch"


class NotTheSame(Exception):
    """A batch cannot be made again as it was; the message says why."""


class FileLog:
    """The commits of one table, by the files they wrote. ``looked_at`` keeps which files are whole, by name."""

    def __init__(self, snapshot: Snapshot, landings: Sequence[LandedCommit], looked_at: dict[str, bool]) -> None:
        self._looked_at = looked_at  # each file is read once, however many are lost
        self.snapshot = snapshot
        self.live = live_files(snapshot)
        self.landings = landings
        self.writers = {str(file["path"]): one for one in landings for file in one.files}
        self.erased = erased_rows(landings)
        self.noted = {str(file["path"]): file for one in landings for file in one.files}

    def damaged(self) -> list[str]:
        """Live files that are not as they were committed."""
        return [path for path in self.live if path in self.noted and not self.is_whole(path)]

    def whole(self) -> list[str]:
        """Absolute paths of the live files that can be read."""
        return [
            self.snapshot.folder.address(path) for path in self.live if path not in self.noted or self.is_whole(path)
        ]

    def is_whole(self, path: str) -> bool:
        """True where the file is there as it was committed."""
        if path not in self._looked_at:
            self._looked_at[path] = not damage(self.snapshot.folder, self.noted[path])
        return self._looked_at[path]

    def origins(self, path: str) -> list[LandedCommit]:
        """The batches whose rows a file holds, oldest first."""
        writer = self.writers[path]
        if not writer.removed:
            return [writer]
        # A rewriting puts one file in the place of each.
        source = writer.said.get("sources", {}).get(path)
        if source is not None:
            return self.origins(source)
        batches = writer.said.get("batches")
        found = {one.version: one for old in writer.removed for one in self.origins(old)}
        # Of a file that was made again in parts, each part holds one batch.
        only = None if batches is None else batches.get(path)
        return [one for _, one in sorted(found.items()) if only in (None, one.batch_id)]

    def lost(self) -> list[LandedCommit]:
        """The batches with rows in damaged files, oldest first."""
        found = {one.version: one for path in self.damaged() for one in self.origins(path)}
        return [one for _, one in sorted(found.items())]

    def copy_of(self, settings: Settings, origin: LandedCommit, ranged: Sequence[str]) -> DataFile | None:
        """A batch's rows from the file it landed in, where a compaction left that behind and it is whole."""
        if origin.version < rewritten_at(self.landings):
            return None  # its rows are under an older key, or those of persons who were erased are among them
        for file in origin.files:
            if self.live.get(file["path"]) is None and self.is_whole(file["path"]):
                columns = dict(self.snapshot.columns)
                with memory_connection(settings) as connection:
                    view_files(connection, "copy", [self.snapshot.folder.address(file["path"])], columns)
                    listed = ", ".join(f'"{column}"' for column in columns)
                    query = f"SELECT {listed} FROM copy"  # noqa: S608 our own names
                    return write_file(connection, query, self.snapshot, name_again(origin), ranged)
        return None

    def put_in(
        self, path: str, made: Mapping[str, DataFile], fence: Mapping[str, int] | None = None
    ) -> tuple[str, ...]:
        """Commit ``made`` (by batch id) in a file's place; the new names. Raises NotTheSame, Fenced."""
        rows = sum(file.rows for file in made.values())
        if rows != self.noted[path]["rows"]:
            raise NotTheSame(f"its batches give {rows} rows instead of {self.noted[path]['rows']}")
        failpoint("refetch.pre_commit")
        commit(
            self.snapshot,
            list(made.values()),
            # As a compaction: of two that replace files, one is refused.
            {"compact": self.snapshot.version, **(fence or {})},
            {"kind": KIND, "batch_id": "", "batches": {file.path: batch for batch, file in made.items()}},
            [path],
        )
        failpoint("refetch.post_commit")
        return tuple(file.path for file in made.values())


class Retained:
    """What Kafka still holds of the lake's offsets, as of now. ``landed`` and ``landings`` are of ``events``."""

    def __init__(self, settings: Settings, landed: Mapping[str, int], landings: Iterable[LandedCommit]) -> None:
        self._landed = landed
        self._cluster = Cluster(settings.kafka())
        self._topics = self._cluster.topics()
        plan = make_plan(self._cluster, landed)
        halted = {halt.where for halt in plan.halts if halt.reason != "COULD_NOT_READ_OFFSET_RANGE"}
        self._halted = halted | {place(*at) for at in cut_below(settings.kafka(), landed, plan.ranges)}
        self._begun: dict[str, int] = {}
        for one in landings:
            self._begun |= {name: one.partitions[name].end for name in one.said.get("begun", {})}

    def topics(self, ranges: Mapping[Partition, tuple[int, int]], known: Mapping[str, int]) -> list[Topic]:
        """The topics of the ranges, if they are still those of ``known`` (id bits by name); else NotTheSame."""
        for (name, number), (start, _) in ranges.items():
            where, topic = place(name, number), self._topics.get(name)
            if topic is None or number not in topic.partitions:
                raise NotTheSame(f"Kafka does not have {where} any more")
            if topic.uuid_bits != known.get(name) or start < self._begun.get(where, 0) or where in self._halted:
                raise NotTheSame(f"Kafka holds other records of {where} now")
        return [self._topics[name] for name in sorted({name for name, _ in ranges})]

    def firsts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The oldest offset (the lake's) that Kafka keeps of each partition."""
        some = list(partitions)
        return in_lake(self._cluster.first_offsets(some), shifts_of(self._landed, some))

    def require_from_start(self, ranges: Mapping[Partition, tuple[int, int]]) -> None:
        """Raise NotTheSame where the first records of a range are gone."""
        firsts = self.firsts(ranges)
        for partition, (start, _) in ranges.items():
            if firsts[partition] > start:
                raise NotTheSame(
                    f"Kafka keeps {place(*partition)} from {firsts[partition]} on, the file begins at {start}"
                )


def name_again(origin: LandedCommit) -> str:
    """A new file's name for a batch: its time in front, so that a compaction still finds neighbours in time."""
    return f"{origin.batch_id}-again-{secrets.token_hex(4)}.parquet"


def partition_of(name: str) -> Partition:
    """Topic and number of ``topic/partition``, as the lake's log has it."""
    topic, _, number = name.rpartition("/")
    return topic, int(number)


def batch_instant(batch_id: str) -> dt.datetime:
    """The instant that a batch's id begins with: the one its rows carry."""
    return dt.datetime.strptime(batch_id.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=dt.UTC)


def chosen(chunk: Chunk, places: Container[Place], *, within: bool) -> Chunk:
    """The records at ``places``, or all others."""
    kept = Chunk()
    for i, at in enumerate(zip(chunk.topics, chunk.partitions, chunk.offsets, strict=True)):
        if (at in places) is within:
            kept.topics.append(at[0])
            kept.partitions.append(at[1])
            kept.offsets.append(at[2])
            kept.values.append(chunk.values[i])
            kept.headers.append(chunk.headers[i])
            kept.times.append(chunk.times[i])
            kept.size += len(chunk.values[i] or b"")
    return kept
