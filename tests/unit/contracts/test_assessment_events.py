"""What the national evaluator says: its own type, its own source, its own topic."""

import datetime as dt
import json
from typing import Any

import pytest

from contracts.errors import UsageError
from contracts.event import Event, Record, Rejection, parse
from contracts.settings import agency_id
from contracts.topics import sender_of, topic_of

NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
SCORED = "ir.egov.assessment.scored.v1"
DATA: dict[str, Any] = {
    "round": "1396-06",
    "assessed_from": "2017-08-23",
    "assessed_to": "2017-09-22",
    "framework_version": "2",
    "evaluator": "دبیرخانه شورای اجرایی فناوری اطلاعات",
    "agency_id": "central-insurance",
    "indicator": "web_presence",
    "score": 97,
    "scope": "full",
    "method": "desk",
}


def judged(sender: str = "evaluator", **changes: Any) -> Event | Rejection:
    event = {
        "specversion": "1.0",
        "id": "a-1",
        "source": "/evaluators/it-council",
        "type": SCORED,
        "time": "2017-10-01T00:00:00Z",
        "data": DATA,
        **changes,
    }
    return parse(Record(json.dumps(event).encode(), sender), NOW)


def reason(verdict: Event | Rejection) -> str:
    assert isinstance(verdict, Rejection)
    return verdict.reason_code


def test_a_score_is_read_with_its_dates_and_codes() -> None:
    event = judged()
    assert isinstance(event, Event)
    assert event.agency_id == "evaluator"
    assert event.data == DATA | {
        "assessed_from": dt.date(2017, 8, 23),
        "assessed_to": dt.date(2017, 9, 22),
        "score": 97.0,
    }


def test_an_indicator_without_a_score_is_an_event_too() -> None:
    event = judged(data=DATA | {"score": None})
    assert isinstance(event, Event)
    assert "score" not in event.data


def test_the_evaluator_takes_back_what_it_said() -> None:
    data = {"event_id": "a-1", "reason": "sent_in_error"}
    assert isinstance(judged(id="a-2", type="ir.egov.event.retracted.v1", data=data), Event)


def test_an_agency_cannot_say_a_score_nor_the_evaluator_an_agency_s_event() -> None:
    assert reason(judged("qom-water", source="/agencies/qom-water")) == "unknown_type"
    assert reason(judged(type="ir.egov.agency.heartbeat.v1", data={"contract_version": "1.0"})) == "unknown_type"


def test_a_source_of_the_other_kind_is_a_forgery() -> None:
    assert reason(judged("qom-water")) == "source_mismatch"
    assert reason(judged(source="/agencies/qom-water")) == "source_mismatch"
    assert reason(judged(source="/agencies/evaluator")) == "bad_envelope"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("score", -1, "out_of_range"),
        ("score", "97", "bad_type"),
        ("score", True, "bad_type"),
        ("scope", "partial", "schema_violation"),
        ("method", "system", "schema_violation"),
        ("assessed_to", "1396-06-31", "schema_violation"),
        ("round", "", "schema_violation"),
        ("scope_reason", "a|b", "schema_violation"),
        ("agency_id", "Upper", "bad_identifier"),
        ("indicator", None, "schema_violation"),
        ("evaluator", "0012345679", "pii_leak"),
        ("rank", 1, "unknown_field"),
    ],
)
def test_what_is_no_score_is_refused(field: str, value: Any, code: str) -> None:
    assert reason(judged(data=DATA | {field: value})) == code


def test_the_evaluator_s_name_is_no_agency_s() -> None:
    with pytest.raises(UsageError, match="evaluator"):
        agency_id("evaluator")
    assert topic_of("evaluator") == "egov.assessments.v1"
    assert sender_of("egov.assessments.v1") == "evaluator"
    assert sender_of("egov.events.v1.evaluator") is None
    assert sender_of("egov.events.v1.qom-water") == "qom-water"
    assert sender_of("other") is None
