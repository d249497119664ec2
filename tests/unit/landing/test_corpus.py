"""The corpus of bad input: every case ends as its expected.json says, by the parser and by the columns."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator

import pytest
from corpus_cases import AGENCY, CORPUS, KNOWN, TOPIC, Case, cases, large_cases

from contracts.event import Event, Record, parse
from contracts.reasons import reasons
from landing.cluster import Topic
from landing.consumer import Chunk
from landing.decode import Decoder, Rejected
from warehouse.connection import memory_connection

CASES = [*cases(), *large_cases()]
CLASSES = {
    *("wire.empty", "wire.encoding", "wire.format", "wire.headers", "wire.size"),
    *("json.shape", "json.dup_key", "json.number", "json.text", "json.special"),
    *("env.required", "env.source", "env.type", "env.id", "env.time", "key.user", "pii.text"),
    *("dom.code", "dom.value", "dom.test", "schema.add", "schema.break", "schema.mix"),
}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    connection = memory_connection()
    yield Decoder(connection, [Topic(TOPIC, AGENCY, "u", 1, (0,))], KNOWN, b"k" * 32)
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


def test_landing_gives_each_case_its_outcome(decoder: Decoder):
    rejected = decode(decoder, CASES)
    accepted = {row[0] for row in decoder._connection.sql("SELECT o FROM landed").fetchall()}
    assert accepted.isdisjoint(rejected)
    assert accepted | rejected.keys() == set(range(len(CASES)))
    for offset, case in enumerate(CASES):
        assert ("accepted" if offset in accepted else rejected[offset].reason_code) == case.outcome, case.name


def test_the_agency_is_told_what_is_wrong_and_how_to_mend_it_in_both_languages():
    for code in {case.outcome for case in CASES} - {"accepted"}:
        reason = reasons()[code]
        assert all(reason.what[tongue] and reason.fix[tongue] for tongue in ("fa", "en")), code


def test_what_quarantine_keeps_of_a_record_holds_none_of_its_values(decoder: Decoder):
    leaks = [case for case in CASES if case.outcome == "pii_leak"]
    assert leaks
    for one in decode(decoder, leaks).values():
        kept = f"{one.detail} {one.excerpt}"
        assert not any(leak in kept for leak in ("0012345679", "09123456789", "a@b.ir", "001-234567-9"))


def test_every_class_has_at_least_three_cases_and_every_file_is_one():
    found = Counter(case.name.split("/")[0] for case in CASES)
    assert found.keys() == CLASSES
    assert min(found.values()) >= 3
    names = {case.name for case in cases()}
    for file in CORPUS.glob("*/*"):
        assert file.name == "expected.json" or f"{file.parent.name}/{file.name}" in names
