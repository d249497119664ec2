"""The proof: what the log says, what the files hold and what Kafka has agree, offset by offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from contracts.errors import MizanError, TryAgain, UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.cluster import Cluster
from landing.incarnations import SHIFT, cut_below, shift_mark
from landing.plan import make_plan, place
from landing.refetch import refetch as make_again
from landing.verify_replays import finish_replays, replay_problems, replayed_rows, states, take_out_replayed
from warehouse.connection import Connection, memory_connection, view_files
from warehouse.erasures import erased_by, erased_rows, tombstone_problems
from warehouse.lake import Lake, Snapshot
from warehouse.lake_damage import damage
from warehouse.lake_versions import REASON as WENT_BACK
from warehouse.lake_versions import went_back
from warehouse.landing_log import (
    LandedCommit,
    commits,
    damaged_entries,
    live_files,
    next_offsets,
    open_table,
)
from warehouse.losses import KIND
from warehouse.month_closings import TABLE as LEDGER
from warehouse.person_months import TABLES as KEPT
from warehouse.person_months import kept_problems, kept_table
from warehouse.quarantine_states import TABLE as DECISIONS
from warehouse.quarantine_states import decisions
from warehouse.release_checks import release_folders, release_problems
from warehouse.rewriting import RETENTION
from warehouse.small_tables import table_problems


@dataclass(frozen=True)
class Problem:
    """Something that does not hold: its kind, the partition, file or table, and what to do."""

    kind: str
    where: str
    hint: str


@dataclass
class Proof:
    """The outcome: problems, and notes on what could not be looked at."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True where nothing contradicts."""
        return not self.problems

    def add(self, kind: str, where: str, hint: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, where, hint))

    def document(self) -> dict[str, Any]:
        """What `mizan verify --json` prints."""
        return {
            "ok": self.ok,
            "problems": [vars(problem) for problem in self.problems],
            "notes": self.notes,
            "checked": self.checked,
        }


def verify(settings: Settings, deep: bool = False, refetch: bool = False) -> Proof:
    """Prove the lake against its own log and the broker. ``deep`` also reads every column of every file back.

    ``refetch`` first makes lost and damaged files of ``events`` and ``quarantine`` again from Kafka, where it still
    holds their records.

    Offsets tile per partition and end at the transaction version; end - start = rows + quarantined + duplicates +
    gaps, with rows and quarantined counted in the files; offsets and (source, event id) are unique; files are there
    with their size and SHA-256; no partition is ahead of the broker. Where the broker does not answer, a note says so.
    """
    proof = Proof()
    lake = Lake(settings)
    for name in ("events", "quarantine", DECISIONS, *KEPT):
        for entry in damaged_entries(lake, name):
            proof.add("LAKE_LOG_DAMAGED", f"{name}/_delta_log/{entry}", "restore the entry from a backup")
    is_readable = proof.ok
    small = list(table_problems(settings))
    for kind, where, hint in small:
        proof.add(kind, where, hint)
    if not is_readable:
        return proof  # what such a log says cannot be held against the files
    older = went_back(settings)
    for old in older:
        proof.add(WENT_BACK, f"lake/{old.table}", f"{old.words()}: put the newest copy back")
    if refetch and not (older or small):
        proof.notes.extend(make_again(settings).notes())
    decided = decisions(lake)  # before the events, which a replay commits first
    events, quarantine = open_table(lake, "events"), open_table(lake, "quarantine")
    landings, others = list(commits(lake, "events")), list(commits(lake, "quarantine"))
    landed = next_offsets(events)
    ends = _check_tiling(proof, landings, landed)
    whole = [_check_files(proof, events, landings), _check_files(proof, quarantine, others)]
    if decided is not None:
        whole.append(_check_files(proof, decided, list(commits(lake, DECISIONS))))
    whole += [
        _check_files(proof, table, list(commits(lake, table.name)))
        for table in map(partial(kept_table, lake), KEPT)
        if table is not None
    ]
    if all(whole):
        proof.notes.extend(finish_replays(settings))
        connection = memory_connection(settings)
        _view(connection, events, quarantine)
        _check_counts(proof, connection, landings, ends)
        _check_unique(proof, connection, landings)
        for kind, where, hint in (
            *replay_problems(connection, landings, decided, erased_rows(landings)),
            *tombstone_problems(settings, landings),
            *kept_problems(lake, landings),
        ):
            proof.add(kind, where, hint)
        proof.checked["erased"] = sum(erased_rows(landings).values())
        proof.checked["drops"] = sum(one.kind == RETENTION for one in landings)
        proof.checked |= states(connection, quarantine, decisions(lake))
        if deep:
            _read_back(proof, connection, events, quarantine)
        connection.close()
    _check_lives(proof, landings, landed)
    _check_broker(proof, settings, landed)
    if not any(where.startswith(f"{LEDGER}/") for _, where, _ in small):
        for kind, where, hint in release_problems(settings):
            proof.add(kind, where, hint)
    proof.checked["releases"] = len(release_folders(settings))
    proof.checked |= {"commits": len(landings), "partitions": len(ends), "lost": _accepted(proof, landings)}
    return proof


