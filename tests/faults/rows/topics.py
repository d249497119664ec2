"""What befalls topics and their records between the agencies and landing: B6 to B10, B12."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from kafka.admin import KafkaAdminClient
from landing_stage import Stage, await_stopped, ended

from broker.administration import add_agency
from faults import oracle, schedule
from faults.landing_run import LandingRun
from faults.registry import Row, Violation
from faults.rig import Rig
from faults.schedule import Said, wire

HALTED = 4
# A transactional producer that writes its records, says so, and never commits: it is killed.
HANGING = """
import json, sys
from confluent_kafka import Producer
login, topic, partition, values = json.load(sys.stdin)
producer = Producer(login)
producer.init_transactions(30)
producer.begin_transaction()
for value in values:
    producer.produce(topic, value, partition=partition)
producer.flush()
print("open", flush=True)
sys.stdin.close()
import time; time.sleep(600)
"""


def retention_passes(rig: Rig, seed: int) -> list[Violation]:
    """Records go before they land; every third time between plan and reading. The runbook's steps end the halt."""
    run = LandingRun(rig, agencies=2)
    run.send(rig.rng.randrange(60, 400))
    run.land()
    before = oracle.end_offsets(run.login, run.records)
    run.send(rig.rng.randrange(60, 400))
    after = oracle.end_offsets(run.login, run.records)
    topic, number = rig.rng.choice(sorted(place for place, end in after.items() if end > before[place] + 1))
    start = before[topic, number]
    first = rig.rng.randint(start + 1, after[topic, number])
    if seed % 3:
        _delete_records(run.stage, topic, number, first)
        code, _, err = run.stage.run("land")
    else:
        with ended(run.stage.start("land", FAULTPOINT="plan:stop")) as landing:
            await_stopped(landing.pid)
            _delete_records(run.stage, topic, number, first)
            os.kill(landing.pid, signal.SIGCONT)
            _, err = landing.communicate(timeout=120)
            code = landing.returncode
    _halted(run, code, err, "COULD_NOT_READ_OFFSET_RANGE", f"{topic}/{number}")
    accepted = ("accept-loss", f"{topic}/{number}", str(start), str(first), "--by", "a row", "--reason", "retention")
    code, _, err = run.stage.run(*accepted)
    run.ended(code, err, (0,))
    run.records = [
        said for said in run.records if said.place[:2] != (topic, number) or not start <= said.offset < first
    ]
    run.send(rig.rng.randrange(1, 100))
    run.land()
    run.check(losses=first - start)
    return run.violations


