"""What was measured, as a table on the terminal and as docs/compose-check.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from compose_check.images import STANDINS, SUITE
from compose_check.steps import Steps
from console.output import Grid, say, show_grid

_PAGE = Path(__file__).with_name("page.md")


def show(steps: Steps, memory: Mapping[str, int], disk: int) -> None:
    """The tables on stdout."""
    grid = Grid("step", "seconds", "seen", title="make compose-check")
    for step in steps.done:
        grid.add_row(step.name, f"{step.seconds:.1f}", step.seen)
    show_grid(grid)
    grid = Grid("container", "MiB")
    for service, used in sorted(memory.items()):
        grid.add_row(service, f"{used / 2**20:.0f}")
    show_grid(grid)
    say(f"disk {disk / 1e9:.1f} GB, {sum(step.seconds for step in steps.done):.0f} s in all")


def write(path: Path, steps: Steps, memory: Mapping[str, int], disk: int) -> None:
    """The page, of these measurements and nothing else."""
    from compose_check.machine import PROGRAMS

    path.write_text(
        _PAGE.read_text(encoding="utf-8").format(
            date=dt.datetime.now(dt.UTC).date().isoformat(),
            packages=", ".join(sorted(set(PROGRAMS.values()))),
            names=", ".join(f"`{name}`" for name in STANDINS),
            suite=SUITE,
            machine=_machine(),
            steps="\n".join(f"| {one.name} | {one.seconds:.1f} | {one.seen} |" for one in steps.done),
            total=sum(step.seconds for step in steps.done),
            memory="\n".join(f"| {service} | {used / 2**20:.0f} |" for service, used in sorted(memory.items())),
            memory_total=sum(memory.values()) / 2**20,
            disk=disk / 1e9,
        ),
        encoding="utf-8",
    )


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    linux = platform.release().partition("-")[0]
    load = os.getloadavg()[2]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {linux}; load {load:.1f} over a quarter of an hour, all work"
    )
