import re
from pathlib import Path

import pytest
import yaml

from provenance.claim_files import read, shipped

INVENTORY = yaml.safe_load(Path(__file__).with_name("figures_of_the_texts.yaml").read_text(encoding="utf-8"))
FILES = {path.stem: read(path) for path in shipped()}


def test_the_five_texts_are_here():
    assert list(FILES) == list(INVENTORY)


@pytest.mark.parametrize("text", INVENTORY)
def test_every_number_and_mandate_of_a_text_has_a_claim(text):
    covered = {name for claim in FILES[text].claims for name in claim.covers}
    assert not set(INVENTORY[text]) - covered


@pytest.mark.parametrize("text", INVENTORY)
def test_no_claim_covers_what_the_text_does_not_say(text):
    assert not {name for claim in FILES[text].claims for name in claim.covers} - set(INVENTORY[text])


@pytest.mark.parametrize("text", INVENTORY)
def test_claims_are_told_in_both_languages(text):
    persian = re.compile("[\u0600-\u06ff]")
    for claim in FILES[text].claims:
        assert persian.search(claim.says.fa), claim.id
        assert not persian.search(claim.says.en), claim.id


def test_the_awkward_verdicts_are_kept():
    expected = {claim.id: claim.expect for found in FILES.values() for claim in found.claims}
    assert expected["agencies-asked"] == "not_provided"
    assert expected["participation"] == "not_provided"
    assert expected["growth"] == "differs"
    assert expected["visits-per-user"] == "differs"
    assert expected["electronic-share"] == "confirmed_as_range"
    assert expected["six-months"] == "overdue"