def topic_made_anew(rig: Rig, seed: int) -> list[Violation]:
    """A topic is deleted and made again with fewer or more records; every third time while a landing reads it."""
    run = LandingRun(rig, agencies=2)
    run.send(rig.rng.randrange(40, 200))
    run.land()
    stream, other = run.streams
    old = [said for said in run.records if said.agency == stream.agency]
    if seed % 3 == 0:
        run.send(rig.rng.randrange(20, 100))
        old += [said for said in run.records if said.agency == stream.agency and said not in old]
        with ended(run.stage.start("land", FAULTPOINT="plan:stop")) as landing:
            await_stopped(landing.pid)
            fresh = _made_anew(run, stream, 3 * len(old))
            os.kill(landing.pid, signal.SIGCONT)
            _, err = landing.communicate(timeout=150)
            run.ended(landing.returncode, err, (HALTED, 75))
    else:
        fresh = _made_anew(run, stream, 2 * len(old) if seed % 3 == 1 else len(old) // 2)
    more = other.take(30)
    schedule.produce(run.login, more)
    run.records = [said for said in run.records if said.agency == other.agency] + more
    code, _, err = run.stage.run("land", "--until-empty")
    _halted(run, code, err, "PARTITION_OFFSET_CHANGED", stream.agency)
    taken = {said.event["event_id"] for said in fresh if said.event} & set(run.stage.ids(stream.agency))
    if taken:
        run.broke("I2", f"{len(taken)} records of the new topic are taken for the old one's")
    ends = oracle.end_offsets(run.login, run.records)
    landed = {tuple(row) for row in run.stage.rows("events", 'SELECT topic, partition, "offset" FROM t')}
    landed |= {tuple(row) for row in run.stage.rows("quarantine", 'SELECT topic, partition, "offset" FROM t')}
    found, _ = oracle.check_landing(run.lake, [said for said in old if said.place in landed] + run.records, ends)
    run.violations += found
    code, out, _ = run.stage.run("verify", "--json")
    kinds = {problem["kind"] for problem in json.loads(out)["problems"]}
    if code != HALTED or kinds != {"PARTITION_OFFSET_CHANGED"}:
        run.broke("I12", f"verify ends with {code} and names {sorted(kinds)}")
    run.check_ids()
    return run.violations


def partitions_added(rig: Rig, seed: int) -> list[Violation]:
    """Partitions come while landing has planned without them, or between two landings: each is landed from 0."""
    run = LandingRun(rig, agencies=2)
    run.send(rig.rng.randrange(40, 300))
    if seed % 2:
        run.land()
        _add_partitions(run, rig.rng.randint(4, 6))
    else:
        with ended(run.stage.start("land", FAULTPOINT="plan:stop")) as landing:
            await_stopped(landing.pid)
            _add_partitions(run, rig.rng.randint(4, 6))
            run.send(60)
            os.kill(landing.pid, signal.SIGCONT)
            _, err = landing.communicate(timeout=120)
            run.ended(landing.returncode, err, (0,))
    run.send(rig.rng.randrange(100, 300))
    run.land()
    run.check()
    if not {said.partition for said in run.records} >= {3}:
        run.broke("I12", "nothing was sent to a new partition: this run tried nothing")
    return run.violations


def transactions(rig: Rig, seed: int) -> list[Violation]:
    """Transactions that commit, abort and interleave; every third run one hangs, its producer killed."""
    run = LandingRun(rig, agencies=1)
    stream = run.streams[0]
    hidden: list[Said] = []
    for number in range(rig.rng.randint(2, 4)):
        run.send(rig.rng.randrange(5, 60))
        batch = stream.take(rig.rng.randrange(1, 60))
        commits = rig.rng.random() < 0.5
        _in_transaction(run, f"{stream.agency}-{number}", batch, commits=commits)
        if commits:
            run.records += batch
        else:
            hidden += batch
        if rig.rng.random() < 0.5:
            run.land()
    if seed % 3 == 0:
        _hang(rig, run)
    run.land()
    _forget(run, hidden)
    run.check()
    return run.violations


def clocks_apart(rig: Rig, seed: int) -> list[Violation]:
    """Event times skewed, out of order, at the edges of months, before 1970 and in 2099."""
    run = LandingRun(rig, agencies=2)
    now, utc = dt.datetime.now(dt.UTC), dt.UTC
    zones = [dt.timezone(dt.timedelta(hours=hours)) for hours in (3.5, -12, 14, 0)]
    # Midnight in Tehran where months of either calendar begin, with and without daylight saving, and a leap year's end.
    edges = [
        dt.datetime(2020, 3, 19, 20, 30, tzinfo=utc), dt.datetime(2021, 3, 20, 20, 30, tzinfo=utc),
        dt.datetime(2021, 4, 20, 19, 30, tzinfo=utc), dt.datetime(2024, 2, 29, 20, 30, tzinfo=utc),
        dt.datetime(2020, 9, 21, 20, 30, tzinfo=utc), dt.datetime(1970, 1, 1, tzinfo=utc), now,
    ]  # fmt: skip
    wrong = {
        "bad_time": [dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=utc), dt.datetime(1, 1, 2, tzinfo=utc)],
        "future": [dt.datetime(2099, 1, 1, tzinfo=utc), now + dt.timedelta(minutes=30), now + dt.timedelta(days=1)],
    }
    first, edges = edges[-2], rig.rng.sample(edges, 3)
    batch: list[Said] = []
    expected: Counter[str] = Counter()
    for stream in run.streams:
        stream.broken = stream.repeated = stream.conflicting = 0
        for number in range(rig.rng.randrange(40, 200)):
            near = rig.rng.choice(edges) + dt.timedelta(seconds=rig.rng.choice((-1, 0, 1, -3600, 3600)))
            moment = min(max(near, first), now).astimezone(rig.rng.choice(zones))
            event = stream.event(event_id=f"c-{number}", occurred_at=moment)
            batch.append(Said(stream.agency, wire(event), event))
        for reason, moments in wrong.items():
            for number, moment in enumerate(moments):
                event = stream.event(event_id=f"{reason}-{number}", occurred_at=moment)
                batch.append(Said(stream.agency, wire(event), None))
                expected[reason] += 1
    rig.rng.shuffle(batch)
    schedule.produce(run.login, batch)
    run.records += batch
    run.land()
    kept = run.check()
    reasons = Counter(reason for stream in run.streams for reason in run.stage.reasons(stream.agency))
    if reasons != expected:
        run.broke("I6", f"set aside are {dict(reasons)}, wrong are {dict(expected)}")
    if seed % 2 == 0:
        run.check_numbers(kept)
    return run.violations


