"""Golden tables: which spellings are one person, and what a person's key is."""

from __future__ import annotations

import hmac

import pytest

from contracts.identity import (
    NotAPerson,
    canonical_id,
    is_legal_id,
    is_national_id,
    normalise,
    pid,
    pid_maker,
    user_key,
)

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")

ONE_PERSON = [
    "0013542419",
    "nid:0013542419",
    "NID: 0013542419",
    "001-354241-9",
    "001 354241 9",
    "001_354241_9",
    "  0013542419\t",
    "۰۰۱۳۵۴۲۴۱۹",
    "٠٠١٣٥٤٢٤١٩",
    "۰۰۱-۳۵۴۲۴۱-۹",
    "13542419",
    "013542419",
    "nid:13542419",
    "0013542419\u200f",
    "\u200e0013542419",
]


@pytest.mark.parametrize("spelling", ONE_PERSON)
def test_every_spelling_of_a_national_id_is_one_person(spelling: str) -> None:
    assert canonical_id(spelling) == "nid:0013542419"


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("10380284790", "legal:10380284790"),
        ("legal:103-8028-4790", "legal:10380284790"),
        ("۱۰۳۸۰۲۸۴۷۹۰", "legal:10380284790"),
        ("foreign:12345678", "foreign:12345678"),
        ("foreign: 1234 5678 9012", "foreign:123456789012"),
        # The leading zeros of a foreign id are its own: no length is the right one.
        ("foreign:0012345678", "foreign:0012345678"),
    ],
)
def test_other_persons_have_their_own_form(given: str, canonical: str) -> None:
    assert canonical_id(given) == canonical


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nid:",
        "0013542418",  # wrong check digit
        "0000000000",
        "1111111111",
        "1354241",  # three zeros short: no longer one id
        "00135424190",
        "legal:10380284791",
        "legal:11111111111",
        "foreign:1234567",
        "foreign:12345678901234",
        "foreign:00000000",
        "001354241x",
        "tel:0013542419",
        "0013542419.0",
        "²013542419",
    ],
)
def test_what_is_no_id_is_refused_and_never_repeated(given: str) -> None:
    with pytest.raises(NotAPerson) as refused:
        canonical_id(given)
    digits = "".join(filter(str.isdigit, given))
    assert not digits or digits not in str(refused.value)


@pytest.mark.parametrize(
    ("canonical", "key"),
    [
        ("nid:0013542419", "874f176f9d7220a0298f12c0d100596ff1f15b1a3a9369928b7b36aea6466adb"),
        ("legal:10380284790", "f3750d69c728be3c9b7efb0d30ffd64f459dbfc5906b31d6c75cd5dc8a064fad"),
        ("foreign:12345678", "e83a435710d6eab00d93bb5016f654b861cb24d91ac598dae1fba4a30a26713d"),
    ],
)
def test_the_key_of_a_person_is_hmac_sha256_of_the_canonical_id(canonical: str, key: str) -> None:
    assert user_key(KEY, canonical) == key


def test_the_pid_is_half_of_a_second_hmac_and_reveals_neither() -> None:
    key = user_key(KEY, "nid:0013542419")
    assert pid(b"p" * 32, key) == bytes.fromhex("b4e2697e2da27ca108ff3e745e11de0d")
    assert key.encode() not in pid(b"p" * 32, key)


@pytest.mark.parametrize("digits", ["0013542419", "0499370899", "0790419904", "9012345675"])
def test_check_digits_of_national_ids(digits: str) -> None:
    for last in "0123456789":
        assert is_national_id(digits[:9] + last) == (digits[:9] + last == _with_check_digit(digits[:9]))


def _with_check_digit(nine: str) -> str:
    """The rule said another way: the weighted sum of all ten digits, with a correction, is a multiple of 11."""
    total = sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
    return nine + str(total if total in (0, 1) else 11 - total)


def test_a_legal_id_of_another_length_or_script_is_none() -> None:
    assert is_legal_id("10380284790")
    assert not is_legal_id("1038028479")
    assert not is_legal_id("۱۰۳۸۰۲۸۴۷۹۰")


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("  trk-۱۲۳ ", "trk-123"),
        ("trk-٤٥٦", "trk-456"),
        ("كلي", "کلی"),
        ("é", "é"),
        ("portal", "portal"),
    ],
)
def test_one_text_has_one_spelling(given: str, normal: str) -> None:
    assert normalise(given) == normal


@pytest.mark.parametrize("size", [1, 32, 64, 65, 200])
def test_a_pid_is_the_first_half_of_what_the_standard_library_calls_hmac(size: int) -> None:
    made = pid_maker(b"p" * size)
    for key in (user_key(KEY, "nid:0013542419"), user_key(KEY, "nid:0499370899")):
        assert made(key) == hmac.digest(b"p" * size, b"v1|" + key.encode(), "sha256")[:16]
