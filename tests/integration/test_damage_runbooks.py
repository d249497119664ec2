"""Whoever follows the runbook of a halt to the letter ends in a verified state."""

import json
import os
import shlex
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from landing_stage import Stage, await_stopped, ended, topic, visit

from contracts.settings import Settings
from landing.drain import LandingHalted, land
from landing.verify import verify
from warehouse.lake import Lake
from warehouse.published import open_published

pytestmark = pytest.mark.integration

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "halts.md"


@pytest.fixture
def stage(landing_broker: Settings, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(landing_broker, tmp_path / "home")
    yield stage
    stage.clear()


def commands(section: str, given: Mapping[str, str]) -> list[list[str]]:
    """The commands under a heading of the runbook, with the words in capitals filled in."""
    (text,) = [part for part in RUNBOOK.read_text(encoding="utf-8").split("\n# ") if part.startswith(section + "\n")]
    found = []
    for line in text.split("```")[1].strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "mizan"
        found.append([given.get(word, word) for word in words])
    return found


def trim(stage: Stage, agency: str, first: int, partition: int = 0) -> None:
    """Delete a partition's records below ``first``."""
    from kafka.admin import KafkaAdminClient
    from kafka.structs import TopicPartition

    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_records({TopicPartition(topic(agency), partition): first})
    admin.close()


def halts(stage: Stage, agency: str) -> list[str]:
    with pytest.raises(LandingHalted) as halted:
        land(stage.settings)
    return [halt.reason for halt in halted.value.landed.halts if topic(agency) in halt.where]


def test_lost_offsets_are_accepted_by_name_published_and_landing_goes_on(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(10)])
    land(stage.settings)
    stage.send(agency, [visit(agency, f"late-{i}") for i in range(10)])
    trim(stage, agency, 16)
    assert halts(stage, agency) == ["COULD_NOT_READ_OFFSET_RANGE"]
    assert [problem.kind for problem in verify(stage.settings).problems] == ["COULD_NOT_READ_OFFSET_RANGE"]
    given = {
        "TOPIC/PARTITION": f"{topic(agency)}/0", "FROM": "10", "TO": "16", "NAME": "Head of operations",
        "TEXT": "retention of a day, a pause of two",
    }  # fmt: skip
    for words in commands("Lost offsets", given):
        code, out, err = stage.run(*words)
        assert code == 0, (words, out, err)
    kept = {f"e-{i}" for i in range(10)} | {f"late-{i}" for i in range(6, 10)}
    assert sorted(stage.ids(agency)) == sorted(kept)
    proof = verify(stage.settings, deep=True)
    assert (proof.ok, proof.checked["lost"]) == (True, 6)
    with open_published(stage.settings, "public") as connection:
        rows = connection.execute(
            "SELECT agency_id, first_offset, next_offset, offsets, accepted_by, reason FROM marts.accepted_losses"
        ).fetchall()
    assert rows == [(agency, 10, 16, 6, given["NAME"], given["TEXT"])]
    # The same command again changes nothing.
    code, out, _ = stage.run(*commands("Lost offsets", given)[0], "--json")
    assert (code, json.loads(out)["is_new"]) == (0, False)


def test_a_partition_that_lost_its_first_records_before_any_landed_goes_on_too(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(5)])
    trim(stage, agency, 3)
    assert halts(stage, agency) == ["INITIAL_OFFSET_NOT_FOUND_FOR_PARTITIONS"]
    given = {"TOPIC/PARTITION": f"{topic(agency)}/0", "FROM": "0", "TO": "3", "NAME": "N", "TEXT": "T"}
    for words in commands("Lost offsets", given):
        code, out, err = stage.run(*words)
        assert code == 0, (words, out, err)
    assert sorted(stage.ids(agency)) == ["e-3", "e-4"]


def test_what_is_not_lost_cannot_be_accepted_as_lost(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(10)])
    land(stage.settings)
    stage.send(agency, [visit(agency, f"late-{i}") for i in range(10)])
    where, who = f"{topic(agency)}/0", ("--by", "N", "--reason", "T")

    def refused(*words: str) -> str:
        before = stage.rows("outcomes", "SELECT count(*) FROM t")
        code, _, err = stage.run("accept-loss", *words, *who)
        assert code == 2, err
        assert stage.rows("outcomes", "SELECT count(*) FROM t") == before
        return err

    assert "nothing is lost" in refused(where, "10", "15")
    trim(stage, agency, 15)
    assert "can still be read" in refused(where, "10", "16")
    assert "can still be read" in refused(where, "10", "1000000")
    assert "stands at 10" in refused(where, "9", "15")
    assert "no partition" in refused(f"{topic(agency)}/1", "0", "3")
    assert "no partition" in refused(f"{topic('nobody-at-all')}/0", "0", "3")
    assert halts(stage, agency) == ["COULD_NOT_READ_OFFSET_RANGE"]


