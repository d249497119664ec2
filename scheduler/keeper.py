"""Keep the processes of one Airflow running: start them, start again what ended, end them all when asked to.

``python -m scheduler.keeper``, in the environment of scheduler/local.py. `airflow standalone` starts the same four, but
a scheduler that was killed, or gave up on a locked database, stays dead there and nothing lands any more. What a dead
component leaves behind (a task, a worker that waits for work that never comes) is ended before it is started again, as
when a container ends: everything of ours may be killed, and the new scheduler retries what it finds unfinished.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

COMPONENTS = ("api-server", "dag-processor", "triggerer", "scheduler")
# Its tasks speak to the API server and fail at once where nobody listens: a landing's tries would be gone in a minute.
NEED_API = frozenset({"scheduler"})
LOOK_SECONDS = 0.5
# A component that ends at once is not started again at once: the pause doubles, and is forgotten after a minute's life.
FIRST_PAUSE, LONGEST_PAUSE, LIVED_SECONDS = 1.0, 30.0, 60.0
PATIENCE_SECONDS = 20.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Component:
    """One of Airflow's commands, its process and when it may be started again."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    not_before: float = 0.0

    def start(self) -> None:
        """Start it; what it says goes where this process's words go."""
        self.process = subprocess.Popen([sys.executable, "-m", "airflow", self.name])
        self.started = time.monotonic()

    def look(self) -> bool:
        """Start it where it does not run; True where it was found dead."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.not_before and (self.name not in NEED_API or _api_listens()):
                self.start()
            return False
        if self.process.poll() is None:
            return False
        _say(f"{self.name} ended with {self.process.returncode}; it is started again in {self.pause:.0f} s")
        self.process = None
        self.not_before = now + self.pause
        lived = now - self.started > LIVED_SECONDS
        self.pause = FIRST_PAUSE if lived else min(2 * self.pause, LONGEST_PAUSE)
        return True


def main() -> None:
    """Bring the metadata database up to date, then keep every component until SIGTERM."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda kind, _: stopping.append(kind))
    # What a dead component leaves behind becomes our child, so that it can be found.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
    components = [Component(name) for name in COMPONENTS]
    while not stopping:
        if [component.name for component in components if component.look()]:
            _end_orphans({component.process.pid for component in components if component.process is not None})
        _bury({component.process.pid for component in components if component.process is not None})
        time.sleep(LOOK_SECONDS)
    _end(components)


def _end_orphans(ours: set[int]) -> None:
    """Kill what dead components left behind, until none is left: an orphan's own children become ours as it dies."""
    while orphans := [one for one in psutil.Process().children() if one.pid not in ours]:
        for orphan in orphans:
            with contextlib.suppress(psutil.Error):
                orphan.kill()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan.pid, 0)


def _bury(ours: set[int]) -> None:
    """Take note of adopted processes that have ended by themselves."""
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error, ChildProcessError):
            if one.pid not in ours and one.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(one.pid, os.WNOHANG)


def _end(components: list[Component]) -> None:
    running = [component.process for component in components if component.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()
    _end_orphans(set())


def _api_listens() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int(os.environ["AIRFLOW__API__PORT"])), timeout=1.0):
            return True
    except OSError:
        return False


def _say(words: str) -> None:
    sys.stdout.write(f"keeper: {words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
