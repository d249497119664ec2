"""A build from nothing by Spark against the same by DuckDB: the same lake, the same models, the same tables.

``python -m benchmarks.spark_build [--events 1000000]`` makes the lake of benchmarks/month_build.py and builds all of it
with each engine in a process of its own: facts, months, periods and evaluations. Both run on this machine, Spark in a
session that takes all its cores; its start is in its figures. CPU seconds and peak memory are those of the process and
of what it started: DuckDB's limit is 2 GB, Spark's heap 2 GB beside it. ``equal``: the published tables are DuckDB's.
Where there is no Spark (``make spark``) there is no row.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import keep, measured

ENGINES = ("duckdb", "spark")


def main() -> None:
    """Make the lake once, then build it with each engine; without arguments, a million events."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--engine", choices=(*ENGINES, "lake"), help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.engine:
        print(json.dumps(measure(chosen.engine, chosen.events)))
        return
    from warehouse.spark import environment

    if not (environment() / "ready").exists():
        sys.exit("there is no Spark here: make spark")
    with tempfile.TemporaryDirectory(prefix="spark-build-") as folder:
        places = {"lake": Path(folder), **{engine: Path(folder) / engine for engine in ENGINES}}
        rows = {}
        for engine, home in places.items():
            home.mkdir(exist_ok=True)
            named = {"MIZAN_HOME": str(home), "MIZAN_LAKE_URI": f"{folder}/lake"}
            words = ["--events", str(chosen.events), "--engine", engine]
            rows[engine] = measured("spark_build", *words, environment=named)
    base = rows["duckdb"]
    told = [{**rows[engine], "equal": rows[engine]["content"] == base["content"]} for engine in ENGINES]
    for row in told:
        row["cpu_ratio_to_duckdb"] = round(row["cpu_seconds"] / base["cpu_seconds"], 2)
        del row["content"]
    keep("spark_build", told)


def measure(engine: str, events: int) -> dict[str, object]:
    """Fill the lake (``lake``), or build all of it with an engine, in the home and lake of the environment."""
    if engine == "lake":
        from benchmarks.month_build import fill_lake

        fill_lake(os.environ["MIZAN_HOME"], events)
        return {}
    from contracts.settings import Settings
    from transforms import refresh
    from warehouse.connection import build_connection

    settings = Settings.load(os.environ | {"MIZAN_ENGINE": engine})
    began, spent = time.perf_counter(), _cpu_seconds()
    refresh.update(settings, full=True)
    seconds, cpu = time.perf_counter() - began, _cpu_seconds() - spent
    with build_connection(settings) as connection:
        content = refresh.content_hash(connection)
    return {
        "engine": engine,
        "events": events,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_rss_mb": round(_peak(resource.RUSAGE_SELF)),
        "peak_rss_mb_of_spark": round(_peak(resource.RUSAGE_CHILDREN)) if engine == "spark" else None,
        "build_mb": round(settings.build_file.stat().st_size / 2**20),
        "content": content,
    }


def _cpu_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


if __name__ == "__main__":
    main()
