"""What each program here is asked, and how its answer and its cost are told. No package but Python's own.

Asked of ``<folder>/*.parquet`` (columns pid, visit_id, channel, occurred_at): the distinct persons and visits of
[FIRST, BEFORE), of each channel and of all. A program prints one line of JSON: seconds, processor seconds of all its
threads, peak memory, and the answer as {channel: [persons, visits]}, all channels under "all".
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

FIRST, BEFORE = "2020-03-19 20:30:00", "2020-04-19 20:30:00"  # Farvardin 1399 in UTC
Answer = dict[str, list[int]]


def tell(ask: Callable[[str], Answer]) -> None:
    """Ask once, with everything imported before, and print the line. The folder is the first argument."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = ask(str(Path(sys.argv[1])))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    # Not getrusage: its maximum is inherited from the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    cost = {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "peak_rss_mb": round(peak)}
    print(json.dumps({**cost, "answer": dict(sorted(answer.items()))}))
