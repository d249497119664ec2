"""A gate whose judge raises, hangs or dies stays closed for what was not judged, and for nobody else (G1)."""

from __future__ import annotations

import signal

from faults.build_run import BuildRun
from faults.registry import Row, Violation
from faults.rig import Rig

GATE = "from contracts.settings import Settings; from expectations.gate import gate; gate(Settings.load())"
FAULTS = ("gate.judge:raise", "gate.judge:kill", "gate.judge:raise@2", "gate.judge:kill@2", "gate.plan:kill")


def broken_judge(rig: Rig, seed: int) -> list[Violation]:
    """The judge fails at one of its frames, or the gate dies: nothing unjudged is counted; the rest goes on."""
    run = BuildRun(rig, agencies=rig.rng.choice((2, 3)))
    run.add(rig.rng.randrange(20, 60), verdict=None)
    fault = FAULTS[seed % len(FAULTS)]
    with run.process(GATE, FAULTPOINT=fault) as process:
        _, err = process.communicate(timeout=600)
    wanted = -signal.SIGKILL if fault == "gate.plan:kill" else 0
    if process.returncode != wanted:
        run.broke("I12", f"{fault}: the gate ended with {process.returncode}: {err[-400:]}")
    verdicts = _verdicts(run)
    if fault == "gate.plan:kill" and verdicts:
        run.broke("I4", f"a gate killed before it began left {verdicts}")
    open_for = {agency for agency, verdict in verdicts.items() if verdict in ("passed", "warned")}
    counted = [event for event in run.kept if event["agency_id"] in open_for]
    everything, run.kept = run.kept, counted
    run.check_numbers()
    # The next gate judges what has no verdict, and what its judge failed on, by itself.
    with run.process(GATE) as process:
        _, err = process.communicate(timeout=600)
    if process.returncode != 0:
        run.broke("I9", f"the next gate ended with {process.returncode}: {err[-400:]}")
    for agency, verdict in _verdicts(run).items():
        if verdict not in ("passed", "warned"):
            run.broke("I9", f"{agency} is {verdict} still, though the judge is well again")
    run.kept = everything
    run.check_numbers()
    return run.violations


def _verdicts(run: BuildRun) -> dict[str, str]:
    from warehouse.lake import Lake

    rows = sorted(Lake(run.settings).open("verdicts").rows().to_pylist(), key=lambda row: row["decided_at"])
    return {row["agency_id"]: row["verdict"] for row in rows}


ROWS = [
    Row(
        "G1", "the gate's judge raises or dies; the gate dies", ("I6", "I7", "I9", "I12"), 0, 20, broken_judge,
        seconds=1200, note="a judge that hangs is tried in tests/unit/expectations; left out of every change, for time",
    ),
]  # fmt: skip
