"""No bytes break the decoder or hold it up: every record is accepted or set aside with a reason we know."""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections.abc import Iterator

import pytest
from corpus_cases import AGENCY, KNOWN, TOPIC, cases, large_cases
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts.event import Event, Record, excerpt, parse
from contracts.reasons import reasons
from landing.cluster import Topic
from landing.consumer import Chunk
from landing.decode import Decoder
from landing.rekeying import LandingKeys
from warehouse.connection import memory_connection

# Of this process' own work, so that a busy machine fails no test.
LONGEST_SECONDS = 1.0
SEED = 1399
# How many times the every-change count: `make fuzz` sets it, and then draws other examples each time.
TIMES = int(os.environ.get("CORPUS_TIMES", "1"))
SEEDS = [case.value for case in cases() if case.value is not None]
ACCEPTED = [case for case in cases() if case.outcome == "accepted" and case.value]
# Where JSON, UTF-8 and the contract have their edges.
FRAGMENTS = [b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800"]
FRAGMENTS += [b"\\u0000", b"1e400", b"-0", b"NaN", b"null", b"true", b"9" * 30, b" ", b"\n", b"\xef\xbb\xbf", b"@."]
FRAGMENTS += [b'"id":', b'"data":', b'"user_key":', b'"time":', "۱".encode(), "\u202e".encode(), "\u0301".encode()]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    connection = memory_connection()
    yield Decoder(connection, [Topic(TOPIC, AGENCY, "u", 1, (0,))], KNOWN, LandingKeys.of(b"k" * 32))
    connection.close()


def outcomes(decoder: Decoder, values: list[bytes], headers: list[object] | None = None) -> list[str]:
    """How landing ends each value."""
    decoder.begin_batch()
    count = len(values)
    places = [TOPIC] * count, [0] * count, list(range(count))
    decoder.add(Chunk(*places, list(values), headers or [None] * count, [0] * count))
    ends = {one.offset: one.reason_code for one in decoder.decode()}
    landed = decoder._connection.sql("SELECT o FROM landed").fetchall()
    assert len(landed) + len(ends) == count
    ends |= {offset: "accepted" for (offset,) in landed}
    return [ends[i] for i in range(count)]


def judged(value: bytes, headers: object = None) -> str:
    """How the parser ends a value; it and what quarantine keeps of it are quick."""
    started = time.thread_time()
    verdict = parse(Record(value, AGENCY, tuple(headers or ())), dt.datetime.now(dt.UTC), KNOWN)
    excerpt(value)
    assert time.thread_time() - started < LONGEST_SECONDS
    if isinstance(verdict, Event):
        return "accepted"
    assert verdict.reason_code in reasons()
    return verdict.reason_code


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A value of the corpus, cut, joined, repeated and overwritten in a few places."""
    value = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted((draw(st.integers(0, len(value))), draw(st.integers(0, len(value)))))
        piece = draw(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=8), st.just(value[at:end])))
        keep = draw(st.booleans())
        value = value[:at] + piece * draw(st.sampled_from([0, 1, 1, 2, 40])) + value[at if keep else end :]
        value = value[:4_096]
    return value


@settings(max_examples=400 * TIMES, deadline=None, derandomize=TIMES == 1, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(spoiled(), st.binary(max_size=64)))
@example(b"\x00{")
@example(b'{"a":"\\')
def test_the_parser_ends_any_bytes_with_a_known_reason(value: bytes) -> None:
    judged(value)


@settings(
    max_examples=25 * TIMES,
    deadline=None,
    derandomize=TIMES == 1,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(values=st.lists(spoiled(), min_size=8, max_size=16))
def test_landing_ends_any_bytes_as_the_parser_does(decoder: Decoder, values: list[bytes]) -> None:
    assert outcomes(decoder, values) == [judged(value) for value in values]


def test_one_spoiled_byte_of_a_good_record_is_accepted_or_set_aside(decoder: Decoder) -> None:
    chosen = random.Random(SEED)
    values, headers = [], []
    for case in ACCEPTED:
        for _ in range(60 * TIMES):
            at = chosen.randrange(len(case.value))
            values.append(case.value[:at] + chosen.randbytes(1) + case.value[at + 1 :])
            headers.append(case.headers)
        # Every single bit of one place too: a flipped bit on a disk looks like this.
        at = chosen.randrange(len(case.value))
        values += [case.value[:at] + bytes([case.value[at] ^ 1 << bit]) + case.value[at + 1 :] for bit in range(8)]
        headers += [case.headers] * 8
    found = outcomes(decoder, values, headers)
    assert found == [judged(value, of) for value, of in zip(values, headers, strict=True)]
    assert {"accepted"} < set(found)
    assert "internal_error" not in found


@pytest.mark.parametrize("case", list(large_cases()), ids=lambda case: case.name)
def test_no_text_of_the_largest_size_holds_landing_up(decoder: Decoder, case) -> None:
    assert judged(case.value, case.headers) == case.outcome
    started = time.process_time()
    assert outcomes(decoder, [case.value], [case.headers]) == [case.outcome]
    assert time.process_time() - started < 2 * LONGEST_SECONDS
