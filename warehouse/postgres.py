"""Copy a published version into a PostgreSQL, whole: in one transaction, so that PostgreSQL keeps readers apart.

Rows are replaced in their tables (DELETE and COPY). A statement therefore sees one version, and so does a transaction
of REPEATABLE READ over several statements; no reader waits, and a copy that dies leaves the version before. Tables that
did not change are not touched. Only a table whose columns changed is locked, at the end.

The schema is ``marts`` for the analysts' tier and ``marts_public`` for the public one. It is ours where it holds
``_mizan_copy``: which table came with which content. Anything else there is nobody's to overwrite.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2
import pyarrow.csv
from psycopg2 import errors, sql

from contracts import postgres_target
from contracts.errors import MizanError, TryAgain, UsageError
from contracts.failpoints import failpoint
from contracts.settings import Settings
from warehouse import postgres_tables
from warehouse.connection import Connection
from warehouse.postgres_tables import Table
from warehouse.published import Manifest, manifest, open_version
from warehouse.version_files import version_name

SCHEMAS = {"analyst": "marts", "public": "marts_public"}
# The group that may read a tier; the database's administrator makes it and puts people into it.
READERS = {"analyst": "mizan_analyst", "public": "mizan_public"}
_CONNECT_SECONDS = 15
_ROWS_AT_ONCE = 50_000
# Shorter than PostgreSQL's deadlock_timeout (1 s): where we and a reader wait for each other, it is we who give way.
_LOCK_MILLISECONDS = 500
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Copied:
    """What stands in PostgreSQL now: the version, its schema, and how many tables and rows this call wrote."""

    tier: str
    schema: str
    version: int
    is_new: bool
    tables: int
    rows: int


def copy_to_postgres(settings: Settings, tier: str) -> Copied:
    """Copy the tier's version in service to where the settings say; where it stands there already, write nothing.

    Raises UsageError where no target is set, nothing is published, the target's schema is another's or ahead of us, or
    the readers' role is missing; TryAgain where PostgreSQL cannot be reached, or another copy is under way.
    """
    url = postgres_target.target_url(settings.values)
    if url is None:
        raise UsageError("no PostgreSQL is configured", hint=f"set {postgres_target.URL}, see docs/bi/postgresql.md")
    found = manifest(settings, tier)
    if found is None:
        raise UsageError("nothing is published yet", hint="run: mizan publish")
    with connected(url) as connection, open_version(found.database) as source:
        return _Copy(connection, source, found, tier).run()


@contextlib.contextmanager
def connected(url: str) -> Iterator[Any]:
    """A psycopg2 connection in UTC. What PostgreSQL says of a failure is told without the URL's password."""
    try:
        connection = psycopg2.connect(url, connect_timeout=_CONNECT_SECONDS, application_name="mizan")
    except psycopg2.OperationalError as error:
        raise TryAgain(f"cannot reach {postgres_target.shown(url)}: {_first_line(error)}") from None
    except psycopg2.Error as error:  # a URL that libpq does not understand: its words may repeat it
        raise UsageError("libpq does not take the URL", hint=type(error).__name__) from None
    try:
        connection.set_client_encoding("UTF8")
        yield connection
    except psycopg2.OperationalError as error:
        raise TryAgain(f"PostgreSQL failed: {_first_line(error)}") from error
    except psycopg2.Error as error:
        raise MizanError(f"PostgreSQL refused: {_first_line(error)}") from error
    finally:
        connection.close()


def standing(cursor: Any, tier: str) -> dict[str, str | None] | None:
    """``_meta`` of the copy that a tier's schema holds; None where there is none that this user may read."""
    cursor.execute("SELECT to_regclass(%s)", (f"{SCHEMAS[tier]}._meta",))
    if cursor.fetchone() == (None,):
        return None
    cursor.execute(sql.SQL("SELECT key, value FROM {}._meta").format(sql.Identifier(SCHEMAS[tier])))
    return dict(cursor.fetchall())


