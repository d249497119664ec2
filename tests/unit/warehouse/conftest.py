"""A build database written by hand, with the tables of the models' contracts, and a look at what is published."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import postgres_rig
import pytest

from contracts.settings import Settings
from transforms.model import PUBLISHED, models
from transforms.refresh import describe_published
from warehouse.connection import build_connection
from warehouse.publish import publish
from warehouse.published import open_published
from warehouse.shaping import period_of

REPOSITORY = Path(__file__).parents[3]
OLD_DUCKDB = "1.5.5"
Cell = dict[str, Any]


class Build:
    """A build database of a few cells. ``put`` replaces the row of one cell in one table."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with build_connection(settings) as connection:
            connection.execute("BEGIN")
            for shelf in ("dimensions", "facts", *PUBLISHED):
                for model in models(shelf).values():
                    connection.execute(model.ddl)
            describe_published(connection)
            connection.execute(
                "INSERT INTO dim_service (service_id, agency_id, name_fa, name_en, channels) "
                "VALUES ('passport', 'tax', 'گذرنامه', 'Passport', 'portal|paper'), ('open', 'tax', NULL, NULL, NULL)"
            )
            connection.execute(
                "INSERT INTO dim_agency (agency_id, name_fa, name_en, expected_to_report) "
                "VALUES ('tax', 'مالیات', '=cmd()', true), ('post', 'پست', '@post', true)"
            )
            connection.execute(
                "INSERT INTO dim_month (calendar, month, month_no, name_fa, name_en) "
                "VALUES ('jalali', '1399-01', 16788, 'فروردین', 'Farvardin')"
            )
            connection.execute("COMMIT")

    def put(
        self, table: str, time: str = "1399-01", channel: str = "all", keys: int | None = None, **cell: Any
    ) -> None:
        """One row; ``keys`` are the persons behind every number given. A measure not given is not provided."""
        model = models("metrics")[table]
        calendar = cell.pop("calendar", "jalali")
        row: Cell = {
            "calendar": calendar,
            model.grain[1]: time,
            "month_start": first_day(calendar, time),
            "scope": cell.pop("scope", "national"),
            "scope_id": cell.pop("scope_id", "IR"),
            "channel": channel,
            "metric_version": 1,
        }
        for measure in model.measures:
            value = cell.pop(measure.name, None)
            row[measure.name] = value
            row[f"{measure.name}_status"] = "not_provided" if value is None else "value"
            if f"{measure.name}_keys" in model.physical:
                row[f"{measure.name}_keys"] = keys if keys is not None else 1000
        row |= cell
        with build_connection(self.settings) as connection:
            same = " AND ".join(f"{name} = ${name}" for name in model.grain)
            connection.execute(f"DELETE FROM {model.table} WHERE {same}", {name: row[name] for name in model.grain})
            marks = ", ".join(f"${name}" for name in row)
            connection.execute(f"INSERT INTO {model.table} ({', '.join(row)}) VALUES ({marks})", row)

    def offer(self, name: str, shelf: str, grain: list[str], columns: dict[str, Cell], rows: list[Cell]) -> None:
        """A table that is no model of ours: built, and listed for publishing. ``columns`` as a contract has them."""
        specs = [{"name": column, **spec} for column, spec in columns.items()]
        types = {}
        for spec in specs:
            types[spec["name"]] = spec["type"]
            types |= {f"{spec['name']}_status": "VARCHAR"} if spec.get("status") else {}
            types |= {f"{spec['name']}_keys": "BIGINT"} if spec.get("keys") else {}
        contract = {"grain": grain, "columns": specs, "label": {"fa": "جدول", "en": "A table"}}
        with build_connection(self.settings) as connection:
            described = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
            connection.execute(f"CREATE OR REPLACE TABLE {name}_v1 ({described})")
            connection.execute("DELETE FROM ops_published WHERE table_name = $name", {"name": name})
            connection.execute(
                "INSERT INTO ops_published (table_name, built_as, shelf, contract, query) "
                "VALUES ($name, $built, $shelf, $contract, 'SELECT 1')",
                {"name": name, "built": f"{name}_v1", "shelf": shelf, "contract": json.dumps(contract)},
            )
            for row in rows:
                given = {**row}
                for spec in specs:
                    if spec.get("status"):
                        given.setdefault(f"{spec['name']}_status", "value" if spec["name"] in row else "not_provided")
                names = ", ".join(f'"{column}"' for column in given)
                marks = ", ".join(f"${column}" for column in given)
                connection.execute(f"INSERT INTO {name}_v1 ({names}) VALUES ({marks})", given)

    def run(self, sql: str, parameters: Cell | None = None) -> None:
        with build_connection(self.settings) as connection:
            connection.execute(sql, parameters or {})


def first_day(calendar: str, time: str) -> dt.date:
    return period_of(calendar, time).first.first_day


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)


@pytest.fixture
def build(settings: Settings) -> Build:
    return Build(settings)


@pytest.fixture
def look(settings: Settings) -> Callable[..., list[Any]]:
    """Rows of a query over the version in service."""

    def query(sql: str, tier: str = "analyst") -> list[Any]:
        with open_published(settings, tier) as connection:
            return connection.execute(sql).fetchall()

    return query


