"""Disks that are full, fail or forget, and files that somebody harms: named, halted, and made whole (L6 to L11)."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from faults.build_run import flip, truncate
from faults.landing_run import LandingRun, problems_of
from faults.registry import Row, Violation
from faults.rig import Rig
from faults.rows.landing import FAILPOINTS

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbooks" / "halts.md"
# What a landing may end with when its disk fails: said in one line, never as a trace.
TROUBLE = (1, 4, 5, 75)
SYSTEM_CALLS = ("fsync", "rename,renameat,renameat2", "link,linkat", "pwrite64", "openat")


def full_disk(rig: Rig, seed: int) -> list[Violation]:
    """A lake on a disk with room for nothing, a little, or almost enough; then there is room again."""
    lake = rig.folder / "home" / "lake"
    lake.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "mizan-faults", str(lake)], check=True)
    rig.finally_(partial(subprocess.run, ["umount", "-l", str(lake)], check=True))
    run = LandingRun(rig, cap=rig.rng.choice((50, 200, None)))
    run.send(rig.rng.randrange(20, 100))
    run.land()
    run.send(rig.rng.randrange(400, 1200))
    filler = lake / "filler"
    room = os.statvfs(lake)
    left = rig.rng.choice((0, 1, rig.rng.randrange(2, 12), rig.rng.randrange(12, 60))) * 4096
    filler.write_bytes(b"\0" * max(room.f_bavail * room.f_frsize - left, 0))
    code, _, err = run.stage.run("land", "--until-empty")
    run.ended(code, err, (0, *TROUBLE))
    if code == 0 and left < 2 * 4096:
        run.broke("I12", f"landing on a disk with {left} bytes left ended with 0")
    filler.unlink()
    return _whole(run)


def failing_calls(rig: Rig, seed: int) -> list[Violation]:
    """One fsync, rename, link, write or open of a landing fails with EIO, or its files may not grow."""
    run = LandingRun(rig, cap=rig.rng.choice((60, 200, None)))
    run.send(rig.rng.randrange(200, 600))
    command = [sys.executable, "-m", "console.main", "land", "--until-empty"]
    environment = {**os.environ, **run.stage.environment}
    if seed % 6 == 5:
        size = rig.rng.choice((512, 4096, 16_384))
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size)),
        )
    else:
        calls = SYSTEM_CALLS[seed % 6]
        when = rig.rng.randrange(1, 12)
        if calls == "openat":
            # The interpreter opens thousands of files; only those below the lake are ours to fail.
            paths = [f"-P{run.lake / name}" for name in ("events", "quarantine", "events/_delta_log")]
        else:
            paths = []
        inject = f"inject={calls}:error=EIO:when={when}{rig.rng.choice(('', '+'))}"
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", *paths, "-e", f"trace={calls}", "-e", inject]
        done = subprocess.run(
            [*strace, *command], env=environment, capture_output=True, text=True, timeout=150, check=False
        )
    run.ended(done.returncode, done.stderr, (0, *TROUBLE))
    return _whole(run)


def power_cut(rig: Rig, seed: int) -> list[Violation]:
    """Killed; then what was not yet durable is cut or gone: files nobody lists, and the newest log entry."""
    run = LandingRun(rig, cap=rig.rng.choice((40, 120)))
    run.send(rig.rng.randrange(150, 500))
    if seed % 2:
        run.land()
        run.send(rig.rng.randrange(100, 300))
    place = FAILPOINTS[seed % len(FAILPOINTS)]
    run.killed("land", fault=f"{place}:kill@{rig.rng.choice((1, 2))}", optional=True)
    copy = _copied(run)
    entries = sorted(run.lake.glob("*/_delta_log/*.json"), key=lambda path: path.stat().st_mtime_ns)
    newest = [path for path in entries if path.parts[-3] in ("events", "quarantine")][-1]
    how = rig.rng.choice(("cut", "emptied", "gone", "kept"))
    if int(newest.stem) > 0:
        _harm(newest, how, rig.rng.random())
    listed = "".join(path.read_text(errors="replace") for path in entries if path.exists())
    for path in run.lake.glob("*/*.parquet*"):
        if path.name not in listed:
            _harm(path, rig.rng.choice(("cut", "emptied", "gone")), rig.rng.random())
    code, problems = problems_of(run.stage)
    if how in ("cut", "emptied") and code == 0 and int(newest.stem) > 0:
        run.broke("I12", f"{newest.name} of {newest.parts[-3]} was {how}, and verify says nothing")
    went_on = _land_or_halt(run, problems)
    if went_on and code != 0:
        run.broke("I12", f"{newest.parts[-3]} {newest.name} {how}: verify named {problems}, landing went on")
    if not went_on:
        _put_back(run, copy)
    return _whole(run)


def damaged_log(rig: Rig, seed: int) -> list[Violation]:
    """A log entry flipped, cut or deleted, or an older copy of a table or of the lake put in place."""
    from warehouse.maintenance import compact

    run = LandingRun(rig, cap=rig.rng.choice((40, 120)))
    run.send(rig.rng.randrange(100, 300))
    run.land()
    old = _copied(run, "old")
    run.send(rig.rng.randrange(100, 300))
    run.land()
    if rig.rng.random() < 0.4:
        compact(run.stage.settings, fewest_files=2)
        run.send(rig.rng.randrange(20, 100))
        run.land()
    copy = _copied(run)
    run.send(rig.rng.randrange(20, 100))
    if seed % 2:
        table = rig.rng.choice(("events", "quarantine", "."))
        what = f"an old copy of {table}"
        shutil.rmtree(run.lake / table)
        shutil.copytree(old / table, run.lake / table)
    else:
        entry = rig.rng.choice(sorted(run.lake.glob("[eq]*/_delta_log/0*.json")))
        how = rig.rng.choice(("flip", "cut", "emptied", "gone"))
        what = f"{entry.parts[-3]} {entry.name} {how}"
        _harm(entry, how, rig.rng.random())
    code, problems = problems_of(run.stage)
    if code != 4 or not problems:
        run.broke("I12", f"{what}: verify ended with {code} and {problems}")
    _land_or_halt(run, problems, may_go_on=not seed % 2)
    _put_back(run, copy)
    return _whole(run)


def damaged_file(rig: Rig, seed: int) -> list[Violation]:
    """A committed data file deleted, flipped or cut: named with its offsets, and made again from Kafka."""
    run = LandingRun(rig, cap=rig.rng.choice((40, 120)))
    for _ in range(2):
        run.send(rig.rng.randrange(100, 300))
        run.land()
    copy = _copied(run)
    table = ("events", "events", "quarantine")[seed % 3]
    victim = rig.rng.choice(sorted((run.lake / table).glob("*.parquet")))
    how = rig.rng.choice(("flip", "cut", "gone"))
    _harm(victim, how, rig.rng.random())
    run.send(rig.rng.randrange(20, 100))
    code, problems = problems_of(run.stage)
    named = [one for one in problems if victim.name in one["where"]]
    if code != 4 or not named:
        run.broke("I12", f"{table}/{victim.name} {how}: verify ended with {code} and {problems}")
    if named and not re.search(r"/\d+ \d+-\d+", named[0]["hint"]) and table == "events":
        run.broke("I12", f"{victim.name} is named without its offsets: {named[0]}")
    if how != "flip":
        _land_or_halt(run, problems, may_go_on=False)
    code, _ = problems_of(run.stage, "--refetch")
    if code != 0:
        run.broke("I9", f"{table}/{victim.name} {how}: verify --refetch ended with {code}, and Kafka has the records")
        _put_back(run, copy)
    return _whole(run)


def _copied(run: LandingRun, name: str = "copy") -> Path:
    copy = run.rig.folder / name
    shutil.copytree(run.lake, copy)
    return copy


def _put_back(run: LandingRun, copy: Path) -> None:
    """As the runbook says: what is missing or differs comes from the copy; what is newer stays."""
    for path in copy.rglob("*"):
        live = run.lake / path.relative_to(copy)
        if path.is_file() and (not live.is_file() or live.read_bytes() != path.read_bytes()):
            live.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, live)


def _harm(path: Path, how: str, share: float) -> None:
    if how == "gone":
        path.unlink()
    elif how == "flip":
        flip(path, share)
    elif how == "cut":
        truncate(path, share)
    elif how == "emptied":
        os.truncate(path, 0)


def _land_or_halt(run: LandingRun, problems: list[dict[str, str]], *, may_go_on: bool = True) -> bool:
    """I12: `land` goes on (True), or halts (4) by a name that the runbook has."""
    code, _, err = run.stage.run("land", "--until-empty")
    run.ended(code, err, (0, 4) if may_go_on else (4,))
    name = re.search(r"mizan: ([A-Z_]{6,})", err)
    if code == 4 and (name is None or f"`{name[1]}`" not in RUNBOOK.read_text(encoding="utf-8")):
        run.broke("I12", f"a halt without a line in the runbook: {err[-300:]}")
    if code == -signal.SIGKILL:
        run.broke("I9", f"landing was killed; verify had named {problems}")
    return code == 0


def _whole(run: LandingRun) -> list[Violation]:
    run.send(10)
    run.land()
    run.check()
    return run.violations


ROWS = [
    Row(
        "L6", "disk full under the lake", ("I4", "I8", "I9", "I12"), 1, 30, full_disk, needs=("tmpfs",),
        note="every change runs 1 of 3; the disk of the published snapshots is not filled yet",
    ),
    Row(
        "L7", "EIO on write, fsync, rename, link, open; EFBIG", ("I4", "I8", "I9", "I12"), 1, 40, failing_calls,
        needs=("strace",), note="every change runs 1 of 4, for time",
    ),
    Row("L8", "power cut: what was not durable is cut or gone", ("I4", "I8", "I9", "I12"), 0, 40, power_cut),
    Row("L10", "log entry damaged or deleted; an older copy put back", ("I5", "I8", "I9", "I12"), 1, 20, damaged_log),
    Row("L11", "data file deleted, cut or flipped after its commit", ("I4", "I8", "I9", "I12"), 1, 20, damaged_file),
]  # fmt: skip
