"""What happened to others, in public, and must not happen here: each report by its reference, as a test.

``REPORTS`` lists them all. One is replayed by a test here, which names it in its docstring, or where killed processes,
the scheduler or readers are at hand: ``ELSEWHERE`` names that test or that row of the fault matrix.
"""

import ast
import datetime as dt
import re
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition as Place
from landing_stage import Stage, topic, visit

from landing.consumer import MIRROR_GROUP
from landing.drain import LandingHalted, land
from landing.verify import verify
from landing.watch import lag
from warehouse.lake import Lake
from warehouse.landing_log import live_files

pytestmark = pytest.mark.integration

TESTS = Path(__file__).parents[1]
LANDING, PUBLISHING = "integration/test_landing_faults.py", "unit/warehouse/test_publish_faults.py"
ROWS = "faults/rows/landing.py"
REBUILD = "unit/transforms/test_rebuild.py"
AIRFLOW = "faults/rows/airflow_itself.py"
# Repository to the numbers of its reports.
REPORTS = {
    "confluentinc/kafka-connect-storage-cloud": {253, 333, 93, 177, 454, 529},
    "databricks/iceberg-kafka-connect": {227},
    "confluentinc/kafka-connect-storage-common": {275},
    "confluentinc/kafka-connect-hdfs": {118, 206},
    "apache/iceberg": {17340, 16282, 17637, 12372, 15032, 15396},
    "apache/airflow": {34213, 31795, 64205, 56050, 49857, 69665},
    "PostHog/posthog": {35269},
    "apache/druid": {5404},
    "apache/seatunnel": {11471},
    "apache/storm": {9078},
    "dashbitco/broadway_kafka": {71},
    "duckdb/duckdb": {8592, 19712, 20543, 22044, 15912},
    "motherduckdb/grafana-duckdb-datasource": {38},
    "frappe/insights": {1370},
    "nordic-institute/X-Road-Metrics": {133},
    "fivetran/great_expectations": {10738, 11579},
}
_REPOSITORY = re.compile(r"([\w-]+/[\w-]+)((?:,? ?#\d+)+)")
# Reference to the file and the test, or the row of the fault matrix; the sentence is what happened.
ELSEWHERE = {
    # a zombie wrote over an object with a shorter range
    "confluentinc/kafka-connect-storage-cloud#253": (ROWS, "zombie"),
    # rotation by time was not idempotent; offsets were never committed
    "confluentinc/kafka-connect-storage-cloud#333, #93": (ROWS, "killed_at_a_failpoint"),
    # after a kill, recovery missed the newest file
    "confluentinc/kafka-connect-hdfs#118": (ROWS, "killed_while_recovering"),
    # two coordinators committed
    "apache/iceberg#16282, #17637": (ROWS, "several_at_once"),
    # a new version of the writer lost records, dropped a nested field
    "apache/iceberg#12372, #15396": (
        LANDING, "test_a_rule_that_changes_between_the_two_commits_neither_loses_nor_doubles_a_record"
    ),
    # offsets were committed before the work was done, and the run failed
    "apache/airflow#34213": (AIRFLOW, "killed_in_mid_run"),
    # messages woke nobody, or events of the scheduler went their own way from the offsets
    "apache/airflow#31795, #64205, #56050, #49857": (AIRFLOW, "hints_wrong"),
    # a write-ahead log that could not be replayed
    "duckdb/duckdb#8592, #19712, #20543, #22044": (REBUILD, "test_a_damaged_or_missing_build_file_is_built_anew"),
    # a reader went on with the old file after the swap; another charted zero rows of a locked one
    "duckdb/duckdb#15912, motherduckdb/grafana-duckdb-datasource#38": (
        PUBLISHING, "test_eight_readers_over_fifteen_publications"
    ),
    "frappe/insights#1370": (PUBLISHING, "test_a_reader_that_never_lets_go_delays_nobody"),
    # a late match put a published row into the data a second time
    "nordic-institute/X-Road-Metrics#133": (
        "unit/warehouse/test_late_events_of_final_months.py",
        "test_a_late_event_makes_a_new_vintage_says_why_and_keeps_the_old_one_readable",
    ),
    # every expectation failed on DuckDB
    "fivetran/great_expectations#10738, #11579": (
        "unit/expectations/test_judge.py", "test_a_judge_that_always_dies_or_hangs_closes_every_gate"
    ),
}  # fmt: skip


@pytest.mark.parametrize("reference", ELSEWHERE)
def test_a_report_that_is_replayed_elsewhere_is_there(reference: str):
    file, name = ELSEWHERE[reference]
    assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


