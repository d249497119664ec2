"""Decisions on rejected records: which are open, dropped or replayed, and what the proof says of them."""

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from console.main import app
from contracts.errors import Fenced, UsageError
from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from landing.decisions import decide, drop, finish, open_records
from landing.decode import Rejected
from landing.quarantine import as_table, counts, rows
from landing.replay import APART, _passes
from landing.verify import verify
from warehouse.connection import memory_connection
from warehouse.lake import Lake, arrow_schema
from warehouse.lake_versions import note_versions, went_back
from warehouse.landing_log import PartitionRange, as_said, commit, marks, next_offsets, open_table, write_file
from warehouse.maintenance import compact
from warehouse.quarantine_states import TABLE

NOW = dt.datetime(2020, 4, 1, tzinfo=dt.UTC)
TOPIC = "egov.events.v1.tax-north"
REASONS = ("not_json", "unknown_service", "unknown_service", "future")


def rejected(offset: int, reason: str) -> Rejected:
    return Rejected(TOPIC, 0, offset, 0, "tax-north", reason, "json", "", b"digest", 10, "")


def write(lake: Lake, name: str, rows: pa.Table, file: str, offsets: dict[str, int], said: dict[str, object]) -> None:
    snapshot = open_table(lake, name)
    connection = memory_connection()
    connection.register("given", rows)
    written = write_file(connection, "SELECT * FROM given", snapshot, file)
    commit(snapshot, [written] if written else [], offsets, said)
    connection.close()


def event_at(offset: int, batch: str) -> pa.Table:
    row = {"event_id": f"e-{offset}", "source": "/agencies/tax-north", "agency_id": "tax-north", "batch_id": batch}
    row |= {"topic": TOPIC, "partition": 0, "offset": offset, "occurred_at": NOW, "landed_at": NOW}
    columns = lake_tables()["events"]
    return pa.Table.from_pylist([{name: row.get(name) for name in columns}], schema=arrow_schema(columns))


def land(lake: Lake, reasons: Sequence[str], pending: int = 0) -> None:
    """Reject records 0, 1, …; the last ``pending`` of them lie beyond the next offset, as after a kill."""
    end = len(reasons) - pending
    said = {"kind": "land", "batch_id": "b-1"}
    table = as_table([rejected(offset, reason) for offset, reason in enumerate(reasons)], "b-1", NOW)
    write(lake, "quarantine", table, "b-1.parquet", marks({f"{TOPIC}/0": len(reasons), TOPIC: 7}), said)
    part = {f"{TOPIC}/0": PartitionRange("u", 0, end, 0, end, 0, 0)}
    events = arrow_schema(lake_tables()["events"]).empty_table()
    write(
        lake,
        "events",
        events,
        "b-1.parquet",
        marks({f"{TOPIC}/0": end, TOPIC: 7}),
        said | {"partitions": as_said(part)},
    )


def replayed(lake: Lake, offset: int) -> None:
    """The first of a replay's two commits."""
    said = {"kind": "replay", "batch_id": "r-1", "partitions": {}, "replayed": {f"{TOPIC}/0": 1}}
    write(lake, "events", event_at(offset, "r-1"), "r-1.parquet", {f"replay:{TOPIC}/0": 1}, said)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path))
    lake.create()
    return lake


def standing(lake: Lake) -> dict[int, str]:
    return {row["offset"]: row["state"] for row in rows(lake.settings)}


def test_a_drop_closes_the_open_records_of_a_reason_in_somebodys_name(lake: Lake):
    land(lake, REASONS)
    assert drop(lake.settings, reason="unknown_service", by="Sara", note="a test of theirs") == 2
    assert standing(lake) == {0: "open", 1: "dropped", 2: "dropped", 3: "open"}
    assert {row["reason_code"] for row in counts(lake.settings)} == {"not_json", "future"}
    (first, *_) = open_table(lake, TABLE).rows().to_pylist()
    assert (first["decided_by"], first["note"]) == ("Sara", "a test of theirs")
    assert drop(lake.settings, reason="unknown_service", by="Sara", note="again") == 0
    proof = verify(lake.settings, deep=True)
    assert proof.ok, proof.problems
    assert (proof.checked["quarantine_open"], proof.checked["quarantine_dropped"]) == (2, 2)


def test_a_drop_without_a_name_a_note_or_a_known_reason_is_refused(lake: Lake):
    land(lake, REASONS)
    for given in (
        {"reason": "not_json", "by": " ", "note": "n"},
        {"reason": "not_json", "by": "Sara", "note": ""},
        {"reason": "no_such_reason", "by": "Sara", "note": "n"},
        {"reason": "not_json", "agency": "../x", "by": "Sara", "note": "n"},
    ):
        with pytest.raises(UsageError):
            drop(lake.settings, **given)
    assert set(standing(lake).values()) == {"open"}


