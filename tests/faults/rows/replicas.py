"""Three brokers, three replicas, two in sync at least: leaders die, and logs lose their end (B2, B11)."""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable

from broker.administration import add_agency
from faults import schedule
from faults.cluster import Cluster, Node, shared
from faults.landing_run import LandingRun
from faults.registry import Row, Violation
from faults.reported_run import ReportedRun
from faults.rig import Rig
from faults.schedule import Stream

WAIT_SECONDS = 90.0


def leader_dies(rig: Rig, seed: int) -> list[Violation]:
    """A partition's leader is killed, or every node restarts in turn, while a program reports and landing reads."""
    cluster = shared(3)
    run = ReportedRun(rig, cluster)
    topic = f"egov.events.v1.{run.agency}"
    run.wait(run.report(200), "before the trouble")
    count = rig.rng.randrange(300, 1_200)
    reporter = run.report(count, rate=200)
    reporter.await_said(rig.rng.randrange(1, count // 3))
    landing = run.landing()
    if seed % 3 == 0:
        for node in rig.rng.sample(cluster.nodes, 3):
            cluster.kill(node, signal.SIGTERM)
            cluster.start(node)
            _await(lambda: _in_sync(cluster, topic) == 3, "every replica in sync")
    else:
        node = cluster.leader(topic, rig.rng.randrange(len(_partitions(cluster, topic)))) or cluster.nodes[0]
        cluster.kill(node)
        time.sleep(rig.rng.uniform(0.0, 6.0))
        cluster.start(node)
    run.wait(reporter, "over the change of leaders")
    run.landed(landing)
    run.land()
    run.check_all_counted()
    return run.violations


def log_cut(rig: Rig, seed: int) -> list[Violation]:
    """A replica that lacks records becomes leader by an unclean election; every second time its log then grows again.

    Acknowledged and landed records are gone from Kafka: that halts, by name, also when the end has passed our position
    again; nothing of the log's other content is taken for what was landed. What the runbook says ends the halt.
    """
    cluster = shared(3)
    rig.broker = cluster.settings
    run = LandingRun(rig, agencies=1)
    name, topic = _thin_topic(cluster, run)
    fragile = Stream(rig.rng, name, broken=0, repeated=0, conflicting=0)

    def send(count: int) -> list[schedule.Said]:
        batch = fragile.take(count)
        schedule.produce(run.login, batch)
        assert all(said.was_acknowledged for said in batch), "this run sent nothing"
        return batch

    kept = send(rig.rng.randrange(5, 40))
    run.land()
    follower = next(node for node in _replicas(cluster, topic) if node is not cluster.leader(topic))
    cluster.kill(follower)
    _await(lambda: _in_sync(cluster, topic) == 1, "the follower out of sync")
    lost = send(rig.rng.randrange(5, 40))
    run.send(40)
    run.land()
    leader = cluster.leader(topic)
    assert leader is not None
    cluster.kill(leader)
    cluster.start(follower)
    _await(lambda: cluster.leader(topic) is follower, "the unclean election")
    fresh = send(len(lost) + rig.rng.randrange(1, 40)) if seed % 2 else []
    run.send(40)
    before = set(run.stage.ids(name))
    code, _, err = run.stage.run("land")
    if code != 4 or "PARTITION_OFFSET_CHANGED" not in err or topic not in err:
        run.broke("I12", f"exit {code}, wanted is PARTITION_OFFSET_CHANGED of {topic}: {err[-400:]}")
    if set(run.stage.ids(name)) != before:
        run.broke("I2", "records of the other log are taken for the landed ones'")
    cluster.start(leader)
    code, _, err = run.stage.run("accept-loss", f"{topic}/0", "--by", "a row", "--reason", "unclean election")
    run.ended(code, err, (0,))
    fresh += send(5)
    run.land()
    wanted = {said.event["event_id"] for said in (*kept, *lost, *fresh, *run.records) if said.event}
    there = set(run.stage.ids(name)) | set(run.stage.ids(run.streams[0].agency))
    if missing := wanted - there:
        run.broke("I1", f"{len(missing)} events are nowhere, such as {min(missing)}")
    code, out, _ = run.stage.run("verify", "--json", "--deep")
    if code != 0:
        run.broke("I4", f"verify: {out[-600:]}")
    run.check_ids()
    return run.violations


def _thin_topic(cluster: Cluster, run: LandingRun) -> tuple[str, str]:
    """An agency whose topic has two replicas, one of which suffices, and may lose what only the other has."""
    name = "thin-" + secrets.token_hex(5)
    topic = f"egov.events.v1.{name}"
    loose = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
    with contextlib.closing(cluster.admin()) as admin:
        admin.create_topics(
            {topic: {"num_partitions": 1, "replication_factor": 2, "configs": loose}}, wait_for_metadata=True
        )
    add_agency(run.stage.settings, name)
    run.stage.agencies.append(name)
    return name, topic


def _partitions(cluster: Cluster, topic: str) -> list[dict[str, list[int]]]:
    with contextlib.closing(cluster.admin()) as admin:
        found: list[dict[str, list[int]]] = admin.describe_topics([topic])[0]["partitions"]
        return found


def _in_sync(cluster: Cluster, topic: str) -> int:
    """The fewest replicas in sync of any partition."""
    return min(len(partition["isr_nodes"]) for partition in _partitions(cluster, topic))


def _replicas(cluster: Cluster, topic: str) -> list[Node]:
    (partition,) = _partitions(cluster, topic)
    return [node for node in cluster.nodes if node.number in partition["replica_nodes"]]


def _await(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with contextlib.suppress(Exception):  # a cluster that elects refuses questions
            if holds():
                return
        assert time.monotonic() < deadline, f"not in {WAIT_SECONDS:.0f} s: {what}"
        time.sleep(0.3)


ROWS = [
    Row("B2", "leader killed, rolling restart", ("I1", "I2", "I3", "I4", "I8", "I9"), 0, 50, leader_dies,
        needs=("three brokers",), note="every third run restarts all three nodes in turn", seconds=400),
    Row("B11", "log truncation, unclean election", ("I1", "I2", "I4", "I8", "I12"), 0, 10, log_cut,
        needs=("three brokers",), note="every second run the log grows again past our position; ends with accept-loss",
        seconds=400),
]  # fmt: skip
