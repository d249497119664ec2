"""Topics deleted, made anew or cut: closed by name, landed from their start, and every proof still holds."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_stage import Stage, delete_topic, make_topic, topic, visit
from runbook import follow

from broker import local
from broker.administration import add_agency
from contracts.settings import Settings
from landing.drain import LandingHalted, land
from landing.verify import verify
from landing.watch import lag

pytestmark = pytest.mark.integration

WHO = ("--by", "Head of operations", "--reason", "the agency left")


def make_anew(stage: Stage, agency: str, partitions: int = 3) -> None:
    delete_topic(stage, agency)
    make_topic(stage, agency, partitions)


def halts(stage: Stage, agency: str) -> set[str]:
    with pytest.raises(LandingHalted) as halted:
        land(stage.settings)
    return {halt.reason for halt in halted.value.landed.halts if topic(agency) in halt.where}


def let_go(stage: Stage, where: str) -> dict[str, object]:
    code, out, err = stage.run("accept-loss", where, *WHO, "--json")
    assert code == 0, err
    return json.loads(out)


def events(*names: str) -> list[str]:
    return sorted(names)


def proved(stage: Stage, lives: int) -> None:
    proof = verify(stage.settings, deep=True)
    assert (proof.problems, proof.notes) == ([], [])
    assert proof.checked["begun_anew"] == lives
    places = stage.rows("events", 'SELECT topic, partition, "offset" FROM t')
    assert len(places) == len(set(places))


def test_a_topic_made_anew_is_let_go_of_by_name_and_landed_from_its_start(stage: Stage):
    agency = stage.agency(partitions=2)
    seen = {i: visit(agency, f"e-{i}") for i in range(8)}
    stage.send(agency, [*seen.values(), b"{"], partitions=2)
    land(stage.settings)
    make_anew(stage, agency, partitions=3)
    # Two come again, byte for byte; their offsets in the new topic are below those that landed.
    stage.send(agency, [seen[0], seen[1], visit(agency, "new-1"), visit(agency, "new-2"), b"["], partitions=3)
    assert halts(stage, agency) == {"PARTITION_OFFSET_CHANGED"}
    assert not verify(stage.settings).ok
    code, _, err = stage.run("accept-loss", f"{topic(agency)}/0", *WHO)
    assert (code, "as a whole" in err) == (2, True), err
    said = let_go(stage, topic(agency))
    assert {(loss["cause"], loss["offsets"]) for loss in said["losses"]} == {("made_anew", None)}
    proved(stage, 2)
    landed = land(stage.settings, until_empty=True)
    assert (landed.events, landed.duplicates, landed.quarantined) == (2, 2, 1)
    assert events(*stage.ids(agency)) == events(*(f"e-{i}" for i in range(8)), "new-1", "new-2")
    proved(stage, 2)
    assert land(stage.settings).offsets == 0
    # The same command again has nothing to close.
    code, _, err = stage.run("accept-loss", topic(agency), *WHO)
    assert (code, "nothing is lost" in err) == (2, True), err
    # And the next life goes the same way.
    make_anew(stage, agency, partitions=1)
    stage.send(agency, [visit(agency, "third")])
    assert halts(stage, agency) == {"PARTITION_OFFSET_CHANGED"}
    let_go(stage, topic(agency))
    land(stage.settings)
    assert "third" in stage.ids(agency)
    proved(stage, 5)


def test_a_topic_that_is_gone_stops_halting_and_may_come_back(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(3)])
    land(stage.settings)
    delete_topic(stage, agency)
    assert halts(stage, agency) == {"PARTITIONS_DELETED"}
    assert let_go(stage, topic(agency))["is_new"]
    assert not let_go(stage, topic(agency))["is_new"]
    assert not land(stage.settings).halts
    proved(stage, 1)
    add_agency(stage.settings, agency, partitions=1)
    stage.send(agency, [visit(agency, "back")])
    assert {one.lag for one in lag(stage.settings) if one.agency_id == agency} == {1}
    land(stage.settings)
    assert events(*stage.ids(agency)) == ["back", "e-0", "e-1", "e-2"]
    proved(stage, 1)


def test_verdicts_of_a_landing_that_died_keep_their_offsets_when_the_topic_is_made_anew(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0")])
    land(stage.settings)
    stage.send(agency, [b"{", visit(agency, "lost"), b"["])
    assert stage.run("land", FAULTPOINT="quarantine.post_commit:kill")[0] < 0
    make_anew(stage, agency, partitions=1)
    stage.send(agency, [visit(agency, f"new-{i}") for i in range(4)])
    (loss,) = let_go(stage, topic(agency))["losses"]
    assert (loss["first_offset"], loss["next_offset"]) == (1, 4)
    land(stage.settings)
    assert events(*stage.ids(agency)) == ["e-0", "new-0", "new-1", "new-2", "new-3"]
    assert stage.reasons(agency) == ["not_json", "not_json"]
    proved(stage, 1)
    assert verify(stage.settings).checked["lost"] == 1


@pytest.mark.parametrize("failpoint", ["quarantine.post_commit", "events.post_commit"])
def test_a_closing_killed_between_its_commits_is_finished_by_the_same_command(stage: Stage, failpoint: str):
    agency = stage.agency(partitions=2)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(4)], partitions=2)
    land(stage.settings)
    make_anew(stage, agency, partitions=2)
    stage.send(agency, [visit(agency, "new")])
    assert stage.run("accept-loss", topic(agency), *WHO, FAULTPOINT=f"{failpoint}:kill")[0] < 0
    let_go(stage, topic(agency))
    land(stage.settings)
    assert "new" in stage.ids(agency)
    proved(stage, 2)


def test_what_kafka_carries_on_cannot_be_let_go_of(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0")])
    refusals = {topic(agency): "has landed", "other": "not a topic", f"{topic(agency)}/7": "has landed"}
    for where, words in refusals.items():
        code, _, err = stage.run("accept-loss", where, *WHO)
        assert (code, words in err) == (2, True), err
    land(stage.settings)
    for where in (topic(agency), f"{topic(agency)}/0"):
        code, _, err = stage.run("accept-loss", where, *WHO)
        assert (code, "nothing is lost" in err) == (2, True), err


def cut(broker: Settings, agencies: list[str], *, keep: int) -> None:
    """Take the end off the logs of partition 0 while the broker is down: the first ``keep`` batches stay."""
    local.down(broker)
    for agency in agencies:
        (folder,) = (broker.home / "broker").rglob(f"{topic(agency)}-0")
        (segment,) = folder.glob("*.log")
        content, at = segment.read_bytes(), 0
        for _ in range(keep):
            at += 12 + int.from_bytes(content[at + 8 : at + 12], "big")
        assert 0 < at < len(content)
        segment.write_bytes(content[:at])
        for path in [*folder.glob("*index"), *folder.parent.glob(".kafka_cleanshutdown")]:
            path.unlink()
    local.up(broker)


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A broker of this file's own, because its logs are cut."""
    from contracts.keys import create_keys

    home = tmp_path_factory.mktemp("cut-broker")
    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    create_keys(settings)
    try:
        local.up(settings)
        yield settings
    finally:
        local.down(settings)


