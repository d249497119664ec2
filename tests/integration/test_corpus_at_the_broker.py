"""The corpus through the real broker: what it refuses, what lands, what is set aside, and what stops a partition."""

from __future__ import annotations

import json
import random
import struct
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from corpus_cases import AGENCY, KNOWN, Described, cases, described, headers_of, made
from kafka import KafkaProducer
from kafka.errors import for_code
from kafka.record.default_records import DefaultRecordBatchBuilder, calc_crc32c
from landing_stage import Stage, ended, topic, visit

from broker.administration import add_agency
from contracts.settings import Settings
from landing.drain import land
from landing.quarantine import counts, rows
from landing.verify import verify

pytestmark = pytest.mark.integration
SEED = 1399
BATCHES = list(described("batch"))
# The consumer takes the client's "not implemented" for a trouble that passes, and asks again for ever.
ON_DISK = [pytest.param(batch, id=batch.name) for batch in BATCHES if "on_disk" in batch.document]
# Of a batch as it is sent and stored: where each of these lies (Kafka's record batch, version 2).
MAGIC, CRC, ATTRIBUTES, COUNT, RECORDS = 16, 17, 21, 57, 61


def values(batch: Described) -> list[bytes]:
    """The records' values; ``random``: one that no codec makes smaller."""
    if "random" in batch.document:
        return [random.Random(SEED).randbytes(batch.document["random"])]
    return [made(pieces) for pieces in batch.document["records"]]


def spoil(buffer: bytearray, what: str) -> None:
    """Damage a batch in place. All but a wrong checksum get a right one, so that only the damage itself is seen."""
    if what == "codec":
        buffer[ATTRIBUTES + 1] = buffer[ATTRIBUTES + 1] & ~7 | 5
    elif what == "magic":
        buffer[MAGIC] = 7
    elif what == "count":
        struct.pack_into(">i", buffer, COUNT, 99)
    elif what == "content":
        buffer[RECORDS + 12 : RECORDS + 40] = bytes(28)
    struct.pack_into(">I", buffer, CRC, calc_crc32c(memoryview(buffer)[ATTRIBUTES:]) ^ (what == "crc"))


