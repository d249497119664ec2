"""Records of a real broker become rows, exactly once, or rejections with their reason; the proof sees any damage."""

import json
import os
import signal
from pathlib import Path

import pytest
from kafka import KafkaProducer
from landing_stage import Stage, await_stopped, ended, topic, visit

from contracts.settings import Settings
from landing import drain
from landing.drain import land
from landing.verify import verify
from landing.watch import lag, pending
from pipeline import steps
from warehouse.lake import Lake
from warehouse.maintenance import compact

pytestmark = pytest.mark.integration


def test_events_land_once_with_their_key_made_anew_and_offsets_in_the_same_commit(stage: Stage):
    agency = stage.agency()
    key = "ab" * 32
    stage.send(agency, [visit(agency, f"e-{i}", data={"user_key": key}) for i in range(50)])
    assert pending(stage.settings)
    assert {one.agency_id: one.lag for one in lag(stage.settings)}[agency] == 50
    code, out, err = stage.run("land", "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said["events"] >= 50
    assert sorted(stage.ids(agency)) == sorted(f"e-{i}" for i in range(50))
    pids = stage.rows("events", f"SELECT DISTINCT pid, agency_id FROM t WHERE agency_id = '{agency}'")
    assert len(pids) == 1
    assert len(pids[0][0]) == 16
    assert not pending(stage.settings)
    assert json.loads(stage.run("land", "--json")[1])["events"] == 0
    code, out, _ = stage.run("verify", "--json", "--deep")
    assert code == 0
    assert json.loads(out)["ok"] is True
    holding = [path for path in stage.settings.home.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert holding == []


def test_the_same_event_again_is_a_duplicate_however_it_is_spelt_and_another_content_a_conflict(stage: Stage):
    agency = stage.agency(partitions=1)
    first = visit(agency, "e-1", data={"user_key": "ab" * 32})
    spelt = json.loads(first)
    spelt["data"] = dict(reversed(spelt["data"].items()))
    spelt["time"] = "2020-04-01T15:30:00+03:30"
    again = json.dumps(spelt, indent=2).encode()
    escaped = first.replace(b"portal", b"\\u0070ortal")
    stage.send(agency, [first, again, visit(agency, "e-1", data={"user_key": "cd" * 32})])
    assert land(stage.settings).duplicates == 1
    stage.send(agency, [escaped, first, visit(agency, "e-2")])
    landed = land(stage.settings)
    assert landed.duplicates == 2
    assert sorted(stage.ids(agency)) == ["e-1", "e-2"]
    assert stage.reasons(agency) == ["id_conflict"]
    assert verify(stage.settings).ok


def test_one_id_of_two_agencies_is_two_events(stage: Stage):
    one, other = stage.agency(), stage.agency()
    stage.send(one, [visit(one, "e-1")])
    stage.send(other, [visit(other, "e-1")])
    land(stage.settings)
    assert stage.ids(one) == stage.ids(other) == ["e-1"]


class BytesName(str):
    """A header's name that goes onto the wire as bytes which are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def test_headers_whose_names_are_no_text_set_their_own_records_aside_and_end_no_process(stage: Stage):
    agency = stage.agency(partitions=1)
    # The interpreter leaves the client's errors unseen only in code that has run often: good records come first.
    odd = {40, 41, 70, 119}
    with KafkaProducer(**stage.settings.kafka_admin().for_kafka_python()) as producer:
        for number in range(120):
            name = BytesName("x") if number in odd else "x"
            headers = [("ok", b"1"), (name, b"1"), ("late", b"1")]
            producer.send(topic(agency), visit(agency, f"e-{number:03}"), key=b"egov.other", headers=headers)
        producer.flush(30)
    # A process of its own: where this breaks, landing dies, and not the run of the tests.
    code, out, err = stage.run("land", "--json", PYTHONFAULTHANDLER="1")
    assert code == 0, err
    assert (json.loads(out)["events"], json.loads(out)["quarantined"]) == (120 - len(odd), len(odd))
    assert sorted(stage.ids(agency)) == [f"e-{number:03}" for number in range(120) if number not in odd]
    assert stage.reasons(agency) == ["bad_headers"] * len(odd)
    offsets = stage.rows("quarantine", f"""SELECT "offset" FROM t WHERE agency_id = '{agency}'""")
    assert {offset for (offset,) in offsets} == odd
    assert verify(stage.settings).ok


def test_small_files_are_merged_and_every_proof_still_holds(stage: Stage):
    agency = stage.agency()
    for batch in range(5):
        stage.send(agency, [visit(agency, f"e-{batch}-{i}") for i in range(5)] + [b"{"])
        land(stage.settings)
    before = sorted(stage.ids(agency))
    done = compact(stage.settings, fewest_files=2)
    assert done["events"].files_after == done["quarantine"].files_after == 1
    assert sorted(stage.ids(agency)) == before
    proof = verify(stage.settings, deep=True)
    assert proof.ok, proof.problems
    # Duplicates are found in the merged file too, and offsets go on from the checkpoint.
    stage.send(agency, [visit(agency, "e-0-0", data={"user_key": "ab" * 32}), visit(agency, "e-new")])
    land(stage.settings)
    assert sorted(stage.ids(agency)) == sorted([*before, "e-new"])
    assert verify(stage.settings).ok


def test_compaction_beside_landing_disturbs_neither(stage: Stage):
    agency = stage.agency()
    for batch in range(4):
        stage.send(agency, [visit(agency, f"e-{batch}")])
        land(stage.settings)
    stage.send(agency, [visit(agency, "late")])
    with ended(stage.start("land", FAULTPOINT="events.pre_commit:stop")) as landing:
        await_stopped(landing.pid)
        assert compact(stage.settings, fewest_files=2)["events"].files_after == 1
        os.kill(landing.pid, signal.SIGCONT)
        assert landing.wait(timeout=60) == 0
    assert sorted(stage.ids(agency)) == ["e-0", "e-1", "e-2", "e-3", "late"]
    assert verify(stage.settings).ok


@pytest.mark.parametrize("damage", ["missing", "flipped", "shorter"])
def test_a_damaged_file_is_named_with_its_offsets(stage: Stage, damage: str):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(20)])
    land(stage.settings)
    path = Path(Lake(stage.settings).open("events").files[0])
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content if damage == "flipped" else content[:-1])
    code, out, _ = stage.run("verify", "--json")
    assert code == 4
    problem = json.loads(out)["problems"][0]
    assert problem["kind"] == "LAKE_FILE_MISSING"
    assert path.name in problem["where"]
    assert f"{topic(agency)}/0 0-19" in problem["hint"]


def test_a_log_entry_that_is_gone_is_named(stage: Stage):
    agency = stage.agency()
    stage.send(agency, [visit(agency, "e-1")])
    land(stage.settings)
    stage.send(agency, [visit(agency, "e-2")])
    land(stage.settings)
    (Path(Lake(stage.settings).location("events")) / "_delta_log" / f"{1:020d}.json").unlink()
    code, out, err = stage.run("verify", "--json")
    assert code == 4, (out, err)
    assert "LAKE_LOG_DAMAGED" in {problem["kind"] for problem in json.loads(out)["problems"]}


def test_a_home_without_a_broker_says_so(tmp_path: Path, landing_broker: Settings):
    stage = Stage(landing_broker, tmp_path / "home", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    proof = verify(stage.settings)
    assert proof.ok
    assert "not compared with the broker" in proof.notes[0]


def test_a_step_that_landed_something_leaves_one_row_that_adds_up(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-1"), visit(agency, "e-2"), b"{", None])
    land(stage.settings)
    land(stage.settings)
    outcomes = stage.rows("outcomes", "SELECT step, rows_in, rows_out, rows_aside, result FROM t WHERE step = 'land'")
    assert len(outcomes) == 1
    _, rows_in, rows_out, rows_aside, result = outcomes[0]
    assert rows_in == rows_out + rows_aside
    assert result == "done"


def test_the_pipeline_s_landing_ends_though_events_never_do(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0")])
    commit, commits = drain._Batch.land, 0

    def committed_while_another_comes(*arguments: object) -> None:
        nonlocal commits
        commit(*arguments)
        commits += 1
        assert commits < 9, "the step lands what comes meanwhile, and so for ever"
        stage.send(agency, [visit(agency, f"e-{commits}")])

    monkeypatch.setattr(drain._Batch, "land", committed_while_another_comes)
    for number in range(3):
        steps.land_events(stage.settings)
        assert sorted(stage.ids(agency)) == [f"e-{one}" for one in range(number + 1)]
