"""Clients of a PostgreSQL while versions are copied: whole versions, none older, right sums, no error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import TryAgain
from contracts.settings import Settings
from warehouse.postgres import connected, copy_to_postgres

# One statement over three tables, then two statements of one transaction: both see one version.
READER = """
import json, os, pathlib, sys, time
done, client = pathlib.Path(sys.argv[1]), sys.argv[2]
ONE = '''SELECT (SELECT value::int FROM marts._meta WHERE key = 'version'),
    (SELECT sum(active_users) FROM marts.monthly_users WHERE is_headline),
    (SELECT sum(visits) FROM marts.monthly_visits WHERE channel <> 'all')'''
TWO = ("SELECT value::int FROM marts._meta WHERE key = 'version'", "SELECT sum(visits) FROM marts.monthly_visits")
if client == "psycopg2":
    import psycopg2
    connection = psycopg2.connect(os.environ["URL"])
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    def ask(*queries):
        cursor, rows = connection.cursor(), []
        for query in queries:
            cursor.execute(query)
            rows.append(cursor.fetchone())
        connection.commit()
        return rows
else:
    from sqlalchemy import create_engine, text
    engine = create_engine(os.environ["URL"].replace("postgresql:", "postgresql+psycopg2:"))
    def ask(*queries):
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            return [connection.execute(text(query)).one() for query in queries]
last = looks = 0
seen = set()
while True:
    over = done.exists()
    ((version, users, visits),) = ask(ONE)
    assert (users, visits) == (1000 + version, 2 * version), (version, users, visits)
    assert version >= last, (version, last)
    (again,), (both,) = ask(*TWO)
    assert again >= version and both == 4 * again, (again, both)
    last, looks = again, looks + 1
    seen |= {version, again}
    if over:
        break
    time.sleep(0.1)
print(json.dumps({"last": last, "seen": sorted(seen), "looks": looks}))
"""
COPY = "from pipeline.steps import copy_to_postgres; copy_to_postgres()"
ASKED = "SELECT value, (SELECT max(active_users) FROM marts.monthly_users) FROM marts._meta WHERE key = 'version'"


def test_readers_over_several_copies_see_whole_versions_and_none_goes_back(at, database, tmp_path: Path):
    copy_to_postgres(at(1), "analyst")
    done = tmp_path / "done"
    environment = {**os.environ, "URL": database.url("sara")}
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, done, client],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for client in ("psycopg2", "sqlalchemy")
    ]
    at_work = "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE usename = 'sara'"
    _until(lambda: database.ask(at_work, "postgres") == [(2,)])
    # A table comes, changes its columns and goes meanwhile.
    for number in (2, 3, 4):
        copy_to_postgres(at(number), "analyst")
        time.sleep(1)
    psql = ["psql", "--no-psqlrc", "-At", "-c", ASKED, database.url("sara")]
    assert subprocess.run(psql, capture_output=True, text=True, check=True).stdout == "4|1004\n"
    done.touch()
    for reader in readers:
        out, err = reader.communicate(timeout=120)
        assert reader.returncode == 0, err
        told = json.loads(out)
        assert told["last"] == 4
        assert len(told["seen"]) > 1, told


def test_a_copy_that_is_killed_leaves_the_version_before_and_the_next_one_is_whole(at, database):
    copy_to_postgres(at(1), "analyst")
    for where in ("pg.copied", "pg.commit"):
        environment = {**_environment(at(2)), "FAULTPOINT": f"{where}:kill"}
        killed = subprocess.run([sys.executable, "-c", COPY], env=environment, cwd=at(2).home, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert database.ask(ASKED) == [("1", 1001)]
        assert database.ask("SELECT to_regclass('marts.odd')") == [(None,)]
        # The server ends a dead client's transaction when it notices; until then the turn is taken.
        _until(lambda: database.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "postgres") == [(0,)])
    assert copy_to_postgres(at(2), "analyst").version == 2
    assert database.ask(ASKED) == [("2", 1002)]


def test_copies_take_turns_and_a_reader_of_a_changing_table_is_waited_for(at, database):
    copy_to_postgres(at(2), "analyst")
    with connected(database.url()) as other:
        other.cursor().execute("SELECT pg_advisory_xact_lock(hashtext('mizan copy to marts'))")
        with pytest.raises(TryAgain, match="under way"):
            copy_to_postgres(at(3), "analyst")
    with connected(database.url("sara")) as reader:
        cursor = reader.cursor()
        cursor.execute("SELECT a FROM marts.odd")
        copy = subprocess.Popen([sys.executable, "-c", COPY], env=_environment(at(3)), cwd=at(3).home)
        gives_way = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ROLLBACK TO%' AND datname = current_database()"
        )
        _until(lambda: database.ask(gives_way, "postgres") == [(1,)])
        # The reader goes on in its transaction, in the table that waits to be changed and in those that have been.
        cursor.execute("SELECT a FROM marts.odd")
        assert cursor.fetchall() == [("x",)]
        cursor.execute("SELECT max(active_users) FROM marts.monthly_users")
        assert cursor.fetchall() == [(1002,)]
        reader.commit()
        assert copy.wait(timeout=60) == 0
    assert database.ask("SELECT a, c FROM marts.odd") == [("y", 2)]


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **{name: value for name, value in settings.values.items() if name[:6] == "MIZAN_" and value}}


def _until(holds) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_unreachable_server_is_named_and_may_be_tried_again():
    url = f"postgresql://u:{'p-x'}@127.0.0.1:1/d"
    with pytest.raises(TryAgain, match=r"cannot reach postgresql://u@127.0.0.1:1/d: "), connected(url):
        pass
