"""Landing starved, judged anew, halted: nothing lost, nothing twice, and the proof holds afterwards.

Landings that are killed, stopped, doubled or overtaken, topics made anew, trimmed or written in transactions are rows
of tests/faults.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_stage import Stage, delete_topic, topic, visit

from contracts.settings import Settings
from landing.drain import LandingHalted, land
from landing.verify import verify

pytestmark = pytest.mark.integration


@pytest.fixture
def stage(landing_broker: Settings, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(landing_broker, tmp_path / "home", MIZAN_LAND_CAP="40")
    yield stage
    stage.clear()


def sent(stage: Stage, agency: str, begin: int, count: int) -> tuple[set[str], int]:
    """Good events, one repeated, every seventh bad. The oracle: ids that must be there once, count of the rejected."""
    good = {f"e-{i}" for i in range(begin, begin + count) if i % 7}
    values = [visit(agency, f"e-{i}") if i % 7 else b"{broken" for i in range(begin, begin + count)]
    again = visit(agency, f"e-{begin + 1}", data={"user_key": "ab" * 32})
    stage.send(agency, [*values, again, again])
    return good, count - len(good)


def test_a_rule_that_changes_between_the_two_commits_neither_loses_nor_doubles_a_record(stage: Stage):
    from catalogue.read import known
    from contracts.event import Known

    agency = stage.agency(partitions=1)
    service = {"transaction_id": "t-1", "service_id": "passport", "channel": "portal"}
    unknown = visit(agency, "later", type="ir.egov.transaction.received.v1")
    document = unknown.replace(b'"visit_id": "v-later"', b'"transaction_id": "t-1", "service_id": "passport"')
    assert service["service_id"].encode() in document
    stage.send(agency, [visit(agency, "e-1"), document, visit(agency, "e-2", data={"province": "qom"})])
    code, _, err = stage.run("land", FAULTPOINT="quarantine.post_commit:kill")
    assert code == -signal.SIGKILL, err
    assert stage.reasons(agency) == ["unknown_service", "unknown_place"]
    # Now the catalogue knows the service (its rejection stands), and the validator refuses what it accepted before.
    judged_anew = Known({"passport": None}, {}, known(stage.settings).user_key_ids)
    land(stage.settings, known=judged_anew)
    assert stage.ids(agency) == ["e-1"]
    assert stage.reasons(agency) == ["unknown_service", "unknown_place"]
    assert verify(stage.settings).ok


def test_a_topic_that_is_gone_halts_by_name(stage: Stage):
    agency = stage.agency()
    sent(stage, agency, 1, 5)
    land(stage.settings)
    delete_topic(stage, agency)
    with pytest.raises(LandingHalted) as halted:
        land(stage.settings)
    assert ("PARTITIONS_DELETED", topic(agency)) in {(h.reason, h.where) for h in halted.value.landed.halts}


def test_a_faultpoint_is_refused_where_the_home_does_not_allow_it(stage: Stage):
    (stage.settings.home / "ALLOW_FAULTPOINTS").unlink()
    code, _, err = stage.run("land", FAULTPOINT="plan:kill")
    assert code == 2
    assert "FAULTPOINT" in err
