"""Land each partition's [next offset, end offset) in bounded batches, then stop.

A batch is one commit of rejections to ``quarantine`` and then one commit of rows and offsets to ``events``, each
through a handle loaded before the batch was read. A process that dies in between leaves nothing that counts; the
next one reads the same offsets again and keeps the verdicts that were recorded.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import Fenced, Halted, MizanError
from contracts.event import Known
from contracts.failpoints import failpoint
from contracts.logs import tell
from contracts.settings import Settings
from landing.batch_rows import RANGED, agencies_of, event_rows, name_topics, new_batch
from landing.bounds import Bounds, bounds_of
from landing.cluster import Cluster
from landing.confidential import forbid_core_dumps, unspilling_connection
from landing.consumer import Chunk, Partition
from landing.decode import VALIDATOR_VERSION, Decoder, Rejected
from landing.dedupe import take_out_repeats
from landing.plan import EVERYTHING, Halt, Plan, Shard, make_plan, place
from landing.quarantine import as_table, recorded, security
from landing.rekeying import key_note, keys_for
from warehouse.connection import OUT_OF_MEMORY, Connection
from warehouse.lake import Lake, Snapshot
from warehouse.lake_damage import check_small_tables
from warehouse.lake_versions import check_versions, note_versions
from warehouse.landing_log import (
    PartitionRange,
    as_said,
    check_files,
    commit,
    marks,
    next_offset,
    next_offsets,
    open_table,
    sweep,
    write_file,
)

log = logging.getLogger("mizan.landing")


@dataclass
class Landed:
    """What one call landed. ``lake_version`` is the version of ``events`` afterwards; ``planned`` counts offsets."""

    events: int = 0
    quarantined: int = 0
    duplicates: int = 0
    gaps: int = 0
    lake_version: int = 0
    planned: int = 0
    batches: list[str] = field(default_factory=list)
    agencies: set[str] = field(default_factory=set)
    security: Counter[str] = field(default_factory=Counter)
    halts: list[Halt] = field(default_factory=list)

    @property
    def offsets(self) -> int:
        """Offsets passed: events, rejections, duplicates and gaps."""
        return self.events + self.quarantined + self.duplicates + self.gaps

    def document(self) -> dict[str, Any]:
        """What `mizan land --json` prints."""
        return {
            "events": self.events,
            "quarantined": self.quarantined,
            "duplicates": self.duplicates,
            "gaps": self.gaps,
            "lake_version": self.lake_version,
            "batches": self.batches,
            "agencies": sorted(self.agencies),
            "security": dict(self.security),
            "halts": [vars(halt) for halt in self.halts],
        }


class LandingHalted(Halted):
    """Some partitions halted; the others landed, as ``landed`` says."""

    def __init__(self, landed: Landed) -> None:
        first = landed.halts[0]
        more = f" (and {len(landed.halts) - 1} more)" if len(landed.halts) > 1 else ""
        super().__init__(first.reason, f"{first.where}: {first.message}{more}", hint="see docs/runbooks/halts.md")
        self.landed = landed


class PlanOutdated(Exception):
    """A topic was made anew while it was read: nothing of the batch is committed, and a new plan halts that topic."""


def land(
    settings: Settings, until_empty: bool = False, known: Known | None = None, shard: Shard = EVERYTHING
) -> Landed:
    """Land every agency's records up to the end offsets seen at the start; with ``until_empty`` until there are none.

    ``shard`` leaves the other topics to other landers, who may run at the same time. ``known`` stands in for the
    catalogue in tests. Raises LandingHalted (exit 4) after landing everything else where a partition halts, Fenced
    (exit 5) where another writer came first, TryAgain where Kafka does not answer.
    """
    forbid_core_dumps()
    begun = time.monotonic()
    landed = Landed()
    lake = Lake(settings)
    for name in ("events", "quarantine"):
        table = open_table(lake, name)
        check_files(table)
        sweep(table)
    check_small_tables(settings)
    check_versions(settings)
    if known is None:
        from catalogue.read import known as known_to_catalogue

        known = known_to_catalogue(settings)
    cluster = Cluster(settings.kafka())
    # Landers of other shards are met in one place: the first commits of a lake all note its key, in both tables.
    may_be_fenced = 2 * (shard.of - 1)
    with bounds_of(settings) as bounds, _no_search_for_cycles():
        while True:
            before = landed.offsets
            landed.halts.clear()
            try:
                _pass(settings, lake, cluster, known, shard, bounds, landed)
            except PlanOutdated:
                continue
            except Fenced:
                may_be_fenced -= 1
                if may_be_fenced < 0:
                    raise
                continue
            except OUT_OF_MEMORY:
                gc.collect()  # what the batch held may hang on the error
                bounds.halve()
                continue
            if not until_empty or landed.offsets == before:
                break
    if landed.offsets or landed.halts:
        _note_outcome(lake, landed, time.monotonic() - begun)
    note_versions(settings)
    failpoint("exit")
    if landed.halts:
        raise LandingHalted(landed)
    return landed


@contextlib.contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """A batch makes objects by the hundred thousand and no cycles: a search for these goes through all of them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _pass(
    settings: Settings, lake: Lake, cluster: Cluster, known: Known, shard: Shard, bounds: Bounds, landed: Landed
) -> None:
    batch = _Batch(lake, cluster)
    keys = keys_for(settings, batch.events, batch.quarantine)
    plan = make_plan(cluster, next_offsets(batch.events), shard)
    failpoint("plan")
    landed.halts.extend(plan.halts)
    landed.lake_version = batch.events.version
    if not plan.ranges:
        return
    landed.planned = landed.offsets + sum(end - start for start, end in plan.ranges.values())
    most = min(bounds.records, settings.land_cap)
    opened = contextlib.closing(unspilling_connection(settings.land_memory_mb))
    with opened as connection, plan.reader(settings.kafka(), most) as reader:
        decoder = Decoder(connection, plan.topics, known, keys)
        batch.begin(connection, plan, {partition: start for partition, (start, _) in plan.ranges.items()})
        for chunk in reader.chunks():
            failpoint("read")
            batch.take(decoder, chunk)
            if batch.records >= most or batch.size >= bounds.size:
                batch.land(connection, decoder, plan, dict(reader.position), landed)
                batch = _Batch(lake, cluster)
                batch.begin(connection, plan, dict(reader.position))
        batch.land(connection, decoder, plan, dict(reader.position), landed)
        reader.mirror()
        failpoint("mirror")
        landed.halts.extend(
            Halt(stop.reason, place(*partition), stop.message) for partition, stop in reader.stopped.items()
        )


