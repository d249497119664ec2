"""Every halt that the runbook names is reached for real, and whoever follows its line to the letter is past it.

``SHOWN`` says where; a name without a test fails here.
"""

import ast
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition as Place
from landing_stage import Stage, topic, visit
from runbook import follow, halts, sections

import landing.incarnations
from contracts.reporting_time import parse_month
from contracts.settings import Settings
from landing.consumer import Chunk, Reader
from landing.drain import LandingHalted, land
from landing.verify import verify
from pipeline.proof import prove
from pipeline.steps import run
from warehouse.connection import build_connection
from warehouse.month_closings import add, ledger
from warehouse.releases import close
from warehouse.signing import sign, signing_key_file

pytestmark = pytest.mark.integration

HERE, TESTS = Path(__file__), Path(__file__).parents[1]
RUNBOOKS, LIVES = "integration/test_damage_runbooks.py", "integration/test_lives_of_partitions.py"
TABLES, OURS = "integration/test_other_tables_damaged.py", "integration/test_every_halt.py"
RELEASES = (OURS, "test_a_release_that_is_not_as_it_was_signed_is_put_back_from_a_backup")
# Name of the halt to the tests that reach it and follow its line, by file.
SHOWN = {
    "INITIAL_OFFSET_NOT_FOUND_FOR_PARTITIONS": [
        (RUNBOOKS, "test_a_partition_that_lost_its_first_records_before_any_landed_goes_on_too")
    ],
    "ADDED_PARTITION_DOES_NOT_START_FROM_OFFSET_ZERO": [
        (OURS, "test_a_partition_that_was_added_and_trimmed_goes_on_by_the_runbook")
    ],
    "COULD_NOT_READ_OFFSET_RANGE": [
        (RUNBOOKS, "test_lost_offsets_are_accepted_by_name_published_and_landing_goes_on")
    ],
    "PARTITIONS_DELETED": [(RUNBOOKS, "test_a_topic_that_is_gone_or_made_anew_is_let_go_of_by_the_runbook")],
    "PARTITION_OFFSET_CHANGED": [
        (RUNBOOKS, "test_a_topic_that_is_gone_or_made_anew_is_let_go_of_by_the_runbook"),
        (LIVES, "test_a_log_that_was_cut_halts_however_far_it_has_grown_again"),
    ],
    "START_OFFSET_RESET": [(OURS, "test_a_reader_that_is_put_back_halts_and_the_next_landing_goes_on")],
    "LAKE_LOG_DAMAGED": [
        (RUNBOOKS, "test_a_damaged_or_old_lake_halts_by_name_until_the_copy_is_put_back"),
        (TABLES, "test_damage_to_a_table_that_kafka_never_had_is_named_and_mended_from_a_copy"),
    ],
    "LAKE_FILE_MISSING": [
        (RUNBOOKS, "test_a_lost_file_is_made_again_from_kafka"),
        (RUNBOOKS, "test_a_lake_that_cannot_be_mended_comes_back_from_a_backup"),
        (TABLES, "test_damage_to_a_table_that_kafka_never_had_is_named_and_mended_from_a_copy"),
    ],
    "LAKE_VERSION_WENT_BACK": [
        (RUNBOOKS, "test_a_damaged_or_old_lake_halts_by_name_until_the_copy_is_put_back"),
        (TABLES, "test_damage_to_a_table_that_kafka_never_had_is_named_and_mended_from_a_copy"),
    ],
    "OUT_OF_MEMORY": [(OURS, "test_a_step_that_lacks_memory_halts_and_goes_on_with_more")],
    "RELEASE_DAMAGED": [RELEASES],
    "RELEASE_MISSING": [RELEASES],
    "RELEASE_CONTENT": [RELEASES],
    "RELEASE_SIGNATURE": [
        RELEASES,
        (OURS, "test_releases_of_a_key_before_a_change_are_ours_while_its_public_key_is_kept"),
    ],
    "content_hash": [(OURS, "test_figures_that_a_rebuild_does_not_give_are_named_and_mended_by_the_runbook")],
}  # fmt: skip
# Name of the halt to the reason why no test can reach it.
CANNOT_BE_PROVOKED: dict[str, str] = {}
# What a test does that follows the runbook: a section's commands, a cell's, or a cell's words of what to put back.
FOLLOWS = ("follow(", "run_cell(", "put_back(")


