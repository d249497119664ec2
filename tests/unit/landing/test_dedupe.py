"""One event, once, against a set, whatever ids, batches and merged files were there before; few files are opened."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from landed_people import TOPIC, rows, visit

from contracts.event import OFFLINE
from contracts.keys import create_keys
from contracts.settings import Settings
from landing import dedupe
from landing.batch_rows import RANGED, event_rows, name_topics, new_batch
from landing.cluster import Topic
from landing.confidential import unspilling_connection
from landing.consumer import Chunk
from landing.decode import Decoder
from landing.dedupe import Repeats, take_out_repeats
from landing.rekeying import key_note, keys_for
from warehouse.lake import Lake
from warehouse.landing_log import commit, files_that_may_hold, open_table, write_file
from warehouse.maintenance import compact

PARTITIONS = 3
# What one record says: partition, event id, person. Ids that sort by time, ids that do not, and neighbours of both.
IDS = st.one_of(
    st.integers(0, 9).map(lambda n: f"0190a{n:07d}-7abc"),
    st.sampled_from(["f3b1-x", "03c9-x", "zz-9", "Zz", "0a", "0190a", "0190a0000003-7abd", "a.b", "a-b"]),
)
RECORDS = st.tuples(st.integers(0, PARTITIONS - 1), IDS, st.integers(1, 2))
Record = tuple[int, str, int]


def new_home(folder: Path) -> Settings:
    settings = Settings.load({"MIZAN_HOME": str(folder / "home")}, folder=folder)
    create_keys(settings)
    Lake(settings).create()
    return settings


def land(settings: Settings, records: Sequence[Record], offset: int) -> Repeats:
    """One batch, as landing takes repeats out of it: the partitions' records from one offset on."""
    lake = Lake(settings)
    events = open_table(lake, "events")
    keys = keys_for(settings, events, open_table(lake, "quarantine"))
    topics = [Topic(TOPIC, "tax", "u", 1, tuple(range(PARTITIONS)))]
    count = len(records)
    with unspilling_connection() as connection:
        decoder = Decoder(connection, topics, OFFLINE, keys)
        offsets = [offset + n for n in range(count)]
        values = [visit(event_id, person) for _, event_id, person in records]
        places = [partition for partition, _, _ in records]
        decoder.add(Chunk([TOPIC] * count, places, offsets, list(values), [None] * count, [0] * count))
        assert decoder.decode() == []
        repeats = take_out_repeats(connection, events)
        batch_id, at = new_batch()
        name_topics(connection, topics)
        file = write_file(connection, event_rows(batch_id, at), events, f"{batch_id}.parquet", RANGED)
        commit(events, [file] if file else [], key_note(events, keys.events), {"kind": "land", "batch_id": batch_id})
    return repeats


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(RECORDS, min_size=1, max_size=12), min_size=1, max_size=5), merged=st.booleans())
def test_every_event_is_in_the_lake_once_and_says_what_was_said_first(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Record]], merged: bool
):
    settings = new_home(tmp_path_factory.mktemp("dedupe"))
    first: dict[str, int] = {}
    for number, records in enumerate(batches):
        duplicates = conflicts = 0
        # Of one batch the first counts, by partition and offset.
        for _, event_id, person in sorted(records, key=lambda one: one[0]):
            if event_id not in first:
                first[event_id] = person
            elif first[event_id] == person:
                duplicates += 1
            else:
                conflicts += 1
        repeats = land(settings, records, number * 100)
        assert (sum(repeats.duplicates.values()), len(repeats.conflicts)) == (duplicates, conflicts)
        if merged:
            compact(settings, fewest_files=2)
    found = rows(settings, "events", "SELECT event_id, count(*) FROM t GROUP BY ALL ORDER BY ALL")
    assert found == [(event_id, 1) for event_id in sorted(first, key=str.encode)]
    same = rows(settings, "events", "SELECT count(DISTINCT (event_id, pid)) FROM t")
    assert same == [(len(first),)]


def test_of_ids_that_sort_by_time_only_files_of_that_time_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings, opened = new_home(tmp_path), []

    def noting(*given: object) -> list[str]:
        found = files_that_may_hold(*given)  # type: ignore[arg-type]  # handed on as they came
        opened.append(len(found))
        return found

    monkeypatch.setattr(dedupe, "files_that_may_hold", noting)
    for batch in range(12):
        land(settings, [(0, f"0190a{batch:03d}{n:04d}-7abc", 1) for n in range(5)], batch * 5)
    assert opened == [0] * 12
    # What comes again is sought where it was; an id from anywhere, everywhere.
    assert sum(land(settings, [(0, "0190a0030002-7abc", 1)], 100).duplicates.values()) == 1
    land(settings, [(0, "0190a0000000-0000", 1), (0, "ffff", 1)], 200)
    assert opened[12:] == [1, 12]


def test_twenty_thousand_ids_in_any_order_are_told_apart(tmp_path: Path):
    """Random ids, half of them known: none is lost to the order they come in."""
    settings, draws = new_home(tmp_path), random.Random(5)
    ids = [f"id-{draws.getrandbits(64):016x}" for _ in range(20_000)]
    land(settings, [(n % PARTITIONS, event_id, 1) for n, event_id in enumerate(ids[:10_000])], 0)
    draws.shuffle(ids)
    repeats = land(settings, [(n % PARTITIONS, event_id, 1) for n, event_id in enumerate(ids)], 10_000)
    assert (sum(repeats.duplicates.values()), repeats.conflicts) == (10_000, [])
    assert rows(settings, "events", "SELECT count(*), count(DISTINCT event_id) FROM t") == [(20_000, 20_000)]
