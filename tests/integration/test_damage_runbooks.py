"""Whoever follows the runbook of a halt to the letter ends in a verified state."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from landing_stage import Stage, await_stopped, delete_topic, ended, make_topic, topic, visit
from runbook import RUNBOOK, commands, follow, halts, sections

from landing.drain import LandingHalted, land
from landing.verify import verify
from warehouse.lake import Lake
from warehouse.published import open_published

pytestmark = pytest.mark.integration
# reliability.md's names, which are Spark's KAFKA_DATA_LOSS classes and three of the lake.
SPARKS = (
    "INITIAL_OFFSET_NOT_FOUND_FOR_PARTITIONS", "ADDED_PARTITION_DOES_NOT_START_FROM_OFFSET_ZERO",
    "COULD_NOT_READ_OFFSET_RANGE", "PARTITIONS_DELETED", "PARTITION_OFFSET_CHANGED", "START_OFFSET_RESET",
    "LAKE_LOG_DAMAGED", "LAKE_FILE_MISSING", "LAKE_VERSION_WENT_BACK",
)  # fmt: skip


def trim(stage: Stage, agency: str, first: int, partition: int = 0) -> None:
    """Delete a partition's records below ``first``."""
    from kafka.admin import KafkaAdminClient
    from kafka.structs import TopicPartition

    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_records({TopicPartition(topic(agency), partition): first})
    admin.close()


def halted_by(stage: Stage, agency: str) -> list[str]:
    with pytest.raises(LandingHalted) as halted:
        land(stage.settings)
    return [halt.reason for halt in halted.value.landed.halts if topic(agency) in halt.where]


def test_lost_offsets_are_accepted_by_name_published_and_landing_goes_on(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(10)])
    land(stage.settings)
    stage.send(agency, [visit(agency, f"late-{i}") for i in range(10)])
    trim(stage, agency, 16)
    assert halted_by(stage, agency) == ["COULD_NOT_READ_OFFSET_RANGE"]
    assert [problem.kind for problem in verify(stage.settings).problems] == ["COULD_NOT_READ_OFFSET_RANGE"]
    given = {
        "TOPIC/PARTITION": f"{topic(agency)}/0", "FROM": "10", "TO": "16", "NAME": "Head of operations",
        "TEXT": "retention of a day, a pause of two",
    }  # fmt: skip
    follow(stage, "Lost offsets", given)
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
    assert halted_by(stage, agency) == ["INITIAL_OFFSET_NOT_FOUND_FOR_PARTITIONS"]
    given = {"TOPIC/PARTITION": f"{topic(agency)}/0", "FROM": "0", "TO": "3", "NAME": "N", "TEXT": "T"}
    follow(stage, "Lost offsets", given)
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
    assert halted_by(stage, agency) == ["COULD_NOT_READ_OFFSET_RANGE"]


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


def test_every_halt_has_its_line_and_every_line_leads_somewhere():
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("landing", "warehouse", "pipeline")
        for path in (RUNBOOK.parents[2] / room).glob("*.py")
    )
    named = set(re.findall(r'"((?:[A-Z]+_)+[A-Z]+)"', code)) & set(SPARKS)
    assert named == set(SPARKS)
    told = halts()
    assert told.keys() >= named
    for name, cell in told.items():
        assert "mizan " in cell or re.search(r"see \*|put back", cell) or name.startswith("RELEASE"), name
        for section in re.findall(r"see \*([^*]+)\*", cell):
            assert section in sections()
    assert commands("From a backup", {})[0][0] == "restore"


