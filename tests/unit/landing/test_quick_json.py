"""The quick reader says what the contract's reader says, of any text, and is quick for what agencies send."""

from __future__ import annotations

import json
import random
from typing import Any

from corpus_cases import cases, large_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_columns_against_parser import mutated

from contracts.event_contract import event_contract
from contracts.strict_json import Refused, load_object
from landing.quick_json import _plain_event, read_object

DEPTH = event_contract().max_depth
NAMES = st.sampled_from(["id", "data", "a", ":", "a:", '"', "b ", ""])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.sampled_from(["", ":", "a :b", '":', "\\", "é", "\u202e", '"', "\x7f", "{}", "\n"]),
    st.sampled_from([0, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**19, 10**20, 10**25]),
)
OBJECTS = st.dictionaries(NAMES, st.one_of(VALUES, st.dictionaries(NAMES, VALUES), st.lists(VALUES, max_size=2)))


def said(reader: Any, value: bytes) -> tuple[str, ...]:
    """The object, its types with it, or the refusal."""
    try:
        return ("read", repr(reader(value, DEPTH)))
    except Refused as refused:
        return ("refused", refused.code, refused.detail)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """An object as some client might write it, with a name doubled here and there."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",\n", "\t:")]))
    text = json.dumps(draw(OBJECTS), separators=separators, ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 2))):
        twice = draw(st.sampled_from(['"a":1,', '"a" :1,', '"data":{},', '"b":":",', '":":2,']))
        at = draw(st.sampled_from([i for i, letter in enumerate(text) if letter == "{"]))
        text = text[: at + 1] + twice + text[at + 1 :]
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=st.one_of(written(), mutated(), st.binary(max_size=40)))
def test_both_readers_say_the_same_of_any_text(value: bytes) -> None:
    assert said(read_object, value) == said(load_object, value)


def test_both_readers_say_the_same_of_the_corpus_whole_and_with_a_byte_spoilt() -> None:
    chosen = random.Random(1399)
    for case in (*cases(), *large_cases()):
        value = case.value or b""
        spoilt = [value]
        for _ in range(8 if value and len(value) < 4_096 else 0):
            at = chosen.randrange(len(value))
            spoilt.append(value[:at] + chosen.randbytes(1) + value[at + 1 :])
        for one in spoilt:
            assert said(read_object, one) == said(load_object, one), (case.name, one[:200])


def test_what_agencies_send_is_read_quickly() -> None:
    event = {"specversion": "1.0", "id": "e-1", "data": {"channel": "portal", "human_steps": 1, "is_test": False}}
    assert _plain_event(json.dumps(event, separators=(",", ":")).encode()) == event
    assert _plain_event(json.dumps(event).encode()) == event
    assert _plain_event(json.dumps(event, indent=1, ensure_ascii=False).encode()) == event


def test_a_name_that_comes_twice_is_never_read_quickly() -> None:
    for text in ('{"data":{"a":1,"a":1}}', '{"data":{"a":1},"data":{}}', '{"data":{"a" :1,"a":1}}'):
        assert _plain_event(text.encode()) is None