def _check_tiling(proof: Proof, landings: list[LandedCommit], marks: Mapping[str, int]) -> dict[str, int]:
    """Ranges follow each other without hole or overlap, and each adds up. Returns the end by partition."""
    ends: dict[str, int] = {}
    for commit in landings:
        for name, part in commit.partitions.items():
            where = f"{name} version {commit.version}"
            before = ends.get(name, 0)
            if part.start != before:
                proof.add("tiling", where, f"the range starts at {part.start}, the one before ended at {before}")
            accounted = part.rows + part.quarantined + part.duplicates + part.gaps
            if part.end - part.start != accounted or min(part.rows, part.quarantined, part.duplicates, part.gaps) < 0:
                proof.add("conservation", where, f"{part.end - part.start} offsets, {accounted} accounted for")
            ends[name] = part.end
    for name, end in marks.items():
        if "/" in name and ends.get(name) != end:
            proof.add("tiling", name, f"the next offset is {end}, the last range ended at {ends.get(name)}")
    for name in ends.keys() - marks.keys():
        proof.add("tiling", name, "the log holds ranges but no next offset")
    return ends


def _check_lives(proof: Proof, landings: list[LandedCommit], landed: Mapping[str, int]) -> None:
    """The shift of every partition is the one that its last closing says, where the closed life ended."""
    shifts = {name: 0 for name in landed if name.startswith(f"{SHIFT}:")}
    begun = 0
    for commit in landings:
        for name, life in commit.said.get("begun", {}).items():
            begun += 1
            topic, _, number = name.rpartition("/")
            shifts[shift_mark((topic, int(number)))] = life["shift"]
            if name not in commit.partitions or commit.partitions[name].topic_id != life["closed"]:
                proof.add("tiling", f"{name} version {commit.version}", "a life begins where none was closed")
    for mark, shift in shifts.items():
        if landed.get(mark) != shift:
            proof.add("tiling", mark, f"the shift is {landed.get(mark)}, the last closing says {shift}")
    proof.checked["begun_anew"] = begun


def _accepted(proof: Proof, landings: list[LandedCommit]) -> int:
    """How many offsets were accepted as lost. Nobody passes over offsets without a name and a reason."""
    for commit in landings:
        for said in commit.said[KIND] if commit.kind == KIND else []:
            if not (said.get("accepted_by") and said.get("reason")):
                where = place(said["topic"], said["partition"])
                proof.add("loss", where, f"version {commit.version} does not say by whom and why")
    return sum(part.gaps for commit in landings if commit.kind == KIND for part in commit.partitions.values())


