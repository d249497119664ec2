"""The derived JSON Schema and the strict parser say the same about events in canonical form."""

import copy
import datetime as dt
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.event import Event, Record, Rejection, parse
from contracts.event_contract import event_contract
from contracts.json_schema import data_schema, event_schema
from contracts.vocabularies import codes

NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
CONTRACT = event_contract()
VALIDATOR = jsonschema.Draft202012Validator(
    event_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)
SAMPLES = {
    "identifier": st.from_regex(r"[A-Za-z][A-Za-z0-9._:-]{0,20}", fullmatch=True),
    "service": st.from_regex(r"s[A-Za-z0-9._:-]{0,20}", fullmatch=True),
    "place": st.sampled_from(["qom", "kahak"]),
    "agency": st.from_regex(r"[a-z][a-z0-9-]{1,39}", fullmatch=True),
    "user_key": st.from_regex(r"[0-9a-f]{63}[1-9a-f]", fullmatch=True),
    "key_id": st.sampled_from(["t1", "t2"]),
    "boolean": st.booleans(),
    "count": st.one_of(st.integers(0, 2**63 - 1), st.just(3.0)),
    "declared_value": st.one_of(st.integers(0, 10), st.sampled_from(["not_provided", "not_applicable"])),
    "date": st.dates(dt.date(1970, 1, 1), dt.date(2121, 12, 31)).map(str),
    "event_type": st.sampled_from(list(CONTRACT.types_of("agency"))),
    "checksum": st.from_regex(r"[0-9a-f]{16,64}", fullmatch=True),
    "version": st.just("1.0"),
    "token": st.sampled_from(["web_presence", "integration"]),
    "label": st.sampled_from(["1396-06", "1395"]),
    "text": st.sampled_from(["دبیرخانه شورای اجرایی فناوری اطلاعات", "no login was possible"]),
    "decimal": st.one_of(st.integers(0, 100), st.floats(0, 100)),
}
SOURCES = {
    "agency": ["/agencies/qom-water", "/agencies/qom-water/billing"],
    "evaluator": ["/evaluators/it-council", "/evaluators/it-council/desk"],
}


@st.composite
def events(draw):
    event_type = CONTRACT.types[draw(st.sampled_from(list(CONTRACT.types)))]
    chosen = [*event_type.required, *draw(st.lists(st.sampled_from(event_type.optional or ("",)), unique=True))]
    data = {}
    for name in filter(None, chosen):
        field = CONTRACT.field(event_type.name, name)
        if field.kind == "code":
            data[name] = draw(st.sampled_from(codes(field.vocabulary)))
        elif field.kind != "period":
            data[name] = draw(SAMPLES[field.kind])
    if "period" in chosen:
        data["period"] = draw(
            st.sampled_from(
                {"jalali": ["1399-01", "1399-01/1399-06"]}.get(data["calendar"], ["2020-03", "2023-04/2024-03"])
            )
        )
    return {
        "specversion": "1.0",
        "id": draw(SAMPLES["identifier"]),
        "source": draw(st.sampled_from(SOURCES["agency" if "agency" in event_type.senders else "evaluator"])),
        "type": event_type.name,
        "time": draw(st.sampled_from(["2020-03-21T10:00:00+03:30", "2024-01-01T00:00:00Z", "1999-12-31t23:59:59.5z"])),
        "data": data,
    } | draw(st.sampled_from([{}, {"dataschema": CONTRACT.dataschema}, {"datacontenttype": "application/json"}]))


def judged(event):
    sender = "evaluator" if event.get("source") in SOURCES["evaluator"] else "qom-water"
    return parse(Record(json.dumps(event).encode(), sender), NOW)


GOOD = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/agencies/qom-water",
    "type": "ir.egov.transaction.completed.v1",
    "time": "2024-01-01T00:00:00Z",
    "data": {"transaction_id": "t-1", "service_id": "bill", "channel": "portal", "outcome": "accepted"},
}


def changed(path, value):
    event = copy.deepcopy(GOOD)
    at = event
    for name in path[:-1]:
        at = at[name]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return event


@given(events())
def test_every_canonical_event_that_the_parser_accepts_validates(event):
    assert isinstance(judged(event), Event)
    VALIDATOR.validate(event)


def test_the_schema_itself_is_valid_and_covers_every_type():
    jsonschema.Draft202012Validator.check_schema(event_schema())
    assert set(event_schema()["$defs"]) == set(CONTRACT.types)
    for name in CONTRACT.types:
        jsonschema.Draft202012Validator.check_schema(data_schema(name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *[((name,), None) for name in ("specversion", "id", "source", "type", "time", "data")],
        (("specversion",), "0.3"),
        (("id",), "12345"),
        (("id",), "a" * 129),
        (("id",), "a b"),
        (("id",), 7),
        (("source",), "/agencies/Qom"),
        (("source",), "qom-water"),
        (("type",), "ir.egov.transaction.lost.v1"),
        (("time",), "2024-01-01T00:00:00"),
        (("time",), "2024-13-01T00:00:00Z"),
        (("time",), "yesterday"),
        (("dataschema",), "urn:else"),
        (("datacontenttype",), "text/xml"),
        (("data",), []),
        (("extra",), "x"),
        *[(("data", name), None) for name in ("transaction_id", "service_id", "channel", "outcome")],
        (("data", "channel"), "pigeon"),
        (("data", "outcome"), "lost"),
        (("data", "extra"), "x"),
        (("data", "visit_id"), "123"),
        (("data", "user_key"), "0" * 64),
        (("data", "user_key"), "A" * 64),
        (("data", "human_steps"), -1),
        (("data", "human_steps"), 1.5),
        (("data", "human_steps"), "1"),
        (("data", "human_steps"), True),
        (("data", "human_steps"), 2**63),
        (("data", "is_test"), "true"),
        (("data", "province"), {"name": "qom"}),
        (("data", "service_id"), "a" * 129),
    ],
)
def test_what_the_schema_refuses_the_parser_refuses(path, value):
    event = changed(path, value)
    assert not VALIDATOR.is_valid(event)
    assert isinstance(judged(event), Rejection)


def test_a_declaration_holds_a_count_or_one_of_two_words():
    schema = jsonschema.Draft202012Validator(data_schema("ir.egov.agency.declaration.v1"))
    data = {"period": "2023-04/2024-03", "calendar": "gregorian", "measure": "transactions_completed"}
    for value in (0, 5, "not_provided", "not_applicable"):
        assert schema.is_valid(data | {"value": value})
    for value in (-1, "unknown", None, 1.5):
        assert not schema.is_valid(data | {"value": value})
