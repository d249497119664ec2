"""Builds killed and damaged: the build file is a cache, and the lake gives the same numbers again (T1 to T3)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from faults.build_run import PUBLISH, UPDATE, BuildRun, begun, flip, truncate
from faults.registry import Row, Violation
from faults.rig import Rig

SWEPT = 5  # every so manieth run looks for person keys in all that is published
FAILPOINTS = ("tx.begin", "tx.mid", "tx.checkpoint", "tx.mid@2", "tx.begin@2", "tx.mid@3")


def killed_build(rig: Rig, seed: int) -> list[Violation]:
    """A first build or an increment killed at a failpoint or at any moment, up to three times over."""
    if seed % 2:
        run = begun(rig, seed)
        run.add(rig.rng.randrange(5, 60))
    else:
        run = BuildRun(rig)
        run.add(rig.rng.randrange(30, 120))
    for turn in range(rig.rng.choice((1, 1, 2, 3))):
        if turn == 0 and seed % 3:
            name, _, number = FAILPOINTS[seed % len(FAILPOINTS)].partition("@")
            run.killed(UPDATE, f"{name}:kill" + (f"@{number}" if number else ""))
        else:
            _kill_at_random(run, rig.rng.random() * 2.5)
    run.check_numbers()
    return run.violations


def _kill_at_random(run: BuildRun, seconds: float) -> None:
    with run.process(UPDATE) as process:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()


def damaged_build(rig: Rig, seed: int) -> list[Violation]:
    """The build file, or the log that a killed build left beside it, cut, flipped, overwritten or gone."""
    run = begun(rig, seed)
    run.add(rig.rng.randrange(5, 60))
    log = Path(f"{run.settings.build_file}.wal")
    if seed % 3 == 0:
        run.killed(UPDATE, rig.rng.choice(("tx.checkpoint:kill", "tx.begin:kill@2", "tx.mid:kill@3")))
    victim = log if seed % 3 == 0 and log.exists() else run.settings.build_file
    how = rig.rng.choice(("cut", "cut", "flip", "overwrite", "gone"))
    share = rig.rng.random()
    if how == "cut":
        truncate(victim, share)
    elif how == "flip":
        # Half of the file's flips are in its head; elsewhere damage shows only where the block is read, or never.
        flip(victim, share if victim == log or seed % 2 else share * 4096 / victim.stat().st_size)
    elif how == "overwrite":
        victim.write_bytes(os.urandom(victim.stat().st_size))
    else:
        victim.unlink()
    for _ in range(3):
        with run.process(f"{UPDATE}\n{PUBLISH}") as process:
            _, err = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        # Publishing may be the first to read the damaged block: it says `try again`, and then the build is made anew.
        if "BuildDamaged" not in err:
            run.broke("I12", f"{how} {victim.name}: ended with {process.returncode}: {err[-600:]}")
    if process.returncode != 0:
        run.broke("I9", f"{how} {victim.name}: not published: {err[-600:]}")
    run.check_numbers()
    return run.violations


def late_event(rig: Rig, seed: int) -> list[Violation]:
    """Events of a month that is published come late: a new version with revision rows, nothing silently."""
    from warehouse.publish import publish
    from warehouse.published import open_published

    run = begun(rig, seed, published=True)
    first = publish(run.settings).version
    with open_published(run.settings) as connection:
        before = _users(connection)
    run.add(rig.rng.randrange(1, 30))
    run.update()
    second = publish(run.settings).version
    with open_published(run.settings) as connection:
        after = _users(connection)
        said = connection.execute("SELECT DISTINCT key FROM marts.restatements").fetchall()
    changed = {month for month in before if before[month] != after.get(month)}
    if second <= first:
        run.broke("I5", f"version {second} came after {first}")
    words = " ".join(key for (key,) in said)
    for month in changed:
        if month not in words:
            run.broke("I12", f"{month} changed without a line in restatements")
    if publish(run.settings).is_new:
        run.broke("I7", "the same build was published twice")
    run.check_disclosure()
    if seed % SWEPT == 0:
        run.check_no_keys()
    run.check_numbers()
    return run.violations


def _users(connection: Any) -> dict[str, list[Any]]:
    """Jalali month to its national rows."""
    rows = connection.execute("""
        SELECT month, channel, active_users FROM marts.monthly_users
        WHERE calendar = 'jalali' AND scope = 'national' ORDER BY ALL
    """).fetchall()
    found: dict[str, list[Any]] = {}
    for month, channel, users in rows:
        found.setdefault(month, []).append((channel, users))
    return found


ROWS = [
    Row(
        "T1", "kill -9 in a build and its checkpoint", ("I6", "I7"), 0, 100, killed_build,
        note="at every change tests/unit/transforms has each failpoint; a third of the kills are at random; "
        "in every second run the first build is one of 6 made beforehand",
    ),
    Row("T2", "build file or its log damaged", ("I6", "I7", "I9"), 1, 60, damaged_build,
        note="every change runs 1; the first build is one of 6 made beforehand"),
    Row("T3", "late event for a published month", ("I5", "I6", "I7", "I8", "I11", "I12"), 0, 20, late_event,
        note="the first version is one of 6 made beforehand; "
        f"I8 (person keys in what is published) in every {SWEPT}th run"),
]  # fmt: skip
