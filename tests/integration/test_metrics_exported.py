"""`mizan metrics`: what Prometheus is told equals what was sent, landed, set aside and published."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator

import pytest
from landing_stage import Stage, delete_topic, ended, topic, visit
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from landing import cluster, watch
from landing.decisions import drop
from landing.drain import land
from monitoring.exporter import Exporter
from monitoring.metrics import METRICS
from pipeline import steps
from warehouse.lake import Lake

pytestmark = pytest.mark.integration


class Metrics:
    """One scrape; called with a name and labels it gives the values of what has these labels."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def __call__(self, name: str, **labels: str) -> list[float]:
        family = self.families.get(name.removesuffix("_total"))
        samples = () if family is None else family.samples
        return [one.value for one in samples if labels.items() <= one.labels.items() and one.name == name]


def scrape(stage: Stage) -> Metrics:
    registry = CollectorRegistry()
    registry.register(Exporter(stage.settings))
    return Metrics(generate_latest(registry).decode())


def test_what_waits_is_told_with_its_age_and_place(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watch, "AGES", (2, 4, 3600))
    old, new, quiet = stage.agency(1), stage.agency(2), stage.agency(1)
    stage.send(old, [visit(old, "e-1"), visit(old, "e-2")])
    time.sleep(4.5)
    stage.send(old, [visit(old, "e-3")])
    stage.send(new, [visit(new, f"e-{n}") for n in range(5)])
    found = scrape(stage)
    assert found("kafka_consumergroup_lag", topic=topic(old)) == [3]
    assert sum(found("kafka_consumergroup_lag", topic=topic(new))) == 5
    assert found("kafka_topic_partition_current_offset", topic=topic(old), partition="0") == [3]
    assert found("kafka_consumergroup_current_offset", topic=topic(old), consumergroup="mizan-landing") == [0]
    assert found("mizan_unlanded_seconds", agency=old) == [4]
    assert found("mizan_unlanded_seconds", agency=new) == [0]
    assert found("kafka_consumergroup_lag", topic=topic(quiet)) == [0]
    land(stage.settings)
    stage.send(old, [visit(old, "e-4")])
    time.sleep(2.2)
    found = scrape(stage)
    assert found("kafka_consumergroup_lag", topic=topic(old)) == [1]
    assert found("mizan_unlanded_seconds", agency=old) == [2]
    assert found("mizan_unlanded_seconds", agency=new) == [0]


def test_what_landed_and_what_was_set_aside_is_counted_by_agency_and_reason(stage: Stage):
    agency = stage.agency(1)
    first = [visit(agency, f"e-{n}") for n in range(4)]
    stage.send(agency, [*first, first[0], b"<xml/>", visit(agency, "e-9", source="/agencies/another")])
    land(stage.settings)
    found = scrape(stage)
    assert found("mizan_landed_events_total", agency=agency) == [4]
    assert found("mizan_duplicate_records_total", agency=agency) == [1]
    assert found("mizan_quarantined_records_total", agency=agency) == [2]
    assert found("mizan_open_rejections", agency=agency, reason="not_json") == [1]
    assert found("mizan_security_rejections_total", reason="source_mismatch") == [1]
    assert found("mizan_security_rejections_total", reason="pii_leak") == [0]
    drop(stage.settings, reason="not_json", agency=agency, by="Head", note="lost for good")
    found = scrape(stage)
    assert found("mizan_open_rejections", agency=agency, reason="not_json") == []
    assert found("mizan_quarantined_records_total", agency=agency) == [2]


def test_a_batch_waits_until_a_version_rests_on_it(stage: Stage):
    agency = stage.agency(1)
    stage.send(agency, [visit(agency, f"e-{n}") for n in range(3)])
    assert scrape(stage)("mizan_unpublished_seconds") == [0]
    land(stage.settings)
    time.sleep(1)
    (waited,) = scrape(stage)("mizan_unpublished_seconds")
    assert 1 <= waited < 120
    assert scrape(stage)("mizan_published_version") == []
    steps.run(stage.settings)
    found = scrape(stage)
    assert found("mizan_unpublished_seconds") == [0]
    assert found("mizan_published_version", tier="public") == [1]
    assert sum(found("mizan_months")) == 2  # the month of the events, in both calendars
    assert found("mizan_held_batches", agency=agency) == [0]


def test_a_later_scrape_of_the_same_exporter_adds_what_came_since(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("monitoring.exporter.FRESH_SECONDS", 0.0)
    agency, registry = stage.agency(1), CollectorRegistry()
    registry.register(Exporter(stage.settings))
    for landed in (2, 4):
        stage.send(agency, [visit(agency, f"e-{landed}-{n}") for n in range(2)])
        land(stage.settings)
        found = Metrics(generate_latest(registry).decode())
        assert found("mizan_landed_events_total", agency=agency) == [landed]


def test_damage_is_told_and_nothing_that_rests_on_what_is_damaged(stage: Stage):
    agency = stage.agency(1)
    stage.send(agency, [visit(agency, "e-1")])
    land(stage.settings)
    (file,) = Lake(stage.settings).open("events").files
    with open(file.removeprefix("file://"), "ab") as data:  # noqa: PTH123
        data.write(b"x")
    found = scrape(stage)
    assert found("mizan_lake_damage", reason="LAKE_FILE_MISSING") == [1]
    assert found("mizan_landed_events_total") == []


def test_a_topic_that_is_gone_is_a_halt_and_its_lag_is_not_made_up(stage: Stage):
    agency = stage.agency(1)
    stage.send(agency, [visit(agency, "e-1")])
    land(stage.settings)
    delete_topic(stage, agency)
    found = scrape(stage)
    assert found("mizan_halted_partitions", agency=agency, reason="PARTITIONS_DELETED") == [1]
    assert found("mizan_unlanded_seconds", agency=agency) == []


def test_a_broker_that_is_away_is_told_and_no_lag_is_made_up(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "TIMEOUT_SECONDS", 1.0)
    noted = stage.settings.broker_file.read_text()
    stage.settings.broker_file.write_text(noted.replace(stage.settings.kafka().bootstrap_servers, "127.0.0.1:1"))
    found = scrape(stage)
    stage.settings.broker_file.write_text(noted)
    assert (found("mizan_source_up", source="kafka"), found("mizan_source_up", source="lake")) == ([0], [1])
    assert found("kafka_consumergroup_lag") == found("mizan_unlanded_seconds") == []


@pytest.fixture
def served(stage: Stage) -> Iterator[str]:
    with ended(stage.start("metrics", "--port", "19308")) as process:
        assert process.stderr is not None
        yield process.stderr.readline().split()[0]
        process.terminate()
        assert process.wait(20) == 0


def test_mizan_metrics_serves_them_on_this_machine_and_ends_when_asked(served: str, stage: Stage):
    with urllib.request.urlopen(served, timeout=30) as answer:
        found = Metrics(answer.read().decode())
    assert found("mizan_source_up", source="lake") == [1]
    assert {name.removesuffix("_total") for name in METRICS} >= set(found.families)
    code, out, _ = stage.run("metrics", "--once")
    assert code == 0
    assert Metrics(out)("mizan_source_up", source="kafka") == [1]
