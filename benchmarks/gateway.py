"""Events through the HTTP gateway on one core, against the SDK sending the same events to the same broker.

``python -m benchmarks.gateway [--events 60000]``: a real broker with acks=all, the gateway as a process bound to one
core, a client that keeps four connections busy. Both sides check every event against the contract. Exit 1 where the
gateway takes fewer than EVENTS_A_CPU_SECOND of its own processor's time; seconds of the clock depend on who else runs.
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rows import keep, measured
from contracts.settings import Settings

AGENCY = "bench-gateway"
CONNECTIONS = 4
EVENTS_A_CPU_SECOND = 5_000
BATCHES = (1, 100, 1_000)


def events(count: int) -> list[bytes]:
    """So many completed transactions of one agency, each of some 470 bytes."""
    run = uuid.uuid4().hex[:12]
    return [
        json.dumps(
            {
                "specversion": "1.0", "id": f"{run}-{number}", "source": f"/agencies/{AGENCY}",
                "type": "ir.egov.transaction.completed.v1", "time": "2020-04-01T12:00:00Z",
                "datacontenttype": "application/json",
                "data": {
                    "transaction_id": f"{run}-{number}", "service_id": "s-1", "channel": "portal",
                    "outcome": "accepted", "duration_seconds": 40, "user_key": f"{number + 1:064x}",
                },
            },
            separators=(",", ":"),
        ).encode()
        for number in range(count)
    ]  # fmt: skip


def send_with_sdk(bundle: Path, count: int) -> None:
    """Check and send ``count`` events as ``mizan send`` does, in this process; print what it took."""
    from contracts.event import Event
    from producers.checking import check_lines
    from producers.login import read_bundle
    from producers.publisher import Publisher

    values = events(count)
    with Publisher(AGENCY, read_bundle(bundle).kafka) as publisher:
        wall, cpu = time.monotonic(), time.process_time()
        for value, verdict in zip(values, check_lines(values, AGENCY), strict=True):
            assert isinstance(verdict, Event)
            publisher.send(value)
        assert publisher.flush() == count
        print(json.dumps(row("sdk", count, time.monotonic() - wall, time.process_time() - cpu)))


def row(name: str, count: int, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """One line of the page."""
    return {
        "measurement": name,
        "events": count,
        "seconds": round(seconds, 2),
        "events_per_second": round(count / seconds),
        "cpu_seconds": round(cpu_seconds, 2),
        "events_per_cpu_second": round(count / cpu_seconds),
    }


@contextlib.contextmanager
def gateway(settings: Settings) -> Iterator[tuple[psutil.Process, int]]:
    """The gateway on one core, as an operator runs it: its process and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    core = min(os.sched_getaffinity(0))
    run = "import os, sys; os.sched_setaffinity(0, {int(sys.argv.pop(1))}); from console.main import main; main()"
    call = [sys.executable, "-c", run, str(core), "gateway", "run", "--port", str(port)]
    with subprocess.Popen(call, env={**os.environ, "MIZAN_HOME": str(settings.home)}) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None
                assert time.monotonic() < deadline
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield psutil.Process(process.pid), port
        finally:
            process.terminate()


def send_over_http(port: int, token: str, bodies: Sequence[bytes]) -> None:
    """Post the bodies one after another on one connection; every one must be answered 202."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson", "Prefer": "return=minimal"}
    for body in bodies:
        connection.request("POST", "/v1/events", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 202, text[:500]
    connection.close()


def through_gateway(process: psutil.Process, port: int, token: str, count: int, batch: int) -> dict[str, Any]:
    """The row of ``count`` events in batches over CONNECTIONS connections."""
    values = events(count)
    bodies = [b"\n".join(values[begin : begin + batch]) for begin in range(0, count, batch)]
    send_over_http(port, token, bodies[:1])
    times, wall = process.cpu_times(), time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [bodies[place::CONNECTIONS] for place in range(CONNECTIONS)]
        list(pool.map(lambda share: send_over_http(port, token, share), shares))
    seconds, now = time.monotonic() - wall, process.cpu_times()
    used = now.user + now.system - times.user - times.system
    return row(f"gateway, {batch:,} an HTTP request", count, seconds, used)


def rows(count: int) -> list[dict[str, Any]]:
    """The SDK's row and the gateway's, from one broker."""
    from broker import local
    from broker.administration import allow_gateway
    from broker.bundle import keep_bundles
    from contracts.keys import create_keys
    from gateway.logins import add_token

    with tempfile.TemporaryDirectory(prefix="mizan-bench-") as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        create_keys(settings)
        local.up(settings)
        try:
            bundle = keep_bundles(settings, [AGENCY])[AGENCY]
            allow_gateway(settings)
            _, token = add_token(settings, AGENCY)
            found = [measured("gateway", "--sdk", str(bundle), "--events", str(count), environment={})]
            with gateway(settings) as (process, port):
                for batch in BATCHES:
                    # One event a request shows the price of a request; a tenth of them shows it as well.
                    found.append(through_gateway(process, port, token, count if batch > 1 else count // 10, batch))
                found[-1]["peak_rss_mb"] = round(process.memory_info().rss / 2**20)
            for one in found:
                one["cpu_ratio_to_sdk"] = round(found[0]["events_per_cpu_second"] / one["events_per_cpu_second"], 2)
            return found
        finally:
            local.down(settings)


def main() -> None:
    """Measure, print and keep the rows, and judge them."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--events", type=int, default=60_000)
    asked.add_argument("--sdk", type=Path)
    options = asked.parse_args()
    if options.sdk is not None:
        send_with_sdk(options.sdk, options.events)
        return
    found = rows(options.events)
    keep("gateway", found)
    slow = [one for one in found[2:] if one["events_per_cpu_second"] < EVENTS_A_CPU_SECOND]
    if slow:
        sys.exit(f"failed: fewer than {EVENTS_A_CPU_SECOND:,} events a second of one core: {slow}")


if __name__ == "__main__":
    main()
