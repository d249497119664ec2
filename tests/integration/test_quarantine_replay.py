"""Rejected records replayed through the real broker: killed, doubled, late; nothing lost and nothing twice."""

import hashlib
import json
import os
import signal

import pytest
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition
from landing_stage import Stage, await_stopped, ended, topic, visit

from catalogue.load import load_directory
from catalogue.read import known
from contracts.event import Known
from expectations.gate import gate
from landing.decisions import drop
from landing.drain import land
from landing.quarantine import rows
from landing.replay import Replayed, replay
from landing.verify import verify

pytestmark = pytest.mark.integration

AGENCIES = """agency_id,name_fa,name_en,parent_id,level,province,district,expected_to_report,valid_from,valid_to
{agency},,,,national,,,true,,
"""
SERVICES = (
    "service_id,agency_id,name_fa,name_en,declared_level,audience,nature,lifecycle,launched_at,"
    "primary_channel,channels,countability,block_reason,via_window,valid_from,valid_to\n"
    "passport,{agency},,,full,citizen,transactional,live,,portal,portal,countable,,true,,\n"
)


def received(agency: str, event_id: str, service: str = "passport") -> bytes:
    document = json.loads(visit(agency, event_id, type="ir.egov.transaction.received.v1"))
    del document["data"]["visit_id"]
    key = hashlib.sha256(event_id.encode()).hexdigest()  # the same event again has the same content
    document["data"] |= {"transaction_id": f"t-{event_id}", "service_id": service, "user_key": key}
    return json.dumps(document).encode()


def later(stage: Stage) -> Known:
    """The catalogue after the service was registered."""
    return Known({"passport": None}, {}, known(stage.settings).user_key_ids)


def again(stage: Stage, **which: str) -> Replayed:
    return replay(stage.settings, known=later(stage), **which)


def states(stage: Stage, agency: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows(stage.settings, agency=agency):
        found[row["state"]] = found.get(row["state"], 0) + 1
    return found


def holds(stage: Stage) -> None:
    proof = verify(stage.settings, deep=True)
    assert proof.ok, proof.problems


def test_records_of_a_service_that_was_registered_later_become_events_once(stage: Stage):
    agency, other = stage.agency(), stage.agency()
    stage.send(agency, [received(agency, f"r-{i}") for i in range(5)] + [b"{broken", visit(agency, "v-1")])
    stage.send(other, [received(other, "r-0"), received(other, "r-1", service="another")])
    land(stage.settings)
    done = again(stage, reason="unknown_service", agency=agency)
    assert (done.events, done.duplicates, done.records) == (5, 0, 5)
    assert sorted(stage.ids(agency)) == ["r-0", "r-1", "r-2", "r-3", "r-4", "v-1"]
    assert states(stage, agency) == {"replayed": 5, "open": 1}
    assert states(stage, other) == {"open": 2}
    holds(stage)
    # A batch of its own, judged by the gate as any other.
    judged = {(entry["agency_id"], entry["batch"]) for entry in gate(stage.settings).judged}
    assert (agency, done.batches[0]) in judged
    everything = again(stage)
    assert (everything.events, dict(everything.refused)) == (1, {"not_json": 1, "unknown_service": 1})
    assert again(stage).events == 0
    # Landing goes on where it was: a replay moves no offset.
    stage.send(agency, [visit(agency, "v-2")])
    assert land(stage.settings).offsets == 1
    assert len(stage.ids(agency)) == len(set(stage.ids(agency))) == 7
    holds(stage)


@pytest.mark.parametrize("failpoint", ["replay.read", "replay.events.pre_commit", "replay.events.post_commit"])
def test_a_replay_killed_anywhere_is_finished_by_the_next(stage: Stage, failpoint: str):
    agency = stage.agency()
    stage.send(agency, [received(agency, f"r-{i}") for i in range(20)])
    land(stage.settings)
    register(stage, agency)
    code, _, err = stage.run("quarantine", "replay", FAULTPOINT=f"{failpoint}:kill")
    assert code == -signal.SIGKILL, err
    # An agency that does not wait sends the same event again: it lands once.
    stage.send(agency, [received(agency, "r-3")])
    land(stage.settings)
    done = replay(stage.settings)
    assert done.events + done.duplicates + done.finished == 20
    assert sorted(stage.ids(agency)) == sorted(f"r-{i}" for i in range(20))
    assert "open" not in states(stage, agency)
    holds(stage)
    assert replay(stage.settings).records == 0


def test_of_two_replays_at_once_each_record_is_landed_by_one(stage: Stage):
    agency = stage.agency()
    stage.send(agency, [received(agency, f"r-{i}") for i in range(200)])
    land(stage.settings)
    register(stage, agency)
    call = ("quarantine", "replay", "--json")
    with ended(stage.start(*call)) as one, ended(stage.start(*call)) as other:
        codes = {one.wait(timeout=120), other.wait(timeout=120)}
    assert codes <= {0, 5}
    replay(stage.settings)
    assert sorted(stage.ids(agency)) == sorted(f"r-{i}" for i in range(200))
    assert set(states(stage, agency)) == {"replayed"}
    holds(stage)


def test_a_replay_that_a_landing_of_the_topic_overtook_is_fenced(stage: Stage):
    agency = stage.agency()
    stage.send(agency, [received(agency, f"r-{i}") for i in range(8)])
    land(stage.settings)
    register(stage, agency)
    with ended(stage.start("quarantine", "replay", FAULTPOINT="replay.events.pre_commit:stop")) as stopped:
        await_stopped(stopped.pid)
        stage.send(agency, [received(agency, "r-3")])
        land(stage.settings)
        os.kill(stopped.pid, signal.SIGCONT)
        out, err = stopped.communicate(timeout=60)
        assert stopped.returncode == 5, (out, err)
    assert stage.ids(agency) == ["r-3"]
    done = replay(stage.settings)
    assert (done.events, done.duplicates) == (7, 1)
    assert sorted(stage.ids(agency)) == sorted(f"r-{i}" for i in range(8))
    assert states(stage, agency) == {"replayed": 7, "duplicate": 1}
    holds(stage)


def test_what_kafka_no_longer_holds_stays_open_and_is_asked_of_the_agency(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [received(agency, f"r-{i}") for i in range(6)])
    land(stage.settings)
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_records({TopicPartition(topic(agency), 0): 4})
    admin.close()
    done = again(stage)
    assert done.events == 2
    assert done.document()["resend"] == [{"agency_id": agency, "reason_code": "unknown_service", "count": 4}]
    assert states(stage, agency) == {"open": 4, "replayed": 2}
    # The agency sends them again; the old records are then given up by name.
    stage.send(agency, [received(agency, f"r-{i}") for i in range(6)])
    landed = land(stage.settings, known=later(stage))
    assert (landed.events, landed.duplicates + landed.quarantined) == (4, 2)
    given_up = drop(stage.settings, reason="unknown_service", agency=agency, by="Sara", note="sent again")
    assert given_up == 4
    assert sorted(stage.ids(agency)) == sorted(f"r-{i}" for i in range(6))
    holds(stage)


def register(stage: Stage, agency: str) -> None:
    """Load the service into the catalogue, as an operator does."""
    folder = stage.settings.home / "registry"
    folder.mkdir(exist_ok=True)
    (folder / "agencies.csv").write_text(AGENCIES.format(agency=agency), encoding="utf-8")
    (folder / "services.csv").write_text(SERVICES.format(agency=agency), encoding="utf-8")
    load_directory(stage.settings, folder)
