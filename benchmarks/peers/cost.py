"""What a piece of work costs its process. No package but Python's own: every environment of a peer imports it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """What ``work`` gives, and seconds, processor seconds of all threads, and the process's peak memory in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    given = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    # Not getrusage: its maximum is inherited from the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return given, {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 3), "peak_rss_mb": round(peak)}