@pytest.mark.parametrize("failpoint", ["quarantine.post_commit", "events.post_commit"])
def test_an_acceptance_killed_between_its_commits_is_finished_by_the_same_command(stage: Stage, failpoint: str):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0"), b"{"])
    # A landing that set a record aside and died before the record was lost: it is not lost.
    assert stage.run("land", FAULTPOINT="quarantine.post_commit:kill")[0] < 0
    stage.send(agency, [visit(agency, "e-1")])
    trim(stage, agency, 2)
    words = ("accept-loss", f"{topic(agency)}/0", "0", "2", "--by", "N", "--reason", "T")
    assert stage.run(*words, FAULTPOINT=f"{failpoint}:kill")[0] < 0
    code, _, err = stage.run(*words)
    assert code == 0, err
    land(stage.settings)
    assert stage.ids(agency) == ["e-1"]
    assert stage.reasons(agency) == ["not_json"]
    proof = verify(stage.settings, deep=True)
    assert (proof.ok, proof.checked["lost"]) == (True, 1), proof.problems


@pytest.mark.parametrize("damage", ["old copy", "file gone", "file cut", "log entry gone"])
def test_a_damaged_or_old_lake_halts_by_name_until_the_copy_is_put_back(stage: Stage, damage: str):
    agency = stage.agency(partitions=1)
    lake = Path(Lake(stage.settings).uri)
    old, newest = stage.settings.home / "old", stage.settings.home / "newest"
    shutil.copytree(lake, old)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(5)])
    land(stage.settings)
    stage.send(agency, [visit(agency, "late")])
    land(stage.settings)
    shutil.copytree(lake, newest)
    name = damaged(lake, damage, old)
    stage.send(agency, [visit(agency, "last")])
    code, out, err = stage.run("land")
    assert (code, name in err) == (4, True), (out, err)
    code, out, err = stage.run("verify", "--json")
    assert code == 4, err
    assert name in {problem["kind"] for problem in json.loads(out)["problems"]}
    shutil.rmtree(lake)
    shutil.copytree(newest, lake)
    for words in commands("A damaged or old lake", {}):
        code, out, err = stage.run(*words)
        assert code == 0, (words, out, err)
    assert sorted(stage.ids(agency)) == sorted([*(f"e-{i}" for i in range(5)), "last", "late"])


def damaged(lake: Path, damage: str, old: Path) -> str:
    """Do the damage; the name of the halt that must follow."""
    if damage == "old copy":
        shutil.rmtree(lake)
        shutil.copytree(old, lake)
        return "LAKE_VERSION_WENT_BACK"
    if damage == "log entry gone":
        (lake / "events" / "_delta_log" / f"{1:020d}.json").unlink()
        return "LAKE_LOG_DAMAGED"
    path = next((lake / "events").glob("*.parquet"))
    if damage == "file gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    return "LAKE_FILE_MISSING"


@pytest.mark.parametrize("failpoint", ["quarantine.pre_commit", "events.pre_commit"])
def test_a_landing_that_was_stopped_is_fenced_by_an_accepted_loss(stage: Stage, failpoint: str):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0"), b"{", visit(agency, "e-2"), visit(agency, "e-3")])
    with ended(stage.start("land", FAULTPOINT=f"{failpoint}:stop")) as landing:
        await_stopped(landing.pid)
        trim(stage, agency, 2)
        code, _, err = stage.run("accept-loss", f"{topic(agency)}/0", "0", "2", "--by", "N", "--reason", "T")
        assert code == 0, err
        os.kill(landing.pid, signal.SIGCONT)
        out, err = landing.communicate(timeout=60)
        assert landing.returncode == 5, (out, err)
    land(stage.settings)
    assert sorted(stage.ids(agency)) == ["e-2", "e-3"]
    assert verify(stage.settings, deep=True).ok
