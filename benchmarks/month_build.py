"""A month's build against one bare scan: all four monthly tables and periods, over N counted events of one month.

``python -m benchmarks.month_build [--events 10000000]`` prints one row per measurement and appends each as a JSON line
to ``var/bench/month_build.jsonl``. The baseline is what the month needs at the very least: one COUNT(DISTINCT pid)
over the same lake files, in DuckDB, in the same run. CPU seconds are those of the measuring process, all its threads
included; each measurement is a process of its own, so that its peak memory is its own.

Persons, agencies, services, channels and places are drawn at random, so that hardly any two events share them: the
worst case for counting persons in many scopes. ``facts`` brings the whole lake into the facts, ``month`` computes the
month from them, ``months`` all others that wait. ``minute`` is ten thousand events of known persons in the month's
last minute: facts, and every month and period that they touch; a run with fewer ``--events`` shows what history adds
to it. ``late_events`` are strewn over the past and meet transactions and visits that are there already: facts alone.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import keep

AGENCIES, SERVICES, USERS_PER_EVENT = 54, 651, 0.2
BATCH, A_MINUTE = 1_000_000, 10_000
# Farvardin 1399 in UTC; every tenth event is of the months before, so that first-seen months differ.
MONTH, STARTS, DAYS = "1399-01", "2020-03-19 20:30:00+00", 31
MEASUREMENTS = ("lake", "count_distinct", "facts", "month", "months", "minute", "late_events", "month_again")


def main() -> None:
    """Make the lake once, then measure; without arguments, 10 M events."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=10_000_000)
    arguments.add_argument("--measure", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.events)))
        return
    with tempfile.TemporaryDirectory(prefix="month-build-") as home:
        environment = os.environ | {"MIZAN_HOME": home}
        baseline = 0.0
        for name in MEASUREMENTS:
            command = [
                sys.executable,
                "-m",
                "benchmarks.month_build",
                "--events",
                str(chosen.events),
                "--measure",
                name,
            ]
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            if name == "lake":
                continue  # made in a process of its own too: a child inherits its parent's peak memory
            row = json.loads(done.stdout)
            baseline = baseline or row["cpu_seconds"]
            row["cpu_ratio_to_count_distinct"] = round(row["cpu_seconds"] / baseline, 2)
            keep("month_build", [row])


def fill_lake(home: str, events: int) -> None:
    """Batches of events as landing leaves them, made in columns; all passed."""
    import datetime as dt

    from catalogue.tables import create
    from contracts.settings import Settings
    from warehouse.lake import Lake

    settings = Settings.load({"MIZAN_HOME": home}, folder=Path(home))
    lake = Lake(settings)
    lake.create()
    create(settings)
    batches = [(f"b{first}", first, min(BATCH, events - first)) for first in range(0, events, BATCH)]
    for batch_id, first, count in batches:
        append(lake, settings, batch_id, first, count, events)
    judge(lake, [batch_id for batch_id, _, _ in batches], dt.datetime.now(dt.UTC))


def judge(lake: object, batches: "list[str]", moment: object) -> None:
    """Let every agency's part of the batches pass."""
    rows = [
        {"batch_id": batch_id, "agency_id": f"agency-{number}", "verdict": "passed", "decided_at": moment}
        for batch_id in batches
        for number in range(AGENCIES)
    ]
    lake.append("verdicts", rows)  # type: ignore[attr-defined]


