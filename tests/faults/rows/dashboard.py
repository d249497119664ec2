"""The real dashboard killed while versions swap, with readers who are slow, silent or too many (P4)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import time
from pathlib import Path

from faults.build_run import BuildRun, begun
from faults.registry import Row, Violation
from faults.rig import Rig
from faults.site import Site, Watcher

PUBLISH = (
    "from contracts.settings import Settings; from dashboard.report import write_pages; "
    "from warehouse.publish import publish; publish(Settings.load(), pages=write_pages)"
)
# What the dashboard promises (dashboard/patience.py, dashboard/server.py), and some time for a busy machine.
ASKING, TAKING, ANSWERING, SLACK = 10, 20, 10, 15
TOO_MANY = 300


def dashboard_in_trouble(rig: Rig, seed: int) -> list[Violation]:
    """Nothing published, then a version, then another while it is killed; and one kind of difficult reader by seed."""
    run = begun(rig, seed)
    site = Site(run.environment, rig.folder)
    rig.finally_(site.kill)
    site.start()
    code, headers, body = site.ask("/")
    if code != 503 or "retry-after" not in headers or b"Traceback" in body:
        run.broke("I5", f"before the first publication it answers {code} {body[:200]!r}")
    _publish(run)
    etag = _etag(run, site)
    if seed % 4 == 0:
        _slow_disk(run, site)
    with contextlib.ExitStack() as readers:
        slow = []
        if seed % 4 == 1:
            slow = [readers.enter_context(site.open(said)) for said in (b"", b"G", b"GET / HTTP/1.1\r\nX: ") * 5]
        elif seed % 4 == 2:
            ask = b"GET /current.duckdb HTTP/1.0\r\n\r\n"
            slow = [readers.enter_context(site.open(ask, buffer=4096)) for _ in range(3)]
        began = time.monotonic()
        _swap(run, site, kills=seed % 4 in (0, 3))
        _check_new(run, site, etag)
        if seed % 4 == 1:
            _trickle(run, slow, began)
        elif seed % 4 == 2:
            _not_taken(run, slow, began)
    if seed % 4 == 3:
        _too_many(run, site)
    log = site.log.read_text(errors="replace")
    if "Traceback" in log:
        run.broke("I12", f"the dashboard's log holds a trace: {log[log.index('Traceback') :][:600]}")
    return run.violations


def _publish(run: BuildRun) -> None:
    with run.process(PUBLISH) as process:
        _, err = process.communicate(timeout=240)
    if process.returncode != 0:
        run.broke("I9", f"not published: {err[-400:]}")


def _etag(run: BuildRun, site: Site) -> str:
    code, headers, _ = site.ask("/")
    if code != 200:
        run.broke("I5", f"after a publication it answers {code}")
        return ""
    again, _, body = site.ask("/", If_None_Match=headers["etag"])
    if (again, body) != (304, b""):
        run.broke("I5", f"asked for what did not change it answers {again} with {len(body)} bytes")
    return headers["etag"]


def _swap(run: BuildRun, site: Site, *, kills: bool) -> None:
    """Publish the next version while it is watched, read slowly but steadily, and killed or not."""
    public: Path = run.settings.published / "public"
    old = (public / "current.duckdb").read_bytes()
    run.add(run.rng.randrange(5, 40))
    run.update()
    steady = None if kills else site.open(b"GET /current.duckdb HTTP/1.0\r\n\r\n", buffer=64 * 1024)
    got = bytearray(steady.recv(1000)) if steady else bytearray()
    with Watcher(site) as watcher, run.process(PUBLISH) as process:
        while process.poll() is None:
            if kills and watcher.answers:
                watcher.may_be_down = True
                time.sleep(run.rng.random() * 0.5)
                site.kill()
                site.start()
                watcher.may_be_down = False
            elif steady:
                got += steady.recv(200_000)
            time.sleep(0.05)
        _, err = process.communicate(timeout=240)
        time.sleep(0.5)
    if steady:
        with steady:
            while part := steady.recv(1_000_000):
                got += part
        if bytes(got).partition(b"\r\n\r\n")[2] != old:
            run.broke("I5", f"a download over the swap has {len(got)} bytes and is not the version it began with")
    if process.returncode != 0:
        run.broke("I9", f"not published: {err[-400:]}")
    for trouble in watcher.trouble[:5]:
        run.broke("I5", f"over the swap: {trouble}")
    if not watcher.answers:
        run.broke("I9", f"over the swap nothing was answered, {watcher.refusals} times")
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in public.glob(".report/v*/index.html")}
    if watcher.pages - there:
        run.broke("I5", "a front page was seen that is of no version")


def _check_new(run: BuildRun, site: Site, etag: str) -> None:
    pointer = json.loads((run.settings.published / "public" / "CURRENT.json").read_text())
    code, headers, body = site.ask("/", If_None_Match=etag)
    if code != 200 or headers.get("etag") == etag:
        run.broke("I5", f"after the next publication the old ETag is answered with {code} and {headers.get('etag')}")
    if body != (run.settings.published / "public" / "index.html").read_bytes():
        run.broke("I5", f"the front page is not that of version {pointer['version']}")


def _slow_disk(run: BuildRun, site: Site) -> None:
    """One file does not open: its answer is 503 in time, and the others are not held up."""
    site.kill()
    site.start(FAULTPOINT="dashboard.open:sleep@2")
    site.ask("/")
    began = time.monotonic()
    hanging = site.open(b"GET /CURRENT.json HTTP/1.0\r\n\r\n")
    time.sleep(0.5)
    if site.ask("/")[0] != 200 or time.monotonic() - began > ANSWERING:
        run.broke("I9", "one answer that hangs holds up another")
    with hanging:
        said = _all(hanging)
    took = time.monotonic() - began
    if not said.startswith(b"HTTP/1.1 503") or b"Traceback" in said or took > ANSWERING + SLACK:
        run.broke("I9", f"a file that does not open: after {took:.0f} s {said[:200]!r}")
    site.kill()
    site.start()


def _trickle(run: BuildRun, slow: list[socket.socket], began: float) -> None:
    """Requests that never end are cut, though a byte comes every second. They are looked at once, however late."""
    alive = list(slow)
    while True:
        for connection in list(alive):
            try:
                connection.sendall(b"a")
                connection.setblocking(False)
                if connection.recv(1000) == b"":
                    alive.remove(connection)
            except BlockingIOError:
                pass
            except OSError:
                alive.remove(connection)
            finally:
                connection.setblocking(True)
        if not alive or time.monotonic() - began > ASKING + SLACK:
            break
        time.sleep(1)
    if alive:
        run.broke("I9", f"{len(alive)} requests that do not end are held open after {ASKING + SLACK} s")


def _not_taken(run: BuildRun, slow: list[socket.socket], began: float) -> None:
    """Answers that nobody takes are cut."""
    time.sleep(max(0.0, began + TAKING + 5 - time.monotonic()))
    for connection in slow:
        head, _, body = _all(connection).partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length is None or len(body) >= int(length[1]):
            run.broke("I9", f"an answer that nobody took for {TAKING} s was kept")


def _too_many(run: BuildRun, site: Site) -> None:
    """More silent connections than it serves: 503 at worst, and soon all is as before."""
    with contextlib.ExitStack() as held:
        for _ in range(TOO_MANY):
            held.enter_context(site.open())
        code, _, body = site.ask("/")
        if code not in (200, 503) or b"Traceback" in body:
            run.broke("I5", f"beside {TOO_MANY} connections it answers {code} {body[:200]!r}")
        deadline = time.monotonic() + ASKING + SLACK
        while site.ask("/")[0] != 200:
            if time.monotonic() > deadline:
                run.broke("I9", f"{TOO_MANY} silent connections keep everybody else out")
                break
            time.sleep(0.5)


def _all(connection: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(1_000_000):
            got += part
    return got


ROWS = [
    Row(
        "P4", "dashboard killed in the swap; slow, silent and many readers; a disk that hangs", ("I5", "I9", "I12"),
        0, 20, dashboard_in_trouble, seconds=400,
        note="at every change tests/unit/dashboard has each reader once; by turns of four: a file that does not open "
        "(503 in time), requests that trickle, answers nobody takes, 300 silent connections; killed in the "
        "swap in every second run. It asks no database: no query can be slow",
    ),
]  # fmt: skip
