"""The promises checked from outside: Delta's log as JSON, files as Parquet, sets and dicts. Imports nothing of ours.

What was sent is known record by record, with the partition and offset that the broker acknowledged.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import monthly_oracle
import pyarrow.parquet as pq
from confluent_kafka import Consumer, TopicPartition

from faults.registry import Violation
from faults.schedule import Said

PARTS = ("rows", "quarantined", "duplicates", "gaps")
EitherWay = Callable[[Said, str], bool]


@dataclass
class Table:
    """A Delta table as its log tells it."""

    folder: Path
    live: dict[str, int] = field(default_factory=dict)  # file name to bytes
    noted: dict[str, dict[str, Any]] = field(default_factory=dict)  # file name to what the commit said of it
    marks: dict[str, int] = field(default_factory=dict)  # application transactions
    said: list[dict[str, Any]] = field(default_factory=list)  # what each commit said of itself, oldest first

    def rows(self, *columns: str) -> list[dict[str, Any]]:
        """The rows of every live file."""
        found: list[dict[str, Any]] = []
        for name in sorted(self.live):
            found += pq.read_table(self.folder / name, columns=list(columns)).to_pylist()
        return found


def read_table(folder: Path) -> Table:
    """Replay a table's log from its first entry. ValueError where an entry is missing or no JSON."""
    table = Table(folder)
    entries = sorted(path for path in (folder / "_delta_log").glob("*.json") if path.stem.isdigit())
    for version, entry in enumerate(entries):
        if int(entry.stem) != version:
            raise ValueError(f"log entry {version} is missing")
        for line in entry.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "add" in action:
                table.live[action["add"]["path"]] = action["add"]["size"]
            elif "remove" in action:
                table.live.pop(action["remove"]["path"], None)
            elif "txn" in action:
                table.marks[action["txn"]["appId"]] = action["txn"]["version"]
            elif "landing" in action.get("commitInfo", {}):
                said = action["commitInfo"]["landing"]
                said = json.loads(said) if isinstance(said, str) else said
                table.said.append(said)
                table.noted |= {file["path"]: file for file in said.get("files", [])}
    return table


def end_offsets(login: Mapping[str, Any], records: Sequence[Said]) -> dict[tuple[str, int], int]:
    """Kafka's end offset of every partition of the topics that were written to."""
    consumer = Consumer({**login, "group.id": "oracle", "log_level": 0})
    try:
        ends = {}
        for topic in {said.topic for said in records}:
            for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
                ends[topic, partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1]
        return ends
    finally:
        consumer.close()


def check_landing(
    lake: Path,
    records: Sequence[Said],
    ends: Mapping[tuple[str, int], int],
    accepted_losses: int = 0,
    either_way: EitherWay | None = None,
) -> tuple[list[Violation], list[dict[str, Any]]]:
    """I1 to I4 and I9 of a lake after everything has landed; also the events as sent that must be counted.

    ``either_way`` says of a good record and a reason whether it may have been set aside for it all the same.
    """
    try:
        events, quarantine = read_table(lake / "events"), read_table(lake / "quarantine")
    except ValueError as error:
        return [Violation("I4", str(error))], []
    found = [*_files(events), *_files(quarantine), *_ranges(events, ends, accepted_losses)]
    if any(violation.invariant == "I4" for violation in found):
        return found, []
    landed = events.rows("topic", "partition", "offset", "event_id", "source")
    aside = quarantine.rows("topic", "partition", "offset", "reason_code")
    more, kept = _records(landed, aside, records, either_way)
    return found + more, kept


def _files(table: Table) -> list[Violation]:
    found = []
    for name, size in table.live.items():
        path, noted = table.folder / name, table.noted.get(name)
        if not path.is_file():
            found.append(Violation("I4", f"{name} is listed, but not there"))
        elif path.stat().st_size != size:
            found.append(Violation("I4", f"{name} has {path.stat().st_size} bytes, listed are {size}"))
        elif noted and hashlib.sha256(path.read_bytes()).hexdigest() != noted["sha256"]:
            found.append(Violation("I4", f"{name} has another SHA-256 than noted"))
    return found