def append(
    lake: object, settings: object, batch_id: str, first: int, count: int, events: int, *, is_minute: bool = False
) -> None:
    """``count`` events from number ``first`` on: two thirds transactions, one third visits, landed as they happened.

    Every tenth comes sixty days late; those of a minute are all of the month's last one, under names of their own.
    """
    from deltalake import write_deltalake

    from contracts.lake_tables import lake_tables
    from warehouse.connection import memory_connection
    from warehouse.lake import arrow_schema

    people = max(1, int(events * USERS_PER_EVENT))
    seconds, names = DAYS * 86400, "m" if is_minute else ""
    # Minute by minute, give or take half an hour.
    at = f"greatest(0, least({seconds - 1}, i * {seconds} // {events} + hash(i, 3)::HUGEINT % 3600 - 1800))"
    late = "CASE WHEN hash(i, 4) % 10 = 0 THEN INTERVAL 60 DAY ELSE INTERVAL 0 DAY END"
    if is_minute:
        at, late = f"{seconds - 60} + hash(i, 3)::HUGEINT % 60", "INTERVAL 0 DAY"
    given = {
        "event_id": "'e-' || md5(i::VARCHAR)",
        "source": f"'/agencies/agency-' || (hash(i, 1) % {AGENCIES})",
        "agency_id": f"'agency-' || (hash(i, 1) % {AGENCIES})",
        "event_type": """CASE hash(i, 2) % 3 WHEN 0 THEN 'ir.egov.visit.recorded.v1'
            WHEN 1 THEN 'ir.egov.transaction.received.v1' ELSE 'ir.egov.transaction.completed.v1' END""",
        "occurred_at": f"TIMESTAMPTZ '{STARTS}' + to_seconds(({at})::BIGINT) - {late}",
        "transaction_id": f"CASE WHEN hash(i, 2) % 3 > 0 THEN '{names}t-' || (hash(i, 5) % {events}) END",
        "service_id": f"CASE WHEN hash(i, 2) % 3 > 0 THEN 's-' || (hash(i, 6) % {SERVICES}) END",
        "channel": """list_extract(['portal', 'mobile_app', 'counter_office', 'service_desk', 'national_window',
            'phone', 'paper', 'other'], 1 + (hash(i, 7) % 8)::INTEGER)""",
        "pid": f"unhex(md5((hash(i, 8) % {people})::VARCHAR))",
        "visit_id": f"CASE WHEN hash(i, 2) % 3 = 0 THEN '{names}v-' || (hash(i, 9) % {events}) END",
        "province": "CASE WHEN hash(i, 10) % 4 > 0 THEN 'province-' || (hash(i, 11) % 31) END",
        "district": "CASE WHEN hash(i, 10) % 4 > 1 THEN 'district-' || (hash(i, 12) % 400) END",
        "outcome": """CASE WHEN hash(i, 2) % 3 = 2 THEN
            CASE WHEN hash(i, 13) % 10 < 9 THEN 'accepted' ELSE 'rejected' END END""",
        "duration_seconds": "CASE WHEN hash(i, 2) % 3 = 2 THEN (hash(i, 14) % 100000)::BIGINT END",
        "batch_id": f"'{batch_id}'",
    }
    columns = lake_tables()["events"]
    select = ", ".join(f'({given.get(name, "NULL")})::{kind} AS "{name}"' for name, kind in columns.items())
    connection = memory_connection(settings)  # type: ignore[arg-type]
    table = connection.sql(f"SELECT {select} FROM range({first}, {first + count}) AS t(i)").to_arrow_table()  # noqa: S608
    write_deltalake(
        lake.open("events").handle,  # type: ignore[attr-defined]
        table.cast(arrow_schema(columns)),
        mode="append",
    )
    connection.close()


def measure(name: str, events: int) -> "dict[str, object]":
    """One measurement in this process."""
    import datetime as dt

    from catalogue.read import current
    from contracts.reporting_time import parse_month
    from contracts.settings import Settings
    from transforms import refresh
    from warehouse.connection import build_connection, memory_connection, view_files
    from warehouse.lake import Lake

    settings = Settings.load()
    if name == "lake":
        fill_lake(str(settings.home), events)
        return {}
    lake = Lake(settings)
    batch = {"late_events": max(1, events // 1000), "minute": A_MINUTE}.get(name)
    if batch is not None:
        append(lake, settings, name, events, batch, events, is_minute=name == "minute")
        judge(lake, [name], dt.datetime.now(dt.UTC))
    wall, cpu = time.perf_counter(), time.process_time()
    if name == "count_distinct":
        with memory_connection(settings) as connection:
            view_files(connection, "lnd_events", lake.open("events").files, {})
            connection.execute("SELECT COUNT(DISTINCT pid) FROM lnd_events").fetchall()
    else:
        with build_connection(settings) as connection:
            if name == "minute":
                refresh.compute(connection, sorted(refresh.update_facts(connection, lake, current(settings))))
            elif name == "months":
                refresh.compute(connection, refresh.pending(connection))
            elif name in ("facts", "late_events"):
                refresh.update_facts(connection, lake, current(settings))
            else:
                refresh.months.refresh_month(connection, parse_month(MONTH))
    return {
        "measurement": name,
        "events": batch or events,
        "history": events,
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    main()
