"""What the corpus says to the SDK: refused before anything is written, or taken with the person's one key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus_cases import Described, described

from contracts.identity import user_key
from contracts.keys import write_secret
from producers import Agency, Refusal

CALLS = list(described("call"))
KEY = bytes(range(32))
PERSON = "nid:0013542419"


@pytest.fixture
def agency(tmp_path: Path) -> Any:
    write_secret(tmp_path / "transport.key", KEY.hex())
    agency = Agency("tax-north", "127.0.0.1:1", transport_key_file=tmp_path / "transport.key", spool=tmp_path / "spool")
    yield agency
    agency.close()


def spooled(agency: Agency) -> list[dict[str, Any]]:
    return [json.loads(value) for value in agency._spool.unacknowledged()]


def say(agency: Agency, document: dict[str, Any]) -> None:
    fields = {
        name: value[0] * value[1] if isinstance(value, list) else value for name, value in document["fields"].items()
    }
    person = {"person": document["person"]} if "person" in document else {}
    getattr(agency, document["say"])(**person, **fields)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_sdk_refuses_a_bad_call_with_its_reason_and_writes_nothing(agency: Agency, tmp_path: Path, call: Described):
    if call.expected["outcome"] == "ACC":
        say(agency, call.document)
        (event,) = spooled(agency)
        assert event["data"]["user_key"] == user_key(KEY, PERSON), "one person, one key, however the id is written"
    else:
        with pytest.raises(Refusal) as refused:
            say(agency, call.document)
        assert (call.expected["outcome"], refused.value.reason_code) == ("SDK", call.expected["reason"])
        assert not spooled(agency)
        said = f"{refused.value} {refused.value.hint}"
        assert not any(digits in said for digits in ("1354", "۱۳۵۴", "1234567", "10380285"))
    if "person" in call.document:
        kept = b"".join(path.read_bytes() for path in (tmp_path / "spool").iterdir() if path.is_file())
        assert b"3542419" not in kept
        assert b"354241" not in kept
