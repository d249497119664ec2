"""What each program here is asked, and how its answer and its cost are told. No package but Python's own.

Asked of ``<folder>/*.parquet`` (columns pid, visit_id, channel, occurred_at): the distinct persons and visits of
[FIRST, BEFORE), of each channel and of all. A program prints one line of JSON: seconds, processor seconds of all its
threads, peak memory, and the answer as {channel: [persons, visits]}, all channels under "all".
"""

import json
import sys
from collections.abc import Callable

from cost import measured

FIRST, BEFORE = "2020-03-19 20:30:00", "2020-04-19 20:30:00"  # Farvardin 1399 in UTC
Answer = dict[str, list[int]]


def tell(ask: Callable[[str], Answer]) -> None:
    """Ask once, with everything imported before, and print the line. The folder is the first argument."""
    answer, cost = measured(lambda: ask(sys.argv[1]))
    print(json.dumps({**cost, "answer": dict(sorted(answer.items()))}))
