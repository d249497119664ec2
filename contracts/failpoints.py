"""Named places where a test may kill, stop, fail or slow a running process: ``FAULTPOINT=<name>:<what>[@n]``.

``what`` is kill, stop, raise or sleep; ``@n`` waits for the n-th pass. The variable is refused unless
``$MIZAN_HOME/ALLOW_FAULTPOINTS`` exists, so that a production run can never be made to fail by its environment.
"""

from __future__ import annotations

import os
import re
import signal
import time

from contracts.errors import UsageError
from contracts.settings import Settings

_FORM = re.compile(r"([a-z_.]+):(kill|stop|raise|sleep)(?:@([1-9]\d*))?")
_SLEEP_SECONDS = 3600.0
_passes: dict[str, int] = {}


class Faulted(RuntimeError):
    """A test asked for this failure."""


def failpoint(name: str) -> None:
    """Do what FAULTPOINT asks for at ``name``; nothing where it is unset. UsageError where it is not allowed."""
    wanted = os.environ.get("FAULTPOINT")
    if not wanted:
        return
    match = _FORM.fullmatch(wanted)
    if match is None:
        raise UsageError(f"FAULTPOINT is not <name>:<kill|stop|raise|sleep>[@n]: {wanted!r}")
    if not (Settings.load().home / "ALLOW_FAULTPOINTS").exists():
        raise UsageError("FAULTPOINT is set, but this home does not allow faults", hint="unset FAULTPOINT")
    if match[1] != name:
        return
    _passes[name] = _passes.get(name, 0) + 1
    if _passes[name] != int(match[3] or 1):
        return
    if match[2] == "raise":
        raise Faulted(name)
    if match[2] == "sleep":
        time.sleep(_SLEEP_SECONDS)
    else:
        os.kill(os.getpid(), signal.SIGKILL if match[2] == "kill" else signal.SIGSTOP)
