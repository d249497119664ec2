"""The national evaluator through a real broker: its login, its topic, its scores in the lake and in the tables."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from kafka import KafkaAdminClient
from landing_stage import Stage

from broker.administration import _acls, add_evaluator, revoke
from broker.bundle import keep_evaluator
from console.simulation import stream
from contracts.errors import UsageError
from contracts.reporting_time import Month
from contracts.settings import ASSESSMENTS_TOPIC, EVALUATOR, Settings
from landing.drain import land
from landing.verify import verify
from pipeline.standing import standing
from producers.login import read_bundle
from producers.publisher import Publisher
from warehouse.published import open_published

pytestmark = pytest.mark.integration


@pytest.fixture
def stage(landing_broker: Settings, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(landing_broker, tmp_path / "home")
    yield stage
    stage.clear()
    admin = KafkaAdminClient(**landing_broker.kafka_admin().for_kafka_python())
    with contextlib.suppress(UsageError):
        revoke(landing_broker, EVALUATOR)
    if ASSESSMENTS_TOPIC in admin.list_topics():
        admin.delete_topics([ASSESSMENTS_TOPIC])
    admin.close()


def scored(event_id: str, agency: str, score: float | None, **changes: Any) -> bytes:
    data = {
        "round": "1396-06",
        "assessed_from": "2017-08-23",
        "assessed_to": "2017-09-22",
        "framework_version": "2",
        "agency_id": agency,
        "indicator": "web_presence",
        "score": score,
        "scope": "full",
        "method": "desk",
    }
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/evaluators/it-council",
        "type": "ir.egov.assessment.scored.v1",
        "time": "2017-10-01T00:00:00Z",
        "data": data,
    }
    return json.dumps(document | changes).encode()


class OneRound:
    """A scenario whose only voice is the evaluator's."""

    NAME = "one-round"
    TITLE: Mapping[str, str] = MappingProxyType({"fa": "یک نوبت", "en": "One round"})
    MONTHS = (Month("jalali", 1396, 6),)
    EVENTS_AT_FULL_SCALE = 3

    def __init__(self, agency: str) -> None:
        self._agency = agency
        self.SENDERS = (agency,)

    def catalogue(self) -> dict[str, list[dict[str, str]]]:
        return {"agencies": [{"agency_id": self._agency, "name_fa": "بیمه مرکزی", "name_en": "Central Insurance"}]}

    def events(self, month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
        yield EVALUATOR, scored("a-1", self._agency, 97)
        yield EVALUATOR, scored("a-2", self._agency, 12.5, data={"round": "1395", "agency_id": "xy", "indicator": "y"})
        yield EVALUATOR, scored("a-3", self._agency, -1)


def test_a_scenario_s_scores_land_through_the_evaluator_s_own_login(stage: Stage) -> None:
    agency = stage.agency()
    scenario = OneRound(agency)
    sent = stream(stage.settings, scenario, scenario.MONTHS, 1.0, 1)
    assert sent == {EVALUATOR: 3}
    assert not (stage.settings.home / "agencies" / EVALUATOR / "transport.key").exists()
    landed = land(stage.settings)
    assert (landed.events, landed.quarantined) == (2, 1)
    assert stage.reasons(EVALUATOR) == ["out_of_range"]
    query = "SELECT event_id, agency_id, source, round, assessed_agency_id, score, assessment_scope, topic, pid FROM t"
    assert sorted(stage.rows("events", query)) == [
        ("a-1", EVALUATOR, "/evaluators/it-council", "1396-06", agency, 97.0, "full", ASSESSMENTS_TOPIC, None),
        ("a-2", EVALUATOR, "/evaluators/it-council", "1395", "xy", None, None, ASSESSMENTS_TOPIC, None),
    ]
    # The same scenario again is the same scores.
    stream(stage.settings, scenario, scenario.MONTHS, 1.0, 1)
    assert land(stage.settings).duplicates == 2
    assert verify(stage.settings, deep=True).problems == []
    (row,) = [one for one in standing(stage.settings)["agencies"] if one["agency_id"] == EVALUATOR]
    assert (row["landed"], row["quarantined"], row["duplicates"], row["lag"]) == (2, 2, 2, 0)


def test_the_evaluator_writes_its_topic_alone_and_no_agency_writes_there(stage: Stage) -> None:
    agency = stage.agency()
    folder = keep_evaluator(stage.settings)
    login = read_bundle(folder).kafka
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    try:
        own = {acl for acl in _acls(admin) if acl.principal == "User:evaluator"}
        assert {(acl.operation.name, acl.resource_pattern.resource_name) for acl in own} == {
            ("WRITE", ASSESSMENTS_TOPIC),
            ("DESCRIBE", ASSESSMENTS_TOPIC),
        }
        assert len(own) == 2
    finally:
        admin.close()
    with Publisher(EVALUATOR, login) as publisher:
        publisher.send(scored("a-1", agency, 1))
        assert publisher.flush() == 1
    with Publisher(agency, login) as publisher:
        publisher.send(scored("a-1", agency, 1))
        with pytest.raises(UsageError, match="may not write"):
            publisher.flush()
    # Onboarding again issues no second password; a machine without the first one simulates with a login of its own.
    assert add_evaluator(stage.settings).password is None
    shutil.rmtree(folder)
    assert read_bundle(keep_evaluator(stage.settings)).kafka.username == "evaluator.simulator"


def test_an_agency_s_forged_score_is_set_aside(stage: Stage) -> None:
    agency = stage.agency(partitions=1)
    stage.send(agency, [scored("a-1", agency, 100), scored("a-2", agency, 100, source=f"/agencies/{agency}")])
    assert land(stage.settings).events == 0
    assert stage.reasons(agency) == ["source_mismatch", "unknown_type"]


def test_the_evaluator_is_onboarded_and_sends_its_file_from_the_command_line(stage: Stage, tmp_path: Path) -> None:
    agency = stage.agency()
    folder, file = tmp_path / "bundle", tmp_path / "scores.ndjson"
    code, out, err = stage.run("evaluator", "add", "--out", str(folder), "--json")
    assert code == 0, err
    said = json.loads(out)
    assert (said["topic"], said["username"]) == (ASSESSMENTS_TOPIC, EVALUATOR)
    assert said["password"]
    assert {path.name for path in folder.iterdir()} == {
        "bundle.json",
        "ca.pem",
        "client.properties",
        "librdkafka.properties",
        "password",
    }
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    file.write_bytes(b"\n".join([scored("a-1", agency, 97), scored("a-2", agency, 5, id="a-0")]))
    code, out, err = stage.run("evaluator", "send", str(file), "--bundle", str(folder), "--json")
    assert code == 0, err
    assert json.loads(out)["sent"] == 2
    assert json.loads(stage.run("evaluator", "send", str(file), "--json")[1]) == {
        "sent": 0,
        "already_sent": 2,
        "refused": 0,
        "earlier": 0,
    }
    code, out, err = stage.run("run")
    assert code == 0, err
    assert json.loads(stage.run("evaluator", "add", "--json")[1])["password"] is None
    assert stage.run("agency", "add", EVALUATOR)[0] == 2
    file.write_bytes(scored("a-3", agency, -1))
    assert stage.run("check", str(file))[0] == 65
    assert stage.run("evaluator", "send", str(file))[0] == 65
    with open_published(stage.settings, "public") as connection:
        rows = connection.execute("SELECT round, agency_id, web_presence, rank_status FROM marts.agency_ranking")
        assert rows.fetchall() == [("1396-06", agency, 97.0, "not_provided")]
