"""What this machine lacks: one finding a line, each with what to do about it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from broker.jars import find_jars
from broker.process import java
from contracts.errors import UsageError
from contracts.settings import Settings

OLDEST_JAVA = 17
OLDEST_PYTHON = (3, 11)
# The set-up takes 1.3 GB, a demo's broker and lake less than 1 GB.
FREE_BYTES = 3 * 2**30
# A broker of a thousand topics with three partitions opens about 6,000 files.
OPEN_FILES = 8192


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether it holds, what was found, and the fix where it does not hold."""

    name: str
    ok: bool
    found: str
    fix: str | None = None


def diagnose(settings: Settings) -> list[Finding]:
    """Look at the machine; every check is always listed. Changes nothing but a probe file in MIZAN_HOME."""
    return [_python(), _java(), _maven(settings), _home(settings), _disk(settings), _open_files(), _loopback()]


def _python() -> Finding:
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    return Finding("python", ok, sys.version.split()[0], None if ok else "install Python 3.11, 3.12 or 3.13")


def _java() -> Finding:
    fix = "install a Java 17 runtime (Debian: apt-get install openjdk-17-jre-headless) or set JAVA_HOME"
    try:
        told = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    except (UsageError, OSError, subprocess.TimeoutExpired):
        return Finding("java", False, "not found", fix)
    match = re.search(r'version "(\d+)', told)
    ok = match is not None and int(match[1]) >= OLDEST_JAVA
    return Finding("java", ok, told.splitlines()[0] if told else "no answer", None if ok else fix)


def _maven(settings: Settings) -> Finding:
    jars = find_jars(settings)
    if jars is not None:
        return Finding("kafka", True, str(jars))
    maven = shutil.which("mvn")
    if maven is not None:
        return Finding("kafka", True, f"not fetched yet; {maven} can")
    return Finding("kafka", False, "neither jars nor Maven", "install Maven (Debian: apt-get install maven)")


def _home(settings: Settings) -> Finding:
    probe = settings.home / f".doctor-{os.getpid()}"
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding("home", False, f"{settings.home}: {error.strerror}", "make it writable, or set MIZAN_HOME")
    return Finding("home", True, str(settings.home))


def _disk(settings: Settings) -> Finding:
    folder = next((path for path in (settings.home, *settings.home.parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(folder).free
    fix = None if free >= FREE_BYTES else f"free {FREE_BYTES >> 30} GB, or set MIZAN_HOME to another disk"
    return Finding("disk", fix is None, f"{free / 2**30:.1f} GB free at {folder}", fix)


def _open_files() -> Finding:
    # Java raises its own soft limit to the hard one, so the hard limit is what counts.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    ok = hard == resource.RLIM_INFINITY or hard >= OPEN_FILES
    found = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
    return Finding("open files", ok, found, None if ok else f"raise the hard limit: ulimit -Hn {OPEN_FILES}")


def _loopback() -> Finding:
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            with socket.create_connection(listener.getsockname(), timeout=2):
                return Finding("loopback", True, "127.0.0.1 listens and connects")
    except OSError as error:
        return Finding("loopback", False, str(error), "bring the loopback interface up: ip link set lo up")
