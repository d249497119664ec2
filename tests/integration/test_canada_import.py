"""The import end to end: catalogue in the lake, every department's events through its own login."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from catalogue import read
from contracts.event import Event, Record, parse
from contracts.settings import Settings

pytestmark = pytest.mark.integration
FILE = Path(__file__).parents[2] / "producers/data/canada-service-inventory-2023-2024.csv"
DEPARTMENTS = ("ced-dec", "pc", "tc")


def mizan(*arguments):
    import typer

    from console import commands

    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def consumed(settings: Settings):
    consumer = KafkaConsumer(**settings.kafka().for_kafka_python(), auto_offset_reset="earliest")
    try:
        for agency in DEPARTMENTS:
            topic = f"egov.events.v1.{agency}"
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            consumer.seek_to_beginning(*partitions)
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                for records in consumer.poll(timeout_ms=1000).values():
                    for record in records:
                        yield agency, record.value
    finally:
        consumer.close()


def test_departments_send_what_the_file_tells_and_landing_would_accept_it(broker, tmp_path, monkeypatch):
    monkeypatch.setenv("MIZAN_HOME", str(broker.home))
    monkeypatch.chdir(tmp_path)
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["owner_org"] in DEPARTMENTS]
    assert {row["owner_org"] for row in rows} == set(DEPARTMENTS)
    with (tmp_path / "part.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    told = mizan(
        "import", "canada-service-inventory", str(tmp_path / "part.csv"), "--as-events", "--scale", "0.001", "--json"
    )
    assert (told["agencies"], told["services"], told["declarations"]) == (3, len(rows), 5 * len(rows))

    known, now = read.known(broker), datetime.now(UTC)
    declared, completed = set(), set()
    for agency, value in consumed(broker):
        event = parse(Record(value, agency), now, known)
        assert isinstance(event, Event), event
        if event.event_type == "ir.egov.agency.declaration.v1":
            declared.add((event.data["service_id"], event.data["channel"]))
        else:
            completed.add(event.event_id)
    assert (len(declared), len(completed)) == (told["declarations"], told["transactions"])
    assert completed
