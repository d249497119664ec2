"""How reporting tools connect to what is published, each way tried: the words to type and the version they lead to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy
from sqlalchemy.pool import NullPool

from contracts import postgres_target
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings
from warehouse.connection import Connection, memory_connection
from warehouse.postgres import SCHEMAS, connected, standing
from warehouse.published import Manifest, manifest, open_version
from warehouse.version_files import version_name

WORKS, FAILED, BEHIND, NOT_CONFIGURED = "works", "failed", "behind", "not_configured"
# Tables whose rows one month of one scope and channel names: among their headline rows there is one a month.
_ONE_A_MONTH = ("monthly_users", "monthly_visits", "monthly_transactions", "monthly_channel_share")
_VERSION = "SELECT value FROM marts._meta WHERE key = 'version'"


@dataclass(frozen=True)
class Way:
    """One way in. ``connection`` is what to type; ``version`` where it was read; ``detail`` says why it was not."""

    name: str
    tools: str
    connection: str
    state: str
    version: int | None
    detail: str | None = None


def ways(settings: Settings, tier: str) -> list[Way]:
    """Every way to a tier, tried now. UsageError before the first publication."""
    found = manifest(settings, tier)
    if found is None:
        raise UsageError("nothing is published yet", hint="run: mizan publish")
    database = found.folder / "current.duckdb"
    url = f"duckdb:///{database}?access_mode=read_only"
    glob = f"{found.folder}/parquet/*/{version_name(found.version)}.parquet"
    tried = [
        _tried("duckdb", "DuckDB, Python, R", str(database), found, lambda: _by_duckdb(database)),
        _tried("sqlalchemy", "Superset, Python", url, found, lambda: _by_sqlalchemy(url)),
        _tried("parquet", "Python, R, Power BI", glob, found, lambda: _by_parquet(settings, found)),
    ]
    if tier == "public":
        folder = found.folder / "csv"
        tried.append(_tried("csv", "Excel", f"{folder}/*.csv", found, lambda: _by_csv(settings, folder)))
    return [*tried, *_postgres(settings, found, tier)]


def headline_faults(settings: Settings, tier: str) -> list[str]:
    """Tables in which the rows of ``is_headline`` would count a month twice, or that lack what a right sum needs."""
    found = manifest(settings, tier)
    assert found is not None
    faults = []
    with open_version(found.database) as connection:
        for table in _ONE_A_MONTH:
            have = connection.execute(
                "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'marts' AND table_name = $table "
                "AND column_name IN ('is_headline', 'scope_key')",
                {"table": table},
            ).fetchone()
            if have != (2,):
                faults.append(f"{table} has no is_headline or no scope_key")
                continue
            twice = connection.execute(
                f"SELECT 1 FROM marts.{table} WHERE is_headline GROUP BY month HAVING count(*) > 1"  # noqa: S608 from the list above
            ).fetchall()
            if twice:
                faults.append(f"{table} has more than one headline row in {len(twice)} months")
    return faults


def _postgres(settings: Settings, found: Manifest, tier: str) -> Iterator[Way]:
    tools = "PostgreSQL clients, Superset, Metabase, Grafana, Power BI, Tableau"
    try:
        url = postgres_target.target_url(settings.values)
    except MizanError as error:
        yield Way("postgresql", tools, "", FAILED, None, str(error))
        return
    if url is None:
        yield Way("postgresql", tools, "", NOT_CONFIGURED, None, "set MIZAN_POSTGRES_URL or MIZAN_POSTGRES_URL_FILE")
        return
    yield _tried("postgresql", tools, postgres_target.shown(url), found, lambda: _by_postgres(url, tier))


def _tried(name: str, tools: str, connection: str, found: Manifest, look: Callable[[], int]) -> Way:
    try:
        version = look()
    except (MizanError, duckdb.Error, sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        return Way(name, tools, connection, FAILED, None, str(error).partition("\n")[0])
    # A publication in between is no fault: then what was found is newer.
    state = BEHIND if version < found.version else WORKS
    return Way(name, tools, connection, state, version)


def _by_duckdb(database: Path) -> int:
    with open_version(database) as connection:
        return _only(connection.execute(_VERSION).fetchall())


def _by_sqlalchemy(url: str) -> int:
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return _only(connection.execute(sqlalchemy.text(_VERSION)).all())


def _by_parquet(settings: Settings, found: Manifest) -> int:
    """Every table of the version, its footer at least; the version from ``_meta``."""
    files = sorted((found.folder / "parquet").glob(f"*/{version_name(found.version)}.parquet"))
    with contextlib.closing(memory_connection(settings, threads=1)) as connection:
        for file in files:
            connection.execute("SELECT count(*) FROM read_parquet($file)", {"file": str(file)}).fetchall()
        return _version_in(
            connection, f"{found.folder}/parquet/_meta/{version_name(found.version)}.parquet", "read_parquet"
        )


def _by_csv(settings: Settings, folder: Path) -> int:
    with contextlib.closing(memory_connection(settings, threads=1)) as connection:
        return _version_in(connection, f"{folder}/_meta.csv", "read_csv")


def _version_in(connection: Connection, file: str, reader: str) -> int:
    query = f"SELECT value FROM {reader}($file) WHERE key = 'version'"  # noqa: S608 one of two functions
    return _only(connection.execute(query, {"file": file}).fetchall())


def _by_postgres(url: str, tier: str) -> int:
    with connected(url) as connection:
        meta = standing(connection.cursor(), tier)
    if meta is None:
        raise UsageError(f"the schema {SCHEMAS[tier]} holds no copy yet: mizan publish --to postgres --tier {tier}")
    return int(meta["version"] or 0)


def _only(rows: Sequence[Any]) -> int:
    ((value,),) = rows
    return int(value)