@pytest.fixture(scope="session")
def old_duckdb() -> Path:
    """A Python that has DuckDB 1.x."""
    return _tool(f"duckdb-{OLD_DUCKDB}", f"duckdb=={OLD_DUCKDB}")


@pytest.fixture(scope="session")
def superset_python() -> Path:
    """A Python with what Superset reaches databases through: it stays below SQLAlchemy 2."""
    return _tool(
        f"superset-engine-{OLD_DUCKDB}",
        *(f"duckdb=={OLD_DUCKDB}", f"duckdb-engine=={version('duckdb-engine')}", "sqlalchemy==1.4.54"),
        f"psycopg2-binary=={version('psycopg2-binary')}",
    )


def _tool(name: str, *requirements: str) -> Path:
    """The Python of an environment that is made once and kept in var/test-tools."""
    folder = REPOSITORY / "var" / "test-tools" / name
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
        uv = [sys.executable, "-m", "uv"] if _has_uv_module() else ["uv"]
        create = [*uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)]
        subprocess.run(create, check=True, env=environment)
        install = [*uv, "pip", "install", "-q", "--python", str(python), *requirements]
        subprocess.run(install, check=True, env=environment)
        finished.touch()
    return python


def _has_uv_module() -> bool:
    import importlib.util

    return importlib.util.find_spec("uv") is not None


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """The port of a real PostgreSQL, started by the first test that asks."""
    programs = postgres_rig.binaries()
    if programs is None:
        pytest.skip("PostgreSQL's server is not here (on Debian: apt-get install postgresql)")
    with postgres_rig.server(programs) as port:
        yield port


@pytest.fixture
def database(postgres_port: int, request: pytest.FixtureRequest) -> postgres_rig.Database:
    """A database of the test's own."""
    name = f"figures_{abs(hash(request.node.nodeid)):x}"
    postgres_rig.Database(postgres_port, "postgres").ask(f"CREATE DATABASE {name} OWNER mizan_publisher", "postgres")
    return postgres_rig.Database(postgres_port, name)


@pytest.fixture
def copying(settings: Settings, database: postgres_rig.Database) -> Settings:
    """Settings of a home that copies to the test's database."""
    settings.home.mkdir(exist_ok=True)
    named = {"MIZAN_HOME": str(settings.home), "MIZAN_POSTGRES_URL_FILE": str(database.url_file(settings.home))}
    return Settings.load(named, folder=settings.home)


@pytest.fixture(scope="session")
def published_homes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A home as it was after each of four publications, for what only reads; in version N users are 1000 + N."""
    folder = tmp_path_factory.mktemp("homes")
    settings = Settings.load({"MIZAN_HOME": str(folder / "home")}, folder=folder)
    build, text, number = Build(settings), {"type": "VARCHAR"}, {"type": "BIGINT"}
    awkward = ["", "a,b", 'a"b', "\\N", "NULL", "two\nlines", "میزان ۱۲", "\\."]
    rows = [{"agency_id": name, "score": 0.1 + place / 3} for place, name in enumerate(awkward)]
    columns = {"agency_id": text, "score": {"type": "DOUBLE", "status": True}}
    build.offer("odd_names", "evaluations", ["agency_id"], columns, [*rows, {"agency_id": "unknown"}])
    build.run("UPDATE dim_month SET starts_at = TIMESTAMPTZ '2020-03-19 20:30:00+00'")
    build.put("monthly_users", channel="portal")
    build.put("monthly_users", channel="paper", active_users=5, keys=5)
    # A table that comes, changes its columns, and goes.
    odd: dict[int, Cell] = {2: {"a": "x", "b": 1}, 3: {"a": "y", "c": 2}}
    homes = {}
    for version_number in (1, 2, 3, 4):
        build.put("monthly_users", active_users=1000 + version_number)
        build.put("monthly_visits", visits=2 * version_number)
        build.put("monthly_visits", channel="portal", visits=version_number)
        build.put("monthly_visits", channel="paper", visits=version_number)
        if row := odd.get(version_number):
            named = {name: text if name == "a" else number for name in row}
            build.offer("odd", "evaluations", ["a"], named, [row])
        else:
            build.run("DELETE FROM ops_published WHERE table_name = 'odd'")
        assert publish(settings).version == version_number
        homes[version_number] = folder / f"v{version_number}"
        shutil.copytree(settings.published, homes[version_number] / "published", symlinks=True)
        (homes[version_number] / "ALLOW_FAULTPOINTS").touch()
    return homes


@pytest.fixture
def at(published_homes: dict[int, Path], database: postgres_rig.Database, tmp_path: Path) -> Callable[[int], Settings]:
    """The home as it was at a version, set to copy to the test's database."""
    file = database.url_file(tmp_path)

    def settings_at(number: int) -> Settings:
        named = {"MIZAN_HOME": str(published_homes[number]), "MIZAN_POSTGRES_URL_FILE": str(file)}
        return Settings.load(named, folder=tmp_path)

    return settings_at