def group_in_storm(rig: Rig, seed: int) -> list[Violation]:
    """Three consumers join, leave and commit nonsense in the mirror's group while landing works: it has no effect."""
    run = LandingRun(rig, agencies=2, cap=100)
    over = threading.Event()
    topics = [f"egov.events.v1.{stream.agency}" for stream in run.streams]
    login = run.stage.settings.kafka().for_librdkafka()
    churning = [
        threading.Thread(target=_churn, args=(login, topics, over, rig.rng.random()), daemon=True) for _ in range(3)
    ]
    for thread in churning:
        thread.start()
    try:
        for _ in range(rig.rng.randint(2, 4)):
            run.send(rig.rng.randrange(50, 300))
            code, _, err = run.stage.run("land")
            run.ended(code, err, (0,))
    finally:
        over.set()
        for thread in churning:
            thread.join(60)
    run.land()
    run.check()
    return run.violations


def _churn(login: dict[str, Any], topics: list[str], over: threading.Event, pause: float) -> None:
    while not over.is_set():
        consumer = Consumer(
            {**login, "group.id": "mizan-landing", "auto.offset.reset": "latest", "log_level": 0,
             "session.timeout.ms": 6_000}
        )  # fmt: skip
        try:
            consumer.subscribe(topics)
            consumer.poll(0.2 + pause)
            with contextlib.suppress(KafkaException):
                consumer.commit(offsets=[TopicPartition(topics[0], 0, 999_999)], asynchronous=False)
        finally:
            consumer.close()


def _halted(run: LandingRun, code: int, err: str, reason: str, where: str) -> None:
    if code != HALTED or reason not in err or where not in err:
        run.broke("I12", f"exit {code}, wanted is {reason} of {where}: {err[-400:]}")


def _delete_records(stage: Stage, topic: str, number: int, first: int) -> None:
    from kafka.structs import TopicPartition as Place

    with contextlib.closing(_admin(stage)) as admin:
        admin.delete_records({Place(topic, number): first})


def _admin(stage: Stage) -> KafkaAdminClient:
    return KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())


def _made_anew(run: LandingRun, stream: schedule.Stream, count: int) -> list[Said]:
    """Delete the stream's topic, make it again, and send ``count`` records that nobody ever sent to the old one."""
    topic = f"egov.events.v1.{stream.agency}"
    with contextlib.closing(_admin(run.stage)) as admin:
        partitions = len(admin.describe_topics([topic])[0]["partitions"])
        admin.delete_topics([topic])
        deadline = time.monotonic() + 30
        while True:
            try:
                add_agency(run.stage.settings, stream.agency, partitions=partitions)
                if topic in admin.list_topics():
                    break
            except Exception:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
    stream.past.clear()
    events = [stream.event(event_id=f"anew-{number}") for number in range(count)]
    fresh = [Said(stream.agency, wire(event), event) for event in events]
    schedule.produce(run.login, fresh)
    return fresh


