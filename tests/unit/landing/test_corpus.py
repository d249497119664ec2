"""The corpus of bad input: every case ends as its expected.json says, by the parser, by the columns and on the desk."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator

import pytest
from corpus_cases import (
    AGENCY,
    CORPUS,
    KNOWN,
    OUTCOMES,
    TOPIC,
    Case,
    cases,
    expectations,
    kind_of,
    large_cases,
)

from contracts.event import Event, Record, excerpt, parse
from contracts.reasons import reasons
from landing.cluster import Topic
from landing.consumer import Chunk
from landing.decode import Decoder, Rejected
from landing.rekeying import LandingKeys
from producers.checking import check_lines
from producers.refusal import Refusal
from warehouse.connection import memory_connection

CASES = [*cases(), *large_cases()]
# Every class of input that is known to come, and how its records may end.
CLASSES = {
    "wire.empty": {"QUA"},
    "wire.encoding": {"QUA"},
    "wire.format": {"QUA"},
    "wire.headers": {"ACC", "QUA", "BRK"},
    "wire.key": {"ACC"},
    "wire.size": {"ACC", "QUA", "SDK", "BRK"},
    "wire.bomb": {"QUA", "BRK"},
    "wire.batch": {"BRK", "HALT"},
    "wire.txn": {"ACC", "GAP"},
    "json.shape": {"QUA"},
    "json.dup_key": {"QUA"},
    "json.number": {"ACC", "QUA"},
    "json.text": {"ACC", "QUA", "SDK"},
    "json.special": {"QUA"},
    "env.required": {"QUA"},
    "env.source": {"ACC", "QUA"},
    "env.type": {"QUA"},
    "env.id": {"ACC", "QUA"},
    "env.time": {"ACC", "QUA"},
    "key.user": {"ACC", "QUA", "SDK"},
    "key.nid": {"ACC", "SDK"},
    "pii.text": {"ACC", "QUA", "SDK"},
    "dom.code": {"ACC", "QUA", "SDK"},
    "dom.value": {"ACC", "QUA", "SDK"},
    "dom.volume": {"ACC"},
    "dom.test": {"ACC", "QUA"},
    "schema.add": {"QUA"},
    "schema.break": {"QUA"},
    "schema.mix": {"ACC", "QUA"},
}
RUNBOOK = CORPUS.parents[1] / "docs" / "runbooks" / "halts.md"


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    connection = memory_connection()
    yield Decoder(connection, [Topic(TOPIC, AGENCY, "u", 1, (0,))], KNOWN, LandingKeys.of(b"k" * 32))
    connection.close()


def decode(decoder: Decoder, chosen: list[Case]) -> dict[int, Rejected]:
    decoder.begin_batch()
    count = len(chosen)
    places = [TOPIC] * count, [0] * count, list(range(count))
    decoder.add(Chunk(*places, [case.value for case in chosen], [case.headers for case in chosen], [0] * count))
    return {one.offset: one for one in decoder.decode()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_parser_gives_each_case_its_outcome(case: Case):
    judged = parse(Record(case.value, AGENCY, tuple(case.headers or ())), dt.datetime.now(dt.UTC), KNOWN)
    assert ("accepted" if isinstance(judged, Event) else judged.reason_code) == case.outcome
    if case.detail is not None:
        assert judged.detail == case.detail
    if not isinstance(judged, Event):
        assert judged.excerpt == excerpt(case.value)
    for name, value in case.becomes.items():
        found = judged.event_id if name == "id" else judged.data[name]
        assert (found, type(found)) == (value, type(value))


def test_landing_gives_each_case_its_outcome(decoder: Decoder):
    rejected = decode(decoder, CASES)
    accepted = {row[0] for row in decoder._connection.sql("SELECT o FROM landed").fetchall()}
    assert accepted.isdisjoint(rejected)
    assert accepted | rejected.keys() == set(range(len(CASES)))
    for offset, case in enumerate(CASES):
        assert ("accepted" if offset in accepted else rejected[offset].reason_code) == case.outcome, case.name


def test_the_command_line_tells_the_agency_the_same_before_anything_is_sent():
    # A line of a file has no headers, and nobody's catalogue is at the agency's desk.
    at_the_desk = [case for case in cases() if case.value and case.value.strip() and not case.headers]
    at_the_desk = [case for case in at_the_desk if b"\n" not in case.value.strip(b"\r\n")]
    known_there = {"unknown_service", "unknown_place", "service_retired", "key_unknown"}
    told = 0
    for case in at_the_desk:
        (verdict,) = check_lines([case.value], AGENCY)
        found = "accepted" if isinstance(verdict, Event) else verdict.reason.code
        assert found == ("accepted" if case.outcome in known_there else case.outcome), case.name
        told += found != "accepted"
    assert told > 80


def test_what_quarantine_keeps_of_a_record_holds_none_of_its_values(decoder: Decoder):
    leaks = [case for case in CASES if case.outcome == "pii_leak"]
    assert leaks
    for one in decode(decoder, leaks).values():
        kept = f"{one.detail} {one.excerpt}"
        assert not any(leak in kept for leak in ("0012345679", "09123456789", "a@b.ir", "001-234567-9"))


def test_every_class_has_its_folder_at_least_three_files_and_every_outcome():
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == CLASSES.keys()
    for name, outcomes in CLASSES.items():
        files = {path.name for path in (CORPUS / name).iterdir()} - {"expected.json"}
        assert len(files) >= 3, name
        found = {expected["outcome"] for folder, _, expected in expectations() if folder.name == name}
        assert found == outcomes, name
    assert set().union(*CLASSES.values()) == set(OUTCOMES)


def test_every_file_is_a_case_and_every_case_has_its_file():
    named = {(folder.name, name) for folder, name, expected in expectations() if not expected.get("null")}
    there = {(file.parent.name, file.name) for file in CORPUS.glob("*/*") if file.name != "expected.json"}
    assert named == there


def test_what_a_class_expects_says_why_and_how_it_is_mended_in_the_words_that_the_agency_reads():
    sdk = Refusal.of_person("")
    texts = {code: dict(reason.fix) for code, reason in reasons().items()} | {sdk.reason_code: sdk.fix}
    for folder in sorted({folder for folder, _, _ in expectations()}):
        document = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        assert document.keys() == {"cases", "hints"}
        named = Counter()
        for name, expected in document["cases"].items():
            assert expected["outcome"] in OUTCOMES, name
            assert ("reason" in expected) == (expected["outcome"] not in ("ACC", "GAP")), name
            if expected["outcome"] in ("QUA", "SDK"):
                named[expected["reason"]] += 1
            if expected["outcome"] == "HALT":
                # Nobody at an agency can mend a halt: the operator's runbook has it by name.
                assert f"| `{expected['reason']}` |" in RUNBOOK.read_text(encoding="utf-8")
        assert document["hints"] == {reason: texts[reason] for reason in named}, folder.name


def test_every_kind_of_description_has_somebody_who_carries_it_out():
    kinds = {kind_of(name) for _, name, _ in expectations()}
    assert kinds == {"record", "pieces", "call", "batch", "transactions", "volume"}
