"""What each program here is asked, and how its cost is told. No package but Python's own.

Asked to read COUNT records of a topic from its beginning, take each as JSON, and leave them as Parquet files below a
folder; then to end. A program prints one line of JSON: seconds, processor seconds of all its threads, peak memory.
Arguments: bootstrap, topic, count, folder.
"""

import json
import sys
from collections.abc import Callable
from typing import NamedTuple

from cost import measured

BATCH = 100_000  # rows of a Parquet file, where the program leaves that to its user


class Asked(NamedTuple):
    """The command line."""

    bootstrap: str
    topic: str
    count: int
    folder: str


def asked() -> Asked:
    """What this program is asked."""
    bootstrap, topic, count, folder = sys.argv[1:]
    return Asked(bootstrap, topic, int(count), folder)


def tell(land: Callable[[Asked], None], *others: int) -> None:
    """Land once, with everything imported before, and print the line.

    ``others``: processes whose cost is the program's too (cost.py).
    """
    _, cost = measured(lambda: land(asked()), *others)
    print(json.dumps(cost), flush=True)