def _add_partitions(run: LandingRun, total: int) -> None:
    with contextlib.closing(_admin(run.stage)) as admin:
        admin.create_partitions({f"egov.events.v1.{stream.agency}": total for stream in run.streams})


def _in_transaction(run: LandingRun, name: str, batch: list[Said], *, commits: bool) -> None:
    producer = Producer({**run.login, "transactional.id": name, "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    for said in batch:
        schedule._send(producer, said)
    producer.flush(30)
    if commits:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


# Seconds after which the broker ends a transaction that nobody ends.
OPEN_FOR = 8


def _hang(rig: Rig, run: LandingRun) -> None:
    """A transaction stays open behind its killed producer: what is before it lands, what is behind waits, visibly."""
    from landing.watch import lag

    stream = run.streams[0]
    topic = f"egov.events.v1.{stream.agency}"
    values = [wire(stream.event(event_id=f"hung-{number}")).decode() for number in range(5)]
    login = {**run.login, "transactional.id": f"{stream.agency}-hung", "transaction.timeout.ms": OPEN_FOR * 1000}
    hanging = subprocess.Popen(
        [sys.executable, "-c", HANGING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert hanging.stdin is not None
        assert hanging.stdout is not None
        hanging.stdin.write(json.dumps([login, topic, 0, values]))
        hanging.stdin.close()
        assert hanging.stdout.readline() == "open\n"
        opened = time.monotonic()
    finally:
        hanging.kill()
        hanging.wait()
        hanging.stdout.close()
    run.send(rig.rng.randrange(20, 60))
    run.land()
    (seen,) = [one for one in lag(run.stage.settings) if one.agency_id == stream.agency]
    # On a slow machine landing may take longer than the broker leaves it open.
    if not seen.held_back and time.monotonic() - opened < OPEN_FOR:
        run.broke("I12", "offsets wait behind an open transaction, and no figure says so")
    deadline = time.monotonic() + 60
    while any(one.held_back for one in lag(run.stage.settings)) and time.monotonic() < deadline:
        time.sleep(0.5)


def _forget(run: LandingRun, hidden: list[Said]) -> None:
    """Aborted events are not repeated and not conflicted with: what the stream drew from them later is new."""
    taken = {said.event["event_id"] for said in hidden if said.event}
    sent = {said.event["event_id"] for said in run.records if said.event}
    there = set(run.stage.ids(run.streams[0].agency))
    if wrong := (taken - sent) & there:
        run.broke("I2", f"{len(wrong)} aborted events are counted, such as {min(wrong)}")


ROWS = [
    Row("B6", "rebalance storm in the mirror group", ("I1", "I2", "I3", "I4", "I8"), 0, 20, group_in_storm),
    Row("B7", "retention passes our offset", ("I1", "I3", "I4", "I8", "I12"), 1, 20, retention_passes,
        note="every third run between plan and reading; ends with accept-loss, as the runbook says"),
    Row("B8", "topic deleted and created again", ("I1", "I2", "I4", "I8", "I12"), 1, 20, topic_made_anew,
        note="every third run while a landing has planned"),
    Row("B9", "partitions added while running", ("I1", "I3", "I4", "I8", "I9"), 1, 20, partitions_added),
    Row("B10", "producer transaction commits, aborts, hangs", ("I1", "I2", "I3", "I8", "I9", "I12"), 1, 40,
        transactions, note="every third run a transaction hangs until Kafka ends it"),
    Row("B12", "clock skew, disorder, 1970 and 2099", ("I1", "I3", "I6", "I7", "I8"), 1, 20, clocks_apart,
        note="monthly numbers and the rebuild (I6, I7) in every second run"),
]  # fmt: skip
