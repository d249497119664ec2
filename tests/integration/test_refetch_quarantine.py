"""`mizan verify --refetch` brings back what was set aside: the recorded verdict wins, whatever is accepted today."""

from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition
from landing_stage import Stage, delete_topic, make_topic, topic, visit

from catalogue.read import known
from contracts.event import Known
from landing.begin_anew import begin_anew
from landing.decisions import drop
from landing.drain import land
from landing.replay import replay
from landing.verify import Proof, verify
from warehouse.lake import Lake
from warehouse.landing_log import live_files
from warehouse.maintenance import compact

pytestmark = pytest.mark.integration

ROWS = 'SELECT * FROM t ORDER BY topic, partition, "offset"'
PLACES = 'SELECT topic, partition, "offset", digest, size, batch_id, landed_at FROM t ORDER BY 1, 2, 3'
DAMAGES = ("gone", "cut", "flipped")


def files(stage: Stage, table: str = "quarantine") -> list[Path]:
    """The live files of a table, oldest first."""
    folder = Path(Lake(stage.settings).uri) / table
    return [folder / name for name in sorted(live_files(Lake(stage.settings).open(table)))]


def damage(path: Path, how: str) -> None:
    whole = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(whole[:-7])
    else:
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)


def landed_twice(stage: Stage) -> str:
    """Two batches with rejections, conflicts and repeats within and across them."""
    agency = stage.agency(partitions=2)
    first = [visit(agency, f"e-{i}") for i in range(12)]
    stage.send(
        agency, [*first, b"{", first[3], visit(agency, "e-4"), None, visit(agency, "p", data={"note": "x@y.ir"})]
    )
    land(stage.settings)
    again = [first[5], b"[", visit(agency, "e-6"), *(visit(agency, f"late-{i}") for i in range(6)), first[6]]
    stage.send(agency, [*again, visit("tax-of-others", "o-1"), visit(agency, "a", time="2099-01-01T00:00:00Z")])
    land(stage.settings)
    return agency


def brought_back(stage: Stage) -> Proof:
    """Refetch; the proof must end clean, plain and deep, and a second refetch has nothing to do."""
    proof = verify(stage.settings, deep=True, refetch=True)
    assert proof.ok, (proof.problems, proof.notes)
    assert all(verify(stage.settings, deep=deep).ok for deep in (False, True))
    assert verify(stage.settings, deep=True, refetch=True).notes == []
    return proof


def without_catalogue(stage: Stage) -> Known:
    return Known({}, {}, known(stage.settings).user_key_ids)


def with_places(stage: Stage) -> Known:
    return Known({}, {"qom": "province"}, known(stage.settings).user_key_ids)


@pytest.mark.parametrize("how", DAMAGES)
def test_lost_verdicts_come_back_with_reason_place_and_digest(stage: Stage, how: str):
    agency = landed_twice(stage)
    before, events = stage.rows("quarantine", ROWS), stage.rows("events", ROWS)
    assert {row[5] for row in before} >= {"not_json", "id_conflict", "tombstone", "source_mismatch", "future"}
    assert len(files(stage)) == 2
    for path in files(stage):
        damage(path, how)
    found = verify(stage.settings).problems
    assert {problem.kind for problem in found} == {"LAKE_FILE_MISSING"}
    assert all("try --refetch" in problem.hint for problem in found)
    assert len(brought_back(stage).notes) == 2
    assert stage.rows("quarantine", ROWS) == before
    assert stage.rows("events", ROWS) == events
    assert land(stage.settings).offsets == 0
    # What was made again may be lost again.
    damage(files(stage)[-1], how)
    brought_back(stage)
    assert stage.rows("quarantine", ROWS) == before
    assert "x@y.ir" not in str(before)
    for path in files(stage):
        assert b"x@y.ir" not in path.read_bytes()
    assert agency in {row[4] for row in before}


@pytest.mark.parametrize("how", DAMAGES)
def test_rows_and_verdicts_of_the_same_batches_come_back_together(stage: Stage, how: str):
    landed_twice(stage)
    before = stage.rows("quarantine", ROWS), stage.rows("events", ROWS)
    for path in (*files(stage), *files(stage, "events")):
        damage(path, how)
    assert len(brought_back(stage).notes) == 4
    assert (stage.rows("quarantine", ROWS), stage.rows("events", ROWS)) == before


