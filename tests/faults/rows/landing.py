"""Landing killed, stopped, doubled, judged anew, tidied up beside: nothing lost, nothing twice (L1-L5, L12, L13)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from landing_stage import await_stopped, ended

from faults.landing_run import LandingRun
from faults.oracle import EitherWay
from faults.registry import ALL, Row, Violation
from faults.rig import Rig
from faults.schedule import Said

FAILPOINTS = (
    "plan", "read", "decode", "quarantine.file", "quarantine.pre_commit", "quarantine.post_commit", "events.file",
    "events.pre_commit", "events.post_commit", "verify", "mirror", "exit",
)  # fmt: skip
# From the loading of the handles to the last commit: whoever stops here holds a stale view afterwards.
BEFORE_COMMIT = FAILPOINTS[: FAILPOINTS.index("events.pre_commit") + 1]
GIGABYTE = 2**20  # in KiB
COMPACTING = """
import sys, pathlib
from contracts.errors import Fenced
from contracts.settings import Settings
from warehouse.maintenance import compact
done, settings = pathlib.Path(sys.argv[1]), Settings.load()
while not done.exists():
    try:
        compact(settings, fewest_files=2)
    except Fenced:
        pass
"""


def killed_at_a_failpoint(rig: Rig, seed: int) -> list[Violation]:
    """Each failpoint in turn by seed, at its first, second or third pass."""
    place, passes = FAILPOINTS[seed % len(FAILPOINTS)], 1 + seed // 5 % 3
    count = rig.rng.randrange(300, 1500)
    run = LandingRun(rig, agencies=rig.rng.choice((1, 2, 3)), cap=max(1, count // 4))
    run.send(count)
    once = place in ("plan", "mirror", "exit")
    run.killed("land", fault=f"{place}:kill" if once else f"{place}:kill@{passes}", optional=not once and passes > 2)
    run.send(rig.rng.randrange(10, 200))
    return _whole(run, numbers=seed % 4 == 3)


def killed_at_a_random_time(rig: Rig, seed: int) -> list[Violation]:
    """SIGKILL at any moment of a landing that has many small batches, while the agencies go on sending."""
    count = rig.rng.randrange(600, 2500)
    run = LandingRun(rig, cap=max(1, count // rig.rng.randrange(4, 12)))
    run.send(count)
    sending = threading.Thread(target=_send_on, args=(run, rig.rng.randrange(3, 8)))
    kills = [(rig.rng.random(), rig.rng.choice((True, False))) for _ in range(rig.rng.choice((1, 1, 2)))]
    sending.start()
    for share, waits_for_log in kills:
        with ended(run.stage.start("land", "--until-empty")) as landing:
            # Half of the kills are drawn over the whole process, half over the time in which it commits.
            before = len(list((run.lake / "events" / "_delta_log").glob("*.json")))
            until = time.monotonic() + (20 if waits_for_log else share * 4)
            while time.monotonic() < until and landing.poll() is None:
                if waits_for_log and len(list((run.lake / "quarantine" / "_delta_log").glob("*.json"))) > before:
                    time.sleep(share * 0.6)
                    break
                time.sleep(0.005)
            _check_memory(run, landing.pid)
            if landing.poll() is None:
                os.kill(landing.pid, signal.SIGKILL)
    sending.join()
    return _whole(run, numbers=seed % 10 == 0)


def _send_on(run: LandingRun, times: int) -> None:
    for _ in range(times):
        run.send(40)
        time.sleep(0.15)


def _check_memory(run: LandingRun, pid: int) -> None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return  # it has ended
    peak = int((status.partition("VmHWM:")[2].split() or ["0"])[0])
    if peak > GIGABYTE:
        run.broke("I10", f"landing took {peak} KiB")


def killed_while_recovering(rig: Rig, seed: int) -> list[Violation]:
    """Killed at one failpoint, and again at others while it recovers."""
    count = rig.rng.randrange(300, 1000)
    run = LandingRun(rig, cap=max(1, count // 3))
    run.send(count)
    run.killed("land", fault=f"{FAILPOINTS[seed % len(FAILPOINTS)]}:kill")
    for _ in range(rig.rng.choice((1, 2, 3))):
        run.send(rig.rng.randrange(2, 60))
        place = rig.rng.choice(FAILPOINTS)
        run.killed("land", "--until-empty", fault=f"{place}:kill@{rig.rng.choice((1, 1, 2))}", optional=True)
    return _whole(run, numbers=seed % 6 == 0)


def zombie(rig: Rig, seed: int) -> list[Violation]:
    """Stopped between load and commit, overtaken by another landing, continued: it must end fenced (5)."""
    place = BEFORE_COMMIT[-1 - seed % len(BEFORE_COMMIT)]
    count = rig.rng.randrange(200, 1000)
    run = LandingRun(rig, cap=rig.rng.choice((None, max(1, count // 3))))
    run.send(count)
    with ended(run.stage.start("land", FAULTPOINT=f"{place}:stop")) as stopped:
        await_stopped(stopped.pid)
        run.send(rig.rng.randrange(2, 60))
        run.land()
        run.send(rig.rng.randrange(2, 60))
        os.kill(stopped.pid, signal.SIGCONT)
        _, err = stopped.communicate(timeout=120)
        run.ended(stopped.returncode, err, (5,))
    return _whole(run, numbers=seed % 6 == 0)


def several_at_once(rig: Rig, seed: int) -> list[Violation]:
    """Two or three landings held at one failpoint and let go together."""
    place = rig.rng.choice(("plan", "plan", "decode", "quarantine.pre_commit", "events.pre_commit"))
    count = rig.rng.randrange(200, 1000)
    run = LandingRun(rig, agencies=3, cap=rig.rng.choice((None, max(1, count // 4))))
    run.send(count)
    landings = [run.stage.start("land", FAULTPOINT=f"{place}:stop") for _ in range(rig.rng.choice((2, 2, 3)))]
    for landing in landings:
        rig.enter(ended(landing))
    for landing in landings:
        # Held behind a commit of another's, one may end fenced before it comes to the place.
        while landing.poll() is None and not _is_stopped(landing.pid):
            time.sleep(0.02)
    for landing in landings:
        if landing.poll() is None:
            os.kill(landing.pid, signal.SIGCONT)
    codes = []
    for landing in landings:
        _, err = landing.communicate(timeout=120)
        run.ended(landing.returncode, err, (0, 5))
        codes.append(landing.returncode)
    if 0 not in codes:
        # Each may fence another between its two commits; nothing is lost then, but nobody came through.
        run.send(rig.rng.randrange(2, 20))
    return _whole(run, numbers=seed % 6 == 0)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"


def judged_anew(rig: Rig, seed: int) -> list[Violation]:
    """What a validator knows changes in mid-backlog, also between a batch's two commits."""
    from catalogue.read import known
    from contracts.event import Known
    from landing.drain import land

    count = rig.rng.randrange(300, 1000)
    run = LandingRun(rig, cap=max(1, count // 3))
    run.send(count)
    place = ("quarantine.post_commit", "events.post_commit", "quarantine.post_commit")[seed % 3]
    run.killed("land", fault=f"{place}:kill@{rig.rng.choice((1, 2))}")
    now = known(run.stage.settings)
    dropped = rig.rng.choice(sorted(now.services))
    fewer = Known({name: of for name, of in now.services.items() if name != dropped}, now.places, now.user_key_ids)
    land(run.stage.settings, until_empty=seed % 2 == 0, known=fewer)
    run.send(rig.rng.randrange(10, 100))

    def either_way(said: Said, reason: str) -> bool:
        return reason == "unknown_service" and said.event is not None and said.event.get("service_id") == dropped

    return _whole(run, numbers=True, either_way=either_way)


def tidied_beside(rig: Rig, seed: int) -> list[Violation]:
    """Compaction, checkpoints and vacuum without a pause beside landings; in every third run the tidying dies."""
    run = LandingRun(rig, cap=rig.rng.choice((40, 100, None)))
    done = rig.folder / "done"
    environment = {**os.environ, **run.stage.environment}
    with subprocess.Popen([sys.executable, "-c", COMPACTING, str(done)], env=environment, stderr=subprocess.PIPE) as it:
        try:
            for _ in range(rig.rng.randrange(3, 6)):
                run.send(rig.rng.randrange(50, 300))
                if rig.rng.random() < 0.5:
                    code, _, err = run.stage.run("land", "--until-empty")
                    run.ended(code, err, (0,))
                else:
                    run.land()
            if seed % 3 == 0:
                time.sleep(rig.rng.random())
                it.kill()
        finally:
            done.touch()
            _, trouble = it.communicate(timeout=120)
    if it.returncode not in (0, -signal.SIGKILL):
        run.broke("I9", f"compaction ended with {it.returncode}: {trouble.decode()[-500:]}")
    return _whole(run, numbers=seed % 5 == 0)


def _whole(run: LandingRun, *, numbers: bool, either_way: EitherWay | None = None) -> list[Violation]:
    """Land the rest and check everything."""
    run.land()
    kept = run.check(either_way=either_way)
    if numbers and not run.violations:
        run.check_numbers(kept)
    return run.violations


FOURTH = "monthly numbers and the rebuild (I6, I7) in every fourth run"
SIXTH = "monthly numbers and the rebuild (I6, I7) in every sixth run"
ROWS = [
    Row(
        "L1", "kill -9 at each failpoint, then retry", ALL, 12, 300, killed_at_a_failpoint,
        note=f"{FOURTH}; every change runs 12 of the 24 designed, for time: each failpoint once",
    ),
    Row(
        "L2", "kill -9 at a random time under load", (*ALL, "I10"), 1, 300, killed_at_a_random_time,
        note="I6 and I7 in every tenth run; every change runs 1 of 10, for time",
    ),
    Row("L3", "kill during the recovery of L1", ALL, 0, 60, killed_while_recovering, note=SIXTH),
    Row("L4", "zombie: stopped, overtaken, continued", ("I2", "I4", "I8", "I12"), 2, 50, zombie, note=SIXTH),
    Row("L5", "two or three workers at once", ("I2", "I4", "I8"), 1, 50, several_at_once, note=SIXTH),
    Row("L12", "validator changed mid-backlog, also between two commits", ("I1", "I2", "I6", "I7", "I8"), 0, 10,
        judged_anew),
    Row("L13", "compaction, vacuum, checkpoint during landing", ("I2", "I4", "I8", "I9"), 1, 30, tidied_beside),
]  # fmt: skip