def cells() -> dict[str, str]:
    """What to do, by the name of the halt; among the other ends only what is named like one."""
    found = halts()
    for line in sections()["Other ends"].splitlines():
        for name in re.findall(r"`([a-z]+_[a-z]+)`", line.split("|")[1]) if line.startswith("|") else []:
            found[name] = line.split("|")[3]
    return found


def run_cell(stage: Stage, name: str) -> None:
    """Run the commands that the halt's cell names in its first sentence, word for word."""
    commands = re.findall(r"`mizan ([^`]+)`", re.split(r"[;:]", cells()[name])[0])
    assert commands
    for words in commands:
        code, out, err = stage.run(*shlex.split(words))
        assert code == 0, (words, out, err)


def test_every_halt_of_the_runbook_is_reached_by_a_test_that_follows_it():
    assert cells().keys() == SHOWN.keys() | CANNOT_BE_PROVOKED.keys()
    assert not SHOWN.keys() & CANNOT_BE_PROVOKED.keys()
    assert all(len(reason) > 40 for reason in CANNOT_BE_PROVOKED.values())
    for name, tests in SHOWN.items():
        for file, test in tests:
            text = (TESTS / file).read_text(encoding="utf-8")
            (body,) = [
                ast.get_source_segment(text, node) or ""
                for node in ast.parse(text).body
                if isinstance(node, ast.FunctionDef) and node.name == test
            ]
            assert name in text, (name, file)
            assert any(call in body for call in FOLLOWS), (name, test)


