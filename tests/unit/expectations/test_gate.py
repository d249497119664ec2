"""The gate over a small lake: who is held, who is warned, and that nobody else is."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import CommitProperties, write_deltalake

from contracts.errors import UsageError
from contracts.settings import Settings
from expectations import summary
from expectations.gate import GateResult, gate, release, standing
from warehouse.lake import Lake, arrow_schema
from warehouse.landing_log import METADATA

NOON = dt.datetime(2020, 4, 1, 12, tzinfo=dt.UTC)


def verdicts(result: GateResult) -> dict[tuple[str, str], str]:
    return {(entry["agency_id"], entry["batch"]): entry["verdict"] for entry in result.agencies}


def findings(result: GateResult, agency: str) -> dict[str, Any]:
    entry = next(entry for entry in result.agencies if entry["agency_id"] == agency)
    return {finding["expectation"]: finding["observed"] for finding in entry["findings"]}


def test_a_new_agency_without_history_or_totals_passes(settings, catalogue, event, land):
    land([event() for _ in range(150)])
    result = gate(settings, catalogue=catalogue)
    assert verdicts(result) == {("agency-a", "b1"): "passed"}
    assert gate(settings, catalogue=catalogue).judged == []


def test_each_critical_fault_holds_its_agency_alone(settings, catalogue, event, rejected, land):
    twin = event("agency-b")
    land(
        [
            *(event() for _ in range(120)),
            twin,
            {**twin, "offset": 7},
            event("agency-c", service_id="withdrawn"),
            event("agency-d", outcome=None),
            event("agency-e", channel="carrier_pigeon"),
            *(event("agency-f") for _ in range(49)),
            event("agency-g", district="qom"),
        ],
        [rejected("agency-f") for _ in range(51)],
    )
    result = gate(settings, catalogue=catalogue)
    assert verdicts(result) == {
        ("agency-a", "b1"): "passed",
        ("agency-b", "b1"): "held",
        ("agency-c", "b1"): "held",
        ("agency-d", "b1"): "held",
        ("agency-e", "b1"): "held",
        ("agency-f", "b1"): "held",
        ("agency-g", "b1"): "held",
    }
    assert findings(result, "agency-b")["every_event_once"] == 1
    assert findings(result, "agency-c") == {"references_known": 1}
    assert findings(result, "agency-d") == {"required_values_present": 1}
    assert findings(result, "agency-f")["rejects_below_half"] == pytest.approx(0.51)
    rows = {row["step"]: row for row in Lake(settings).open("outcomes").rows().to_pylist()}["gate"]
    assert rows["rows_in"] == rows["rows_out"] + rows["rows_aside"] == 175


def test_a_duplicate_of_an_earlier_batch_holds_the_later_one(settings, catalogue, event, land):
    first = event()
    land([first])
    assert gate(settings, catalogue=catalogue).held == []
    land([{**first, "batch_id": "b2"}])
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b2"): "held"}


def test_exactly_half_rejected_or_a_small_batch_is_not_held(settings, catalogue, event, rejected, land):
    land(
        [*(event() for _ in range(50)), *(event("agency-b") for _ in range(10))],
        [*(rejected() for _ in range(50)), *(rejected("agency-b") for _ in range(60))],
    )
    assert verdicts(gate(settings, catalogue=catalogue)) == {
        ("agency-a", "b1"): "warned",
        ("agency-b", "b1"): "warned",
    }


def control_total(event, count: int, **values: Any) -> dict[str, Any]:
    return event(
        event_type="ir.egov.agency.control_total.v1",
        total_date=dt.date(2020, 4, 1),
        total_event_type="ir.egov.transaction.completed.v1",
        total_count=count,
        transaction_id=None,
        service_id=None,
        channel=None,
        outcome=None,
        **values,
    )


def test_more_than_the_control_total_holds_a_day_after_the_newest_event(settings, catalogue, event, land):
    rows = [event(occurred_at=NOON) for _ in range(3)]
    land([*rows, control_total(event, 2)])
    early = gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(hours=23))
    assert verdicts(early) == {("agency-a", "b1"): "passed"}
    # The total fell due since: the agency's next batch answers for it.
    land([event(batch="b2", occurred_at=NOON + dt.timedelta(days=3))])
    later = gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(days=3))
    assert verdicts(later) == {("agency-a", "b2"): "held"}
    assert findings(later, "agency-a") == {"not_above_control_total": 1}
    # Once answered for, it does not hold every batch after.
    land([event(batch="b3", occurred_at=NOON + dt.timedelta(days=4))])
    assert verdicts(gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(days=4)))["agency-a", "b3"] == "passed"


def test_a_later_control_total_replaces_the_earlier(settings, catalogue, event, land):
    land(
        [
            *(event(occurred_at=NOON) for _ in range(3)),
            control_total(event, 2, occurred_at=NOON),
            control_total(event, 3, occurred_at=NOON + dt.timedelta(hours=1)),
        ]
    )
    assert gate(settings, catalogue=catalogue).held == []


def test_a_date_is_a_tehran_date(settings, catalogue, event, land):
    # 2020-04-01 in Tehran ran from 19:30 UTC the evening before (summer time, +04:30).
    last_evening = dt.datetime(2020, 3, 31, 19, 30, tzinfo=dt.UTC)
    land([event(occurred_at=last_evening), event(occurred_at=last_evening), control_total(event, 1)])
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b1"): "held"}


def test_warnings_flag_and_do_not_hold(settings, catalogue, event, land):
    history = [
        event(batch="b0", occurred_at=NOON - dt.timedelta(days=40 - day), pid=bytes([day] * 16))
        for day in range(20)
        for _ in range(10)
    ]
    land(history)
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b0"): "passed"}
    pair = event(transaction_id="t-twice")
    land(
        [
            *(event(channel="paper", occurred_at=NOON, pid=b"0" * 16, age_band="old") for _ in range(148)),
            pair,
            event(transaction_id="t-twice"),
        ]
    )
    result = gate(settings, catalogue=catalogue)
    assert verdicts(result) == {("agency-a", "b1"): "warned"}
    found = findings(result, "agency-a")
    assert set(found) == {
        "volume_as_usual",
        "no_long_silence",
        "channels_as_usual",
        "clock_runs",
        "no_user_dominates",
        "completed_once",
        "optional_codes_known",
    }
    assert found["volume_as_usual"] == 15
    assert found["no_long_silence"] == 20
    assert found["channels_as_usual"] == pytest.approx(148 / 150)


def test_a_long_backlog_is_judged_in_portions_and_no_differently(
    settings, catalogue, event, rejected, land, monkeypatch
):
    land([event(batch="b0", occurred_at=NOON - dt.timedelta(days=20 - day)) for day in range(20) for _ in range(10)])
    assert gate(settings, catalogue=catalogue).held == []
    twin, again = event(batch="b1"), {"transaction_id": "t-again"}
    land(
        [
            *(event(batch=batch, pid=b"0" * 16) for batch in ("b1", "b2", "b3") for _ in range(120)),
            twin,
            {**twin, "batch_id": "b3"},
            event(batch="b1", **again),
            event(batch="b2", **again),
            event("agency-b", batch="b2"),
            {**control_total(event, 1), "batch_id": "b3"},
        ],
        [rejected(batch="b2"), rejected("agency-c", batch="b3")],
    )
    frames = []

    def both(*given: Any, **more: Any) -> list[dict[str, Any]]:
        for most in (summary.EVENTS_AT_ONCE, 1):
            monkeypatch.setattr(summary, "EVENTS_AT_ONCE", most)
            frames.append(summary.frame(*given, **more))
        return frames[-1]

    monkeypatch.setattr("expectations.gate.frame", both)
    held = gate(settings, catalogue=catalogue).held
    whole, portions = frames
    assert portions == whole
    assert {(row["batch"], row["agency_id"]) for row in held} >= {("b1", "agency-a"), ("b3", "agency-a")}
    assert [row["completed_twice"] for row in whole if row["agency_id"] == "agency-a"] == [1, 1, 0]


def test_a_held_batch_stays_held_until_it_is_released_by_name(settings, catalogue, event, land):
    land([event(service_id="withdrawn"), event("agency-b")])
    assert len(gate(settings, catalogue=catalogue).held) == 1
    again = gate(settings, catalogue=catalogue)
    assert verdicts(again) == {("agency-a", "b1"): "held", ("agency-b", "b1"): "passed"}
    with pytest.raises(UsageError, match="is passed"):
        release(settings, "b1", "agency-b", by="N. Azar", reason="checked")
    with pytest.raises(UsageError, match="no verdict"):
        release(settings, "b9", "agency-a", by="N. Azar", reason="checked")
    with pytest.raises(UsageError, match="a name and a reason"):
        release(settings, "b1", "agency-a", by=" ", reason="checked")
    release(settings, "b1", "agency-a", by="N. Azar", reason="service returns tomorrow")
    assert gate(settings, catalogue=catalogue).held == []
    row = standing(settings, Lake(settings))["b1", "agency-a"]
    assert (row["verdict"], row["decided_by"], row["reason"]) == ("released", "N. Azar", "service returns tomorrow")


def commit(settings: Settings, rows: list[dict[str, Any]], batch: str) -> None:
    import pyarrow as pa

    snapshot = Lake(settings).open("events")
    table = pa.Table.from_pylist(rows, schema=arrow_schema(snapshot.columns))
    properties = CommitProperties(custom_metadata={METADATA: json.dumps({"batch_id": batch})})
    write_deltalake(snapshot.handle, table, mode="append", commit_properties=properties)


def test_only_batches_whose_events_are_committed_are_judged(settings, catalogue, event, rejected):
    # Landing is between its two commits: b2's rejects are there, its events are not.
    commit(settings, [event()], "b1")
    Lake(settings).append("quarantine", [rejected(batch="b1"), rejected(batch="b2")])
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b1"): "passed"}
    commit(settings, [event(batch="b2", service_id="withdrawn")], "b2")
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b2"): "held"}


def test_compaction_brings_no_batch(settings, catalogue, event):
    commit(settings, [event()], "b1")
    commit(settings, [], "")
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b1"): "passed"}


def test_a_batch_of_rejects_alone_is_judged(settings, catalogue, event, rejected):
    Lake(settings).append("quarantine", [rejected() for _ in range(120)])
    commit(settings, [], "b1")
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b1"): "held"}


def test_an_operator_may_change_thresholds_but_not_invent_them(settings, catalogue, event, land):
    own = settings.home / "gate" / "policy.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("dominant_user_share: 1\n")
    land([event(pid=b"0" * 16) for _ in range(150)])
    assert verdicts(gate(settings, catalogue=catalogue)) == {("agency-a", "b1"): "passed"}
    own.write_text("dominant_user: 1\n")
    with pytest.raises(UsageError, match="unknown value"):
        gate(settings, catalogue=catalogue)


@pytest.fixture
def starved(settings, monkeypatch, tmp_path):
    """A judge that cannot start, and its recovery."""
    own = settings.home / "gate" / "policy.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("judge_tries: 3\njudge_pause_minutes: 5\n")
    (tmp_path / "great_expectations.py").write_text("raise MemoryError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda: monkeypatch.delenv("PYTHONPATH")


def test_a_batch_that_the_judge_failed_on_is_judged_again_by_the_next_run(settings, catalogue, event, land, starved):
    land([event(), event("agency-b", service_id="withdrawn")])
    failed = gate(settings, catalogue=catalogue, now=NOON)
    assert verdicts(failed) == {("agency-a", "b1"): "held", ("agency-b", "b1"): "held"}
    assert set(findings(failed, "agency-a")) == {"gate_itself"}
    assert failed.judge_again_at == NOON
    starved()
    judged = gate(settings, catalogue=catalogue, now=NOON)  # the same instant: the later verdict counts all the same
    assert verdicts(judged) == {("agency-a", "b1"): "passed", ("agency-b", "b1"): "held"}
    assert findings(judged, "agency-b") == {"references_known": 1}
    assert judged.judge_again_at is None
    assert gate(settings, catalogue=catalogue).judged == []
    assert len(Lake(settings).open("verdicts").rows()) == 4  # every try is on record


def test_tries_grow_rarer_and_end(settings, catalogue, event, land, starved):
    land([event()])
    assert gate(settings, catalogue=catalogue, now=NOON).judge_again_at == NOON
    second = gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(seconds=1))
    assert second.judge_again_at == NOON + dt.timedelta(seconds=61)
    assert gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(seconds=60)).judged == []
    last = gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(seconds=61))
    assert len(last.judged) == 1
    assert last.judge_again_at is None
    starved()
    assert gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(days=9)).judged == []
    release(settings, "b1", "agency-a", by="N. Azar", reason="counted by hand")


def test_a_batch_the_judge_failed_on_neither_closes_nor_delays_others(settings, catalogue, event, land, starved):
    land([event()])
    gate(settings, catalogue=catalogue, now=NOON)
    land([event("agency-b", batch="b2")])
    starved()
    later = gate(settings, catalogue=catalogue, now=NOON + dt.timedelta(minutes=1))
    assert verdicts(later) == {("agency-a", "b1"): "passed", ("agency-b", "b2"): "passed"}


def test_what_an_operator_released_is_not_judged_again(settings, catalogue, event, land, starved):
    land([event(service_id="withdrawn")])
    gate(settings, catalogue=catalogue, now=NOON)
    release(settings, "b1", "agency-a", by="N. Azar", reason="counted by hand")
    starved()
    assert gate(settings, catalogue=catalogue).judged == []


def test_no_personal_value_reaches_the_records(settings, catalogue, event, land):
    key = bytes(range(200, 216))
    land([event(pid=key, service_id="withdrawn") for _ in range(150)])
    gate(settings, catalogue=catalogue)
    texts = [path.read_bytes() for path in Path(settings.home, "gate").rglob("*") if path.is_file()]
    texts += [json.dumps(row, default=str).encode() for row in Lake(settings).open("verdicts").rows().to_pylist()]
    assert texts
    for text in texts:
        assert key not in text
        assert key.hex().encode() not in text
