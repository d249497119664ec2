"""The agency SDK: what it accepts, what it refuses and how, and that a raw id goes nowhere."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any, Required, get_origin, get_type_hints

import pytest

from contracts.errors import TryAgain, UsageError
from contracts.event_contract import event_contract
from contracts.identity import user_key
from contracts.keys import write_secret
from producers import Agency, Refusal, fields

KEY = bytes(range(32))
NOBODY_LISTENS = "127.0.0.1:1"


@pytest.fixture
def agency(tmp_path: Path) -> Any:
    """An agency whose broker is away, so that everything stays in its spool."""
    write_secret(tmp_path / "transport.key", KEY.hex())
    agency = Agency(
        "tax",
        NOBODY_LISTENS,
        transport_key_file=tmp_path / "transport.key",
        user_key_id="t1",
        spool=tmp_path / "spool",
    )
    yield agency
    agency.close()


def spooled(agency: Agency) -> list[dict[str, Any]]:
    assert agency._spool is not None
    return [json.loads(value) for value in agency._spool.unacknowledged()]


def completed(agency: Agency, **more: Any) -> str:
    return agency.completed(
        **{"transaction_id": "t-1", "service_id": "s-1", "channel": "portal", "outcome": "accepted", **more}
    )


def test_an_event_is_the_contracts_cloud_event(agency: Agency) -> None:
    time = dt.datetime(2020, 3, 21, 10, tzinfo=dt.timezone(dt.timedelta(hours=3, minutes=30)))
    event_id = completed(agency, time=time, event_id="e-1", province="qom")
    assert event_id == "e-1"
    assert spooled(agency) == [
        {
            "specversion": "1.0",
            "id": "e-1",
            "source": "/agencies/tax",
            "type": "ir.egov.transaction.completed.v1",
            "time": "2020-03-21T10:00:00+03:30",
            "datacontenttype": "application/json",
            "data": {
                "transaction_id": "t-1",
                "service_id": "s-1",
                "channel": "portal",
                "outcome": "accepted",
                "province": "qom",
            },
        }
    ]


def test_everything_an_agency_can_say_is_accepted(agency: Agency) -> None:
    agency.visited(visit_id="v-1", channel="service_desk")
    agency.received(transaction_id="t-1", service_id="s-1", channel="portal", visit_id="v-1")
    said = completed(agency)
    agency.retracted(event_id=said, reason="sent_in_error")
    agency.inquiry_answered(inquiry_id="i-1", counterpart_agency_id="deeds", mode="online")
    agency.heartbeat()
    agency.heartbeat(window_connected=False)
    agency.control_total(date=dt.date(2020, 3, 21), event_type="ir.egov.visit.recorded.v1", count=1)
    agency.declared(period="1399-01", calendar="jalali", measure="services_total", value="not_provided")
    types = {event["type"] for event in spooled(agency)}
    assert types == set(event_contract().types_of("agency"))


def test_a_person_becomes_a_key_at_once_and_the_id_is_nowhere(agency: Agency, tmp_path: Path) -> None:
    completed(agency, person="nid:001-354241-9")
    completed(agency, person="۰۰۱۳۵۴۲۴۱۹")
    keys = {event["data"]["user_key"] for event in spooled(agency)}
    assert keys == {user_key(KEY, "nid:0013542419")}
    assert {event["data"]["user_key_id"] for event in spooled(agency)} == {"t1"}
    kept = b"".join(path.read_bytes() for path in (tmp_path / "spool").iterdir())
    assert b"0013542419" not in kept
    assert b"354241" not in kept


REFUSED = [
    ("person_invalid", {"person": "nid:0013542418"}),
    ("person_invalid", {"person": "nobody"}),
    ("unknown_channel", {"channel": "fax"}),
    ("schema_violation", {"outcome": None}),
    ("schema_violation", {"outcome": "lost"}),
    ("unknown_field", {"note": "x"}),
    ("pii_leak", {"service_id": "0013542419"}),
    ("pii_leak", {"service_id": "nid:0013542419"}),
    ("pii_leak", {"visit_id": "nid: ۰۰۱۳۵۴۲۴۱۹"}),
    ("bad_identifier", {"transaction_id": "12345"}),
    ("missing_field", {"event_id": ""}),
    ("out_of_range", {"duration_seconds": -1}),
    ("bad_type", {"duration_seconds": "7"}),
    ("bad_type", {"duration_seconds": float("nan")}),
    ("bad_type", {"visit_id": "\ud800"}),
    ("bad_type", {"visit_id": object()}),
    ("future", {"time": dt.datetime.now(dt.UTC) + dt.timedelta(days=1)}),
    ("too_large", {"visit_id": "v" * 262_144}),
    ("user_key_invalid", {"user_key": "abc"}),
]


@pytest.mark.parametrize(("reason", "wrong"), REFUSED)
def test_what_breaks_the_contract_is_refused_with_a_fix_in_two_languages(
    agency: Agency, reason: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Refusal) as refused:
        completed(agency, **wrong)
    assert refused.value.reason_code == reason
    assert refused.value.exit_code == 65
    assert set(refused.value.fix) == {"en", "fa"}
    assert all(refused.value.fix.values())
    assert not spooled(agency)
    said = str(refused.value) + str(refused.value.hint)
    assert "0013542419" not in said
    assert "0013542418" not in said
    assert refused.value.__cause__ is None


def test_a_refused_person_leaves_no_trace_of_the_id_in_the_chain(agency: Agency) -> None:
    with pytest.raises(Refusal) as refused:
        completed(agency, person="nid:0013542418")
    assert refused.value.__suppress_context__
    assert "0013542418" not in repr(refused.value.__context__)


def test_wrong_calls_are_the_callers_fault(agency: Agency, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        completed(agency, time=dt.datetime(2020, 3, 21, 10))  # noqa: DTZ001 (the fault itself)
    with pytest.raises(UsageError):
        completed(agency, person="nid:0013542419", user_key="a" * 64)
    with pytest.raises(UsageError):
        Agency("Tax", NOBODY_LISTENS)
    with Agency("post", NOBODY_LISTENS, spool=tmp_path / "post") as keyless, pytest.raises(UsageError):
        keyless.visited(visit_id="v-1", channel="portal", person="nid:0013542419")


def test_without_the_broker_nothing_spooled_is_lost_and_the_end_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.publisher.ANSWER_SECONDS", 0.2)
    for events in (1, 2):
        agency = Agency("tax", NOBODY_LISTENS, spool=tmp_path / "spool")
        agency.heartbeat()
        assert len(spooled(agency)) == events
        with pytest.raises(TryAgain):
            agency.__exit__(None, None, None)


def test_a_bundle_is_read_whole_or_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "transport.key", KEY.hex())
    write_secret(tmp_path / "password", "secret")
    bundle = {
        "agency_id": "tax",
        "system": "portal",
        "topic": "egov.events.v1.tax",
        "bootstrap": NOBODY_LISTENS,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": "agency-tax.portal",
        "password_file": "password",
        "ca_file": None,
        "transport_key_file": "transport.key",
        "user_key_id": "t1",
    }
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    agency = Agency.from_bundle(tmp_path, spool=tmp_path / "spool")
    completed(agency, person="nid:0013542419")
    assert spooled(agency)[0]["source"] == "/agencies/tax/portal"
    assert spooled(agency)[0]["data"]["user_key_id"] == "t1"
    agency.close()

    (tmp_path / "password").chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        Agency.from_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(UsageError, match="not a bundle"):
        Agency.from_bundle(tmp_path)
    with pytest.raises(UsageError, match="cannot read"):
        Agency.from_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (fields.VisitFields, "visit.recorded"),
        (fields.TransactionFields, "transaction.received"),
        (fields.CompletionFields, "transaction.completed"),
        (fields.InquiryFields, "inquiry.answered"),
        (fields.RetractionFields, "event.retracted"),
        (fields.ControlTotalFields, "agency.control_total"),
        (fields.DeclarationFields, "agency.declaration"),
    ],
)
def test_the_typed_fields_are_the_contracts(typed: Any, name: str) -> None:
    kind = event_contract().types[f"ir.egov.{name}.v1"]
    assert set(get_type_hints(typed)) == set(kind.fields)
    hints = get_type_hints(typed, include_extras=True)
    required = {name for name, hint in hints.items() if typed.__total__ or get_origin(hint) is Required}
    assert required == set(kind.required)


def test_events_said_together_are_on_disk_with_one_fsync_when_the_block_ends(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def counting(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(next((tmp_path / "spool").glob("*.ndjson")).read_bytes().count(b"\n"))

    completed(agency)  # the segment is there
    monkeypatch.setattr(os, "fsync", counting)
    with agency.together():
        for _ in range(7):
            completed(agency)
        assert not synced
    assert synced == [8]
    completed(agency)
    assert synced == [8, 9]


def test_what_ends_the_block_takes_no_event_back(agency: Agency) -> None:
    said = []

    def say_together() -> None:
        with agency.together():
            said.append(completed(agency))
            completed(agency, channel="fax")

    with pytest.raises(Refusal):
        say_together()
    assert [event["id"] for event in spooled(agency)] == said
    completed(agency)
    assert len(spooled(agency)) == 2
