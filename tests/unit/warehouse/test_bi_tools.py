"""Reporting tools at what is published: Superset's engines while versions come, and the ways that are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from warehouse.bi_connections import headline_faults, ways
from warehouse.postgres import copy_to_postgres
from warehouse.publish import publish

# What Superset does with a database: reads its schema once, then asks for a chart again and again, a connection each.
SUPERSET = """
import json, pathlib, sys, time, warnings
warnings.simplefilter("ignore")
import sqlalchemy
from sqlalchemy import MetaData, Table, create_engine, inspect, text
from sqlalchemy.pool import NullPool
url, done = sys.argv[1], pathlib.Path(sys.argv[2])
engine = create_engine(url, poolclass=NullPool)
schema = inspect(engine)
assert any(name.split(".")[-1] == "marts" for name in schema.get_schema_names())
names = schema.get_table_names(schema="marts")
columns = {column["name"]: column for column in schema.get_columns("monthly_visits", schema="marts")}
table = Table("monthly_visits", MetaData(), schema="marts", autoload_with=engine)
said = schema.get_table_comment("monthly_visits", schema="marts")["text"]
CHART = '''SELECT DATE_TRUNC('month', month_start) AS __timestamp, channel AS channel, SUM(visits) AS "SUM(visits)",
    MIN((SELECT value FROM marts._meta WHERE key = 'version')) AS version
FROM marts.monthly_visits
WHERE month_start >= DATE '2020-01-01' AND month_start < DATE '2021-01-01' AND scope_key IN ('national:IR')
    AND calendar = 'jalali' AND channel <> 'all'
GROUP BY DATE_TRUNC('month', month_start), channel ORDER BY "SUM(visits)" DESC LIMIT 1000'''
HEADLINE = "SELECT SUM(visits), COUNT(*), MIN((SELECT value FROM marts._meta WHERE key = 'version')) "
HEADLINE += "FROM marts.monthly_visits WHERE is_headline"
last, looks, seen = 0, 0, set()
while True:
    over = done.exists()
    for query in (CHART, HEADLINE):
        with engine.connect() as connection:
            rows = connection.execute(text(query)).fetchall()
        version = int(rows[0][-1])
        assert version >= last, (version, last)
        last = version
        if query is CHART:
            assert [row[2] for row in rows] == [version, version], rows
        else:
            assert list(rows[0][:2]) == [2 * version, 1], rows
    looks += 1
    seen.add(last)
    if over:
        break
    time.sleep(0.3)
print(json.dumps({"last": last, "seen": len(seen), "looks": looks, "tables": len(names), "columns": len(table.columns),
    "comment": said, "column": columns["visits"]["comment"], "sqlalchemy": sqlalchemy.__version__}))
"""


def put(build, number: int) -> None:
    build.put("monthly_users", active_users=100)
    build.put("monthly_visits", visits=2 * number)
    build.put("monthly_visits", channel="portal", visits=number)
    build.put("monthly_visits", channel="paper", visits=number)
    build.put("monthly_visits", scope="province", scope_id="qom", visits=number)


def test_supersets_engines_chart_the_marts_while_versions_are_published(
    copying, build, database, superset_python: Path, tmp_path: Path
):
    put(build, 1)
    publish(copying)
    copy_to_postgres(copying, "analyst")
    done = tmp_path / "done"
    told = {way.name: way.connection for way in ways(copying, "analyst")}
    # The password is what Superset keeps apart.
    in_postgres = told["postgresql"].replace("mizan_publisher@", "sara:p-sara@")
    assert "p-publisher" not in str(told)
    started = [
        subprocess.Popen(
            [superset_python, "-c", SUPERSET, url, done], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for url in (told["sqlalchemy"], in_postgres)
    ]
    for number in range(2, 4):
        put(build, number)
        publish(copying)
        copy_to_postgres(copying, "analyst")
    done.touch()
    for engine in started:
        out, err = engine.communicate(timeout=120)
        assert engine.returncode == 0, err
        found = json.loads(out)
        assert found["sqlalchemy"].startswith("1.4.")  # the one Superset has
        assert found["last"] == 3
        assert found["looks"] > 1
        assert found["tables"] > 40
        assert found["columns"] > 15
        assert "مراجعات" in found["comment"]
        assert found["column"] == "Visits / مراجعات"
    assert [(way.name, way.state, way.version) for way in ways(copying, "analyst")] == [
        (name, "works", 3) for name in ("duckdb", "sqlalchemy", "parquet", "postgresql")
    ]
    assert headline_faults(copying, "analyst") == []
    _a_copy_behind_and_a_damaged_file_are_told(copying, build)


def _a_copy_behind_and_a_damaged_file_are_told(copying, build) -> None:
    put(build, 4)
    publish(copying)
    public = {way.name: (way.state, way.version) for way in ways(copying, "public")}
    assert public["csv"] == ("works", 4)
    assert public["postgresql"] == ("failed", None)  # no copy of that tier
    assert {way.name: way.state for way in ways(copying, "analyst")}["postgresql"] == "behind"
    file = copying.published / "analyst" / "parquet" / "monthly_visits" / "v000004.parquet"
    file.chmod(0o600)
    file.write_bytes(b"x" * 100)
    environment = {
        **os.environ,
        **{name: value for name, value in copying.values.items() if name[:6] == "MIZAN_" and value},
    }
    call = [sys.executable, "-m", "console.main", "bi-check", "--json"]
    answer = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "parquet does not work here" in answer.stderr
    shown = json.loads(answer.stdout)
    assert shown["version"] == 4
    assert {way["name"]: way["state"] for way in shown["ways"]} == {
        "duckdb": "works", "sqlalchemy": "works", "parquet": "failed", "postgresql": "behind"
    }  # fmt: skip
    assert "p-publisher" not in answer.stdout + answer.stderr