def _ranges(events: Table, ends: Mapping[tuple[str, int], int], accepted_losses: int) -> list[Violation]:
    found, reached, lost = [], {}, 0
    for said in events.said:
        for place, part in said.get("partitions", {}).items():
            if "start" not in part:
                continue
            if part["start"] != reached.get(place, 0):
                found.append(
                    Violation("I4", f"{place}: a range starts at {part['start']}, not {reached.get(place, 0)}")
                )
            if part["end"] - part["start"] != sum(part[name] for name in PARTS) or min(part[n] for n in PARTS) < 0:
                found.append(Violation("I3", f"{place}: {part} does not add up"))
            lost += part["gaps"] if said.get("kind") == "loss" else 0
            reached[place] = part["end"]
    marks = {name.removeprefix("land:"): mark for name, mark in events.marks.items() if "/" in name}
    for place, end in reached.items():
        if marks.get(place) != end:
            found.append(Violation("I4", f"{place}: the last range ends at {end}, the mark is {marks.get(place)}"))
    for (topic, partition), end in ends.items():
        here = reached.get(f"{topic}/{partition}", 0)
        if here < end:
            found.append(Violation("I9", f"{topic}/{partition} stands at {here} of {end}"))
        elif here > end:
            found.append(Violation("I3", f"{topic}/{partition} stands at {here}, Kafka ends at {end}"))
    if lost != accepted_losses:
        found.append(Violation("I3", f"{lost} offsets are noted as lost, {accepted_losses} were"))
    return found


def _records(
    landed: Sequence[Mapping[str, Any]],
    aside: Sequence[Mapping[str, Any]],
    records: Sequence[Said],
    either_way: EitherWay | None,
) -> tuple[list[Violation], list[dict[str, Any]]]:
    places = Counter((row["topic"], row["partition"], row["offset"]) for row in (*landed, *aside))
    found = [Violation("I2", f"{place} is stored {count} times") for place, count in places.items() if count > 1]
    names = Counter((row["source"], row["event_id"]) for row in landed)
    found += [Violation("I2", f"{name} is an event {count} times") for name, count in names.items() if count > 1]
    in_events = {(row["topic"], row["partition"], row["offset"]): row["event_id"] for row in landed}
    in_quarantine = {(row["topic"], row["partition"], row["offset"]): row["reason_code"] for row in aside}
    told: dict[tuple[str, str], set[bytes | None]] = {}
    for said in records:
        if said.event is not None:
            told.setdefault((said.agency, said.event["event_id"]), set()).add(said.value)
    kept = []
    for said in records:
        if not said.was_acknowledged:
            continue
        if said.event is None:
            if said.place in in_events or said.place not in in_quarantine:
                found.append(Violation("I1", f"{said.place} is broken and not in quarantine"))
            continue
        name = (said.event["source"], said.event["event_id"])
        if said.place in in_events:
            kept.append(said.event)
            if in_events[said.place] != said.event["event_id"]:
                found.append(Violation("I1", f"{said.place} holds {in_events[said.place]}, sent was {name[1]}"))
        elif said.place in in_quarantine:
            reason = in_quarantine[said.place]
            is_conflict = reason == "id_conflict" and len(told[said.agency, name[1]]) > 1
            if not is_conflict and not (either_way and either_way(said, reason)):
                found.append(Violation("I1", f"{said.place} is good, but set aside: {reason}"))
        elif name not in names:
            found.append(Violation("I1", f"{said.place} is nowhere"))
    sent = {said.place for said in records}
    unsure = {said.event["event_id"] for said in records if said.event and not said.was_acknowledged}
    unsent = [place for place, event_id in in_events.items() if place not in sent and event_id not in unsure]
    if unsent:
        found.append(Violation("I2", f"{len(unsent)} rows were never sent, such as {unsent[0]}"))
    return found, kept


def monthly(
    events: Sequence[Mapping[str, Any]], agencies: Sequence[Mapping[str, Any]]
) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """The monthly tables that these events must give."""
    tables = monthly_oracle.compute(events, agencies, [])
    return {
        "monthly_users": tables.users,
        "monthly_visits": tables.visits,
        "monthly_transactions": tables.transactions,
        "monthly_channel_share": tables.channel_share,
    }


def compare(
    wanted: Mapping[str, Mapping[tuple[str, ...], Mapping[str, Any]]],
    built: Mapping[str, Mapping[tuple[str, ...], Mapping[str, Any]]],
) -> list[Violation]:
    """I6: every row of the wanted tables with every measure, no row more."""
    found = []
    for name, table in wanted.items():
        for key in table.keys() ^ built[name].keys():
            side = "lacks" if key in table else "has too much"
            found.append(Violation("I6", f"{name} {side} {key}"))
        for key in table.keys() & built[name].keys():
            for column, value in table[key].items():
                here = built[name][key].get(column, value)
                same = abs(here - value) <= 1e-12 * abs(value) if _are_numbers(here, value) else here == value
                if not same:
                    found.append(Violation("I6", f"{name} {key} {column}: {here!r}, the oracle has {value!r}"))
    return found[:20]


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)
