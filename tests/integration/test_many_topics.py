"""Many agencies, one landing: one plan, one commit, and no more open files than for a few of them.

A thousand agencies of three partitions each: ``python -m benchmarks.many_topics``.
"""

import secrets
import time

import pytest
from landing_stage import Stage, topic, visit

from benchmarks.many_topics import PARTITIONS, most_open_files
from broker.administration import add_agencies
from landing.cluster import Cluster
from landing.drain import land
from landing.plan import make_plan
from landing.verify import verify

pytestmark = pytest.mark.integration

AGENCIES = 60
# Of the processor: the five seconds of a thousand, for as many as there are.
PLAN_CPU_SECONDS = 5.0 * AGENCIES / 1000


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
