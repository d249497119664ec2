"""What is shown of a running stack: healthy, events through, figures out, kills without loss."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from compose_check import figures
from compose_check.airflow import Airflow
from compose_check.stack import Stack
from compose_check.steps import Steps, until
from compose_check.traffic import ByHttp, ByKafka, Sender

AGENCY = "compose-desk"
GATEWAY, SITE, AIRFLOW = 8788, 8787, 8080
KILLED = ("kafka", "airflow-scheduler", "gateway")
SETTLED_SECONDS = 600  # events in a published figure; on quiet cores two minutes, for landing runs each minute
HOME = "/mizan"  # in every container
BUNDLE = "/home/airflow/bundle"  # in the gateway's container, until it is copied out of it


def prove(steps: Steps, stack: Stack) -> None:
    """Every step on ``stack``, which is not up yet. StepFailed at the first that does not hold."""
    with steps.step("docker compose up --build --wait") as step:
        stack.up()
        until(stack.all_healthy, 120, "every service healthy")
        step.seen = f"{len(stack.healths())} services healthy"
    stack.look_at_memory()
    with steps.step("up again, as after an update") as step:
        stack.up()
        until(stack.all_healthy, 120, "every service healthy")
        step.seen = "what was made once is read again by its owners"
    with steps.step("Airflow: every part alive, no DAG broken") as step:
        airflow = Airflow(AIRFLOW, home := stack.volume("mizan"))
        step.seen = f"{airflow.alive()}; {airflow.dags()}"
    with steps.step("report site: reads the public tier, writes nothing") as step:
        step.seen = _site_is_closed(stack)
    with steps.step("an agency: bundle and token") as step:
        bundle, token = _agency(stack)
        step.seen = f"mizan agency add, mizan gateway token add: {AGENCY}"
    sent = 0
    for number, killed in enumerate((None, *KILLED)):
        senders = [ByHttp(number, GATEWAY, token, bundle), ByKafka(number, bundle, bundle / "spool")]
        with steps.step(f"kill -9 {killed} with events in flight" if killed else "events by HTTP and by Kafka") as step:
            told = _sent(stack, senders, killed)
            sent += sum(told)
            step.seen = f"acknowledged by HTTP {told[0]}, by Kafka {told[1]}"
        stack.look_at_memory()
        with steps.step(f"figures out{f' after {killed}' if killed else ''}") as step:
            _wait_published(home, sent)
            step.seen = f"{sent} visits acknowledged, {sent} published"
        stack.look_at_memory()
    with steps.step("report site shows them") as step:
        step.seen = _site_shows(stack, home, sent)
    with steps.step("Airflow: runs and a log") as step:
        step.seen = f"succeeded: {airflow.flowed()}; {airflow.log()}"
    with steps.step("mizan verify --deep, mizan status") as step:
        step.seen = _verified(stack, sent)
    with steps.step("every service healthy at the end") as step:
        until(stack.all_healthy, 120, "every service healthy")
        step.seen = ", ".join(f"{name} restarted {stack.restarts(name)}×" for name in KILLED)


def _sent(stack: Stack, senders: Sequence[Sender], killed: str | None) -> list[int]:
    """How many events of each sender were acknowledged, while a service was killed and came back."""
    for sender in senders:
        sender.start()
    until(lambda: all(one.moving or one.failure for one in senders), 120, "events under way")
    if killed is not None:
        before = stack.restarts(killed)
        stack.kill(killed)
        stack.wait_restarted(killed, before)
    for sender in senders:
        sender.finish()
    return [sender.acknowledged for sender in senders]


def _wait_published(home: Path, sent: int) -> None:
    """Until the volume's published database says exactly what was acknowledged."""
    try:
        until(lambda: figures.of_volume(home, "agency", AGENCY) == sent, SETTLED_SECONDS, "figures")
    except TimeoutError as error:
        found = figures.of_volume(home, "agency", AGENCY)
        raise TimeoutError(f"{error}: {sent} visits acknowledged, {found} published") from None


def _agency(stack: Stack) -> tuple[Path, str]:
    stack.mizan("agency", "add", AGENCY, "--name-fa", "میز آزمایش", "--name-en", "Test desk", "--out", BUNDLE)
    bundle = stack.work / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    stack.compose("cp", f"gateway:{BUNDLE}", str(bundle))
    return bundle, str(stack.asked("gateway", "token", "add", AGENCY)["token"])


def _site_is_closed(stack: Stack) -> str:
    status, _ = figures.asked(SITE, "/")
    if status not in (503, 200):  # Airflow may have published a version without events already
        raise AssertionError(f"the site answers {status} before any event")
    return f"the front page answers {status}; {_readable(stack)}"


def _readable(stack: Stack) -> str:
    """What the site's user can read of the home, outside the public tier: nothing, or AssertionError."""
    search = f"find {HOME} -type f -readable -not -path '{HOME}/published/public/*' 2>/dev/null | head"
    found = stack.compose("exec", "-T", "dashboard", "bash", "-c", search).split()
    if found:
        raise AssertionError(f"the report site's user can read {found}")
    writes = stack.compose("exec", "-T", "dashboard", "bash", "-c", f"touch {HOME}/x /opt/mizan/x 2>&1 || true")
    if writes.count("Read-only file system") != 2:
        raise AssertionError(f"the report site can write: {writes}")
    return "of the home its user reads public/ alone, and it writes nothing"


def _site_shows(stack: Stack, home: Path, sent: int) -> str:
    status, page = figures.asked(SITE, "/")
    if status != 200 or b"<html" not in page:
        raise AssertionError(f"the front page answers {status}")
    public = figures.of_volume(home, "agency", AGENCY, "public")
    shown = figures.of_site(SITE, "agency", AGENCY)
    if not shown == public == sent:
        raise AssertionError(f"sent {sent}, public tier {public}, shown over HTTP {shown}")
    _readable(stack)
    return f"front page {len(page):,} bytes; {shown} visits in csv/monthly_visits.csv over HTTP"


def _verified(stack: Stack, sent: int) -> str:
    stack.mizan("verify", "--deep")
    told = next(one for one in stack.asked("status")["agencies"] if one["agency_id"] == AGENCY)
    if (told["state"], told["lag"], told["quarantined"]) != ("current", 0, 0) or told["landed"] < sent:
        raise AssertionError(f"mizan status says {told}")
    landed, again = told["landed"], told["duplicates"]
    return f"holds; lag 0, quarantined 0, landed {landed} with heartbeats, {again} sent twice and counted once"
