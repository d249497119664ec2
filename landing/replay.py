"""Judge rejected records again, with today's contract and catalogue; what is accepted becomes events.

The records are read from Kafka by their offsets, as long as Kafka retains them: no payload is kept in the lake. Events
are committed first, through a handle loaded before the batch was read, under the transaction id ``replay:<topic>/
<partition>``; then the decisions. A run that dies in between leaves its events in the lake: the next replay, drop or
`mizan verify` finds them by their offsets and writes down what was decided.
"""

from __future__ import annotations

import datetime as dt
import hmac
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import Fenced
from contracts.event import Known
from contracts.failpoints import failpoint
from contracts.platform_key import QUARANTINE_DIGEST, subkey
from contracts.settings import Settings
from landing.batch_rows import RANGED, agencies_of, event_rows, name_topics, new_batch
from landing.cluster import Cluster, Topic
from landing.confidential import forbid_core_dumps, unspilling_connection
from landing.consumer import Chunk, Partition
from landing.decisions import Place, decide, finish, open_records, replay_marks
from landing.decode import VALIDATOR_VERSION, Decoder, Rejected
from landing.dedupe import take_out_repeats
from landing.incarnations import in_lake, reader, shifts_of
from landing.plan import place
from landing.rekeying import LandingKeys, key_note, keys_for
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import commit, marks, next_offsets, open_table, write_file
from warehouse.quarantine_states import TABLE

# A batch is bounded by both: a worker stays under 1 GB.
BATCH_RECORDS = 50_000
BATCH_BYTES = 64 * 2**20
# Records farther apart than this are read one by one rather than with all that lies between them.
APART = 20_000


@dataclass
class Replayed:
    """What one replay did. ``finished``: records whose event an earlier, killed run had landed.

    ``refused`` counts by today's reason and ``not_retained`` by (agency, reason) what stays open: the first was
    judged again, the second is no longer in Kafka and has to be sent again by its agency.
    """

    events: int = 0
    duplicates: int = 0
    finished: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    not_retained: Counter[tuple[str, str]] = field(default_factory=Counter)
    batches: list[str] = field(default_factory=list)
    lake_version: int = 0

    @property
    def records(self) -> int:
        """Records looked at."""
        return self.events + self.duplicates + self.refused.total() + self.not_retained.total()

    def document(self) -> dict[str, Any]:
        """What `mizan quarantine replay --json` prints."""
        return {
            "events": self.events,
            "duplicates": self.duplicates,
            "finished": self.finished,
            "refused": dict(sorted(self.refused.items())),
            "resend": [
                {"agency_id": agency, "reason_code": reason, "count": count}
                for (agency, reason), count in sorted(self.not_retained.items())
            ],
            "batches": self.batches,
            "lake_version": self.lake_version,
        }


@dataclass(frozen=True)
class _Told:
    """What is known of an open record: its keyed digest, agency and reason."""

    digest: bytes
    agency_id: str
    reason_code: str


def replay(
    settings: Settings, *, reason: str | None = None, agency: str | None = None, known: Known | None = None
) -> Replayed:
    """Replay every open record (of one reason or agency), in bounded batches.

    ``known`` stands in for the catalogue in tests. Raises Fenced (exit 5) where another writer came first, TryAgain
    where Kafka does not answer; what was committed until then stands, and the next run goes on.
    """
    forbid_core_dumps()
    begun = time.monotonic()
    lake = Lake(settings)
    done = Replayed(finished=finish(settings))
    if known is None:
        from catalogue.read import known as known_to_catalogue

        known = known_to_catalogue(settings)
    cluster = Cluster(settings.kafka())
    after: Place | None = None
    while True:
        # Events before decisions: an event that another replay commits in between is then refused by the log, and
        # one that it committed earlier has its decision, or is found by its offset.
        events, decided, quarantine = (open_table(lake, name) for name in ("events", TABLE, "quarantine"))
        keys = keys_for(settings, events, quarantine)
        done.lake_version = events.version
        landed = next_offsets(events)
        found = open_records(
            settings, decided, landed, reason=reason, agency=agency, after=after, most=BATCH_RECORDS, size=BATCH_BYTES
        )
        if not found:
            break
        if keys_for(settings, events, open_table(lake, "quarantine")) != keys:
            raise Fenced("the platform key was rotated meanwhile", hint="run it again")
        after = next(reversed(found))
        told = {at: _Told(*rest) for at, rest in found.items()}
        _Batch(settings, cluster, known, keys, events, decided, landed).replay(told, done)
    if done.records or done.finished:
        _note_outcome(lake, done, time.monotonic() - begun)
    return done