@pytest.mark.parametrize("left", ["copies", "kafka"])
def test_a_merged_file_of_verdicts_is_made_again_of_its_batches(stage: Stage, left: str):
    landed_twice(stage)
    before, batches = stage.rows("quarantine", ROWS), files(stage)
    compact(stage.settings, fewest_files=2)
    (merged,) = files(stage)
    damage(merged, "flipped")
    if left == "kafka":
        for path in batches:
            path.unlink()
    brought_back(stage)
    assert stage.rows("quarantine", ROWS) == before
    assert len(files(stage)) == 2


def decided_upon(stage: Stage) -> str:
    """Records refused for a place nobody knew: one replayed, one dropped, one a duplicate of a later event."""
    agency = stage.agency(partitions=1)
    one = visit(agency, "t", data={"province": "qom"})
    twice = visit(agency, "d", data={"province": "qom"})
    stage.send(agency, [visit(agency, "e-0"), one, b"{", twice, visit(agency, "e-1", data={"province": "yazd"})])
    land(stage.settings, known=without_catalogue(stage))
    drop(stage.settings, reason="not_json", by="N", note="a test of the agency")
    stage.send(agency, [twice, visit(agency, "e-2")])
    land(stage.settings, known=with_places(stage))
    replay(stage.settings, known=with_places(stage))
    return agency


def states(stage: Stage) -> dict[str, int]:
    return {name: count for name, count in verify(stage.settings).checked.items() if name.startswith("quarantine_")}


@pytest.mark.parametrize("lost", [("quarantine",), ("events",), ("quarantine", "events")])
def test_replays_drops_and_duplicates_stay_decided(stage: Stage, lost: tuple[str, ...]):
    decided_upon(stage)
    places, events, decided = stage.rows("quarantine", PLACES), stage.rows("events", ROWS), states(stage)
    assert {name.removeprefix("quarantine_"): n for name, n in decided.items() if not name.endswith("files")} == {
        "open": 1, "dropped": 1, "replayed": 1, "duplicate": 1,
    }  # fmt: skip
    for table in lost:
        for path in files(stage, table):
            damage(path, "gone")
    brought_back(stage)
    assert (stage.rows("quarantine", PLACES), stage.rows("events", ROWS), states(stage)) == (places, events, decided)


def test_of_rows_and_verdicts_that_are_both_lost_another_contract_makes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    landed_twice(stage)
    before = stage.rows("quarantine", ROWS), stage.rows("events", ROWS)
    lost = (*files(stage), *files(stage, "events"))
    for path in lost:
        damage(path, "gone")
    with monkeypatch.context() as changed:
        changed.setattr("landing.refetch_quarantine.VALIDATOR_VERSION", "another")
        proof = verify(stage.settings, refetch=True)
    assert {problem.where for problem in proof.problems} == {f"{path.parent.name}/{path.name}" for path in lost}
    assert any("the contract is another" in note for note in proof.notes), proof.notes
    assert any("is lost too" in note for note in proof.notes), proof.notes
    brought_back(stage)
    assert (stage.rows("quarantine", ROWS), stage.rows("events", ROWS)) == before


