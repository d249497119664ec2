"""The broker and the network fail under the SDK and under landing: B1, B2, B3, B4, B5, B13."""

from __future__ import annotations

import time

from faults.cluster import shared
from faults.proxy import Fault, drawn
from faults.registry import ALL, Row, Violation
from faults.reported_run import ReportedRun
from faults.rig import Rig

HOLD = ("I1", "I2", "I3", "I4", "I9")
KINDS = ("reset", "trickle", "delay", "blackhole", "half-open")
DELIVERY = ("deliver.handed_over", "deliver.acknowledged", "deliver.marked")


def broker_killed(rig: Rig, seed: int) -> list[Violation]:
    """kill -9 of the only broker while a program reports and while landing reads; up again after a drawn pause."""
    cluster = shared()
    (node,) = cluster.nodes
    run = ReportedRun(rig, cluster)
    early = run.report(300, rate=1_000)
    run.wait(early, "before the kill")
    count = rig.rng.randrange(200, 1_500)
    reporter = run.report(count, rate=400)
    reporter.await_said(rig.rng.randrange(1, count // 2))
    landing = run.landing()
    time.sleep(rig.rng.uniform(0.0, 3.0))
    cluster.kill(node)
    time.sleep(rig.rng.uniform(0.0, 2.0))
    cluster.start(node)
    run.wait(reporter, "over a restart of the broker")
    run.landed(landing)
    run.land()
    kept = run.check_all_counted()
    if seed % 4 == 0:
        run.check_numbers(kept)
    return run.violations


def network_fails(rig: Rig, seed: int) -> list[Violation]:
    """One kind of fault for a run of low seed, each in turn; then schedules of several kinds, or a long silence."""
    cluster = shared()
    proxy = cluster.nodes[0].proxy
    run = ReportedRun(rig, cluster)
    if seed <= 2 * len(KINDS):
        faults = drawn(rig.rng, [KINDS[(seed - 1) % len(KINDS)]], count=2)
    elif seed % 10 == 0:
        faults = [Fault("blackhole", rig.rng.uniform(0.1, 1), rig.rng.uniform(20, 60))]
    else:
        faults = drawn(rig.rng, KINDS, count=rig.rng.randrange(2, 7), longest=4.0)
    count = rig.rng.randrange(400, 1_200)
    run.wait(run.report(count), "before the trouble")
    reporter = run.report(count, rate=400)
    landing = run.landing()
    reporter.await_said(rig.rng.randrange(1, count // 4))
    proxy.play(faults).result()
    run.wait(reporter, f"after {faults}")
    run.landed(landing)
    run.land()
    run.check_all_counted()
    return run.violations


def acknowledgement_lost(rig: Rig, seed: int) -> list[Violation]:
    """The broker appends, its answer is lost and the connection cut: the producer asks again and nothing is doubled."""
    cluster = shared()
    proxy = cluster.nodes[0].proxy
    run = ReportedRun(rig, cluster)
    proxy.counted.clear()
    losses = rig.rng.randint(1, 4)
    proxy.lose_acknowledgements(losses)
    reporter = run.report(rig.rng.randrange(500, 2_500), rate=rig.rng.choice((800, 10_000)))
    run.wait(reporter, f"with {losses} acknowledgements lost")
    if not proxy.counted["lost"]:
        run.broke("I12", "no acknowledgement was lost: this run tried nothing")
    proxy.lose_acknowledgements(0)
    run.land()
    run.check_all_counted(once_in_kafka=True)
    return run.violations


def outbox_sent_again(rig: Rig, seed: int) -> list[Violation]:
    """The program dies between sending and marking, and starts again: what it sends twice counts once."""
    cluster = shared()
    run = ReportedRun(rig, cluster)
    place = DELIVERY[seed % len(DELIVERY)]
    reporter = run.report(rig.rng.randrange(600, 2_500), rate=5_000, FAULTPOINT=f"{place}:kill@{rig.rng.randint(1, 2)}")
    code, err = reporter.ended()
    if code != -9:
        run.broke("I12", f"{place}: the program was to be killed, it ended with {code}: {err[-300:]}")
    if rig.rng.random() < 0.5:
        reporter.start()
        time.sleep(rig.rng.uniform(0.5, 2.0))
        reporter.kill()
        run.land()
    reporter.start()
    run.wait(reporter, "after its restart")
    run.land()
    kept = run.check_all_counted()
    if seed % 4 == 0:
        run.check_numbers(kept)
    return run.violations


ROWS = [
    Row("B1", "broker killed and restarted", ALL, 1, 100, broker_killed, note="I6 and I7 in every fourth run"),
    Row("B3", "network: reset, blackhole, latency, half-open, trickle", HOLD, 2, 100, network_fails, seconds=300),
    Row("B4", "acknowledgement lost after the append", HOLD, 1, 60, acknowledgement_lost),
    Row("B5", "producer restarts and re-sends its outbox", ALL, 1, 100, outbox_sent_again,
        note="I6 and I7 in every fourth run"),
]  # fmt: skip
