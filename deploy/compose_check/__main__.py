"""``python -m compose_check``: all steps in order, what they took, docs/compose-check.md; or the step that failed.

Exit 0: everything held. 1: a step did not, it is named. 2: this cannot be run on this machine, the reason is named.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys

from compose_check import machine, page, proof
from compose_check.engine import Engine, contained, sweep
from compose_check.images import make_base, make_standins
from compose_check.stack import ROOT, Stack
from compose_check.steps import StepFailed, Steps
from console.output import note

WORK = ROOT / "var" / "compose-check"


def outside() -> int:
    """On the host: what must be there, then the check itself in namespaces of its own."""
    machine.require()
    keep = bool(os.environ.get("KEEP_IMAGES"))
    WORK.mkdir(parents=True, exist_ok=True)
    turn = (WORK / "lock").open("w")
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends, however it does
    except BlockingIOError:
        raise machine.Refused("another check runs in this checkout") from None
    sweep(WORK, keep_images=True)  # what a killed check left
    installed = machine.install()
    note(f"installed: {', '.join(installed) or 'nothing, all is here'}")
    try:
        return contained(WORK, "compose_check")
    finally:
        sweep(WORK, keep_images=keep)


def inside() -> int:
    """In the namespaces: engine, images, stack, and the proof."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    steps = Steps()
    with steps.step("Docker engine in namespaces of its own") as step:
        engine = Engine(WORK, machine.compose_plugin(WORK))
        engine.start()
        step.seen = engine.versions()
    try:
        stack = Stack(engine)
        stack.down()
        with steps.step("Debian as the base of the stand-ins") as step:
            step.seen = make_base(engine)
        with steps.step("stand-ins for the official images") as step:
            step.seen = make_standins(engine)
        proof.prove(steps, stack)
        disk = engine.disk()
        with steps.step("down, with volumes"):
            stack.down()
    finally:
        engine.stop()
    page.show(steps, stack.memory, disk)
    page.write(ROOT / "docs" / "compose-check.md", steps, stack.memory, disk)
    return 0


def main() -> int:
    """Run; the exit code."""
    try:
        return inside() if sys.argv[1:] == ["inside"] else outside()
    except machine.Refused as reason:
        note(f"compose-check cannot run here: {reason}")
        return 2
    except StepFailed as failed:
        note(f"compose-check failed at: {failed.step}")
        for line in str(failed).splitlines():
            note(f"  {line}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
