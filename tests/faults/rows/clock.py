"""Clocks that are wrong, and calendars at their edges: the pipeline under libfaketime against the oracle (C1)."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from faults import schedule
from faults.build_run import numbers
from faults.landing_run import LandingRun
from faults.registry import Row, Violation
from faults.rig import Rig
from faults.schedule import Said, wire

TEHRAN = ZoneInfo("Asia/Tehran")
# Local midnights and the hours that daylight saving skipped or repeated; leap days of both calendars; new years.
EDGES = [
    dt.datetime.fromisoformat(text).replace(tzinfo=TEHRAN)
    for text in (
        "2020-02-29", "2020-03-01", "2020-03-20", "2020-03-21", "2020-03-22", "2020-09-20T23:00", "2020-09-21",
        "2021-03-20", "2021-03-21", "2022-09-21T23:00", "2022-09-22", "2023-03-22", "2024-02-29", "2024-03-01",
        "2025-03-20", "2025-03-21",
    )
]  # fmt: skip
# The Kafka client waits by a call of C11 that libfaketime does not know: till a moment of the wrong clock, that is
# for a day. This gives the kernel the moment of the true clock.
TRUE_WAITS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    int (*wait)(cnd_t *, mtx_t *, const struct timespec *) = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec believed, now, moment;
    clock_gettime(CLOCK_REALTIME, &believed);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    long long left = (until->tv_sec - believed.tv_sec) * 1000000000LL + until->tv_nsec - believed.tv_nsec;
    long long then = now.tv_sec * 1000000000LL + now.tv_nsec + left;
    moment.tv_sec = then / 1000000000LL;
    moment.tv_nsec = then % 1000000000LL;
    return wait(condition, mutex, &moment);
}
"""
# When the pipeline believes to run: a day off, on either side of a month's edge, on a leap day, on new year's night.
CLOCKS = ("+1d", "-1d", "@2027-03-21 00:29:55", "@2027-02-28 23:59:55", "@2028-02-29 12:00:00", "@2027-01-01 00:00:05")


def clock_is_wrong(rig: Rig, seed: int) -> list[Violation]:
    """Events at the edges land under three clocks, one of them a day behind; the build believes a fourth."""
    run = LandingRun(rig, agencies=2)
    edges = rig.rng.sample(EDGES, 4)
    for clock in rig.rng.sample(("+1d", "-1d", ""), 3):
        batch = []
        for stream in run.streams:
            for _ in range(rig.rng.randrange(20, 60)):
                near = rig.rng.choice(edges) + dt.timedelta(seconds=rig.rng.choice((-3600, -1, 0, 1, 1799, 3600)))
                zone = rig.rng.choice((dt.UTC, dt.timezone(dt.timedelta(hours=-11)), TEHRAN))
                event = stream.event(occurred_at=near.astimezone(zone))
                stream.past.append(event)
                batch.append(Said(stream.agency, wire(event), event))
        schedule.produce(run.login, batch)
        run.records += batch
        code, err = _believing(run, clock, "land", "--until-empty")
        # A day behind, the broker's certificate may not be valid yet: that is said, and nothing is taken.
        run.ended(code, err, (0, 75) if clock == "-1d" else (0,))
    run.land()
    kept = run.check()
    run.pass_all_batches()
    clock = rig.rng.choice(CLOCKS)
    code, err = _believing(run, clock, "build")
    run.ended(code, err, (0,))
    # The build of that clock against the oracle, and against a rebuild under the true one.
    run.violations += numbers(run.stage.settings, run.catalogue, kept)
    return run.violations


def _believing(run: LandingRun, clock: str, *command: str) -> tuple[int, str]:
    """Run `mizan …` under a clock in the form of libfaketime; the empty one is the true clock."""
    call = [sys.executable, "-m", "console.main", *command]
    environment = {**os.environ, **run.stage.environment, "TZ": "UTC"}
    if clock:
        environment |= {"FAKETIME": clock, "LD_PRELOAD": f"{_true_waits(run.rig.folder)} {_libfaketime()}"}
        # Waiting and timing out go by the monotonic clock, which no operator can set wrong.
        environment |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False, timeout=170)
    return done.returncode, done.stderr


def _libfaketime() -> str:
    told = subprocess.run(
        ["faketime", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def _true_waits(folder: Path) -> Path:
    library, source = folder / "true_waits.so", folder / "true_waits.c"
    if not library.exists():
        source.write_text(TRUE_WAITS, encoding="ascii")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


ROWS = [
    Row("C1", "clock a day off, daylight saving, leap day, month edge", ("I1", "I6", "I7", "I8"), 0, 30, clock_is_wrong,
        needs=("faketime", "C compiler")),
]  # fmt: skip