def test_the_recorded_verdict_wins_over_what_would_be_accepted_today(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    agency = stage.agency(partitions=1)
    given: list[Any] = [visit(agency, "e-0"), visit(agency, "t", data={"province": "qom"}), b"{", visit(agency, "e-1")]
    stage.send(agency, given)
    land(stage.settings, known=without_catalogue(stage))
    assert stage.reasons(agency) == ["unknown_place", "not_json"]
    places = stage.rows("quarantine", PLACES)
    today = with_places(stage)
    monkeypatch.setattr("catalogue.read.known", lambda _: today)
    (path,) = files(stage)
    damage(path, "gone")
    brought_back(stage)
    assert stage.reasons(agency) == ["verdict_lost", "not_json"]
    assert stage.rows("quarantine", PLACES) == places
    assert sorted(stage.ids(agency)) == ["e-0", "e-1"]
    # It waits for whoever operates to ask for it again.
    assert replay(stage.settings, reason="verdict_lost", known=today).events == 1
    assert sorted(stage.ids(agency)) == ["e-0", "e-1", "t"]
    assert verify(stage.settings, deep=True).ok


def test_verdicts_of_a_landing_that_died_come_back_before_and_after_they_are_taken_up(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0"), b"{", visit(agency, "e-1"), b"["])
    assert stage.run("land", FAULTPOINT="quarantine.post_commit:kill")[0] < 0
    before = stage.rows("quarantine", ROWS)
    assert len(before) == 2
    damage(files(stage)[0], "gone")
    assert not verify(stage.settings).ok
    brought_back(stage)
    assert stage.rows("quarantine", ROWS) == before
    stage.send(agency, [b"<"])
    land(stage.settings)
    before = stage.rows("quarantine", ROWS)
    assert len(files(stage)) == 2
    for path in files(stage):
        damage(path, "flipped")
    brought_back(stage)
    assert stage.rows("quarantine", ROWS) == before
    assert sorted(stage.ids(agency)) == ["e-0", "e-1"]


@pytest.mark.parametrize("step", ["read", "file", "pre_commit", "post_commit"])
def test_a_refetch_killed_at_any_step_is_finished_by_the_next(stage: Stage, step: str):
    landed_twice(stage)
    before = stage.rows("quarantine", ROWS), stage.rows("events", ROWS)
    damage(files(stage)[0], "flipped")
    damage(files(stage, "events")[1], "gone")
    for time in (1, 2):
        assert stage.run("verify", "--refetch", FAULTPOINT=f"refetch.{step}:kill@{time}")[0] < 0
        if step == "post_commit":
            break
    code, out, err = stage.run("verify", "--refetch", "--deep")
    assert code == 0, (out, err)
    assert (stage.rows("quarantine", ROWS), stage.rows("events", ROWS)) == before
    assert stage.run("verify", "--deep")[0] == 0


def test_verdicts_that_kafka_no_longer_holds_stay_missing_and_say_why(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [b"{", visit(agency, "e-0"), visit(agency, "e-1")])
    land(stage.settings)
    stage.send(agency, [visit(agency, "e-2"), b"{", visit(agency, "e-3")])
    land(stage.settings)
    before = stage.rows("quarantine", ROWS)
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_records({TopicPartition(topic(agency), 0): 4})
    admin.close()
    first, second = files(stage)
    kept = first.read_bytes()
    for path in (first, second):
        damage(path, "gone")
    proof = verify(stage.settings, refetch=True)
    # Of the second batch the first record is gone, but the rejected one is there: that is enough.
    assert [(problem.kind, problem.where) for problem in proof.problems] == [
        ("LAKE_FILE_MISSING", f"quarantine/{first.name}")
    ]
    assert any("Kafka keeps" in note for note in proof.notes), proof.notes
    first.write_bytes(kept)
    assert verify(stage.settings, deep=True, refetch=True).ok
    assert stage.rows("quarantine", ROWS) == before


def test_of_a_topic_made_anew_nothing_is_taken_for_the_old_ones_records(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [b"{", visit(agency, "e-0")])
    land(stage.settings)
    before, (path,) = stage.rows("quarantine", ROWS), files(stage)
    kept = path.read_bytes()
    damage(path, "gone")
    delete_topic(stage, agency)
    make_topic(stage, agency)
    stage.send(agency, [b"[", visit(agency, "e-1")])
    proof = verify(stage.settings, refetch=True)
    assert {problem.kind for problem in proof.problems} == {"LAKE_FILE_MISSING", "PARTITION_OFFSET_CHANGED"}
    assert any("Kafka holds other records" in note for note in proof.notes), proof.notes
    path.write_bytes(kept)
    begin_anew(stage.settings, topic(agency), by="N", reason="made anew")
    land(stage.settings)
    assert stage.rows("quarantine", ROWS)[:1] == before
    # Of the new life a verdict comes back, at the offsets that the lake counts on.
    damage(files(stage)[-1], "flipped")
    brought_back(stage)
    assert [row[2] for row in stage.rows("quarantine", ROWS)] == [0, 2]
