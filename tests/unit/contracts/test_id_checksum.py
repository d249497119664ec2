"""The checksum of ids is a set's: no order, no repetition, and parts combine. Documents and contract agree on it."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from contracts.field_kinds import CHECKSUM_PATTERN
from contracts.id_checksum import COMPARED_DIGITS, id_checksum

IDS = st.lists(st.text(min_size=1, max_size=20), unique=True)
# echo -n abc | sha256sum
OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_one_id_has_its_sha256_and_no_id_has_zeros() -> None:
    assert id_checksum(["abc"]) == OF_ABC
    assert id_checksum([]) == "0" * 64


@given(IDS, st.randoms())
def test_neither_order_nor_repetition_matters(ids: list[str], rng: object) -> None:
    doubled = [*ids, *ids]
    rng.shuffle(doubled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert id_checksum(doubled) == id_checksum(ids)


@given(IDS, st.integers(min_value=0))
def test_the_checksums_of_parts_combine_to_that_of_the_whole(ids: list[str], cut: int) -> None:
    cut %= len(ids) + 1
    parts = int(id_checksum(ids[:cut]), 16) ^ int(id_checksum(ids[cut:]), 16)
    assert f"{parts:064x}" == id_checksum(ids)


def test_the_contract_takes_what_is_compared_and_more() -> None:
    for length in (COMPARED_DIGITS, 40, 64):
        assert re.fullmatch(CHECKSUM_PATTERN, OF_ABC[:length])
    assert not re.fullmatch(CHECKSUM_PATTERN, OF_ABC[: COMPARED_DIGITS - 1])


def test_the_document_for_agencies_shows_a_true_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "agencies.md").read_text(encoding="utf-8")
    assert f"`e-1` and `e-2`: `{id_checksum(['e-1', 'e-2'])[:COMPARED_DIGITS]}`" in " ".join(text.split())
