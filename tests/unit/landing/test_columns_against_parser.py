"""What landing proves good in columns is what the parser accepts, with identical rows; the rest is the parser's."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.event import Event, Known, Record, Rejection, excerpt, parse
from contracts.event_contract import event_contract
from contracts.identity import pid
from contracts.lake_tables import data_columns
from contracts.vocabularies import codes, spellings
from landing.cluster import Topic
from landing.consumer import Chunk
from landing.decode import FEWEST, SAMPLED, Decoder, _row
from landing.rekeying import LandingKeys
from warehouse.connection import memory_connection

AGENCY, TOPIC = "tax-north", "egov.events.v1.tax-north"
KNOWN = Known(
    {"passport": None, "licence": dt.date(2020, 3, 20), "0012345679": None},
    {"qom": "province", "kahak": "district", "tehran": "province"},
    frozenset({"t1"}),
)
CONTRACT = event_contract()
COLUMNS = ["event_id", "source", "agency_id", "event_type", "occurred_at", *data_columns()]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    connection = memory_connection()
    yield Decoder(connection, [Topic(TOPIC, AGENCY, "u", 1, (0,))], KNOWN, LandingKeys.of(b"k" * 32))
    connection.close()


def columns_of(decoder: Decoder, values: list[bytes | None], sampled: int = SAMPLED) -> dict[int, dict[str, Any]]:
    """The rows the columns alone prove good, by position, before re-keying."""
    count = len(values)
    decoder.begin_batch()
    decoder.sampled, decoder.fewest = sampled, 1
    decoder.add(Chunk([TOPIC] * count, [0] * count, list(range(count)), values, [None] * count, [0] * count))
    decoder._prove(dt.datetime.now(dt.UTC))
    return {row["i"]: row for row in decoder._connection.sql("FROM decoded").to_arrow_table().to_pylist()}


def agree(decoder: Decoder, values: list[bytes | None], sampled: int = SAMPLED) -> int:
    """Compare both judges over ``values``; how many the columns proved good."""
    proved = columns_of(decoder, values, sampled)
    now = dt.datetime.now(dt.UTC)
    for i, row in proved.items():
        judged = parse(Record(values[i], AGENCY), now, KNOWN)
        assert isinstance(judged, Event), (values[i], judged)
        expected = dict.fromkeys(COLUMNS) | _row(judged)
        assert {name: row.get(name) for name in COLUMNS} == expected, values[i]
    return len(proved)


def outcomes(
    decoder: Decoder, values: list[bytes | None], sampled: int = SAMPLED, fewest: int = FEWEST
) -> dict[int, Any]:
    """How landing ends each value of one batch: its row with the digest, or the reason."""
    count = len(values)
    decoder.begin_batch()
    decoder.sampled, decoder.fewest = sampled, fewest
    decoder.add(Chunk([TOPIC] * count, [0] * count, list(range(count)), values, [None] * count, [0] * count))
    ends: dict[int, Any] = {one.offset: one.reason_code for one in decoder.decode()}
    rows = decoder._connection.sql("SELECT * EXCLUDE (i, o, r), o FROM landed").to_arrow_table().to_pylist()
    assert not ends.keys() & {row["o"] for row in rows}
    return ends | {row.pop("o"): row for row in rows}


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True)
LEAKS = ["0012345679", "001-234567-9", "09123456789", "+989123456789", "a@b.ir", "۰۰۱۲۳۴۵۶۷۹"]
ODD: list[Any] = [None, "", True, 5, -0.0, 1.0, [], {}, [1], "a b", "x\ty", "é", "ي", "۱۲۳", "\u202ea"]
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


def of_kind(event_type: str, name: str) -> st.SearchStrategy[Any]:
    field = CONTRACT.field(event_type, name)
    match field.kind:
        case "identifier":
            return NAMES
        case "service":
            return st.sampled_from(["passport", "licence", "nothing"])
        case "place":
            return st.sampled_from(["qom", "kahak", "atlantis"])
        case "agency":
            return st.sampled_from(["civil-registry", "a", "Upper"])
        case "code":
            assert field.vocabulary
            return st.sampled_from([*codes(field.vocabulary), *spellings(field.vocabulary), "Portal", "nonsense"])
        case "user_key":
            return HEX
        case "key_id":
            return st.sampled_from(["t1", "t9"])
        case "boolean":
            return st.booleans()
        case "count":
            return st.one_of(st.integers(0, 10**18 - 1), st.sampled_from([-1, 2**63 - 1, 2**63, 1.0, 1.5, "1", True]))
        case "declared_value":
            return st.one_of(st.integers(0, 10**9), st.sampled_from(["not_provided", "not_applicable", "unknown"]))
        case "date":
            return st.sampled_from(["2020-03-21", "2020-02-30", "1969-12-31", "2121-12-31", "2122-01-01", "20200321"])
        case "event_type":
            return st.sampled_from([*CONTRACT.types, "x"])
        case "checksum":
            return st.sampled_from(["0" * 16, "f" * 64, "f" * 65, "g" * 16])
        case "version":
            return st.sampled_from(["1.0", "12345.0", "1"])
        case "token" | "label" | "text":
            return st.one_of(NAMES, st.sampled_from(["1396-06", "شورای اجرایی", "a|b", "x" * 501]))
        case "decimal":
            return st.sampled_from([0, 97, 38.95, -1, "97"])
        case "period":
            return st.sampled_from(["1399-01", "1399-13", "2020-03", "1399-01/1399-06", "1347-01", "1501-01"])
    raise AssertionError(field.kind)


TIMES = st.one_of(
    st.integers(-86_400 * 10**6, 1_767_225_600 * 10**6).map(
        lambda us: (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)).isoformat()
    ),
    st.sampled_from([
        "2020-03-21T00:00:00Z", "2020-03-21T00:00:00.123456789Z", "2020-02-30T00:00:00Z", "2020-03-21T24:00:00Z",
        "2020-03-21T23:59:60Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2020-03-21 00:00:00Z",
        "2020-03-21t00:00:00z", "2020-03-21T00:00:00", "2020-03-20T20:29:59Z", "2020-03-20T20:30:00Z",
        "1970-01-01T00:00:00+03:30", "1970-01-01T00:00:00-03:30", "2121-12-31T23:59:59-14:00",
        "2020-03-21T00:00:00+23:59",
    ]),
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    kind = CONTRACT.types[draw(st.sampled_from(sorted(CONTRACT.types)))]
    names = [
        *kind.required,
        *draw(st.lists(st.sampled_from(kind.optional), unique=True) if kind.optional else st.just([])),
    ]
    return {
        "specversion": "1.0",
        "id": draw(NAMES),
        "source": draw(
            st.sampled_from([f"/agencies/{AGENCY}"] * 6 + [f"/agencies/{AGENCY}/desk.1", "/agencies/other"])
        ),
        "type": kind.name,
        "time": draw(TIMES),
        "data": {name: draw(of_kind(kind.name, name)) for name in draw(st.permutations(names))},
    }


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An event, as some client might write it: spaced, escaped, doubled, misspelt, or almost right."""
    document = draw(documents())
    targets = [(document, name) for name in document if name != "data"]
    targets += [(document["data"], name) for name in document["data"]]
    for _ in range(draw(st.integers(0, 2))):
        where, name = draw(st.sampled_from(targets))
        where[name] = draw(
            st.one_of(
                st.sampled_from(
                    [None, "", True, 5, -0.0, 1.0, [], {}, [1], "a b", "x\ty", "é", "ي", "۱۲۳", "\u202ea", *LEAKS]
                ),
                st.just(where[name]).map(lambda v: f" {v} "),
                st.just(where[name]).map(lambda v: str(v).upper()),
            )
        )
    for extra in draw(st.lists(st.sampled_from(["dataschema", "datacontenttype", "ID", "extra", "$ref"]), max_size=1)):
        value = draw(
            st.sampled_from([CONTRACT.dataschema, "application/json", "application/cloudevents+json", None, 1])
        )
        document[extra] = value
    for extra in draw(st.lists(st.sampled_from(["channel", "national_id", "user_key_id"]), max_size=1)):
        document["data"].setdefault(extra, draw(st.sampled_from(["portal", "x", None])))
    style = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]))
    text = json.dumps(
        document, separators=style, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 2]))
    )
    for edit in draw(st.lists(st.sampled_from(sorted(EDITS)), max_size=1)):
        text = EDITS[edit](text)
    return text.encode("utf-8", "surrogatepass")


