"""What is written without the parser is what the parser accepts, to the byte; what it refuses is never written so."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import MizanError
from contracts.event_contract import event_contract
from contracts.identity import canonical_id, is_national_id, user_key, user_key_maker
from contracts.vocabularies import codes, spellings
from producers import Agency
from producers.envelope import full_type
from producers.plain_events import _MAKERS, MOST_REMEMBERED, _Word

NOW = dt.datetime(2026, 3, 21, 10, 30, 0, 250_000, dt.UTC)
KEY = "5d" * 32
GOOD: dict[str, Any] = {
    "transaction_id": "t-1", "service_id": "s-1", "channel": "portal", "outcome": "accepted", "user_key": KEY,
    "user_key_id": "t1", "audience": codes("audience")[0], "visit_id": "v-1", "province": "qom", "district": "qom-1",
    "is_test": False, "human_steps": 2, "duration_seconds": 40,
}  # fmt: skip
COMPLETED = full_type("transaction.completed")


@pytest.fixture(scope="module")
def agency() -> Agency:
    return Agency("tax", "127.0.0.1:1", system="portal")


def plainly(agency: Agency, event_id: Any, name: str, time: Any, data: dict[str, Any]) -> bytes | None:
    return agency._plain.written(event_id, full_type(name), time, NOW, data)


def judged(agency: Agency, event_id: Any, name: str, time: Any, data: dict[str, Any]) -> bytes | None:
    """What the parser lets through; None where it or the envelope refuses."""
    try:
        return agency._judged(event_id, full_type(name), time, NOW, data)
    except MizanError:
        return None


class Text(str):
    """A caller's own kind of text."""


class Number(int):
    """A caller's own kind of number."""


FIELDS = sorted({name for kind in event_contract().types.values() for name in kind.fields})
WORDS = sorted({word for name in ("channel", "outcome", "audience", "assisted_by") for word in spellings(name)})
HOSTILE: st.SearchStrategy[Any] = st.sampled_from(
    ["", " ", "a b", ' "', "\\", "\x00", "\x1f", "\u2028", "\ud800", 'x","is_test":true,"y":"', "0013542419",
     "001-354241-9", "nid:0013542419", "00989121234567", "a@b.ir", "۱۲۳۴", "۰۰۱۳۵۴۲۴۱۹", "ك", "portal ", "Portal",
     "PORTAL", "0" * 64, "a" * 64, "v" * 128, "v" * 129, "12345", "1234567890", "9121234567-1", "t:1", "-", ".", None,
     True, False, 0, 1, -1, 2**63 - 1, 2**63, 1.0, float("nan"), Text("portal"), Text("t-1"), Number(3), b"x", [], {}]
)  # fmt: skip
VALUES = st.one_of(
    HOSTILE,
    st.sampled_from(WORDS),
    st.text(max_size=20),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True),
    st.from_regex(r"[0-9]{3}-?[0-9]{6}-?[0-9]", fullmatch=True),
    st.integers(-5, 2**64),
)
ZONES = st.sampled_from(
    [dt.UTC, None, dt.timezone(dt.timedelta(hours=3, minutes=30)), dt.timezone(dt.timedelta(minutes=205, seconds=44)),
     dt.timezone(-dt.timedelta(hours=23, minutes=59)), dt.timezone(dt.timedelta(microseconds=1))]
)  # fmt: skip
TIMES = st.one_of(
    st.just(NOW),
    st.builds(lambda seconds: NOW + dt.timedelta(seconds=seconds), st.integers(-400, 400)),
    st.datetimes(timezones=ZONES),
)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from([name.removeprefix("ir.egov.").removesuffix(".v1") for name in event_contract().types]),
    event_id=st.one_of(st.just("e-1"), HOSTILE.filter(lambda value: value is not None)),
    time=TIMES,
    kept=st.sets(st.sampled_from(sorted(GOOD)), min_size=3),
    wrong=st.dictionaries(st.sampled_from([*FIELDS, "note", 'x":1,"y']), VALUES.filter(lambda v: v is not None)),
)
def test_what_is_written_plainly_is_what_the_parser_accepts_to_the_byte(
    agency: Agency, name: str, event_id: Any, time: Any, kept: set[str], wrong: dict[str, Any]
) -> None:
    required = event_contract().types[full_type(name)].required
    good = {field: value for field, value in GOOD.items() if field in kept or field in required}
    data = {**good, **wrong}
    written = plainly(agency, event_id, name, time, data)
    if written is not None:
        assert written == judged(agency, event_id, name, time, data)


@settings(max_examples=300, deadline=None)
@given(field=st.sampled_from(sorted(GOOD)), value=VALUES.filter(lambda value: value is not None))
def test_a_single_wrong_value_is_never_written(agency: Agency, field: str, value: Any) -> None:
    data = {**GOOD, field: value}
    written = plainly(agency, "e-1", "transaction.completed", NOW, data)
    if judged(agency, "e-1", "transaction.completed", NOW, data) is None:
        assert written is None


def test_the_ordinary_event_of_each_counted_type_is_written_plainly(agency: Agency) -> None:
    tehran = NOW.astimezone(dt.timezone(dt.timedelta(hours=3, minutes=30)))
    for kind in event_contract().types.values():
        if not kind.counted:
            continue
        name = kind.name.removeprefix("ir.egov.").removesuffix(".v1")
        data = {field: value for field, value in GOOD.items() if field in kind.fields}
        for time in (NOW, tehran, tehran.replace(microsecond=0)):
            assert plainly(agency, "e-1", name, time, data) == judged(agency, "e-1", name, time, data) is not None


def test_what_callers_say_over_and_over_is_remembered_within_bounds(agency: Agency) -> None:
    for number in range(MOST_REMEMBERED + 500):
        assert plainly(agency, "e-1", "transaction.completed", NOW, {**GOOD, "service_id": f"s-{number}"})
    (shape,) = [writers for key, writers in agency._plain._shapes.items() if key == (COMPLETED, tuple(GOOD))]
    service = shape[list(GOOD).index("service_id")]
    assert isinstance(service, _Word)
    assert len(service.known) == MOST_REMEMBERED


def test_a_key_maker_gives_the_keys_of_the_definition() -> None:
    made = user_key_maker(b"k" * 32)
    assert [made(f"nid:{n:010d}") for n in range(50)] == [user_key(b"k" * 32, f"nid:{n:010d}") for n in range(50)]


@given(st.from_regex(r"\s?(nid:|NID:|legal:)?[0-9]{10}\n?", fullmatch=True))
def test_a_plainly_written_national_id_is_read_as_the_long_way_reads_it(text: str) -> None:
    def check_digit_is_right(digits: str) -> bool:
        """By the definition, digit by digit."""
        left = sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9])) % 11
        return len(set(digits)) > 1 and int(digits[9]) == (left if left < 2 else 11 - left)

    digits = text.strip().rpartition(":")[2]
    assert is_national_id(digits) == check_digit_is_right(digits)
    if is_national_id(digits) and "legal" not in text:
        assert canonical_id(text) == f"nid:{digits}"


def test_every_kind_that_can_be_written_plainly_is_met_by_the_events_above() -> None:
    fields = event_contract().fields_of(COMPLETED)
    met = Counter(fields[name].kind for name in GOOD)
    assert {*met, "agency", "version"} == set(_MAKERS)