def test_who_decided_when_and_why_is_shown_beside_the_record(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    from console import commands

    land(lake, REASONS)
    drop(lake.settings, reason="future", by="Sara", note="a clock that was wrong")
    replayed(lake, 1)
    finish(lake.settings)
    shown = {row["offset"]: row for row in rows(lake.settings)}
    told = {offset: (row["state"], row["decided_by"], row["decision_note"]) for offset, row in shown.items()}
    assert told[0] == ("open", None, None)
    assert told[1] == ("replayed", "replay", "")
    assert told[3] == ("dropped", "Sara", "a clock that was wrong")
    assert shown[1]["decision_batch"] == "r-1"
    assert abs(shown[3]["decided_at"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    monkeypatch.setenv("MIZAN_HOME", str(lake.settings.home))
    if not app.registered_commands:
        commands.register(app)
    lines = CliRunner().invoke(app, ["quarantine", "show", "--reason", "future"]).stdout.splitlines()
    assert lines[-1].strip().startswith("dropped by Sara, 20")
    assert lines[-1].endswith(" UTC: a clock that was wrong")
    assert "replayed by replay, " in CliRunner().invoke(app, ["quarantine", "show"]).stdout


def test_an_agency_reads_its_own_rejects_and_nobody_elses(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    from console import commands

    land(lake, REASONS)
    drop(lake.settings, reason="unknown_service", agency=None, by="an operator", note="for us alone")
    monkeypatch.setenv("MIZAN_HOME", str(lake.settings.home))
    if not app.registered_commands:
        commands.register(app)
    done = CliRunner().invoke(app, ["rejects", "--agency", "tax-north", "--json"])
    told = json.loads(done.stdout)
    counted = {row["reason_code"]: (row["open"], row["dropped"], row["replayed"]) for row in told["reasons"]}
    assert counted == {"unknown_service": (0, 2, 0), "not_json": (1, 0, 0), "future": (1, 0, 0)}
    assert all(row[part][language] for row in told["reasons"] for part in ("what", "fix") for language in ("fa", "en"))
    assert sorted(row["offset"] for row in told["records"]) == [0, 1, 2, 3]
    assert "for us alone" not in done.stdout
    shown = CliRunner().invoke(app, ["rejects", "--agency", "tax-north"]).stdout
    assert "خدمت در فهرست خدمات نیست" in shown
    other = CliRunner().invoke(app, ["rejects", "--agency", "tax", "--json"])
    assert json.loads(other.stdout) == {"agency_id": "tax", "reasons": [], "records": []}


def test_many_decisions_are_merged_into_one_file_and_stand_as_they_were(lake: Lake):
    many = ["not_json"] * 6
    land(lake, many)
    for offset in range(5):
        said = "duplicate" if offset % 2 else "dropped"
        decide(open_table(lake, TABLE), {(TOPIC, 0, offset): said}, batch_id=f"d-{offset}", by="Sara", note="n")
    before = rows(lake.settings)
    stale = open_table(lake, TABLE)
    done = compact(lake.settings, fewest_files=2)[TABLE]
    assert (done.files_before, done.files_after) == (5, 1)
    assert rows(lake.settings) == before
    # Who loaded the table before the merge is not disturbed, and a second decision on the partition is still fenced.
    decide(stale, {(TOPIC, 0, 5): "dropped"}, batch_id="d-5", by="Sara", note="n")
    assert standing(lake)[5] == "dropped"
    with pytest.raises(Fenced):
        decide(stale, {(TOPIC, 0, 5): "replayed"}, batch_id="r-5", by="replay", note="")
    proof = verify(lake.settings, deep=True)
    assert proof.ok, proof.problems


def test_an_old_copy_of_the_decisions_is_known_for_one(lake: Lake, tmp_path: Path):
    land(lake, REASONS)
    shutil.copytree(Path(lake.location(TABLE)), tmp_path / "old")
    drop(lake.settings, reason="future", by="Sara", note="n")
    note_versions(lake.settings)
    shutil.rmtree(lake.location(TABLE))
    (tmp_path / "old").rename(lake.location(TABLE))
    assert [one.table for one in went_back(lake.settings)] == [TABLE]
    assert ("LAKE_VERSION_WENT_BACK", f"lake/{TABLE}") in {
        (problem.kind, problem.where) for problem in verify(lake.settings).problems
    }


def test_records_that_a_killed_landing_judged_are_left_to_the_next_landing(lake: Lake):
    land(lake, REASONS, pending=2)
    found = open_records(lake.settings, open_table(lake, TABLE), next_offsets(open_table(lake, "events")))
    assert [offset for _, _, offset in found] == [0, 1]


def test_open_records_come_in_order_of_place_within_bounds_of_number_and_size(lake: Lake):
    land(lake, REASONS)
    decided, landed = open_table(lake, TABLE), next_offsets(open_table(lake, "events"))

    def offsets(**given: object) -> list[int]:
        return [place[2] for place in open_records(lake.settings, decided, landed, **given)]  # type: ignore[arg-type]

    assert offsets(most=3) == [0, 1, 2]
    assert offsets(size=11) == [0, 1]
    assert offsets(size=1) == [0]
    assert offsets(after=(TOPIC, 0, 1)) == [2, 3]
    assert offsets(reason="unknown_service", agency="tax-north") == [1, 2]
    assert offsets(agency="another") == []


def test_a_replay_that_died_between_its_two_commits_is_finished_by_the_proof(lake: Lake):
    land(lake, REASONS)
    replayed(lake, 1)
    assert standing(lake)[1] == "open"
    proof = verify(lake.settings)
    assert proof.ok, proof.problems
    assert "landed by a killed replay, now noted as replayed: 1" in proof.notes
    assert standing(lake) == {0: "open", 1: "replayed", 2: "open", 3: "open"}
    assert finish(lake.settings) == 0
    again = verify(lake.settings)
    assert again.ok
    assert not [note for note in again.notes if "replay" in note]


def test_a_replayed_event_stands_even_where_its_record_was_dropped_at_the_same_time(lake: Lake):
    land(lake, REASONS)
    decided = open_table(lake, TABLE)
    replayed(lake, 1)
    decide(decided, {(TOPIC, 0, 1): "dropped"}, batch_id="drop-1", by="Sara", note="n")
    with pytest.raises(Fenced):
        decide(decided, {(TOPIC, 0, 1): "replayed"}, batch_id="r-1", by="replay", note="")
    assert finish(lake.settings) == 1
    assert standing(lake)[1] == "replayed"
    assert verify(lake.settings).ok


def test_the_proof_names_a_replayed_event_without_its_record_and_a_decision_without_its_event(lake: Lake):
    land(lake, REASONS)
    replayed(lake, 99)
    decide(open_table(lake, TABLE), {(TOPIC, 0, 0): "replayed"}, batch_id="r-9", by="replay", note="")
    decide(open_table(lake, TABLE), {(TOPIC, 0, 50): "dropped"}, batch_id="d-9", by="Sara", note="n")
    found = {(problem.kind, problem.where) for problem in verify(lake.settings).problems}
    assert found == {("replay", f"{TOPIC}/0@99"), ("replay", f"{TOPIC}/0@0"), ("replay", f"{TOPIC}/0@50")}


def test_an_event_at_a_rejected_offset_that_no_replay_brought_is_a_duplicate_offset(lake: Lake):
    land(lake, REASONS)
    write(lake, "events", event_at(1, "b-2"), "b-2.parquet", {}, {"kind": "land", "batch_id": "b-2"})
    kinds = {problem.kind for problem in verify(lake.settings).problems}
    assert "duplicate_offset" in kinds
    assert standing(lake)[1] == "open"


def test_an_event_that_is_in_the_lake_three_times_is_told_with_its_place_and_its_sender(lake: Lake):
    land(lake, REASONS)
    three = pa.concat_tables([event_at(7, "b-2")] * 3 + [event_at(8, "b-2")])
    write(lake, "events", three, "b-2.parquet", {}, {"kind": "land", "batch_id": "b-2"})
    found = {(one.kind, one.where, one.hint) for one in verify(lake.settings).problems}
    assert ("duplicate_offset", f"{TOPIC}/0@7", "the offset is in the lake 3 times") in found
    assert ("duplicate_event", "/agencies/tax-north", "1 event ids are in the lake more than once") in found
    assert not any(where.endswith("@8") for _, where, _ in found)


def test_offsets_close_together_are_read_in_one_range_and_far_ones_apart():
    far = 10 + 2 * APART
    assert list(_passes({("t", 0): [3, 5, far], ("t", 1): [7], ("t", 2): []})) == [
        {("t", 0): (3, 6), ("t", 1): (7, 8)},
        {("t", 0): (far, far + 1)},
    ]


def test_the_commands_refuse_unknown_reasons_and_agencies(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    from console import commands

    monkeypatch.setenv("MIZAN_HOME", str(lake.settings.home))
    if not app.registered_commands:
        commands.register(app)
    for call in (
        ["quarantine", "replay", "--reason", "nonsense"],
        ["quarantine", "replay", "--agency", "../x"],
        ["quarantine", "show", "--agency", "%2e%2e/"],
        ["quarantine", "drop", "--reason", "$(x)", "--by", "Sara", "--note", "n"],
    ):
        outcome = CliRunner().invoke(app, call)
        assert isinstance(outcome.exception, UsageError), (call, outcome.output)
    assert CliRunner().invoke(app, ["quarantine", "drop", "--reason", "not_json", "--by", "Sara"]).exit_code == 2
