"""Landing killed, stopped, doubled: nothing lost, nothing twice (L1 to L5)."""

from __future__ import annotations

from faults.landing_run import LandingRun
from faults.registry import ALL, Row, Violation
from faults.rig import Rig

FAILPOINTS = (
    "plan", "read", "decode", "quarantine.file", "quarantine.pre_commit", "quarantine.post_commit", "events.file",
    "events.pre_commit", "events.post_commit", "verify", "mirror", "exit",
)  # fmt: skip


def killed_at_a_failpoint(rig: Rig, seed: int) -> list[Violation]:
    """Each failpoint in turn by seed: its first pass, then its second, then a later one."""
    place, passes = FAILPOINTS[seed % len(FAILPOINTS)], 1 + seed // len(FAILPOINTS) % 3
    count = rig.rng.randrange(300, 1500)
    run = LandingRun(rig, agencies=rig.rng.choice((1, 2, 3)), cap=max(1, count // 4))
    run.send(count)
    once = place in ("plan", "mirror", "exit")
    run.killed("land", fault=f"{place}:kill" if once else f"{place}:kill@{passes}", optional=not once and passes > 2)
    run.send(rig.rng.randrange(10, 200))
    run.land()
    kept = run.check()
    if seed % 4 == 0:
        run.check_numbers(kept)
    return run.violations


ROWS = [
    Row(
        "L1", "kill -9 at each failpoint, then retry", ALL, 8, 300, killed_at_a_failpoint,
        note="monthly numbers and the rebuild (I6, I7) in every fourth run",
    ),
]  # fmt: skip
