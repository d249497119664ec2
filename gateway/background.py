"""One gateway of a MIZAN_HOME in the background: in a session of its own, known again, ended by its pid alone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from contracts.errors import MizanError, TryAgain
from contracts.keys import secret_folder, write_secret
from contracts.settings import Settings

START_SECONDS = 60.0
STOP_SECONDS = 40.0  # longer than a request in work may take


def up(settings: Settings, port: int) -> Path:
    """Start `mizan gateway run`, or find it running; its log. Comes back when it listens.

    Raises MizanError where it ends while starting (with its last line), TryAgain where the port is another's or it is
    not ready in time.
    """
    with _one_at_a_time(settings) as folder:
        log = folder / "gateway.log"
        if _running(folder) is not None:
            return log
        if _listens(port):
            raise TryAgain(f"another program listens on port {port}", hint="--port N")
        call = [sys.executable, "-m", "console.main", "gateway", "run", "--port", str(port)]
        # posix_spawn, not subprocess: it is meant to outlive us, which subprocess would report as a leak.
        pid = os.posix_spawn(
            sys.executable,
            call,
            {**os.environ, "MIZAN_HOME": str(settings.home)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        known = {"pid": pid, "started": psutil.Process(pid).create_time(), "port": port}
        write_secret(folder / "pid.json", json.dumps(known))
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                (folder / "pid.json").unlink()
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise MizanError(f"the gateway ended while starting: {said[-1] if said else 'it said nothing'}")
            if time.monotonic() > deadline:
                raise TryAgain(f"the gateway is not ready after {START_SECONDS:.0f} s", hint=f"see {log}")
            time.sleep(0.1)
        return log


def down(settings: Settings) -> bool:
    """Let it finish what it has in work, and end it; True where one was running."""
    with _one_at_a_time(settings) as folder:
        process = _running(folder)
        if process is not None:
            for name in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(name)
                if not psutil.wait_procs([process], STOP_SECONDS)[1]:
                    break
        (folder / "pid.json").unlink(missing_ok=True)
        return process is not None


def _running(folder: Path) -> psutil.Process | None:
    """The live process that was noted, unless its pid is another's by now."""
    try:
        noted = json.loads((folder / "pid.json").read_text(encoding="ascii"))
        process = psutil.Process(int(noted["pid"]))
        same = abs(process.create_time() - float(noted["started"])) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[Path]:
    folder = secret_folder(settings.home / "gateway")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