class _Batch:
    """One batch of open records, with the two handles it commits through."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        known: Known,
        keys: LandingKeys,
        events: Snapshot,
        decided: Snapshot,
        landed: Mapping[str, int],
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._known = known
        self._keys = keys
        self._events = events
        self._decided = decided
        self._landed = landed
        self._digest_key = subkey(keys.quarantine.links[0], QUARANTINE_DIGEST)

    def replay(self, told: Mapping[Place, _Told], done: Replayed) -> None:
        """Read, judge and commit. Raises Fenced."""
        topics = {
            name: topic
            for name, topic in self._cluster.topics().items()
            # A topic made anew holds other records at the same offsets.
            if self._landed.get(name) == topic.uuid_bits
        }
        chunks = list(self._read(told, topics))
        read = {at for chunk in chunks for at in zip(chunk.topics, chunk.partitions, chunk.offsets, strict=True)}
        gone = told.keys() - read
        done.not_retained.update((told[at].agency_id, told[at].reason_code) for at in gone)
        if not read:
            return
        failpoint("replay.read")
        named = [topics[name] for name in sorted({at[0] for at in read})]
        connection = unspilling_connection()
        decoder = Decoder(connection, named, self._known, self._keys)
        for chunk in chunks:
            decoder.add(chunk)
        refused = decoder.decode()
        repeats = take_out_repeats(connection, self._events)
        refused += [decoder.conflict(i) for i in repeats.conflicts]
        accepted: set[Place] = {
            (named[t].name, p, o) for t, p, o in connection.sql("SELECT t, p, o FROM decoded").fetchall()
        }
        duplicates = read - accepted - {_place_of(one) for one in refused}
        batch_id, at = new_batch()
        if accepted:
            name_topics(connection, named)
            file = write_file(connection, event_rows(batch_id, at), self._events, f"{batch_id}.parquet", RANGED)
            failpoint("replay.events.pre_commit")
            done.lake_version = commit(
                self._events,
                [file] if file else [],
                # The topic's own id too: duplicates are sought per topic, so a landing beside us is fenced or fences.
                {
                    **replay_marks(self._events, accepted),
                    **marks({name: self._landed[name] for name, _, _ in accepted}),
                    **key_note(self._events, self._keys.events),
                },
                {
                    "kind": "replay",
                    "batch_id": batch_id,
                    "validator_version": VALIDATOR_VERSION,
                    "landed_at": at.isoformat(),
                    "partitions": {},  # a replay moves no next offset
                    "replayed": dict(Counter(place(topic, number) for topic, number, _ in accepted)),
                    "agencies": agencies_of(connection),
                },
            )
            done.batches.append(batch_id)
            done.events += len(accepted)
        connection.close()
        failpoint("replay.events.post_commit")
        decide(
            self._decided,
            {**dict.fromkeys(accepted, "replayed"), **dict.fromkeys(duplicates, "duplicate")},
            batch_id=batch_id,
            by="replay",
            note="",
        )
        done.duplicates += len(duplicates)
        done.refused.update(one.reason_code for one in refused)

    def _read(self, told: Mapping[Place, _Told], topics: Mapping[str, Topic]) -> Iterator[Chunk]:
        """The records that Kafka still holds, and that are the ones that were rejected, byte for byte."""
        offsets: defaultdict[Partition, list[int]] = defaultdict(list)
        for name, number, offset in sorted(told):
            if name in topics and number in topics[name].partitions:
                offsets[name, number].append(offset)
        shifts = shifts_of(self._landed, offsets)
        firsts = in_lake(self._cluster.first_offsets(offsets), shifts)
        ends = in_lake(self._cluster.end_offsets(offsets), shifts)
        kept = {
            partition: [one for one in some if firsts[partition] <= one < ends[partition]]
            for partition, some in offsets.items()
        }
        for ranges in _passes(kept):
            with reader(self._settings.kafka(), ranges, self._landed) as reading:
                for chunk in reading.chunks():
                    wanted = self._only(chunk, told)
                    if wanted:
                        yield wanted

    def _digest(self, value: bytes | None) -> bytes:
        first = hmac.digest(self._digest_key, value or b"", "sha256")[:16]
        return self._keys.quarantine.digest(QUARANTINE_DIGEST, first)

    def _only(self, chunk: Chunk, told: Mapping[Place, _Told]) -> Chunk:
        kept = Chunk()
        for i, at in enumerate(zip(chunk.topics, chunk.partitions, chunk.offsets, strict=True)):
            value = chunk.values[i]
            record = told.get(at)
            if record is None or self._digest(value) != record.digest:
                continue
            kept.topics.append(at[0])
            kept.partitions.append(at[1])
            kept.offsets.append(at[2])
            kept.values.append(value)
            kept.headers.append(chunk.headers[i])
            kept.times.append(chunk.times[i])
            kept.size += len(value or b"")
        return kept


def _passes(offsets: Mapping[Partition, Sequence[int]]) -> Iterator[dict[Partition, tuple[int, int]]]:
    """Ranges to read at once, one a partition: offsets that lie close together are read in one range."""
    ranges: dict[Partition, list[tuple[int, int]]] = {}
    for partition, some in offsets.items():
        mine = ranges.setdefault(partition, [])
        for offset in some:
            if mine and offset - mine[-1][1] < APART:
                mine[-1] = (mine[-1][0], offset + 1)
            else:
                mine.append((offset, offset + 1))
    for number in range(max(map(len, ranges.values()), default=0)):
        yield {partition: mine[number] for partition, mine in ranges.items() if number < len(mine)}


def _place_of(one: Rejected) -> Place:
    return one.topic, one.partition, one.offset


def _note_outcome(lake: Lake, done: Replayed, seconds: float) -> None:
    lake.append(
        "outcomes",
        [
            {
                "step": "replay",
                "subject": f"version {done.lake_version}",
                "rows_in": done.records,
                "rows_out": done.events,
                "rows_aside": done.records - done.events,
                "completed_at": dt.datetime.now(dt.UTC),
                "seconds": seconds,
                "result": "done",
            }
        ],
    )
