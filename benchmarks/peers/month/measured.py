"""What each program here is asked, and how its answer and its cost are told. No package but Python's own.

Asked of ``<folder>/*.parquet`` (columns pid, visit_id, agency_id, channel, occurred_at): the distinct persons and
visits of [FIRST, BEFORE), by what the second argument says: ``channel``, of each and of all; or ``agency``, of each
agency and channel. A program prints one line of JSON: seconds, processor seconds of all its threads, peak memory, and
the answer as {channel: [persons, visits]}, all channels under "all"; of agencies as {"agency channel": ...}.
"""

import json
import sys
from collections.abc import Callable

from cost import measured

FIRST, BEFORE = "2020-03-19 20:30:00", "2020-04-19 20:30:00"  # Farvardin 1399 in UTC
Answer = dict[str, list[int]]
# The columns of each question; of channels alone the whole is asked for too.
COLUMNS = {"channel": ["channel"], "agency": ["agency_id", "channel"]}


def tell(ask: Callable[[str, list[str]], Answer], *others: int) -> None:
    """Ask once, with everything imported before, and print the line. ``ask`` is given the folder and the columns.

    ``others``: processes whose cost is the program's too (cost.py).
    """
    columns = COLUMNS[sys.argv[2]]
    answer, cost = measured(lambda: ask(sys.argv[1], columns), *others)
    print(json.dumps({**cost, "answer": dict(sorted(answer.items()))}))


def sets(columns: list[str]) -> str:
    """The grouping sets of a question, as SQL."""
    return "(channel), ()" if columns == ["channel"] else f"({', '.join(columns)})"
