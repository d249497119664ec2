"""A raw id in the wrong place is caught; what only looks like one is not."""

from __future__ import annotations

import pytest

from contracts.identity import looks_personal


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
