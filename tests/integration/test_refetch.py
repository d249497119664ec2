"""`mizan verify --refetch`: a lost or damaged file is made again from Kafka with the same rows; else it says why."""

from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition
from landing_stage import Stage, topic, visit

from catalogue.read import known
from contracts.event import Known
from landing.drain import land
from landing.replay import replay
from landing.verify import verify
from warehouse.lake import Lake
from warehouse.landing_log import live_files
from warehouse.maintenance import compact

pytestmark = pytest.mark.integration

ROWS = 'SELECT * FROM t ORDER BY topic, partition, "offset"'


def files(stage: Stage) -> list[Path]:
    """The live files of ``events``, oldest first."""
    events = Lake(stage.settings).open("events")
    return [Path(Lake(stage.settings).uri) / "events" / name for name in sorted(live_files(events))]


def damage(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    else:
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)


def landed_twice(stage: Stage) -> str:
    """Two batches with rejections and repeats within and across them."""
    agency = stage.agency(partitions=2)
    first = [visit(agency, f"e-{i}") for i in range(20)]
    stage.send(agency, [*first, b"{", first[3], visit(agency, "e-4")], partitions=2)  # the last one is a conflict
    land(stage.settings)
    stage.send(agency, [first[5], b"[", *(visit(agency, f"late-{i}") for i in range(10)), first[6]], partitions=2)
    land(stage.settings)
    return agency


@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
def test_lost_files_are_made_again_with_the_very_rows(stage: Stage, how: str):
    landed_twice(stage)
    rows = stage.rows("events", ROWS)
    assert len(files(stage)) == 2
    for path in files(stage):
        damage(path, how)
    assert {problem.kind for problem in verify(stage.settings).problems} == {"LAKE_FILE_MISSING"}
    proof = verify(stage.settings, deep=True, refetch=True)
    assert (proof.ok, len(proof.notes)) == (True, 2), proof.problems
    assert stage.rows("events", ROWS) == rows
    assert verify(stage.settings, deep=True, refetch=True).notes == []
    assert land(stage.settings).offsets == 0
    # What was made again may be lost again.
    damage(files(stage)[0], how)
    assert verify(stage.settings, refetch=True).ok
    assert stage.rows("events", ROWS) == rows


@pytest.mark.parametrize("left", ["copies", "kafka"])
def test_a_merged_file_is_made_again_of_its_batches(stage: Stage, left: str):
    landed_twice(stage)
    rows, batches = stage.rows("events", ROWS), files(stage)
    compact(stage.settings, fewest_files=2)
    (merged,) = files(stage)
    damage(merged, "gone")
    if left == "kafka":
        for path in batches:
            path.unlink()
    proof = verify(stage.settings, deep=True, refetch=True)
    assert proof.ok, proof.problems
    assert stage.rows("events", ROWS) == rows
    assert len(files(stage)) == 2


def test_rows_of_a_replay_are_made_again_too(stage: Stage):
    agency = stage.agency(partitions=1)
    unknown = visit(agency, "t", data={"province": "qom"})
    stage.send(agency, [visit(agency, "e-0"), unknown, b"{", visit(agency, "e-1", data={"province": "yazd"})])
    before = known(stage.settings)
    land(stage.settings, known=Known({}, {}, before.user_key_ids))
    land(stage.settings)
    replay(stage.settings, known=Known({}, {"qom": "province"}, before.user_key_ids))
    rows = stage.rows("events", ROWS)
    assert sorted(stage.ids(agency)) == ["e-0", "t"]
    for path in files(stage):
        damage(path, "gone")
    proof = verify(stage.settings, deep=True, refetch=True)
    assert proof.ok, (proof.problems, proof.notes)
    assert stage.rows("events", ROWS) == rows


@pytest.mark.parametrize("failpoint", ["refetch.pre_commit"])
def test_a_refetch_that_is_killed_leaves_the_lake_as_it_was(stage: Stage, failpoint: str):
    landed_twice(stage)
    rows = stage.rows("events", ROWS)
    damage(files(stage)[0], "gone")
    assert stage.run("verify", "--refetch", FAULTPOINT=f"{failpoint}:kill")[0] < 0
    assert {problem.kind for problem in verify(stage.settings).problems} == {"LAKE_FILE_MISSING"}
    code, out, err = stage.run("verify", "--refetch")
    assert code == 0, (out, err)
    assert stage.rows("events", ROWS) == rows


def test_what_kafka_no_longer_holds_stays_missing_and_says_why(stage: Stage):
    agency = landed_twice(stage)
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_records({TopicPartition(topic(agency), number): 2 for number in range(2)})
    admin.close()
    rows = stage.rows("events", ROWS)
    first, second = files(stage)
    kept = first.read_bytes()
    damage(first, "gone")
    damage(second, "flipped")
    proof = verify(stage.settings, refetch=True)
    # The second batch repeats events of the first: alone it would give rows that were none, so it is not made again.
    assert {(problem.kind, problem.where) for problem in proof.problems} == {
        ("LAKE_FILE_MISSING", f"events/{path.name}") for path in (first, second)
    }
    assert any("Kafka keeps" in note for note in proof.notes)
    assert any("rows of batch" in note for note in proof.notes)
    first.write_bytes(kept)
    proof = verify(stage.settings, refetch=True)
    assert proof.ok, proof.problems
    assert stage.rows("events", ROWS) == rows