@pytest.mark.parametrize("agency_left", [True, False])
def test_a_topic_that_is_gone_or_made_anew_is_let_go_of_by_the_runbook(stage: Stage, agency_left: bool):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0"), visit(agency, "e-1")])
    land(stage.settings)
    delete_topic(stage, agency)
    if not agency_left:
        make_topic(stage, agency)
        stage.send(agency, [visit(agency, "e-1"), visit(agency, "new")])
    assert halted_by(stage, agency) == ["PARTITIONS_DELETED" if agency_left else "PARTITION_OFFSET_CHANGED"]
    given = {"TOPIC": topic(agency), "NAME": "Head of operations", "TEXT": "the agency left us"}
    follow(stage, "A topic that is gone or another one", given)
    assert sorted(stage.ids(agency)) == ["e-0", "e-1"] + ([] if agency_left else ["new"])
    assert verify(stage.settings, deep=True).ok
    with open_published(stage.settings, "public") as connection:
        rows = connection.execute(
            "SELECT agency_id, first_offset, offsets, cause, accepted_by, reason FROM marts.accepted_losses"
        ).fetchall()
        meta = connection.execute("SELECT value FROM marts._meta WHERE key = 'accepted_losses_uncounted'").fetchall()
    assert rows == [(agency, 2, None, "deleted" if agency_left else "made_anew", given["NAME"], given["TEXT"])]
    assert meta == [("1",)]


def lake_with_copies(stage: Stage, agency: str) -> tuple[Path, Path, Path]:
    """A lake of two batches; copies of it when it was empty and as it is, and a record that waits."""
    lake = Path(Lake(stage.settings).uri)
    old, newest = stage.settings.home / "old", stage.settings.home / "newest"
    shutil.copytree(lake, old)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(5)])
    land(stage.settings)
    stage.send(agency, [visit(agency, "late")])
    land(stage.settings)
    shutil.copytree(lake, newest)
    stage.send(agency, [visit(agency, "last")])
    return lake, old, newest


def named(stage: Stage, name: str) -> None:
    """Landing and `mizan verify` halt by this name."""
    code, out, err = stage.run("land")
    assert (code, name in err) == (4, True), (out, err)
    assert name in {problem.kind for problem in verify(stage.settings).problems}


@pytest.mark.parametrize("damage", ["old copy", "log entry gone"])
def test_a_damaged_or_old_lake_halts_by_name_until_the_copy_is_put_back(stage: Stage, damage: str):
    agency = stage.agency(partitions=1)
    lake, old, newest = lake_with_copies(stage, agency)
    named(stage, damaged(lake, damage, old))
    shutil.rmtree(lake)
    shutil.copytree(newest, lake)
    follow(stage, "A damaged or old lake")
    assert sorted(stage.ids(agency)) == sorted([*(f"e-{i}" for i in range(5)), "last", "late"])


def test_a_lost_file_is_made_again_from_kafka(stage: Stage):
    agency = stage.agency(partitions=1)
    lake, old, _ = lake_with_copies(stage, agency)
    named(stage, damaged(lake, "file gone", old))
    follow(stage, "A lost file")
    assert sorted(stage.ids(agency)) == sorted([*(f"e-{i}" for i in range(5)), "last", "late"])
    assert verify(stage.settings, deep=True).ok


def test_a_lake_that_cannot_be_mended_comes_back_from_a_backup(stage: Stage, tmp_path: Path):
    agency = stage.agency(partitions=1)
    copies = str(tmp_path / "backups")
    assert stage.run("backup", copies)[0] == 0
    lake, old, _ = lake_with_copies(stage, agency)
    assert stage.run("backup", copies)[0] == 0
    land(stage.settings)
    trim(stage, agency, 6)  # what landed first is only in the backup
    named(stage, damaged(lake, "file gone", old))
    assert not verify(stage.settings, refetch=True).ok
    follow(stage, "From a backup", {"DIR": copies})
    assert sorted(stage.ids(agency)) == sorted([*(f"e-{i}" for i in range(5)), "last", "late"])
    assert verify(stage.settings, deep=True).ok


def damaged(lake: Path, damage: str, old: Path) -> str:
    """Do the damage; the name of the halt that must follow."""
    if damage == "old copy":
        shutil.rmtree(lake)
        shutil.copytree(old, lake)
        return "LAKE_VERSION_WENT_BACK"
    if damage == "log entry gone":
        (lake / "events" / "_delta_log" / f"{1:020d}.json").unlink()
        return "LAKE_LOG_DAMAGED"
    min((lake / "events").glob("*.parquet")).unlink()
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
