"""Make a file of ``quarantine`` again from Kafka: the same records set aside, by what the lake still says of them.

That a record was set aside is not judged anew. A commit of ``events`` says how many offsets of its range were: they are
those that the rows, the duplicates and the verdicts that are left do not account for. Of a range where that does not
come out to the very number nothing is made again. Only *why* is asked of today's contract and catalogue, at the batch's
own instant; a record that they would accept gets the reason ``verdict_lost`` and waits for a replay. Decisions lie in a
table of their own and stay.

Where the rows of the same range are lost too, nothing recorded tells them from the rejections. Then today's verdicts
are taken, under three conditions: the same validator, and the very counts and the very first and last instants of rows.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from contracts.event import FUTURE_ALLOWANCE
from contracts.failpoints import failpoint
from contracts.lake_tables import lake_tables
from contracts.reasons import reasons
from contracts.settings import Settings
from landing.cluster import Topic
from landing.confidential import unspilling_connection
from landing.consumer import Partition
from landing.decode import VALIDATOR_VERSION, Decoder, Rejected
from landing.incarnations import reader
from landing.lost_files import FileLog, NotTheSame, Retained, batch_instant, chosen, name_again, partition_of
from landing.places import Place, places_in
from landing.plan import place
from landing.quarantine import as_table
from landing.rekeying import keys_for
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.erasures import erased_places
from warehouse.lake import Lake
from warehouse.landing_log import DataFile, LandedCommit, marks, next_offsets, offsets_of, write_file
from warehouse.quarantine_states import TABLE as DECISIONS

RANGED = ("agency_id",)
LOST_REASON = "verdict_lost"
Ranges = dict[Partition, tuple[int, int]]


@dataclass(frozen=True)
class _Stretch:
    """Ranges of one landing, or of none where a landing died before its second commit: then nobody counted."""

    landing: LandedCommit | None
    ranges: Ranges
    missing: Mapping[Partition, int]  # how many verdicts of each range are in no whole file


@dataclass
class _Found:
    """What one stretch's records turned out to be."""

    rejected: list[Rejected] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    agencies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def row(self, where: str, agency: str, at: dt.datetime) -> None:
        """Count an accepted row, as a commit of ``events`` does."""
        self.rows[where] += 1
        said = self.agencies.setdefault(agency, {"rows": 0, "first": at, "last": at})
        said |= {"rows": said["rows"] + 1, "first": min(at, said["first"]), "last": max(at, said["last"])}