class _Batch:
    """One batch: its two handles, what was recorded before, and what was read since."""

    def __init__(self, lake: Lake, cluster: Cluster) -> None:
        self._lake = lake
        self._cluster = cluster
        self.events: Snapshot = open_table(lake, "events")
        self.quarantine: Snapshot = open_table(lake, "quarantine")
        self.records = 0
        self.size = 0
        self._read: Counter[Partition] = Counter()
        self._rejected: list[Rejected] = []
        self._recorded: frozenset[tuple[str, int, int]] = frozenset()
        self._starts: dict[Partition, int] = {}
        self._quarantine_next: dict[str, int] = {}

    def begin(self, connection: Connection, plan: Plan, starts: dict[Partition, int]) -> None:
        """Start at ``starts``. Rejections beyond them are verdicts of a run that died, and stand."""
        self._starts = starts
        self._quarantine_next = next_offsets(self.quarantine)
        pending = {
            partition: (start, self._quarantine_next[place(*partition)])
            for partition, start in starts.items()
            if self._quarantine_next.get(place(*partition), 0) > start
        }
        self._recorded = recorded(connection, self.quarantine, pending)

    def take(self, decoder: Decoder, chunk: Chunk) -> None:
        """Take one chunk into the batch."""
        self.records += len(chunk)
        self.size += chunk.size
        self._read.update(zip(chunk.topics, chunk.partitions, strict=True))
        decoder.add(chunk, self._recorded)

    def land(
        self, connection: Connection, decoder: Decoder, plan: Plan, ends: dict[Partition, int], landed: Landed
    ) -> None:
        """Commit the batch: rejections, then rows and offsets. Raises Fenced, and PlanOutdated."""
        touched = {partition: end for partition, end in ends.items() if end > self._starts[partition]}
        if not touched:
            return
        for partition in touched:
            if (next_offset(self.events, place(*partition)) or 0) != self._starts[partition]:
                raise Fenced(f"{place(*partition)} was landed by another writer", hint="run it again: it plans anew")
        if keys_for(self._lake.settings, self.events, self.quarantine) != decoder.keys:
            raise Fenced("the platform key was rotated meanwhile", hint="run it again: it plans anew")
        self._refuse_other_topics(plan, touched)
        self._rejected = decoder.decode()
        failpoint("decode")
        batch_id, landed_at = new_batch()
        repeats = take_out_repeats(connection, self.events)
        self._rejected += [decoder.conflict(i) for i in repeats.conflicts]
        parts = self._parts(
            connection, plan, touched, {(plan.topics[t].name, p): count for (t, p), count in repeats.duplicates.items()}
        )
        metrics = security(self._rejected)
        bits = {topic.name: topic.uuid_bits for topic in plan.topics}
        offsets = {place(*partition): end for partition, end in touched.items()}
        offsets |= {topic: bits[topic] for topic, _ in touched} | plan.epoch_marks(touched)
        said = {"kind": "land", "batch_id": batch_id, "validator_version": VALIDATOR_VERSION, "security": metrics}
        self._commit_quarantine(connection, decoder, batch_id, landed_at, offsets, said)
        agencies = agencies_of(connection)
        file = write_file(connection, event_rows(batch_id, landed_at), self.events, f"{batch_id}.parquet", RANGED)
        failpoint("events.file")
        failpoint("events.pre_commit")
        version = commit(
            self.events,
            [file] if file else [],
            marks(offsets) | key_note(self.events, decoder.keys.events),
            {**said, "landed_at": landed_at.isoformat(), "partitions": as_said(parts), "agencies": agencies},
        )
        failpoint("events.post_commit")
        self._reread(offsets)
        connection.execute("DROP TABLE landed_topics")
        decoder.begin_batch()
        landed.lake_version = version
        landed.batches.append(batch_id)
        landed.security.update(metrics)
        landed.agencies.update(topic.agency_id for topic in plan.topics if any(topic.name == t for t, _ in touched))
        for part in parts.values():
            landed.events += part.rows
            landed.quarantined += part.quarantined
            landed.duplicates += part.duplicates
            landed.gaps += part.gaps
        _tell_landed(batch_id, agencies, parts.values(), landed)
        failpoint("verify")

    def _refuse_other_topics(self, plan: Plan, touched: dict[Partition, int]) -> None:
        """A topic's id never comes back: if it is still the planned one, all that was read is of that topic."""
        planned = {topic.name: topic.uuid_bits for topic in plan.topics}
        now = self._cluster.ids_now({topic for topic, _ in touched})
        if any(bits != planned[topic] for topic, bits in now.items()):
            raise PlanOutdated

    def _commit_quarantine(
        self,
        connection: Connection,
        decoder: Decoder,
        batch_id: str,
        landed_at: dt.datetime,
        offsets: dict[str, int],
        said: dict[str, Any],
    ) -> None:
        # Committed also where nothing was rejected: a writer that was stopped before its own commit of rejections is
        # fenced by this one, else it could set aside what we accept.
        connection.register("rejected", as_table(self._rejected, batch_id, landed_at))
        file = write_file(
            connection,
            'SELECT * FROM rejected ORDER BY agency_id, topic, partition, "offset"',
            self.quarantine,
            f"{batch_id}.parquet",
            ("agency_id",),
        )
        connection.unregister("rejected")
        failpoint("quarantine.file")
        failpoint("quarantine.pre_commit")
        # A died run may have recorded verdicts further on: the mark never goes back.
        ahead = {name: max(end, self._quarantine_next.get(name, 0)) for name, end in offsets.items() if "/" in name}
        noted = key_note(self.quarantine, decoder.keys.quarantine)
        commit(self.quarantine, [file] if file else [], marks({**offsets, **ahead}) | noted, said)
        failpoint("quarantine.post_commit")

    def _reread(self, offsets: dict[str, int]) -> None:
        """Load the table anew: a reader must now see the offsets just committed, or later ones."""
        seen = open_table(self._lake, "events")
        for name, end in offsets.items():
            if "/" in name and (next_offset(seen, name) or 0) < end:
                raise Halted("LAKE_VERSION_WENT_BACK", f"{name} was committed up to {end}, but reads as less")

    def _parts(
        self, connection: Connection, plan: Plan, touched: dict[Partition, int], duplicates: dict[Partition, int]
    ) -> dict[str, PartitionRange]:
        name_topics(connection, plan.topics)
        counted = connection.sql("SELECT t, p, count(*) FROM decoded GROUP BY t, p").fetchall()
        rows = {(plan.topics[t].name, p): count for t, p, count in counted}
        aside = Counter((one.topic, one.partition) for one in self._rejected)
        aside.update((t, p) for t, p, offset in self._recorded if offset < touched.get((t, p), 0))
        uuids = {topic.name: topic.uuid for topic in plan.topics}
        parts = {}
        for partition, end in touched.items():
            start, read = self._starts[partition], self._read[partition]
            part = PartitionRange(
                topic_id=uuids[partition[0]],
                start=start,
                end=end,
                rows=rows.get(partition, 0),
                quarantined=aside[partition],
                duplicates=duplicates.get(partition, 0),
                gaps=end - start - read,
            )
            # What was read is counted apart from what became of it, so that a record cannot vanish in between.
            if part.rows + part.quarantined + part.duplicates != read or part.gaps < 0:
                raise MizanError(f"{place(*partition)}: {read} records read, but {part} accounts for others")
            parts[place(*partition)] = part
        return parts


def _tell_landed(batch_id: str, agencies: Mapping[str, Any], parts: Iterable[PartitionRange], landed: Landed) -> None:
    listed = list(parts)
    tell(
        log,
        "batch landed",
        step="land",
        batch_id=batch_id,
        lake_version=landed.lake_version,
        agencies=len(agencies),
        events=sum(part.rows for part in listed),
        quarantined=sum(part.quarantined for part in listed),
        duplicates=sum(part.duplicates for part in listed),
        done=landed.offsets,
        of=landed.planned,
    )


def _note_outcome(lake: Lake, landed: Landed, seconds: float) -> None:
    notes = [f"{code} {count}" for code, count in sorted(landed.security.items()) if count]
    result = "halted: " + ", ".join(sorted({halt.reason for halt in landed.halts})) if landed.halts else "done"
    lake.append(
        "outcomes",
        [
            {
                "step": "land",
                "subject": "; ".join([f"version {landed.lake_version}", *notes]),
                "rows_in": landed.offsets,
                "rows_out": landed.events,
                "rows_aside": landed.quarantined + landed.duplicates + landed.gaps,
                "completed_at": dt.datetime.now(dt.UTC),
                "seconds": seconds,
                "result": result,
            }
        ],
    )
