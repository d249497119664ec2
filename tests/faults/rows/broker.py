"""The broker and the network fail under the SDK and under landing: B1, B3, B4, B5, B13, B14."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import subprocess
import time
from pathlib import Path

from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from broker import process
from broker.administration import rotate, user_of
from broker.bundle import SIMULATOR
from broker.certificates import ensure_certificates
from broker.node import PIPELINE, SCRAM_ITERATIONS
from broker.quotas import set_producer_rates
from contracts.keys import write_secret
from faults.cluster import PASSWORDS, Cluster, shared
from faults.proxy import Fault, drawn
from faults.registry import ALL, Row, Violation
from faults.reported_run import ReportedRun
from faults.rig import Rig

HOLD = ("I1", "I2", "I3", "I4", "I8", "I9")
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


def broker_starved(rig: Rig, seed: int) -> list[Violation]:
    """The broker's disk fills up and is freed again; every second time a quota slows the agency down instead."""
    if seed % 2 == 0:
        run = ReportedRun(rig, shared())
        with contextlib.closing(run.cluster.admin()) as admin:
            set_producer_rates(admin, {user_of(run.agency, SIMULATOR): rig.rng.randrange(4_000, 20_000)})
        run.wait(run.report(rig.rng.randrange(300, 1_200)), "under a quota")
        run.land()
        run.check_all_counted(once_in_kafka=True)
        return run.violations
    disk = rig.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    rig.finally_(subprocess.run, ["umount", str(disk)])
    cluster = rig.enter(Cluster(rig.folder / "cluster", data=disk))
    (node,) = cluster.nodes
    run = ReportedRun(rig, cluster)
    run.wait(run.report(50), "before the disk was full")
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free > 96 * 1024:
            file.write(bytes(16 * 1024))
    reporter = run.report(3_000, rate=1_000)
    deadline = time.monotonic() + 60
    while node.running is not None and process.is_alive(node.running) and time.monotonic() < deadline:
        time.sleep(0.2)
    if time.monotonic() > deadline:
        run.broke("I12", "the broker lives on a full disk: this run tried nothing")
    code, _, err = run.stage.run("land")
    run.ended(code, err, (75,))
    cluster.kill(node)
    filler.unlink()
    cluster.start(node)
    run.wait(reporter, "after the disk was freed")
    run.land()
    run.check_all_counted()
    return run.violations


def login_out_of_date(rig: Rig, seed: int) -> list[Violation]:
    """By turns the agency's password, the pipeline's, and the node's certificate are no good any more, then mended."""
    cluster = shared()
    run = ReportedRun(rig, cluster)
    run.wait(run.report(50), "before")
    run.land()
    version = run.stage.run("land", "--json")[1]
    if seed % 3 == 0:
        password = rotate(run.stage.settings, run.agency, SIMULATOR).password
        reporter = run.report(100, seconds=5)
        _refused(run, *reporter.ended(), 2, "authentication failed")
        write_secret(run.bundle / "password", password or "")
    elif seed % 3 == 1:
        reporter = run.report(100)
        run.wait(reporter, "while the pipeline is locked out")
        rig.finally_(_set_pipeline_password, cluster, PASSWORDS[PIPELINE])
        _set_pipeline_password(cluster, "another-one")
        code, _, err = run.stage.run("land")
        _refused(run, code, err, 75, "uthentication")
        _set_pipeline_password(cluster, PASSWORDS[PIPELINE])
    else:
        (node,) = cluster.nodes
        rig.finally_(node.proxy.present, cluster.files.node)
        node.proxy.present(_expired(rig, cluster))
        reporter = run.report(100, seconds=5)
        _refused(run, *reporter.ended(), 75, "certificate")
        code, _, err = run.stage.run("land")
        _refused(run, code, err, 75, "certificate")
        node.proxy.present(cluster.files.node)
    if seed % 3 != 1:
        reporter.start()
        run.wait(reporter, "with the login mended")
    if run.stage.run("land", "--json")[1] == version:
        run.broke("I9", "nothing lands with the login mended")
    run.check_all_counted()
    return run.violations


def _refused(run: ReportedRun, code: int, err: str, wanted: int, word: str) -> None:
    if code != wanted or word not in err or "Traceback" in err:
        run.broke("I12", f"exit {code}, wanted is {wanted} with '{word}': {err[-400:]}")


def _set_pipeline_password(cluster: Cluster, password: str) -> None:
    with contextlib.closing(cluster.admin()) as admin:
        kind = ScramMechanism.SCRAM_SHA_512
        login = UserScramCredentialUpsertion(PIPELINE, kind, password, iterations=SCRAM_ITERATIONS)
        admin.alter_user_scram_credentials([login])
    time.sleep(0.5)  # known to the controller; the node learns of it a little later


def _expired(rig: Rig, cluster: Cluster) -> Path:
    """A certificate of the cluster's own authority that ran out ten days ago."""
    folder = rig.folder / "tls"
    shutil.copytree(cluster.files.ca.parent, folder)
    (folder / "node.pem").unlink()
    return ensure_certificates(folder, dt.datetime.now(dt.UTC) - dt.timedelta(days=407)).node


ROWS = [
    Row("B1", "broker killed and restarted", ALL, 1, 100, broker_killed, note="I6 and I7 in every fourth run"),
    Row("B3", "network: reset, blackhole, latency, half-open, trickle", HOLD, 1, 100, network_fails, seconds=300),
    Row("B4", "acknowledgement lost after the append", HOLD, 1, 60, acknowledgement_lost),
    Row("B5", "producer restarts and re-sends its outbox", ALL, 1, 100, outbox_sent_again,
        note="I6 and I7 in every fourth run"),
    Row("B13", "broker's disk full, quota throttling", ("I1", "I3", "I8", "I9", "I12"), 0, 10, broker_starved,
        needs=("root",), note="a full disk and a quota by turns"),
    Row("B14", "password rotated, certificate expired", ("I1", "I8", "I9", "I12"), 0, 15, login_out_of_date,
        note="the agency's password, the pipeline's and the certificate by turns"),
]  # fmt: skip
