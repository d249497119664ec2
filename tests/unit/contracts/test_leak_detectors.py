"""A raw id in the wrong place is caught; what only looks like one is not."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import identity
from contracts.identity import EMAIL_PATTERN, MOBILE_PATTERN, NATIONAL_ID_PATTERN, ascii_digits, looks_personal


@pytest.mark.parametrize(
    "text",
    [
        "0013542419",
        "001-354241-9",
        "001354241-9",
        " ۰۰۱۳۵۴۲۴۱۹ ",
        "٠٠١-٣٥٤٢٤١-٩",
        "09121234567",
        "+989121234567",
        "00989121234567",
        "۰۹۱۲۱۲۳۴۵۶۷",
        "someone@example.ir",
        " a.b+c@sub.example.com ",
    ],
)
def test_a_whole_value_that_is_personal_is_caught(text: str) -> None:
    assert looks_personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0013542418",  # wrong check digit
        "1111111111",
        "trk-0013542419",
        "the id 0013542419 in a sentence",
        "00135424190",
        "9121234567",
        "0912123456",
        "0912 123 4567",
        "a@b",
        "a b@example.ir",
        "2020-05-01",
        "portal",
    ],
)
def test_what_is_not_one_whole_id_passes(text: str) -> None:
    assert not looks_personal(text)


# Texts made of what the patterns are made of, with spaces and letters that must not hide them.
ALIKE = st.one_of(
    st.text("0123456789۰۱۹٠٩+-@. a\t", max_size=18),
    st.from_regex(f"\\s?(?:{NATIONAL_ID_PATTERN}|{MOBILE_PATTERN}|{EMAIL_PATTERN})\\s?", fullmatch=True),
)


@given(text=ALIKE)
def test_the_short_cuts_of_the_detector_change_nothing(text: str) -> None:
    plain = ascii_digits(text.strip())
    if re.fullmatch(NATIONAL_ID_PATTERN, plain):
        expected = identity.is_national_id(plain.replace("-", ""))
    else:
        expected = bool(re.fullmatch(MOBILE_PATTERN, plain) or re.fullmatch(EMAIL_PATTERN, plain))
    assert looks_personal(text) == expected


@given(text=st.text(st.characters(max_codepoint=127)))
def test_the_normal_form_of_ascii_is_the_text_without_outer_spaces(text: str) -> None:
    composed = unicodedata.normalize("NFC", text.strip())
    assert identity.normalise(text) == composed.translate(identity._DIGITS).translate(identity._LETTERS)