def test_a_step_that_lacks_memory_halts_and_goes_on_with_more(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{number}") for number in range(20)])
    for step in (("land",), ("gate",)):
        assert stage.run(*step)[0] == 0
    for step in ("build", "run"):
        code, out, err = stage.run(step, MIZAN_MEMORY_MB="4")
        assert (code, "OUT_OF_MEMORY" in err, "Traceback" in err) == (4, True, False), (out, err)
    run_cell(stage, "OUT_OF_MEMORY")
    assert list(stage.settings.published.glob("*/v*"))


def test_every_halt_that_the_code_can_raise_is_in_the_runbook():
    raised = set()
    for room in ("landing", "warehouse", "pipeline", "transforms"):
        for path in (TESTS.parent / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    raised |= set(
                        re.findall(
                            r"\A(?:LAKE|RELEASE|PARTITIONS?|INITIAL|ADDED|COULD|START|OUT)_[A-Z_]+\Z", node.value
                        )
                    )
    assert raised == {name for name in cells() if name.isupper()}


def test_a_partition_that_was_added_and_trimmed_goes_on_by_the_runbook(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0")])
    land(stage.settings)
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.create_partitions({topic(agency): 2})
    producer = stage.producer()
    for i in range(4):
        producer.produce(topic(agency), visit(agency, f"new-{i}"), partition=1)
    assert producer.flush(30) == 0
    admin.delete_records({Place(topic(agency), 1): 3})
    admin.close()
    with pytest.raises(LandingHalted) as halted:
        land(stage.settings)
    assert [one.reason for one in halted.value.landed.halts] == ["ADDED_PARTITION_DOES_NOT_START_FROM_OFFSET_ZERO"]
    follow(
        stage, "Lost offsets",
        {"TOPIC/PARTITION": f"{topic(agency)}/1", "FROM": "0", "TO": "3", "NAME": "N", "TEXT": "retention of an hour"},
    )  # fmt: skip
    assert sorted(stage.ids(agency)) == ["e-0", "new-3"]
    proof = verify(stage.settings, deep=True)
    assert (proof.ok, proof.checked["lost"]) == (True, 3), proof.problems


def test_a_reader_that_is_put_back_halts_and_the_next_landing_goes_on(
    landing_broker: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage = Stage(landing_broker, tmp_path / "home", MIZAN_LAND_CAP="2")
    agency = stage.agency(partitions=1)
    for i in range(8):
        stage.send(agency, [visit(agency, f"e-{i}")])

    class PutBack(Reader):
        """The real client, which somebody seeks back to the start after its first records."""

        def chunks(self) -> Iterator[Chunk]:
            for number, chunk in enumerate(super().chunks()):
                if number == 0:
                    self._consumer.seek(TopicPartition(topic(agency), 0, 0))
                yield chunk

    with monkeypatch.context() as changed:
        changed.setattr(landing.incarnations, "Reader", PutBack)
        with pytest.raises(LandingHalted) as halted:
            land(stage.settings)
    assert [one.reason for one in halted.value.landed.halts] == ["START_OFFSET_RESET"]
    assert stage.ids(agency)
    run_cell(stage, "START_OFFSET_RESET")
    land(stage.settings, until_empty=True)
    assert sorted(stage.ids(agency)) == [f"e-{i}" for i in range(8)]
    assert verify(stage.settings, deep=True).ok
    stage.clear()


def test_figures_that_a_rebuild_does_not_give_are_named_and_mended_by_the_runbook(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(6)])
    land(stage.settings)
    run(stage.settings)
    assert prove(stage.settings, deep=True).ok
    with build_connection(stage.settings) as connection:
        tables = connection.sql(
            """SELECT table_name FROM information_schema.columns
            WHERE column_name = 'visits' AND table_name LIKE 'monthly%'"""
        ).fetchall()
        for (name,) in tables[:1]:
            connection.execute(f'UPDATE "{name}" SET visits = visits + 1')
    assert tables
    code, out, _ = stage.run("verify", "--deep", "--json")
    assert (code, {one["kind"] for one in json.loads(out)["problems"]}) == (4, {"content_hash"}), out
    run_cell(stage, "content_hash")
    assert stage.run("verify", "--deep")[0] == 0


@pytest.fixture
def released(stage: Stage) -> Path:
    """The release of one closed month."""
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(6)])
    land(stage.settings)
    run(stage.settings)
    return close(stage.settings, parse_month("1399-01"), by="Head of statistics", note="looked at").folder


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(content)


def harm(settings: Settings, folder: Path, halt: str) -> None:
    """Do to a release what the halt names."""
    document = folder / "release.json"
    if halt == "RELEASE_DAMAGED":
        next((folder / "cells").iterdir()).unlink()
    elif halt == "RELEASE_MISSING":
        shutil.rmtree(folder)
    elif halt == "RELEASE_SIGNATURE":
        rewrite(document, document.read_bytes().replace(b"looked at", b"lo0ked at"))
    else:
        told: dict[str, Any] = json.loads(document.read_bytes())
        text = json.dumps({**told, "content_hash": "0" * 64}).encode()
        signature, public_key = sign(settings, text)
        for name, content in (("release.json", text), ("release.sig", signature), ("release.pub", public_key)):
            rewrite(folder / name, content)


def put_back(stage: Stage, folder: Path, given: Mapping[str, str], empty: Path) -> None:
    """The command of the cell in an empty home, and the folder copied from there."""
    (command,) = re.findall(r"`mizan ([^`]+)` into an empty home and copy it from there", cells()["RELEASE_DAMAGED"])
    code, out, err = stage.run(*(given.get(word, word) for word in command.split()), MIZAN_HOME=str(empty))
    assert code == 0, (out, err)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(empty / "releases" / folder.name, folder)


def test_a_release_that_is_not_as_it_was_signed_is_put_back_from_a_backup(stage: Stage, released: Path, tmp_path: Path):
    given = {"DIR": str(tmp_path / "backups"), "KEYDIR": str(tmp_path / "keys")}
    assert stage.run("backup", given["DIR"], "--with-keys", given["KEYDIR"])[0] == 0
    for number, halt in enumerate(("RELEASE_DAMAGED", "RELEASE_MISSING", "RELEASE_SIGNATURE", "RELEASE_CONTENT")):
        harm(stage.settings, released, halt)
        assert halt in {problem.kind for problem in verify(stage.settings).problems}
        put_back(stage, released, given, tmp_path / f"empty-{number}")
        assert verify(stage.settings, deep=True).ok
    # A ledger that names other figures is told too: the release is what was signed, the row is not.
    (row,) = ledger(stage.settings)
    add(stage.settings, type(row)(**{**vars(row), "content_hash": "0" * 64}))
    assert {problem.kind for problem in verify(stage.settings).problems} == {"RELEASE_CONTENT"}


def test_releases_of_a_key_before_a_change_are_ours_while_its_public_key_is_kept(stage: Stage, released: Path):
    old = (released / "release.pub").read_bytes()
    path = signing_key_file(stage.settings)
    path.unlink()
    path.touch(mode=0o600)
    path.write_text("ab" * 32 + "\n")
    assert {problem.kind for problem in verify(stage.settings).problems} == {"RELEASE_SIGNATURE"}

    def put_back() -> None:
        (told,) = re.findall(r"`keys/(release-signing-<name>\.pub)`", cells()["RELEASE_SIGNATURE"])
        (stage.settings.keys / told.replace("<name>", "of-last-year")).write_bytes(old)

    put_back()
    assert verify(stage.settings, deep=True).ok
    assert path.stat().st_mode & 0o77 == 0