EDITS = {
    "trailing comma": lambda t: t[:-1] + ",}",
    "doubled id": lambda t: t[:-1] + ',"id":"again"}',
    "same id first": lambda t: '{"id":"again",' + t[1:],
    "doubled channel": lambda t: t.replace('"channel"', '"channel":"portal","channel"', 1),
    "escaped key": lambda t: t.replace('"id"', '"\\u0069d"', 1),
    "escaped letter": lambda t: t.replace("agencies", "\\u0061gencies", 1),
    "escaped slash": lambda t: t.replace("/agencies", "\\/agencies", 1),
    "NaN": lambda t: t.replace(":", ":NaN,\"x\":", 1),
    "minus zero": lambda t: t.replace('"count":', '"count":-0,"c":', 1),
    "glued": lambda t: t + t,
    "outer spaces": lambda t: f" \n{t}\t ",
    "byte order mark": lambda t: "\ufeff" + t,
    "nul": lambda t: t.replace("tax", "t\x00x", 1),
    "array": lambda t: f"[{t}]",
    "cut": lambda t: t[: len(t) // 2],
    "comment": lambda t: t + "/**/",
    "lone surrogate": lambda t: t.replace("1.0", "\\ud8000", 1),
    "no-break space": lambda t: t.replace(":", ":\u00a0", 1),
    "form feed": lambda t: t.replace(":", ":\x0c", 1),
    "space inside": lambda t: t.replace('"1.0"', '"1 .0"', 1),
    "space traded for a member": lambda t: t.replace('"1.0"', '"1.0","":0', 1),
    "upper key": lambda t: t.replace('"type"', '"TYPE"', 1),
}  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(mutated(), min_size=20, max_size=60), sampled=st.sampled_from([1, 2, 5, SAMPLED]))
def test_columns_accept_only_what_the_parser_accepts_with_the_same_rows(decoder, values, sampled):
    agree(decoder, values, sampled)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(mutated(), min_size=4, max_size=8))