class _Copy:
    """One copy under way."""

    def __init__(self, connection: Any, source: Connection, found: Manifest, tier: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._source = source
        self._manifest = found
        self._tier = tier
        self._schema = SCHEMAS[tier]
        self._tables = {table.name: table for table in postgres_tables.described(source)}
        self._rows = 0

    def run(self) -> Copied:
        self._take_turn()
        if self._is_there():
            self._connection.rollback()
            return Copied(self._tier, self._schema, self._manifest.version, False, 0, 0)
        self._check_readers()
        self._execute("SET LOCAL TIME ZONE 'UTC'")  # published instants say no zone
        self._execute("CREATE SCHEMA IF NOT EXISTS {schema}")
        self._execute("CREATE TABLE IF NOT EXISTS {schema}._mizan_copy (table_name text PRIMARY KEY, content text)")
        before = postgres_tables.columns_there(self._cursor, self._schema)
        contents = self._contents()
        changed = [table for table in self._tables.values() if contents.get(table.name) != self._content(table)]
        for table in changed:
            if table.name not in before:
                self._execute(table.ddl(self._schema))
            elif table.name not in contents:
                raise UsageError(
                    f"the schema {self._schema} has a table {table.name} that is not ours; nothing was written",
                    hint="move it to another schema",
                )
        reshaped = [table for table in changed if before.get(table.name, table.columns) != table.columns]
        gone = [name for name in contents if name not in self._tables]
        for table in changed:
            if table not in reshaped:
                self._replace(table)
        failpoint("pg.copied")
        self._reshape(reshaped, gone, before)
        postgres_tables.comment(self._cursor, self._schema, self._tables.values())
        self._grant()
        failpoint("pg.commit")
        self._connection.commit()
        self._tidy(changed)
        return Copied(self._tier, self._schema, self._manifest.version, True, len(changed), self._rows)

    def _execute(self, statement: str | sql.Composed, *values: object, **names: sql.Composable) -> None:
        if isinstance(statement, str):
            statement = sql.SQL(statement).format(schema=sql.Identifier(self._schema), **names)
        self._cursor.execute(statement, values or None)

    def _take_turn(self) -> None:
        """One copy at a time; the turn ends with the transaction, however that ends."""
        self._cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", (f"mizan copy to {self._schema}",))
        if self._cursor.fetchone() != (True,):
            raise TryAgain(f"another copy to the schema {self._schema} is under way")

    def _is_there(self) -> bool:
        """True where the version stands there. UsageError where the schema is another's, or holds a later version."""
        self._cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE relname = '_mizan_copy') FROM pg_class "
            "WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v', 'm', 'p', 'f', 'S')",
            (self._schema,),
        )
        relations, ours = self._cursor.fetchone()
        if relations and not ours:
            raise UsageError(
                f"the database has a schema {self._schema} that is not a copy of ours; nothing was written",
                hint="use a database of its own, or rename that schema",
            )
        there = standing(self._cursor, self._tier) if ours else None
        if not there:
            return False
        version, as_of = int(there["version"] or 0), there["as_of"]
        if version > self._manifest.version or (
            version == self._manifest.version and as_of != self._manifest.as_of.isoformat()
        ):
            raise UsageError(
                f"the schema {self._schema} holds v{version} of {as_of}, and v{self._manifest.version} of "
                f"{self._manifest.as_of.isoformat()} is published here: it is another home's, or ahead of this one",
                hint="no reader may see a version go back; a copy follows once a later version is published",
            )
        return version == self._manifest.version

    def _check_readers(self) -> None:
        role = READERS[self._tier]
        self._cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        if self._cursor.fetchone() is None:
            raise UsageError(
                f"the database has no role {role}, which may read the copy", hint=f"CREATE ROLE {role} NOLOGIN"
            )

    def _contents(self) -> dict[str, str]:
        self._execute("SELECT table_name, content FROM {schema}._mizan_copy")
        return dict(self._cursor.fetchall())

    def _content(self, table: Table) -> str:
        """What tells a table's content and form: the checksum of its published Parquet file, and its columns here."""
        file = f"parquet/{table.name}/{version_name(self._manifest.version)}.parquet"
        return f"{self._manifest.checksums.get(file)} {dict(table.columns)}"

    def _replace(self, table: Table) -> None:
        self._execute("DELETE FROM {schema}.{table}", table=sql.Identifier(table.name))
        names = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        into = sql.SQL("COPY {}.{} ({}) FROM STDIN (FORMAT csv)").format(
            sql.Identifier(self._schema), sql.Identifier(table.name), names
        )
        copy = into.as_string(self._cursor)
        for batch in self._source.sql(table.select).to_arrow_reader(_ROWS_AT_ONCE):
            text = io.BytesIO()
            pyarrow.csv.write_csv(batch, text, pyarrow.csv.WriteOptions(include_header=False))
            text.seek(0)
            self._cursor.copy_expert(copy, text)
            self._rows += batch.num_rows
        self._execute(
            "INSERT INTO {schema}._mizan_copy VALUES (%s, %s) "
            "ON CONFLICT (table_name) DO UPDATE SET content = excluded.content",
            table.name,
            self._content(table),
        )

    def _reshape(self, reshaped: list[Table], gone: list[str], before: Mapping[str, Mapping[str, str]]) -> None:
        """Tables whose columns changed, and those that are no more: last, because readers of these have to wait."""
        names = sorted([table.name for table in reshaped] + [name for name in gone if name in before])
        if names:
            self._lock(names)
        for table in reshaped:
            for statement in table.changes(self._schema, before[table.name]):
                self._cursor.execute(statement)
            self._replace(table)
        for name in gone:
            self._execute("DROP TABLE IF EXISTS {schema}.{table}", table=sql.Identifier(name))
            self._execute("DELETE FROM {schema}._mizan_copy WHERE table_name = %s", name)

    def _lock(self, names: list[str]) -> None:
        """All of them at once or none, giving way to readers again and again. TryAgain where they never pause."""
        listed = sql.SQL(", ").join(sql.Identifier(self._schema, name) for name in names)
        self._execute(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            self._execute("SAVEPOINT unlocked")
            try:
                self._execute("LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE", tables=listed)
                break
            except errors.LockNotAvailable:
                self._execute("ROLLBACK TO SAVEPOINT unlocked")
                if time.monotonic() > deadline:
                    raise TryAgain(f"readers keep {', '.join(names)} open, whose columns change") from None
                time.sleep(0.2)
        self._execute("SET LOCAL lock_timeout = 0")

    def _grant(self) -> None:
        role = sql.Identifier(READERS[self._tier])
        listed = sql.SQL(", ").join(sql.Identifier(self._schema, name) for name in self._tables)
        self._execute("GRANT USAGE ON SCHEMA {schema} TO {role}", role=role)
        self._execute("GRANT SELECT ON {tables} TO {role}", tables=listed, role=role)

    def _tidy(self, changed: list[Table]) -> None:
        """Give back the room of the rows that were replaced, and tell the planner of the new ones."""
        self._connection.autocommit = True
        # The copy stands whatever happens here, and PostgreSQL's own vacuum comes by later.
        with contextlib.suppress(psycopg2.Error):
            for table in changed:
                self._execute("VACUUM (ANALYZE) {schema}.{table}", table=sql.Identifier(table.name))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
