"""Several landers, each with its shard of the agencies, into one lake at once: rate, fences, and what a commit takes.

``python -m benchmarks.many_landers [--events 200000]`` spreads the events over AGENCIES topics and lands them with one,
two and four processes (`mizan land --shard i/n`), each time into an empty lake. A commit is timed from its call to the
log entry on disk; ``fenced`` counts commits that another lander's made fail, after which a lander plans again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any
from unittest import mock

from benchmarks.landing import FilledTopic, filled_topics, known
from benchmarks.rows import keep

AGENCIES = tuple(f"bench-{number}" for number in range(8))
LANDERS = (1, 2, 4)
CAP = "20000"  # events of a batch at most, so that there are commits enough to tell what one takes


def main() -> None:
    """Fill the topics, land them with each number of landers, keep the rows."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000)
    arguments.add_argument("--only", metavar="I/N", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.only:
        _land(asked.only)
        return
    with filled_topics(AGENCIES, asked.events) as topic:
        rows = [_together(topic, landers, asked.events) for landers in LANDERS]
    for row in rows:
        row["rate_to_one"] = round(row["events_per_second"] / rows[0]["events_per_second"], 2)
    keep("many_landers", rows)


def _together(topic: FilledTopic, landers: int, count: int) -> dict[str, Any]:
    topic.empty_lake()
    begun = time.monotonic()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.many_landers", "--only", f"{number}/{landers}"],
            env=os.environ | topic.plaintext | {"MIZAN_LAND_CAP": CAP},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(1, landers + 1)
    ]
    told = [json.loads(process.communicate()[0]) for process in processes]
    seconds = time.monotonic() - begun
    landed = sum(one["events"] for one in told)
    assert landed == count, told
    commits = sorted(taken for one in told for taken in one["commits"])
    return {
        "landers": landers,
        "events": landed,
        "seconds": round(seconds, 2),
        "events_per_second": round(landed / seconds),
        "cpu_seconds_per_million": round(sum(one["cpu_seconds"] for one in told) / landed * 1e6, 2),
        "commits": len(commits),
        "fenced": sum(one["fenced"] for one in told),
        "commit_ms_median": round(commits[len(commits) // 2] * 1000, 1),
        "commit_ms_p99": round(commits[int(len(commits) * 0.99)] * 1000, 1),
    }


def _land(shard: str) -> None:
    """Land one shard in this process; prints what it took."""
    from contracts.errors import Fenced
    from contracts.settings import Settings
    from landing import drain
    from landing.plan import Shard

    commits: list[float] = []
    fenced = 0
    commit = drain.commit

    def timed(*given: Any, **named: Any) -> int:
        nonlocal fenced
        begun = time.perf_counter()
        try:
            return commit(*given, **named)
        except Fenced:
            fenced += 1
            raise
        finally:
            commits.append(time.perf_counter() - begun)

    cpu = time.process_time()
    with mock.patch.object(drain, "commit", timed):
        landed = drain.land(Settings.load(), until_empty=True, known=known(), shard=Shard.parse(shard))
    cpu = time.process_time() - cpu
    print(json.dumps({"events": landed.events, "cpu_seconds": cpu, "commits": commits, "fenced": fenced}))


if __name__ == "__main__":
    main()
