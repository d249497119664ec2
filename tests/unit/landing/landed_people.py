"""Visits of persons, judged and keyed by landing's own decoder and committed to a lake as a landing does. No broker."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence

from contracts.event import OFFLINE
from contracts.settings import Settings
from landing.batch_rows import RANGED, agencies_of, event_rows, name_topics, new_batch
from landing.cluster import Topic
from landing.confidential import unspilling_connection
from landing.consumer import Chunk
from landing.decode import VALIDATOR_VERSION, Decoder
from landing.quarantine import as_table
from landing.rekeying import key_note, keys_for
from warehouse.connection import memory_connection, view_files
from warehouse.lake import Lake
from warehouse.landing_log import PartitionRange, as_said, commit, marks, next_offset, open_table, write_file

AGENCY, TOPIC = "tax", "egov.events.v1.tax"
NOON = dt.datetime(2020, 4, 1, 12, tzinfo=dt.UTC)


def user_key(person: object) -> str:
    """What the agency would send for a person: any 64 digits, always the same ones."""
    return hashlib.sha256(f"person {person}".encode()).hexdigest()


def visit(event_id: str, person: object | None, at: dt.datetime = NOON) -> bytes:
    data = {"visit_id": f"v-{event_id}", "channel": "portal"}
    if person is not None:
        data["user_key"] = user_key(person)
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/agencies/{AGENCY}",
            "type": "ir.egov.visit.recorded.v1",
            "time": at.isoformat(),
            "data": data,
        }
    ).encode()


def land(settings: Settings, values: Sequence[bytes]) -> str:
    """Land values behind what the partition holds, in one batch; its id."""
    lake = Lake(settings)
    events, quarantine = open_table(lake, "events"), open_table(lake, "quarantine")
    keys = keys_for(settings, events, quarantine)
    place, count = f"{TOPIC}/0", len(values)
    start = next_offset(events, place) or 0
    topics = [Topic(TOPIC, AGENCY, "u", 1, (0,))]
    with unspilling_connection() as connection:
        decoder = Decoder(connection, topics, OFFLINE, keys)
        offsets = list(range(start, start + count))
        decoder.add(Chunk([TOPIC] * count, [0] * count, offsets, list(values), [None] * count, [0] * count))
        rejected = decoder.decode()
        batch_id, at = new_batch()
        part = PartitionRange("u", start, start + count, count - len(rejected), len(rejected), 0, 0)
        offsets_after = marks({place: start + count, TOPIC: 1})
        said = {"kind": "land", "batch_id": batch_id, "validator_version": VALIDATOR_VERSION}
        connection.register("rejected", as_table(rejected, batch_id, at))
        aside = write_file(connection, "SELECT * FROM rejected", quarantine, f"{batch_id}.parquet", ("agency_id",))
        commit(quarantine, [aside] if aside else [], offsets_after | key_note(quarantine, keys.quarantine), said)
        name_topics(connection, topics)
        agencies = agencies_of(connection)
        file = write_file(connection, event_rows(batch_id, at), events, f"{batch_id}.parquet", RANGED)
        commit(
            events,
            [file] if file else [],
            offsets_after | key_note(events, keys.events),
            {**said, "landed_at": at.isoformat(), "partitions": as_said({place: part}), "agencies": agencies},
        )
    return batch_id


def rows(settings: Settings, table: str, query: str) -> list[tuple[object, ...]]:
    """A query over ``t``, the table's rows."""
    snapshot = Lake(settings).open(table)
    with memory_connection() as connection:
        view_files(connection, "t", snapshot.files, dict(snapshot.columns))
        return connection.sql(query).fetchall()


def pids(settings: Settings) -> set[bytes]:
    return {bytes(pid) for (pid,) in rows(settings, "events", "SELECT DISTINCT pid FROM t WHERE pid IS NOT NULL")}


def visits(people: Iterable[object | None], prefix: str = "e") -> list[bytes]:
    """One visit of each."""
    return [visit(f"{prefix}-{number}", person) for number, person in enumerate(people)]