def test_a_record_ends_alike_whatever_lies_beside_it_in_its_batch(decoder, values):
    together = outcomes(decoder, values)
    assert len(together) == len(values)
    assert outcomes(decoder, values, sampled=1) == together
    assert outcomes(decoder, values, sampled=1, fewest=1) == together
    for i, value in enumerate(values):
        assert outcomes(decoder, [value])[0] == together[i], value
        judged = parse(Record(value, AGENCY), dt.datetime.now(dt.UTC), KNOWN)
        if isinstance(judged, Event):
            expected = dict.fromkeys(COLUMNS) | _row(judged)
            key = expected.pop("pid")
            assert {name: together[i][name] for name in expected} == expected, value
            assert together[i]["pid"] == (pid(b"k" * 32, key) if key else None)
        else:
            assert together[i] == judged.reason_code


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=mutated(), header=st.sampled_from([(), (("a", None),), (("ce_id", b"e-1"),)]))
def test_what_a_rejection_shows_of_a_record_is_what_its_excerpt_shows(value, header):
    judged = parse(Record(value, AGENCY, header), dt.datetime.now(dt.UTC), KNOWN)
    assert not isinstance(judged, Rejection) or judged.excerpt == excerpt(value)


FLIPS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=30, max_size=60)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents(), flips=FLIPS)
def test_one_changed_byte_never_makes_the_two_judges_disagree(decoder, document, flips):
    text = json.dumps(document, separators=(",", ":")).encode()
    values: list[bytes | None] = []
    for place, byte in flips:
        place %= len(text)
        values.append(text[:place] + bytes([byte]) + text[place + 1 :])
    agree(decoder, values)


@pytest.mark.parametrize("name", sorted(CONTRACT.types_of("agency")))
def test_plain_events_of_every_type_are_proved_good_without_the_parser(decoder, name):
    data = {
        "transaction_id": "trk-1", "service_id": "passport", "channel": "app", "user_key": "ab" * 32,
        "user_key_id": "t1",
        "audience": "citizen", "visit_id": "v-1", "province": "qom", "district": "kahak", "assisted_by": "none",
        "age_band": "18_34", "authn_level": "declared", "reason_in_person": "other", "is_test": False,
        "outcome": "accepted", "in_person_steps": 0, "human_steps": 1, "documents_requested": 2, "duration_seconds": 3,
        "inquiry_id": "i-1", "counterpart_agency_id": "civil-registry", "mode": "online", "event_id": "e-1",
        "reason": "test", "contract_version": "1.0", "window_connected": True, "date": "2020-03-21",
        "event_type": "ir.egov.visit.recorded.v1", "count": 5, "id_checksum": "0" * 16, "period": "1399-01",
        "calendar": "jalali", "measure": "services_total", "value": "not_provided", "method": "system",
        "verified_by": "self",
    }  # fmt: skip
    kind = CONTRACT.types[name]
    document = {
        "specversion": "1.0", "id": "e-1", "source": f"/agencies/{AGENCY}/desk", "type": name,
        "time": "2020-03-21T00:00:00.123+03:30", "dataschema": CONTRACT.dataschema,
        "data": {field: data[field] for field in (*kind.required, *kind.optional)},
    }  # fmt: skip
    values: list[bytes | None] = [json.dumps(document, separators=s).encode() for s in ((",", ":"), (", ", ": "))]
    values.append(json.dumps(document, indent=1).encode())
    assert agree(decoder, values) == 3


def test_a_known_service_that_looks_like_a_national_id_is_left_to_the_parser(decoder):
    document = {
        "specversion": "1.0", "id": "e-1", "source": f"/agencies/{AGENCY}", "type": "ir.egov.transaction.received.v1",
        "time": "2020-03-21T00:00:00Z",
        "data": {"transaction_id": "t-1", "service_id": "0012345679", "channel": "portal"},
    }  # fmt: skip
    assert agree(decoder, [json.dumps(document).encode()]) == 0