def replayed() -> dict[str, set[int]]:
    """The reports that a test here or elsewhere names."""
    here = [
        ast.get_docstring(node) or ""
        for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    found: dict[str, set[int]] = {}
    for text in [*ELSEWHERE, *here]:
        for repository, numbers in _REPOSITORY.findall(text):
            found.setdefault(repository, set()).update(map(int, re.findall(r"#(\d+)", numbers)))
    return found


def test_every_report_is_replayed_by_a_named_test_and_no_test_names_one_that_is_not_listed():
    assert replayed() == REPORTS


def test_storage_common_275_one_record_in_an_idle_topic_lands_at_once(stage: Stage):
    """confluentinc/kafka-connect-storage-common#275: idle partitions never flushed what they held."""
    agency = stage.agency(partitions=3)
    stage.send(agency, [visit(agency, "alone")])
    land(stage.settings)
    assert stage.ids(agency) == ["alone"]


def test_storage_cloud_177_late_data_of_many_months_is_one_file(stage: Stage):
    """confluentinc/kafka-connect-storage-cloud#177, #454, #529; databricks/iceberg-kafka-connect#227: a file for each
    month touched, open at once, took all memory."""
    agency = stage.agency(partitions=1)
    first = dt.datetime(1990, 1, 15, tzinfo=dt.UTC)
    months = [first + dt.timedelta(days=30 * number) for number in range(300)]
    stage.send(agency, [visit(agency, f"e-{i}", time=at.isoformat()) for i, at in enumerate(months)])
    land(stage.settings)
    assert len(stage.ids(agency)) == 300
    assert len(live_files(Lake(stage.settings).open("events"))) == 1


def test_hdfs_206_an_expired_offset_halts_its_partition_by_name_and_no_other(stage: Stage):
    """confluentinc/kafka-connect-hdfs#206, dashbitco/broadway_kafka#71: stuck on, or silently past, expired offsets."""
    agency, other = stage.agency(partitions=1), stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-0")])
    land(stage.settings)
    stage.send(agency, [visit(agency, f"late-{i}") for i in range(4)])
    stage.send(other, [visit(other, "fine")])
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_records({Place(topic(agency), 0): 3})
    admin.close()
    with pytest.raises(LandingHalted) as halted:
        land(stage.settings)
    assert [one.reason for one in halted.value.landed.halts] == ["COULD_NOT_READ_OFFSET_RANGE"]
    assert (stage.ids(agency), stage.ids(other)) == (["e-0"], ["fine"])


def test_iceberg_17340_a_groups_offsets_that_went_back_bring_no_row_again(stage: Stage):
    """apache/iceberg#17340: a watermark went back, and 111,927 rows were there twice."""
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(9)])
    land(stage.settings)
    consumer = Consumer({**stage.settings.kafka_admin().for_librdkafka(), "group.id": MIRROR_GROUP, "log_level": 0})
    consumer.commit(offsets=[TopicPartition(topic(agency), 0, 0)], asynchronous=False)
    consumer.close()
    assert land(stage.settings).offsets == 0
    assert len(stage.ids(agency)) == 9
    assert verify(stage.settings).ok


def test_iceberg_15032_poison_at_the_head_holds_nobody_up(stage: Stage):
    """apache/iceberg#15032 (poison killed the task), apache/airflow#69665 (a tombstone did), apache/storm#9078 (the
    partition stalled, and nobody was told)."""
    agency = stage.agency(partitions=1)
    poison = [b"", b"{", b"\xff\xfe", b"[" * 5000, b'{"id":' + b"9" * 5000 + b"}", None]
    stage.send(agency, [*poison, visit(agency, "behind")])
    landed = land(stage.settings)
    assert (stage.ids(agency), landed.quarantined) == (["behind"], len(poison))
    assert [one.lag for one in lag(stage.settings) if one.agency_id == agency] == [0]


def test_posthog_35269_consumers_that_come_and_go_bring_no_row_twice(stage: Stage):
    """PostHog/posthog#35269: 997 of 1,024 partitions were processed twice after a rebalance."""
    agency = stage.agency(partitions=6)
    stop = threading.Event()

    def churn() -> None:
        login = stage.settings.kafka_admin().for_librdkafka()
        while not stop.is_set():
            member = Consumer({**login, "group.id": MIRROR_GROUP, "log_level": 0, "session.timeout.ms": 6000})
            member.subscribe([topic(agency)])
            member.poll(0.3)
            member.close()

    members = [threading.Thread(target=churn) for _ in range(3)]
    for member in members:
        member.start()
    try:
        for part in range(3):
            stage.send(agency, [visit(agency, f"e-{part}-{i}") for i in range(50)])
            land(stage.settings)
    finally:
        stop.set()
        for member in members:
            member.join()
    ids = stage.ids(agency)
    assert (len(ids), len(set(ids))) == (150, 150)
    assert verify(stage.settings).ok


def test_druid_5404_offsets_that_hold_no_record_are_waited_for_by_nobody(stage: Stage):
    """apache/druid#5404, apache/seatunnel#11471: the reader waited for offsets that only markers had."""
    agency = stage.agency(partitions=1)
    producer = stage.producer(**{"transactional.id": f"t-{agency}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic(agency), visit(agency, "never"))
    producer.flush()
    producer.abort_transaction()
    gaps, deadline = 0, time.monotonic() + 45
    while gaps < 2:  # the record and its marker; the broker writes the marker a moment after its answer
        assert time.monotonic() < deadline
        landed = land(stage.settings)
        assert landed.events == 0
        gaps += landed.gaps
    assert [one.lag for one in lag(stage.settings) if one.agency_id == agency] == [0]