def _check_files(proof: Proof, snapshot: Snapshot, landings: list[LandedCommit]) -> bool:
    """Every file the log lists is there as it was written, or was replaced by others that keep its rows."""
    live, before = live_files(snapshot), len(proof.problems)
    noted: dict[str, tuple[Mapping[str, Any], LandedCommit]] = {}
    replaced: set[str] = set()
    for commit in landings:
        noted |= {str(file["path"]): (file, commit) for file in commit.files}
        if commit.removed:
            replaced |= set(commit.removed)
            gone = sum(int(noted[path][0]["rows"]) for path in commit.removed if path in noted)
            kept = sum(int(file["rows"]) for file in commit.files) + erased_by(commit)
            if gone != kept or not noted.keys() >= set(commit.removed):
                proof.add("compaction", f"{snapshot.name} version {commit.version}", f"{gone} rows became {kept}")
    for path, (file, commit) in noted.items():
        where = f"{snapshot.name}/{path}"
        if path in replaced:
            if path in live:
                proof.add("compaction", where, "the file was replaced, but is still part of the table")
        elif path not in live:
            proof.add("LAKE_FILE_MISSING", where, f"the table does not list it any more; {_offsets(commit)}")
        else:
            trouble = damage(snapshot.folder, file)
            if trouble:
                in_kafka = snapshot.name in ("events", "quarantine")
                way = "try --refetch" if in_kafka else "these rows are not in Kafka: put a copy back"
                proof.add("LAKE_FILE_MISSING", where, f"{trouble}; {_offsets(commit)}; {way}")
            elif live[path] != file["rows"]:
                proof.add("counts", where, f"the table says {live[path]} rows, the commit {file['rows']}")
    for path in live.keys() - noted.keys():
        proof.add("unknown_file", f"{snapshot.name}/{path}", "no landing and no compaction wrote this file")
    proof.checked[f"{snapshot.name}_files"] = len(live)
    return len(proof.problems) == before


def _offsets(commit: LandedCommit) -> str:
    """Which offsets a lost file held."""
    parts = [f"{name} {part.start}-{part.end - 1}" for name, part in commit.partitions.items()]
    return "it held " + (", ".join(parts[:5]) + (" …" if len(parts) > 5 else "") if parts else "merged rows")


def _view(connection: Connection, events: Snapshot, quarantine: Snapshot) -> None:
    view_files(connection, "landed", events.files, dict(lake_tables()["events"]))
    view_files(connection, "set_aside", quarantine.files, dict(lake_tables()["quarantine"]))


def _check_counts(proof: Proof, connection: Connection, landings: list[LandedCommit], ends: Mapping[str, int]) -> None:
    """The rows in the files are those the commits speak of, batch by batch and partition by partition."""
    counted = {
        (batch, place(topic, partition)): (rows, first, last)
        for batch, topic, partition, rows, first, last in connection.sql("""
            SELECT batch_id, topic, partition, count(*), min("offset"), max("offset") FROM landed GROUP BY ALL
        """).fetchall()
    }
    quarantined: dict[str, int] = {}
    erased = erased_rows(landings)
    for commit in landings:
        for name, part in commit.partitions.items():
            where, gone = f"{name} batch {commit.batch_id}", erased.get((commit.batch_id, name), 0)
            rows, first, last = counted.pop((commit.batch_id, name), (0, part.start, part.start))
            if rows + gone != part.rows:
                proof.add("counts", where, f"{rows} rows in the files and {gone} erased, {part.rows} in the commit")
            elif rows and not part.start <= first <= last < part.end:
                proof.add("counts", where, f"rows at {first}-{last} outside the range {part.start}-{part.end - 1}")
            quarantined[name] = quarantined.get(name, 0) + part.quarantined
    for batch, name in counted.keys() - replayed_rows(landings).keys():
        proof.add("counts", f"{name} batch {batch}", "rows that no commit speaks of")
    # Beyond the next offset lie verdicts of a run that died before its second commit: the next run takes them up.
    names, offsets = pa.array(list(ends), pa.string()), pa.array(list(ends.values()), pa.int64())
    connection.register("ends", pa.table({"name": names, "next_offset": offsets}))
    found = dict(
        connection.sql("""
            SELECT name, count(*) FROM set_aside JOIN ends ON name = concat(topic, '/', partition)
            WHERE "offset" < next_offset GROUP BY ALL
        """).fetchall()
    )
    for name in quarantined.keys() | found.keys():
        if found.get(name, 0) != quarantined.get(name, 0):
            hint = f"{found.get(name, 0)} rows in quarantine, {quarantined.get(name, 0)} in the commits"
            proof.add("counts", name, hint)
    proof.checked["events"] = sum(part.rows for commit in landings for part in commit.partitions.values())
    proof.checked["quarantined"] = sum(quarantined.values())