class QuarantineMaker:
    """Makes one file again, through the handle it is committed on."""

    def __init__(self, settings: Settings, logs: Mapping[str, FileLog]) -> None:
        self._settings = settings
        self._log, self._events = logs["quarantine"], logs["events"]
        self._decided = logs.get(DECISIONS)
        self._landed = next_offsets(self._events.snapshot)
        self._aside_next = next_offsets(self._log.snapshot)
        self._keys = keys_for(settings, self._events.snapshot, self._log.snapshot)
        self._retained = Retained(settings, self._landed, self._events.landings)
        self._versions = {one.batch_id: one.version for one in self._events.landings if one.batch_id}
        self._rows_lost = {one.version for one in self._events.lost()}
        self._pending: set[str] = set()

    def make_again(self, path: str) -> tuple[str, ...]:
        """Commit the file's rows anew and take the file out; the new names. Raises NotTheSame, Fenced."""
        made: dict[str, DataFile] = {}
        for origin in self._log.origins(path):
            file = self._log.copy_of(self._settings, origin, RANGED) or self._from_kafka(origin)
            if file is not None:
                made[origin.batch_id] = file
        failpoint("refetch.file")
        # A landing that would take up verdicts of one that died is fenced by this commit, or fences it.
        return self._log.put_in(path, made, marks({name: self._aside_next[name] for name in sorted(self._pending)}))

    def _from_kafka(self, origin: LandedCommit) -> DataFile | None:
        rows = sum(int(file["rows"]) for file in origin.files)
        ends, begins = self._own(origin)
        mine = [
            one
            for stretch in self._stretches(ends, begins)
            for one in self._set_aside(stretch, origin)
            if begins.get(place(one.topic, one.partition), 0) <= one.offset < ends[place(one.topic, one.partition)]
        ]
        if len(mine) != rows:
            raise NotTheSame(f"{len(mine)} records of batch {origin.batch_id} were set aside, not {rows}")
        with memory_connection(self._settings) as connection:
            connection.register("rejected", as_table(mine, origin.batch_id, batch_instant(origin.batch_id)))
            query = 'SELECT * FROM rejected ORDER BY agency_id, topic, partition, "offset"'
            return write_file(connection, query, self._log.snapshot, name_again(origin), RANGED)

    def _own(self, origin: LandedCommit) -> tuple[dict[str, int], dict[str, int]]:
        """By place, where the batch's own verdicts end and begin.

        It ends at the mark it committed. Below the mark of an earlier batch whose file is lost as well, a verdict is
        that one's: it read the record first.
        """
        snapshot = self._log.snapshot
        begins: dict[str, int] = {}
        for earlier in self._log.lost():
            if earlier.version < origin.version:
                for name, end in offsets_of(snapshot, earlier.version).items():
                    begins[name] = max(end, begins.get(name, 0))
        return {name: end for name, end in offsets_of(snapshot, origin.version).items() if "/" in name}, begins

    def _stretches(self, ends: Mapping[str, int], begins: Mapping[str, int]) -> Iterator[_Stretch]:
        """What has to be read: landings of these offsets with verdicts missing, and what a dead landing read."""
        with memory_connection(self._settings) as connection:
            view_files(connection, "still_there", self._log.whole(), dict(lake_tables()["quarantine"]))
            for landing in self._events.landings:
                ranges: Ranges = {}
                missing = {}
                for name, part in landing.partitions.items():
                    if part.quarantined and begins.get(name, 0) < part.end and part.start < ends.get(name, 0):
                        one = {partition_of(name): (part.start, part.end)}
                        gone = part.quarantined - len(places_in(connection, "still_there", one))
                        if gone:
                            ranges |= one
                            missing[partition_of(name)] = gone
                if ranges:
                    yield _Stretch(landing, ranges, missing)
            pending = {
                partition_of(name): (max(self._landed.get(name, 0), begins.get(name, 0)), end)
                for name, end in ends.items()
                if end > max(self._landed.get(name, 0), begins.get(name, 0))
            }
            if pending:
                self._pending |= {place(*partition) for partition in pending}
                yield _Stretch(None, pending, {})

    def _set_aside(self, stretch: _Stretch, origin: LandedCommit) -> list[Rejected]:
        """The stretch's records whose verdicts are missing. Raises NotTheSame where they are not the number said."""
        landing = stretch.landing
        both = landing is not None and landing.version in self._rows_lost
        ranges = stretch.ranges
        if both and landing is not None:
            if landing.said["validator_version"] != VALIDATOR_VERSION:
                raise NotTheSame(f"events and rejections of batch {landing.batch_id} are lost, the contract is another")
            ranges = {partition_of(name): (part.start, part.end) for name, part in landing.partitions.items()}
        known = self._landed if landing is not None else self._aside_next
        topics = self._retained.topics(ranges, known)
        if both:
            self._retained.require_from_start(ranges)
        found = self._judged(self._clipped(ranges), topics, stretch, origin, both=both)
        counted = Counter((one.topic, one.partition) for one in found.rejected)
        for partition, gone in stretch.missing.items():
            if counted[partition] != gone:
                where = f"{place(*partition)} in batch {landing.batch_id if landing else ''}"
                raise NotTheSame(f"{counted[partition]} records of {where} were set aside, not {gone}")
        if both and landing is not None:
            _compare(found, landing)
        return found.rejected

    def _clipped(self, ranges: Ranges) -> Ranges:
        """The ranges as far as Kafka keeps them: if what is gone held a missing verdict, the count tells."""
        firsts = self._retained.firsts(ranges)
        kept = {at: (max(start, firsts[at]), end) for at, (start, end) in ranges.items() if firsts[at] < end}
        if not kept:
            at, first = next(iter(firsts.items()))
            raise NotTheSame(f"Kafka keeps {place(*at)} from {first} on")
        return kept

    def _judged(
        self, ranges: Ranges, topics: list[Topic], stretch: _Stretch, origin: LandedCommit, *, both: bool
    ) -> _Found:
        from catalogue.read import known as known_to_catalogue

        connection = unspilling_connection()
        accounted, surely = self._recorded(connection, ranges)
        decoder = Decoder(connection, topics, known_to_catalogue(self._settings), self._keys)
        with reader(self._settings.kafka(), ranges, self._landed) as reading:
            for chunk in reading.chunks():
                some = chosen(chunk, accounted, within=False)
                if some:
                    decoder.add(some)
            if reading.stopped:
                stop = next(iter(reading.stopped.values()))
                raise NotTheSame(f"{stop.reason}: {stop.message}")
        failpoint("refetch.read")
        found = _Found(decoder.decode())
        latest = batch_instant(stretch.landing.batch_id if stretch.landing else origin.batch_id) + FUTURE_ALLOWANCE
        first: dict[tuple[str, str], bytes] = {}
        for number, t, p, o, source, event_id, agency, at, digest, earlier, batch, ep, eo in self._accepted(connection):
            where, of = (topics[t].name, p, o), place(topics[t].name, p)
            came_before = batch is not None and self._before((batch, ep, eo), stretch.landing, (p, o))
            if at > latest:
                found.rejected.append(_why(decoder.conflict(number), "future"))
            elif came_before and earlier not in (None, digest):  # None: its pid was dropped
                found.rejected.append(decoder.conflict(number))
            elif where in surely:
                found.rejected.append(_why(decoder.conflict(number), LOST_REASON))
            elif came_before:
                found.duplicates[of] += 1
            elif both and first.setdefault((source, event_id), digest) is digest:
                found.row(of, agency, at)
            elif both and first[source, event_id] == digest:
                found.duplicates[of] += 1
            elif both:
                found.rejected.append(decoder.conflict(number))
            elif stretch.landing is not None:
                found.rejected.append(_why(decoder.conflict(number), LOST_REASON))
        connection.close()
        return found

    def _recorded(self, connection: Connection, ranges: Ranges) -> tuple[set[Place], set[Place]]:
        """Places whose row or verdict is in a whole file, and places that were set aside for sure."""
        view_files(connection, "still_there", self._log.whole(), dict(lake_tables()["quarantine"]))
        view_files(connection, "landed_rows", self._events.whole(), dict(lake_tables()["events"]))
        decided = self._decided.whole() if self._decided else []
        view_files(connection, "decided", decided, dict(lake_tables()[DECISIONS]))
        replays = [one.batch_id for one in self._events.landings if one.kind == "replay"]
        connection.register("replays", pa.table({"batch_id": pa.array(replays, pa.string())}))
        connection.execute(
            "CREATE OR REPLACE TEMP VIEW replayed AS FROM landed_rows SEMI JOIN replays USING (batch_id)"
        )
        surely = places_in(connection, "decided", ranges) | places_in(connection, "replayed", ranges)
        left = places_in(connection, "still_there", ranges)
        gone = erased_places(Lake(self._settings), self._events.landings)
        return left | gone | (places_in(connection, "landed_rows", ranges) - surely), surely - left - gone

    def _accepted(self, connection: Connection) -> list[tuple[Any, ...]]:
        """What today's contract accepts, with the lake's own row of the same event where there is one."""
        columns = {name: lake_tables()["events"][name] for name in ("source", "event_id", "payload_digest", "batch_id")}
        columns |= {name: lake_tables()["events"][name] for name in ("partition", "offset")}
        view_files(connection, "earlier", self._events.whole(), columns)
        return connection.sql("""
            SELECT landed.i, landed.t, landed.p, landed.o, landed.source, landed.event_id, landed.agency_id,
                landed.occurred_at, landed.payload_digest, earlier.payload_digest, earlier.batch_id,
                earlier.partition, earlier."offset"
            FROM landed LEFT JOIN earlier ON earlier.event_id = landed.event_id AND earlier.source = landed.source
            ORDER BY landed.p, landed.o
        """).fetchall()

    def _before(self, row: tuple[str, int, int], landing: LandedCommit | None, at: tuple[int, int]) -> bool:
        """True where a row was in the lake, or in the batch, before a record was judged."""
        batch, partition, offset = row
        if landing is None or batch not in self._versions:
            return True
        return (self._versions[batch], partition, offset) < (landing.version, *at)


def _why(one: Rejected, code: str) -> Rejected:
    """The same record, set aside for another reason."""
    place_and_time = (one.topic, one.partition, one.offset, one.time, one.agency_id)
    return Rejected(*place_and_time, code, reasons()[code].stage, "", one.digest, one.size, one.excerpt)


def _compare(found: _Found, landing: LandedCommit) -> None:
    """Raise NotTheSame where today's verdicts are not in number and time what the commit says."""
    said = {
        agency: {**told, "first": told["first"].isoformat(), "last": told["last"].isoformat()}
        for agency, told in found.agencies.items()
    }
    counts = {name: (part.rows, part.duplicates) for name, part in landing.partitions.items()}
    now = {name: (found.rows[name], found.duplicates[name]) for name in counts}
    if counts != now or said != landing.said["agencies"]:
        raise NotTheSame(f"events and rejections of batch {landing.batch_id} are lost, and come out otherwise today")
