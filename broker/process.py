"""The broker's Java process: started in a session of its own, found again later, ended by its pid alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from contracts.errors import UsageError

# Carried on the command line of our Java, so that a reused pid or another Kafka is never taken for ours.
MARK = "-Dmizan.broker="
SHOWN_SECONDS = 5
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """A live broker process: its pid and when it started (seconds since 1970)."""

    pid: int
    started: float


def java() -> str:
    """The Java launcher: of JAVA_HOME, else on the PATH. UsageError where there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return str(Path(home) / "bin" / "java")
    found = shutil.which("java")
    if found is None:
        raise UsageError("Java 17 or newer is needed for the local broker", hint="mizan doctor names what is missing")
    return found


def start(folder: Path, arguments: list[str], console: Path) -> Running:
    """Start Java for the broker kept in ``folder``; its output goes to ``console``. Returns at once.

    ``arguments`` follow the mark on the command line. The process has its own session: neither Ctrl-C
    in the caller's terminal nor the caller's end reaches it.
    """
    launcher = java()
    # posix_spawn, not subprocess: the child is meant to outlive us, which subprocess would report as a leak.
    pid = os.posix_spawn(
        launcher,
        [launcher, MARK + str(folder), *arguments],
        _clean_environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(console), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    running = Running(pid, psutil.Process(pid).create_time())
    # Until exec is through, the kernel shows an empty command line, by which nobody would know the broker.
    deadline = time.monotonic() + SHOWN_SECONDS
    while is_alive(running) and _ours(folder, psutil.Process(pid)) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    _pid_file(folder).write_text(json.dumps({"pid": running.pid, "started": running.started}), encoding="ascii")
    return running


def find(folder: Path) -> Running | None:
    """The live broker of ``folder``, or None; a stale pid file is not believed.

    Where the pid file is missing or wrong, the processes of this user are searched for the mark: a caller
    killed between starting Java and writing the file must not leave a broker that nobody can find.
    """
    try:
        noted = json.loads(_pid_file(folder).read_text(encoding="ascii"))
        running = _ours(folder, psutil.Process(int(noted["pid"])))
        if running is not None and abs(running.started - float(noted["started"])) < 1:
            return running
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    for process in psutil.process_iter():
        try:
            running = _ours(folder, process)
        except psutil.Error:
            continue
        if running is not None:
            return running
    return None


def is_alive(running: Running) -> bool:
    """Whether that very process still runs (a process that ended but was not reaped does not)."""
    try:
        process = psutil.Process(running.pid)
        return bool(abs(process.create_time() - running.started) < 1 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def stop(folder: Path, running: Running) -> None:
    """End it: SIGTERM, and SIGKILL after 30 s. Only this pid is signalled. Returns when it has ended."""
    for name, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        if is_alive(running):
            try:
                os.kill(running.pid, name)
            except ProcessLookupError:
                break
        if _ended_within(running, seconds):
            break
    _reap(running.pid)
    _pid_file(folder).unlink(missing_ok=True)


def _ended_within(running: Running, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(running):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _reap(pid: int) -> None:
    """Where the broker was our own child, take its exit status, so that no zombie stays behind."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _ours(folder: Path, process: psutil.Process) -> Running | None:
    if process.uids().real != os.getuid() or MARK + str(folder) not in process.cmdline():
        return None
    running = Running(process.pid, process.create_time())
    return running if is_alive(running) else None


def _clean_environment() -> dict[str, str]:
    """The caller's environment without what would change the JVM or carry our secrets into it."""
    unwanted = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in unwanted and not name.startswith(("MIZAN_", "KAFKA_"))
    }


def _pid_file(folder: Path) -> Path:
    return folder / "pid.json"
