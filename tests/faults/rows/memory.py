"""Memory that runs out while wide events land: batches get smaller, landing goes on (L9)."""

from __future__ import annotations

from contracts.event_contract import event_contract
from faults import schedule
from faults.landing_run import LandingRun
from faults.registry import ALL, Row, Violation
from faults.rig import Rig
from faults.schedule import Said

WIDE_BYTES = 16 * 2**20
# Megabytes to judge a batch in. Judged in columns, wide texts take six times their size and more.
LEAST, MOST = 60, 96


def memory_runs_out(rig: Rig, seed: int) -> list[Violation]:
    """Wide events, good and spoilt, up to the largest size there is, under a limit that a whole batch passes."""
    run = LandingRun(rig, agencies=2)
    records = wide(run)
    schedule.produce(run.login, records)
    run.records += records
    limit = rig.rng.randrange(LEAST, MOST)
    code, _, err = run.stage.run("land", "--until-empty", MIZAN_LAND_MEMORY_MB=str(limit))
    run.ended(code, err, (0,))
    if "memory ran out" not in err:
        run.broke("I12", f"a batch fits in {limit} MB, or nobody says that it does not: {err[-300:]}")
    run.check()
    return run.violations


def wide(run: LandingRun) -> list[Said]:
    """Events padded with white space, which the contract allows, to sizes up to its limit."""
    most, records, size = event_contract().max_value_bytes, [], 0
    while size < WIDE_BYTES:
        for said in run.rng.choice(run.streams).take(20):
            if said.value is not None and said.value.endswith(b"}"):
                said.value = said.value[:-1] + b" " * (run.rng.randint(1_000, most) - len(said.value)) + b"}"
            records.append(said)
            size += len(said.value or b"")
    return records


ROWS = (Row("L9", "out of memory; wide events", (*ALL, "I10"), 2, 20, memory_runs_out),)
