"""The first corpus of bad input: every case ends as its expected.json says, by the parser and by the columns."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.event import Event, Known, Record, parse
from landing.cluster import Topic
from landing.consumer import Chunk
from landing.decode import Decoder, Rejected
from warehouse.connection import memory_connection

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
AGENCY, TOPIC = "tax-north", "egov.events.v1.tax-north"
KNOWN = Known(
    {"passport": None, "ended": dt.date(2019, 1, 1)}, {"qom": "province", "kahak": "district"}, frozenset({"t1"})
)


def cases() -> Iterator[tuple[str, bytes | None, Any, str]]:
    """Every file of the corpus, and the large ones that are made here: name, value, headers, outcome."""
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        expected = json.loads((folder / "expected.json").read_text())
        for name, case in expected.items():
            headers = [(key, None if value is None else value.encode()) for key, value in case.get("headers", [])]
            value = None if case.get("null") else (folder / name).read_bytes()
            yield f"{folder.name}/{name}", value, headers or None, case["outcome"]
    good = json.loads((CORPUS / "vocabulary" / "good.json").read_text())
    yield "made/above-256-kib", json.dumps({**good, "padding": "x" * 262_144}).encode(), None, "too_large"
    yield "made/10-mb-string", b'"' + b"x" * 10_000_000 + b'"', None, "too_large"
    yield "made/deep", b'{"a":' * 40 + b"1" + b"}" * 40, None, "too_complex"
    yield "made/100-k-deep", b"[" * 100_000 + b"]" * 100_000, None, "too_complex"
    yield "made/many-members", json.dumps({f"k{i}": i for i in range(5_000)}).encode(), None, "too_complex"
    yield "made/1000-headers", json.dumps(good).encode(), [(f"h{i}", b"x") for i in range(1_000)], "bad_headers"
    yield "made/1-mb-header", json.dumps(good).encode(), [("h", b"x" * 2**20)], "bad_headers"


CASES = list(cases())


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    connection = memory_connection()
    yield Decoder(connection, [Topic(TOPIC, AGENCY, "u", 1, (0,))], KNOWN, b"k" * 32)
    connection.close()


def decode(decoder: Decoder, chunk: Chunk) -> list[Rejected]:
    decoder.add(chunk)
    return decoder.decode()


@pytest.mark.parametrize(("name", "value", "headers", "outcome"), CASES, ids=[case[0] for case in CASES])
def test_the_parser_gives_each_case_its_outcome(name, value, headers, outcome):
    judged = parse(Record(value, AGENCY, tuple(headers or ())), dt.datetime.now(dt.UTC), KNOWN)
    assert ("accepted" if isinstance(judged, Event) else judged.reason_code) == outcome


def test_landing_gives_each_case_its_outcome(decoder):
    decoder.begin_batch()
    values = [value for _, value, _, _ in CASES]
    count = len(values)
    headers = [headers for _, _, headers, _ in CASES]
    chunk = Chunk([TOPIC] * count, [0] * count, list(range(count)), values, headers, [0] * count)
    rejected = {one.offset: one for one in decode(decoder, chunk)}
    accepted = {row[0] for row in decoder._connection.sql("SELECT o FROM landed").fetchall()}
    assert accepted.isdisjoint(rejected)
    assert accepted | rejected.keys() == set(range(count))
    for offset, (name, _, _, outcome) in enumerate(CASES):
        assert ("accepted" if offset in accepted else rejected[offset].reason_code) == outcome, name


def test_what_quarantine_keeps_of_a_record_holds_none_of_its_values(decoder):
    decoder.begin_batch()
    values: list[bytes | None] = [value for _, value, _, outcome in CASES if outcome == "pii_leak"]
    assert values
    count = len(values)
    chunk = Chunk([TOPIC] * count, [0] * count, list(range(count)), values, [None] * count, [0] * count)
    for one in decode(decoder, chunk):
        kept = f"{one.detail} {one.excerpt}"
        assert not any(leak in kept for leak in ("0012345679", "09123456789", "a@b.ir", "001-234567-9"))


def test_every_class_of_the_corpus_has_at_least_three_files():
    for folder in CORPUS.iterdir():
        if folder.is_dir():
            assert len(json.loads((folder / "expected.json").read_text())) >= 3, folder
