"""What a piece of work costs its processes. No package but Python's own: every environment of a peer imports it."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


def measured(work: Callable[[], Any], *others: int) -> tuple[Any, dict[str, Any]]:
    """What ``work`` gives, and seconds, processor seconds of all threads, and peak memory in MB.

    ``others``: the ids of running processes that do the work for this one, such as a virtual machine. Their processor
    seconds meanwhile (in hundredths) and their peak memory since they began are added to this one's; where two were
    largest at different times the sum is more than there ever was.
    """
    wall, cpu = time.perf_counter(), time.process_time() + sum(map(_cpu_seconds, others))
    given = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() + sum(map(_cpu_seconds, others)) - cpu
    peak = (_peak("self") + sum(map(_peak, others))) * 1024 / 1e6
    return given, {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 3), "peak_rss_mb": round(peak)}


def _cpu_seconds(process: int) -> float:
    # After the program's name, which may hold anything but ends with the last bracket: fields 14 and 15 of proc(5).
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak(process: int | str) -> int:
    # In KiB. Not getrusage: its maximum is inherited from the process that started this one.
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0])