def test_a_log_that_was_cut_halts_however_far_it_has_grown_again(own_broker: Settings, tmp_path: Path):
    stage = Stage(own_broker, tmp_path / "home")
    short, grown = stage.agency(partitions=1), stage.agency(partitions=1)
    for i in range(6):  # a batch each
        stage.send(short, [visit(short, f"e-{i}")])
        stage.send(grown, [visit(grown, f"e-{i}")])
    land(stage.settings)
    cut(own_broker, [short, grown], keep=4)
    new = [f"new-{i}" for i in range(9)]
    stage.send(grown, [visit(grown, name) for name in new])
    for agency in (short, grown):
        assert halts(stage, agency) == {"PARTITION_OFFSET_CHANGED"}
        assert len(stage.ids(agency)) == 6
    problems = verify(stage.settings).problems
    assert sorted(problem.where for problem in problems) == sorted(f"{topic(one)}/0" for one in (short, grown))
    assert {problem.kind for problem in problems} == {"PARTITION_OFFSET_CHANGED"}
    (loss,) = let_go(stage, f"{topic(short)}/0")["losses"]
    assert loss["cause"] == "cut"
    given = {"TOPIC/PARTITION": f"{topic(grown)}/0", "NAME": "Head of operations", "TEXT": "a disk was put back"}
    follow(stage, "A log that was cut", given)
    assert events(*stage.ids(short)) == events(*(f"e-{i}" for i in range(6)))
    assert events(*stage.ids(grown)) == events(*(f"e-{i}" for i in range(6)), *new)
    proved(stage, 2)
