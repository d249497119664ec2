"""The page that agencies read is the contract's, and its examples are events."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import jsonschema
import pytest

from contracts.event import Event, Record, parse
from contracts.event_contract import event_contract
from contracts.json_schema import event_schema
from contracts.reasons import reasons
from contracts.reference import AGENCY, example, reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "events.md"
TYPES = event_contract().types_of("agency")


@pytest.mark.parametrize("name", TYPES)
def test_the_example_of_every_type_is_an_event(name: str) -> None:
    document = example(TYPES[name])
    verdict = parse(Record(json.dumps(document).encode(), AGENCY), dt.datetime.now(dt.UTC))
    assert isinstance(verdict, Event), verdict
    jsonschema.validate(document, event_schema())


def test_the_page_in_the_docs_is_the_one_that_the_contract_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "mizan contract --markdown > docs/reference/events.md"


def test_the_page_names_every_type_field_and_reason() -> None:
    page = reference()
    for kind in TYPES.values():
        assert f"`{kind.name}`" in page
        assert all(f"| `{field}` |" in page for field in kind.fields)
    assert all(f"| `{code}` |" in page for code in reasons())
    anchors = set(re.findall(r"\]\(#([a-z_]+)\)", page))
    assert anchors == {line[4:] for line in page.splitlines() if re.fullmatch(r"### [a-z_]+", line)}