def refused_by_the_broker(stage: Stage, agency: str, batch: Described, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Send a batch as it is described; the error code of the broker's answer, None where it takes the batch."""
    headers = headers_of(batch.document.get("headers", []))
    if "spoil" not in batch.document:
        codec = batch.document["codec"] or "none"
        try:
            sent = [(value, headers) if headers else value for value in values(batch)]
            producer = stage.producer(**{"compression.type": codec, "message.max.bytes": 2**27})
            failed: list[Any] = []
            for value in sent:
                body, own = value if isinstance(value, tuple) else (value, None)
                producer.produce(topic(agency), body, headers=own, on_delivery=lambda error, _: failed.append(error))
            assert producer.flush(60) == 0
        except KafkaException as error:
            return int(error.args[0].code())
        codes = {error.code() for error in failed if error is not None}
        return codes.pop() if codes else None
    # The client of another hand: it sends what no honest one would make.
    write_header = DefaultRecordBatchBuilder.write_header

    def write_spoilt(builder: Any, *arguments: Any, **named: Any) -> None:
        write_header(builder, *arguments, **named)
        spoil(builder._buffer, batch.document["spoil"])

    monkeypatch.setattr(DefaultRecordBatchBuilder, "write_header", write_spoilt)
    login = stage.settings.kafka_admin().for_kafka_python()
    producer = KafkaProducer(**login, acks="all", retries=0, enable_idempotence=False, request_timeout_ms=15_000)
    try:
        sent = [producer.send(topic(agency), value) for value in values(batch)]
        producer.flush(20)
        errors = [one.exception for one in sent if one.failed()]
    finally:
        producer.close(timeout=5)
        monkeypatch.undo()
    return int(errors[0].errno) if errors else None


def spoil_on_the_disk(broker: Settings, agency: str, what: str) -> None:
    """Damage the first batch of the topic's log, behind the broker's back."""
    (segment,) = (broker.home / "broker" / "data" / f"{topic(agency)}-0").glob("*.log")
    deadline = time.monotonic() + 20
    while segment.stat().st_size == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    content = bytearray(segment.read_bytes())
    length = struct.unpack_from(">i", content, 8)[0] + 12
    batch = content[:length]
    spoil(batch, what)
    with segment.open("r+b") as file:
        file.write(batch)


def test_the_broker_refuses_what_it_should_and_landing_sets_the_rest_aside_within_bounds(stage: Stage, monkeypatch):
    expected: Counter[str] = Counter()
    agency = stage.agency(partitions=1)
    for batch in (one for one in BATCHES if "on_disk" not in one.document):
        code = refused_by_the_broker(stage, agency, batch, monkeypatch)
        if batch.expected["outcome"] == "BRK":
            assert code is not None, f"{batch.name} was taken"
            assert for_code(code).message == batch.expected["reason"], batch.name
        else:
            assert code is None, (batch.name, code)
            expected[batch.expected["reason"]] += 1
    stage.send(agency, [visit(agency, "last")])
    peak = 0
    with stage.start("land", "--json") as landing:
        assert landing.stdout is not None
        # Of this one program: what the kernel says of an ended child counts the memory of who started it too.
        while landing.poll() is None:
            status = Path(f"/proc/{landing.pid}/status").read_text(encoding="ascii")
            peak = max(peak, int((status.partition("VmHWM:")[2].split() or ["0"])[0]))
            time.sleep(0.005)
        said = landing.stdout.read()
    assert landing.returncode == 0, said
    assert stage.ids(agency) == ["last"]
    assert Counter(stage.reasons(agency)) == expected
    assert 2**16 < peak < 2**20, "KiB: the program itself, and less than a gigabyte"


@pytest.mark.parametrize("batch", ON_DISK)
def test_a_batch_that_is_damaged_on_the_broker_s_disk_stops_its_partition_by_name_and_no_other(
    stage: Stage, landing_broker: Settings, batch: Described
):
    damaged, healthy = stage.agency(partitions=1), stage.agency(partitions=1)
    stage.send(damaged, values(batch), **{"compression.type": batch.document["codec"] or "none"})
    spoil_on_the_disk(landing_broker, damaged, batch.document["on_disk"])
    stage.send(healthy, [visit(healthy, "e-1")])
    with ended(stage.start("land", "--json")) as landing:
        out, err = landing.communicate(timeout=300)
        assert landing.returncode == 4, (out, err)
    (halt,) = json.loads(out)["halts"]
    assert (halt["where"], halt["reason"]) == (f"{topic(damaged)}/0", batch.expected["reason"])
    assert batch.expected["outcome"] == "HALT"
    assert stage.ids(healthy) == ["e-1"]
    assert not stage.rows("quarantine", "SELECT * FROM t"), "what could not be read was not judged"


def test_a_stream_half_of_which_is_poison_stops_no_partition(stage: Stage):
    agency, poison = stage.agency(partitions=3), [case for case in cases() if case.outcome != "accepted"]
    producer, good = stage.producer(), 0
    for _ in range(4):
        for case in poison:
            # Of another agency's topic: whatever it says of itself, here it is set aside.
            producer.produce(topic(agency), case.value, headers=case.headers, partition=good % 3)
            producer.produce(topic(agency), visit(agency, f"e-{good}"), partition=good % 3)
            good += 1
    assert producer.flush(60) == 0
    landed = land(stage.settings)
    assert not landed.halts
    assert (landed.events, landed.quarantined) == (good, good)
    assert sorted(stage.ids(agency)) == sorted(f"e-{n}" for n in range(good))
    assert land(stage.settings).offsets == 0
    assert verify(stage.settings).ok


def test_of_transactions_what_was_committed_lands_and_the_rest_are_gaps(stage: Stage):
    for case in described("transactions"):
        agency, number = stage.agency(partitions=1), 0
        producer = stage.producer(**{"transactional.id": f"txn-{agency}"})
        producer.init_transactions(30)
        for count, end in case.document:
            producer.begin_transaction()
            for _ in range(count):
                producer.produce(topic(agency), visit(agency, f"e-{number}"))
                number += 1
            producer.flush(30)
            (producer.commit_transaction if end == "commit" else producer.abort_transaction)(30)
        landed = land(stage.settings)
        assert (landed.events, landed.gaps) == (case.expected["events"], case.expected["gaps"]), case.name
        assert landed.quarantined == landed.duplicates == 0
    assert verify(stage.settings, deep=True).ok


def test_the_corpus_ends_in_the_lake_or_in_quarantine_and_stops_nothing(stage: Stage):
    add_agency(stage.settings, AGENCY, partitions=1)
    stage.agencies.append(AGENCY)
    expected: Counter[str] = Counter()
    producer = stage.producer()
    for case in cases():
        # The key is the producer's own affair: it carries no meaning, whosoever's name is in it.
        producer.produce(topic(AGENCY), case.value, key=case.key, headers=case.headers)
        expected[case.outcome] += 1
    assert producer.flush(60) == 0
    stage.send(AGENCY, [visit(AGENCY, "last")])
    landed = land(stage.settings, known=KNOWN)
    accepted = expected.pop("accepted")
    assert "last" in stage.ids(AGENCY)
    assert len(stage.ids(AGENCY)) == accepted + 1
    assert Counter(stage.reasons(AGENCY)) == expected
    assert landed.security["pii_leak"] == expected["pii_leak"]
    assert landed.security["source_mismatch"] == expected["source_mismatch"]
    assert verify(stage.settings).ok
    found = {row["reason_code"]: row["count"] for row in counts(stage.settings) if row["agency_id"] == AGENCY}
    assert found == dict(expected)
    shown = rows(stage.settings, reason="pii_leak", agency=AGENCY)
    assert len(shown) == expected["pii_leak"]
    assert not any("0012345679" in json.dumps(row, default=str) for row in shown)
    assert all(row["what"]["fa"] and row["fix"]["en"] for row in shown)
    code, out, _ = stage.run("quarantine", "show", "--reason", "tombstone", "--agency", AGENCY, "--json")
    assert code == 0
    assert json.loads(out)[0]["reason_code"] == "tombstone"
