"""What each program here is asked, and how its cost is told. No package but Python's own.

Asked to read COUNT records of a topic from its beginning, take each as JSON, and leave them as Parquet files below a
folder; then to end. A program prints one line of JSON: seconds, processor seconds of all its threads, peak memory.
Arguments: bootstrap, topic, count, folder.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BATCH = 100_000  # rows of a Parquet file, where the program leaves that to its user


class Asked(NamedTuple):
    """The command line."""

    bootstrap: str
    topic: str
    count: int
    folder: str


def tell(land: Callable[[Asked], None]) -> None:
    """Land once, with everything imported before, and print the line."""
    bootstrap, topic, count, folder = sys.argv[1:]
    asked = Asked(bootstrap, topic, int(count), folder)
    wall, cpu = time.perf_counter(), time.process_time()
    land(asked)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    # Not getrusage: its maximum is inherited from the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    print(json.dumps({"seconds": round(wall, 2), "cpu_seconds": cpu, "peak_rss_mb": round(peak)}), flush=True)
