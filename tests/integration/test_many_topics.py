"""Many agencies, one landing: one plan, one commit, and no more open files than for a few of them.

A thousand agencies of three partitions each: ``python -m benchmarks.many_topics``.
"""

import secrets
import time

import pytest
from landing_stage import Stage, topic, visit

from benchmarks.many_topics import PARTITIONS, most_open_files
from broker.administration import add_agencies
from contracts.settings import Settings
from landing import consumer
from landing.cluster import Cluster
from landing.drain import land
from landing.plan import make_plan
from landing.verify import verify
from warehouse.lake import Lake
from warehouse.landing_log import commits

pytestmark = pytest.mark.integration

AGENCIES = 60
# Of the processor: the five seconds of a thousand, for as many as there are.
PLAN_CPU_SECONDS = 5.0 * AGENCIES / 1000
# Records of a backlog that Kafka hands over in several pieces, so that topics would come mixed.
LONG = 30_000


def send_to_all(stage: Stage, name: str) -> int:
    producer = stage.producer()
    for agency in stage.agencies:
        for partition in range(PARTITIONS):
            producer.produce(topic(agency), visit(agency, f"{name}-{partition}"), partition=partition)
    assert producer.flush(60) == 0
    return len(stage.agencies) * PARTITIONS


def test_one_landing_of_many_topics_takes_one_commit_and_few_files(stage: Stage):
    files: list[int] = []
    tag = secrets.token_hex(4)
    for count in (3, AGENCIES):
        names = [f"many-{tag}-{number:03d}" for number in range(count)]
        add_agencies(stage.settings, names, partitions=PARTITIONS)
        stage.agencies = names
        sent = send_to_all(stage, f"e-{count}")
        with most_open_files(files):
            landed = land(stage.settings)
        assert (landed.events, len(landed.batches), landed.halts) == (sent, 1, [])
    assert files[1] <= files[0] + 8, files
    begun = time.process_time()
    plan = make_plan(Cluster(stage.settings.kafka()), {})
    assert time.process_time() - begun < PLAN_CPU_SECONDS
    assert len(plan.ranges) >= AGENCIES * PARTITIONS
    assert verify(stage.settings, deep=True).ok


def test_of_a_long_backlog_a_batch_holds_few_senders_and_short_ones_do_not_wait(stage: Stage, monkeypatch):
    monkeypatch.setattr(consumer, "SIDE_BY_SIDE", 2_000)
    tag = secrets.token_hex(4)
    backlog = {f"{name}-{tag}": count for name, count in (("a-long", LONG), ("b-short", 20), ("c-long", LONG))}
    add_agencies(stage.settings, list(backlog), partitions=PARTITIONS)
    stage.agencies = list(backlog)
    for agency, count in backlog.items():
        stage.send(agency, [visit(agency, f"e-{number}") for number in range(count)], partitions=PARTITIONS)
    capped = Settings.load({**stage.environment, "MIZAN_LAND_CAP": "3000"}, folder=stage.settings.home)
    assert land(capped).events == sum(backlog.values())
    first, short, last = backlog
    batches = [set(one.said["agencies"]) for one in commits(Lake(stage.settings), "events") if one.kind == "land"]
    assert max(n for n, said in enumerate(batches) if short in said) <= min(
        n for n, said in enumerate(batches) if last in said
    )
    # Side by side only where the one has little left.
    assert sum({first, last} <= agencies for agencies in batches) <= 2
    assert len(batches) >= 10
    assert verify(stage.settings, deep=True).ok
