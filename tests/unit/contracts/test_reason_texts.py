"""Every reason a record can be set aside for is told to its agency: what is wrong, how to mend it, in two languages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from corpus_cases import cases, large_cases

from contracts.reasons import STAGES, reasons
from producers.refusal import Refusal

ROOT = Path(__file__).resolve().parents[3]
# Nothing that is sent may end so: it is what the decoder's own failures are called.
OURS = "internal_error"
TEXTS = {code: (reason.what, reason.fix) for code, reason in reasons().items()}
TEXTS["person_invalid"] = (lambda refused: (refused.what, refused.fix))(Refusal.of_person("why"))  # the SDK's own


def raised() -> set[str]:
    """Codes that the source names where a record is refused."""
    found = set()
    for room in ("contracts", "landing"):
        for path in (ROOT / room).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name):
                    first = node.args[0]
                    if node.func.id in ("Refused", "Rejection", "Rejected") and isinstance(first, ast.Constant):
                        found.add(str(first.value))
    return found


@pytest.mark.parametrize("code", TEXTS)
def test_what_is_wrong_and_how_to_mend_it_are_said_in_persian_and_english(code: str) -> None:
    what, fix = TEXTS[code]
    assert set(what) == set(fix) == {"fa", "en"}
    for text in (what["fa"], fix["fa"]):
        assert re.search("[آ-ی]", text), text
        assert not re.search("[يك]", text), "Arabic yeh or kaf"
    for text in (what["en"], fix["en"]):
        assert re.fullmatch(r"([A-Z]|user_key)[ -~]+[^.\s]", text), text
    assert len({what["fa"], fix["fa"], what["en"], fix["en"]}) == 4


def test_no_two_reasons_read_the_same() -> None:
    for language in ("fa", "en"):
        assert len({what[language] for what, _ in TEXTS.values()}) == len(TEXTS)


def test_every_reason_belongs_to_a_stage() -> None:
    assert {reason.stage for reason in reasons().values()} == set(STAGES)


def test_a_record_is_refused_for_no_reason_that_is_not_in_the_list() -> None:
    assert raised() <= reasons().keys()


def test_every_reason_has_a_case_in_the_corpus() -> None:
    shown = {case.outcome for case in (*cases(), *large_cases())}
    # A conflict needs two records, a lost verdict a lost file: tests of landing show them.
    assert reasons().keys() - shown == {OURS, "id_conflict", "verdict_lost"}
