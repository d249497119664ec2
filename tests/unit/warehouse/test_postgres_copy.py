"""What a copy in a real PostgreSQL holds, who may read it, and whose schema is left alone."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from contracts.errors import MizanError, TryAgain, UsageError
from contracts.settings import Settings
from warehouse.postgres import copy_to_postgres
from warehouse.published import open_published

ROOT = Path(__file__).parents[3]


def plain(row: tuple[object, ...]) -> str:
    """JSON comes back parsed, instants with their zone."""

    def value(one: object) -> object:
        one = json.loads(one) if isinstance(one, str) and one.startswith("{") else one
        if isinstance(one, dict):
            return json.dumps(one, sort_keys=True)
        return one.replace(tzinfo=None) if isinstance(one, dt.datetime) else one

    return repr([value(one) for one in row])


def test_the_copy_holds_every_row_of_every_table_with_its_types_and_comments(at, database):
    copied = copy_to_postgres(at(1), "analyst")

    def look(query: str) -> list[tuple[object, ...]]:
        with open_published(at(1)) as connection:
            return connection.execute(query).fetchall()

    tables = [name for (name,) in look("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'")]
    assert (copied.is_new, copied.tables) == (True, len(tables))
    total = 0
    for table in tables:
        listed = ", ".join(f'"{row[0]}"' for row in look(f"DESCRIBE marts.{table}"))
        here = look(f"SELECT {listed} FROM marts.{table}")
        there = database.ask(f"SET TIME ZONE 'UTC'; SELECT {listed} FROM marts.{table}")
        assert sorted(map(plain, there)) == sorted(map(plain, here)), table
        total += len(here)
    assert copied.rows == total
    unknown = "SELECT active_users, active_users_status FROM marts.monthly_users WHERE channel = 'portal'"
    assert database.ask(unknown) == [(None, "not_provided")]
    # Half past eight in the evening in UTC is midnight in Tehran, whatever zone the server was set up with.
    in_tehran = "SELECT timezone('Asia/Tehran', starts_at)::text FROM marts.dim_month"
    assert database.ask(in_tehran) == [("2020-03-20 00:00:00",)]
    kinds = dict(
        database.ask(
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'marts'"
        )
    )
    assert kinds["monthly_users.active_users"] == "bigint"
    assert kinds["monthly_users.month_start"] == "date"
    assert kinds["monthly_users.is_headline"] == "boolean"
    assert kinds["monthly_channel_share.share"] == "double precision"
    assert kinds["figure_passports.inputs"] == "jsonb"
    said = "SELECT table_name, {} AS name, comment FROM duckdb_{}() WHERE schema_name = 'marts' AND comment IS NOT NULL"
    assert sorted(
        database.ask(
            "SELECT relname, coalesce(attname, ''), description FROM pg_description "
            "JOIN pg_class ON pg_class.oid = objoid LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid "
            "AND objsubid > 0 WHERE relnamespace = 'marts'::regnamespace"
        )
    ) == sorted(look(said.format("''", "tables") + " UNION ALL " + said.format("column_name", "columns")))


def test_the_same_version_is_copied_once_and_an_unchanged_table_is_not_touched(at, database):
    assert copy_to_postgres(at(1), "analyst").is_new
    place = "SELECT ctid::text, xmin::text FROM marts.{}"
    users, agencies = place.format("monthly_users"), place.format("dim_agency")
    before = database.ask(users), database.ask(agencies)
    again = copy_to_postgres(at(1), "analyst")
    assert (again.is_new, again.tables, again.rows) == (False, 0, 0)
    assert (database.ask(users), database.ask(agencies)) == before
    comment = "SELECT obj_description('marts.dim_agency'::regclass)"
    said = database.ask(comment)
    database.ask("COMMENT ON TABLE marts.dim_agency IS 'somebody was here'", "mizan_publisher")
    assert copy_to_postgres(at(2), "analyst").is_new
    assert database.ask(users) != before[0]
    assert database.ask(agencies) == before[1]
    assert database.ask(comment) == said


def test_each_tier_is_read_by_its_own_role_and_what_is_missing_is_named(at, database, tmp_path: Path):
    database.ask("ALTER ROLE mizan_analyst RENAME TO gone", "postgres")
    with pytest.raises(UsageError, match="no role mizan_analyst") as refused:
        copy_to_postgres(at(1), "analyst")
    database.ask("ALTER ROLE gone RENAME TO mizan_analyst", "postgres")
    assert refused.value.hint == "CREATE ROLE mizan_analyst NOLOGIN"
    assert database.ask("SELECT to_regnamespace('marts')") == [(None,)]
    _copy_as_the_scheduler_does(at(1), database, tmp_path)
    assert copy_to_postgres(at(1), "public").schema == "marts_public"
    exact, shown = "marts.monthly_users", "marts_public.monthly_users"
    figure = "SELECT active_users, active_users_status FROM {} WHERE channel = 'paper'"
    assert database.ask(figure.format(exact), "sara") == [(5, "value")]
    assert database.ask(figure.format(shown), "press") == [(None, "suppressed")]
    forbidden = ((figure.format(exact), "press"), (figure.format(shown), "sara"), (f"DELETE FROM {exact}", "sara"))
    for query, user in forbidden:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.ask(query, user)
    wrong = database.url_file(tmp_path, "sara")
    wrong.write_text(database.url().replace("p-publisher", "p-S3CR3T"))
    settings = replace(at(1), values={**at(1).values, "MIZAN_POSTGRES_URL_FILE": str(wrong)})
    with pytest.raises(TryAgain, match="password authentication failed") as unreached:
        copy_to_postgres(settings, "analyst")
    assert "S3CR3T" not in "".join(traceback.format_exception(unreached.value))


def _copy_as_the_scheduler_does(settings: Settings, database, folder: Path) -> None:
    """In a process of its own, by a URL without a password: libpq's own file has it."""
    passwords = folder / "pgpass"
    passwords.write_text("127.0.0.1:*:*:mizan_publisher:p-publisher\n")
    passwords.chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIZAN_", "PG"))}
    named = {"MIZAN_HOME": str(settings.home), "MIZAN_POSTGRES_URL": database.url(password=False)}
    code = (
        "from contracts.settings import Settings; from pipeline.steps import copies_are_asked_for, copy_to_postgres; "
    )
    code += "assert copies_are_asked_for(Settings.load()); print(copy_to_postgres())"
    call = [sys.executable, "-c", code]
    environment = {**kept, **named, "PGPASSFILE": str(passwords)}
    answer = subprocess.run(call, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    assert "tier='analyst', schema='marts', version=1, is_new=True" in answer.stdout


def test_the_command_publishes_and_copies_what_is_published(database, tmp_path: Path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIZAN_", "PG"))}
    named = {"MIZAN_HOME": str(tmp_path / "home"), "MIZAN_POSTGRES_URL_FILE": str(database.url_file(tmp_path))}
    for words in (["init"], ["build"], ["publish", "--to", "postgres", "--tier", "public", "--json"]):
        call = [sys.executable, "-m", "console.main", *words]
        answer = subprocess.run(call, env={**kept, **named}, cwd=ROOT, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        assert "p-publisher" not in answer.stdout + answer.stderr
    told = json.loads(answer.stdout)
    assert told["version"] == told["postgres"]["version"] == 1
    assert told["postgres"]["schema"] == "marts_public"
    assert database.ask("SELECT value FROM marts_public._meta WHERE key = 'tier'", "press") == [("public",)]


def test_a_column_that_comes_and_goes_is_followed_and_what_readers_made_stays(at, database):
    copy_to_postgres(at(2), "analyst")
    assert database.ask("SELECT a, b FROM marts.odd") == [("x", 1)]
    database.ask("CREATE VIEW marts.mine AS SELECT a FROM marts.odd", "mizan_publisher")
    copy_to_postgres(at(3), "analyst")
    assert database.ask("SELECT * FROM marts.odd") == [("y", 2)]
    assert database.ask("SELECT a FROM marts.mine", "mizan_publisher") == [("y",)]
    with pytest.raises(MizanError, match="depend on it"):
        copy_to_postgres(at(4), "analyst")
    assert database.ask("SELECT a, c FROM marts.odd") == [("y", 2)]
    database.ask("DROP VIEW marts.mine", "mizan_publisher")
    copy_to_postgres(at(4), "analyst")
    assert database.ask("SELECT to_regclass('marts.odd')") == [(None,)]


def test_what_is_not_ours_is_refused_and_left_as_it_is(at, database):
    names = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('marts') ORDER BY 1"
    for foreign in ("CREATE TABLE customers (id int)", "CREATE VIEW monthly_users AS SELECT 1 AS one"):
        database.ask(f"CREATE SCHEMA marts {foreign}", "mizan_publisher")
        before = database.ask(names)
        with pytest.raises(UsageError, match="not a copy of ours"):
            copy_to_postgres(at(1), "analyst")
        assert database.ask(names) == before
        database.ask("DROP SCHEMA marts CASCADE", "mizan_publisher")
    database.ask("CREATE SCHEMA marts", "mizan_publisher")  # an empty one was made for us
    copy_to_postgres(at(1), "analyst")
    database.ask("CREATE TABLE marts.odd (a text); INSERT INTO marts.odd VALUES ('mine')", "mizan_publisher")
    with pytest.raises(UsageError, match="table odd that is not ours"):
        copy_to_postgres(at(2), "analyst")
    assert database.ask("SELECT a FROM marts.odd", "mizan_publisher") == [("mine",)]


def test_no_copy_goes_back_and_no_other_home_is_mixed_in(at, database, tmp_path: Path):
    copy_to_postgres(at(2), "analyst")
    with pytest.raises(UsageError, match="ahead"):
        copy_to_postgres(at(1), "analyst")
    shutil.copytree(at(2).published, tmp_path / "other" / "published", symlinks=True)
    pointer = tmp_path / "other" / "published" / "analyst" / "CURRENT.json"
    document = json.loads(pointer.read_text())
    pointer.unlink()
    pointer.write_text(json.dumps({**document, "as_of": dt.datetime(2020, 5, 1, tzinfo=dt.UTC).isoformat()}))
    other = replace(at(2), values={**at(2).values, "MIZAN_HOME": str(tmp_path / "other")})
    with pytest.raises(UsageError, match="another home's"):
        copy_to_postgres(other, "analyst")
    assert database.ask("SELECT max(active_users) FROM marts.monthly_users") == [(1002,)]


def test_a_url_is_no_place_for_a_password_and_its_file_is_for_its_owner_alone(tmp_path: Path):
    secret = "p-x"

    def of(**named: str) -> Settings:
        return Settings.load({"MIZAN_HOME": str(tmp_path / "home"), **named}, folder=tmp_path)

    in_it = (
        f"postgresql://u:{secret}@h/d",
        f"postgresql://u@h/d?password={secret}",
        f"postgresql://u:{secret}@[::1]/d",
    )
    for held in in_it:
        with pytest.raises(UsageError, match="no password") as refused:
            of(MIZAN_POSTGRES_URL=held)
        assert secret not in f"{refused.value} {refused.value.hint}"
    for held in (f"dbname=figures password={secret}", f"postgresql://u:{secret}@[h/d", f"https://u:{secret}@h/d"):
        with pytest.raises(UsageError, match="libpq URL") as refused:
            of(MIZAN_POSTGRES_URL=held)
        assert secret not in f"{refused.value} {refused.value.hint}"
    file = tmp_path / "url"
    file.write_text(f"postgresql://u:{secret}@127.0.0.1/d")
    file.chmod(0o640)
    with pytest.raises(UsageError, match="others can read"):
        copy_to_postgres(of(MIZAN_POSTGRES_URL_FILE=str(file)), "analyst")
    with pytest.raises(UsageError, match="both"):
        copy_to_postgres(of(MIZAN_POSTGRES_URL_FILE=str(file), MIZAN_POSTGRES_URL="postgresql://u@h/d"), "analyst")
