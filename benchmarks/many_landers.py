"""Several landers, each with its shard of the agencies, into one lake at once: rate, fences, and what a commit takes.

``python -m benchmarks.many_landers [--events 200000]`` spreads the events over AGENCIES topics and lands them with one,
two and four processes (`mizan land --shard i/n`), each time into an empty lake: first in a folder, then in the
S3-compatible store of the tests, where its packages are (`make object-store`). A commit is timed from its call to the
log entry on disk (in the store: to the answered put); ``fenced`` counts commits that another lander's made fail, after
which a lander plans again; ``refused_puts`` the conditional puts that came second, after which the library commits one
version later. The store is moto's: in memory, in Python, on the same cores. What it costs is its own, not a store's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.landing import FilledTopic, filled_topics, known
from benchmarks.rows import keep
from tests.object_store.rig import BUCKET, PACKAGES, Store, running

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
    with filled_topics(AGENCIES, asked.events) as topic, contextlib.ExitStack() as after:
        rows = [_together(topic, landers, asked.events, None) for landers in LANDERS]
        if PACKAGES.is_dir():
            folder = after.enter_context(tempfile.TemporaryDirectory(prefix="mizan-store-"))
            store = after.enter_context(running(Path(folder)))
            os.environ.update(store.environment)
            rows += [_together(topic, landers, asked.events, store) for landers in LANDERS]
        else:
            print("no rows of an object store: make object-store", file=sys.stderr)
    alone = {row["lake"]: row["events_per_second"] for row in rows if row["landers"] == 1}
    for row in rows:
        row["rate_to_one"] = round(row["events_per_second"] / alone[row["lake"]], 2)
        row["rate_to_one_in_a_folder"] = round(row["events_per_second"] / alone["folder"], 2)
    keep("many_landers", rows)


def _together(topic: FilledTopic, landers: int, count: int, store: Store | None) -> dict[str, Any]:
    if store:
        os.environ["MIZAN_LAKE_URI"] = f"s3://{BUCKET}/landers-{landers}"
    topic.empty_lake()
    told_before = len(_requests(store))
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
    requests = _requests(store)[told_before:]
    return {
        "lake": "store" if store else "folder",
        "landers": landers,
        "events": landed,
        "seconds": round(seconds, 2),
        "events_per_second": round(landed / seconds),
        "cpu_seconds_per_million": round(sum(one["cpu_seconds"] for one in told) / landed * 1e6, 2),
        "commits": len(commits),
        "fenced": sum(one["fenced"] for one in told),
        "commit_ms_median": round(commits[len(commits) // 2] * 1000, 1),
        "commit_ms_p99": round(commits[int(len(commits) * 0.99)] * 1000, 1),
        "requests": len(requests) if store else None,
        "refused_puts": sum(" 412 " in request for request in requests) if store else None,
    }


def _requests(store: Store | None) -> list[str]:
    return store.log.read_text(encoding="utf-8").splitlines() if store else []


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