def _check_unique(proof: Proof, connection: Connection, landings: list[LandedCommit]) -> None:
    take_out_replayed(connection, landings)
    connection.execute("""
        CREATE OR REPLACE TEMP VIEW placed AS
        SELECT topic, partition, "offset" FROM landed UNION ALL SELECT * FROM standing_aside
    """)
    twice = _repeated(connection, "placed", 'topic, partition, "offset"')
    for topic, partition, offset, count in connection.sql(f"{twice} ORDER BY ALL LIMIT 20").fetchall():
        proof.add("duplicate_offset", f"{place(topic, partition)}@{offset}", f"the offset is in the lake {count} times")
    repeated = _repeated(connection, "landed", "source, event_id")
    for source, count in connection.sql(
        f"SELECT source, count(*) FROM ({repeated}) GROUP BY ALL ORDER BY ALL LIMIT 20"  # noqa: S608 our own names
    ).fetchall():
        proof.add("duplicate_event", str(source), f"{count} event ids are in the lake more than once")


def _repeated(connection: Connection, rows: str, key: str) -> str:
    """A SELECT of the keys that several rows have, with the number of rows.

    A hash tells which may be, in a fraction of the memory that all keys would take; those are looked at whole.
    """
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE alike AS
        SELECT HASH({key}) AS key_hash FROM "{rows}" GROUP BY key_hash HAVING count(*) > 1
    """)  # noqa: S608 our own names
    return f"""SELECT {key}, count(*) FROM "{rows}" WHERE HASH({key}) IN (SELECT key_hash FROM alike)
        GROUP BY ALL HAVING count(*) > 1"""  # noqa: S608 as above


def _read_back(proof: Proof, connection: Connection, *tables: Snapshot) -> None:
    """Decode every column of every file."""
    for snapshot in tables:
        for path in snapshot.files:
            view_files(connection, "one_file", [path], dict(snapshot.columns))
            listed = ", ".join(f'count("{column}")' for column in snapshot.columns)
            try:
                connection.sql(f"SELECT {listed} FROM one_file").fetchall()  # noqa: S608 our own names
            except Exception as error:
                proof.add(
                    "LAKE_FILE_MISSING", f"{snapshot.name}/{Path(path).name}", f"unreadable: {type(error).__name__}"
                )


def _check_broker(proof: Proof, settings: Settings, landed: Mapping[str, int]) -> None:
    """Whatever landing would halt at, and logs that were cut below the next offset and have grown again."""
    try:
        plan = make_plan(Cluster(settings.kafka()), landed)
        cut = cut_below(settings.kafka(), landed, plan.ranges)
    except (TryAgain, UsageError, MizanError) as error:
        proof.notes.append(f"not compared with the broker: {error}")
        return
    for halt in plan.halts:
        proof.add(halt.reason, halt.where, halt.message)
    for partition in sorted(cut):
        hint = f"the log was cut below {landed[place(*partition)]} and has grown again"
        proof.add("PARTITION_OFFSET_CHANGED", place(*partition), hint)
