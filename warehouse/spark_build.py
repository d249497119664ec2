"""A build connection of which Spark runs what is too much for one machine, and DuckDB the rest.

Every relation can be seen from both sides, so which of them runs a statement changes nothing but its cost. A statement
that makes rows (a kept table, an insertion) is Spark's where it reads something large: the lake's events, or what was
made of them and has more than ``SMALL`` rows. Its rows go through Parquet files below the build folder: DuckDB sees
them, and inserts them where the statement says so. Whatever is small is DuckDB's, as always.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sqlglot import exp

from contracts.settings import Settings
from warehouse import spark_dialect as dialect
from warehouse.connection import Connection
from warehouse.lake import Snapshot
from warehouse.spark import Spark, running

# A relation with no more rows is no reason to ask Spark.
SMALL = 1_000_000
# No more kept rows than these are copied to a table of DuckDB's, which may be changed; others stay where they are.
COPIED = 1_000_000
_STATEMENT = re.compile(
    r"""\s*(?P<kind>CREATE\s+OR\s+REPLACE\s+TEMP\s+VIEW|CREATE\s+OR\s+REPLACE\s+TEMP\s+TABLE|INSERT\s+INTO|DELETE\s+FROM
    |MERGE\s+INTO|DROP\s+TABLE)\s+"?(?P<target>\w+)"?(?P<rest>.*)""",
    re.DOTALL | re.VERBOSE,
)
_WORD = re.compile(r"\w+")


@dataclass
class _Relation:
    """What is known of a name. ``select``: it is a view of that. ``folders``: its rows, as Spark reads them."""

    select: str | None = None
    reads: set[str] = field(default_factory=set)
    folders: list[str] | None = None
    rows: int = 0
    of_lake: bool = False
    shown: object = None  # what Spark was told of it last


class SparkConnection:
    """What a build needs of a connection: ``execute``, ``register`` and ``unregister``."""

    def __init__(self, duckdb: Connection, spark: Spark, folder: Path) -> None:
        self._duckdb, self._spark, self._folder = duckdb, spark, folder
        self._known: dict[str, _Relation] = {}
        self._parquet_views: set[str] = set()
        self._files = 0

    def register(self, name: str, rows: Any) -> None:
        """As DuckDB's: rows of this process under a name."""
        self._duckdb.register(name, rows)

    def unregister(self, name: str) -> None:
        """As DuckDB's."""
        self._duckdb.unregister(name)

    def show_table(self, name: str, table: Snapshot) -> None:
        """Let Spark read a table of the lake itself, by its log, instead of through DuckDB's view ``name``."""
        self._spark.delta(name, table.handle.table_uri, table.version)
        self._known[name] = _Relation(of_lake=True)

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Run one statement where it belongs. Answers as DuckDB's does; SparkFailed where Spark refuses it."""
        found = _STATEMENT.match(sql)
        if found is None:
            return self._in_duckdb(sql, parameters)
        kind, target, rest = found["kind"].split()[-1], found["target"], found["rest"]
        if kind == "VIEW":
            self._forget(target)
            self._known[target] = _Relation(select=re.sub(r"\A\s*AS\s", "", rest))
            return self._in_duckdb(sql, parameters)
        if kind in ("TABLE", "INTO") and found["kind"].startswith(("CREATE", "INSERT")) and self._reads_much(rest):
            return self._make(kind, target, rest, parameters)
        if sql.lstrip().startswith("DROP"):
            return self._drop(target, sql)
        if kind == "TABLE":
            self._forget(target)
            return self._in_duckdb(sql, parameters)
        answer = self._in_duckdb(sql, parameters)
        if target in self._known:
            ((changed,),) = answer.fetchall()
            if changed:
                self._known[target].folders = None
        return answer

    def _in_duckdb(self, sql: str, parameters: Mapping[str, Any] | None) -> Any:
        return self._duckdb.execute(sql) if parameters is None else self._duckdb.execute(sql, dict(parameters))

    def _reads_much(self, text: str) -> bool:
        return any(self._is_large(name) for name in set(_WORD.findall(text)) & self._known.keys())

    def _is_large(self, name: str) -> bool:
        one = self._known.get(name)
        if one is None:
            return False
        if one.select is not None:
            return any(self._is_large(read) for read in self._reads_of(one))
        return one.of_lake or one.rows > SMALL

    def _reads_of(self, view: _Relation) -> set[str]:
        if not view.reads and view.select is not None:
            view.reads = dialect.reads(dialect.parse(view.select))
        return view.reads

    def _make(self, kind: str, target: str, rest: str, parameters: Mapping[str, Any] | None) -> Any:
        """Have Spark compute a table or an insertion, and show or insert its rows here."""
        by_name = kind == "INTO" and re.match(r"\s*BY\s+NAME\s", rest) is not None
        select = re.sub(r"\A\s*(AS|BY\s+NAME)\s", "", rest)
        tree = dialect.parse(select, parameters)
        is_placed = kind == "INTO" and not by_name  # its rows go into the table's columns, whatever their own names
        columns = self._columns(f'SELECT * FROM "{target}"' if is_placed else dialect.in_duckdb(tree))  # noqa: S608
        folder, rows = self._run(tree, columns)
        there = dialect.rows_of_spark(_files([str(folder)]), columns)
        if kind == "TABLE":
            self._forget(target)
            form = "TABLE" if rows <= COPIED else "VIEW"
            self._parquet_views |= {target} if form == "VIEW" else set()
            self._known[target] = _Relation(folders=[str(folder)], rows=rows)
            return self._duckdb.execute(f'CREATE OR REPLACE TEMP {form} "{target}" AS {there}')
        if not rows:
            return None
        one = self._known.setdefault(target, _Relation())
        held = one.folders if one.folders is not None else [] if self._is_empty(target) else None
        # Columns that an insertion leaves out are not in its files.
        one.folders = None if held is None or by_name else [*held, str(folder)]
        one.rows += rows
        return self._duckdb.execute(f'INSERT INTO "{target}"{" BY NAME" * by_name} {there}')

    def _is_empty(self, table: str) -> bool:
        return not self._duckdb.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchall()  # noqa: S608 our own names

    def _run(self, tree: exp.Expr, columns: dialect.Columns) -> tuple[Path, int]:
        own = dialect.recursion(tree)
        if own is not None:
            tree = self._unrolled(tree, own)
        for name in dialect.reads(tree):
            self._show(name)
        folder = self._new_folder()
        self._spark.write(dialect.in_spark(tree, self._columns, columns), folder)
        ((rows,),) = self._duckdb.execute(f"SELECT COUNT(*) FROM {_files([str(folder)])}").fetchall()  # noqa: S608
        return folder, int(rows)

    def _unrolled(self, tree: exp.Expr, own: exp.CTE) -> exp.Expr:
        """The query without its recursion: each turn of it, and what it reads, was computed and kept by then."""
        kept: dict[str, str] = {}
        tree = tree.copy()
        clause = tree.find(exp.With)
        assert clause is not None
        for cte in [*clause.expressions]:
            cte.pop()
            _renamed(cte.this, kept)
            name = f"spark_{cte.alias}"
            if cte.alias != own.alias:
                self.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {dialect.in_duckdb(cte.this)}')
            else:
                self._turns(name, cte)
            kept[cte.alias] = name
        clause.pop()
        _renamed(tree, kept)
        return tree

    def _turns(self, name: str, cte: exp.CTE) -> None:
        """Rows of the first turn, then of each next one from the rows of the one before, until none come."""
        union = cte.this
        assert isinstance(union, exp.Union)
        columns = self._columns(dialect.in_duckdb(union.left))
        turn, folders, rows = union.left, [], 0
        while True:
            folder, came = self._run(turn.copy(), columns)
            folders.append(str(folder))
            rows += came
            if not came:
                break
            last = f"{name}_turn"
            self._place(last, [str(folder)], came, columns)
            turn = union.right.copy()
            _renamed(turn, {cte.alias: last})
        self._place(name, folders, rows, columns)

    def _place(self, name: str, folders: list[str], rows: int, columns: dialect.Columns) -> None:
        """Show what Spark wrote under a name, where it lies."""
        self._forget(name)
        self._known[name] = _Relation(folders=folders, rows=rows)
        self._parquet_views.add(name)
        shown = dialect.rows_of_spark(_files(folders), columns)
        self._duckdb.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {shown}')

    def _show(self, name: str) -> None:
        """Make a name mean in Spark what it means here."""
        one = self._known.setdefault(name, _Relation())
        if one.of_lake:
            return
        if one.select is not None and self._is_large(name):
            tree = dialect.parse(one.select)
            for read in self._reads_of(one):
                self._show(read)
            if one.shown != one.select:
                self._spark.view(name, dialect.in_spark(tree, self._columns))
                one.shown = one.select
            return
        columns = self._columns(f'SELECT * FROM "{name}"')  # noqa: S608 our own names
        if one.folders is None or one.select is not None:
            folder = self._new_folder()
            folder.mkdir()
            stored = dialect.rows_for_spark(f'"{name}"', columns)
            self._duckdb.execute(f"COPY ({stored}) TO '{folder}/rows.parquet'")
            one.folders = [str(folder)]
        if one.shown != one.folders:
            schema = ", ".join(f"`{column}` {dialect.spark_type(kind)}" for column, kind in columns)
            self._spark.parquet(name, one.folders, schema)
            one.shown = list(one.folders)

    def _columns(self, select: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._duckdb.execute(f"DESCRIBE {select}").fetchall()]

    def _forget(self, name: str) -> None:
        """What stood under a name here makes room for another relation of that name."""
        self._known.pop(name, None)
        if name in self._parquet_views:
            self._parquet_views.discard(name)
            self._duckdb.execute(f'DROP VIEW "{name}"')

    def _drop(self, name: str, sql: str) -> Any:
        if name in self._parquet_views:
            return self._forget(name)
        self._known.pop(name, None)
        return self._duckdb.execute(sql)

    def _new_folder(self) -> Path:
        self._files += 1
        return self._folder / f"{self._files:04}"


def _files(folders: list[str]) -> str:
    """Folders of Parquet files as DuckDB reads them."""
    listed = ", ".join("'" + f"{folder}/*.parquet".replace("'", "''") + "'" for folder in folders)
    return f"read_parquet([{listed}])"


def _renamed(tree: exp.Expr, names: Mapping[str, str]) -> None:
    for table in [*tree.find_all(exp.Table)]:
        if table.name in names:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(names[table.name]))


@contextlib.contextmanager
def with_spark(connection: Connection, settings: Settings) -> Iterator[Connection]:
    """The build connection, with Spark behind it until the end. UsageError where there is no Spark."""
    folder = settings.home / "build" / "spark"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with running(folder) as spark:
            # A build asks its connection for nothing but what SparkConnection has.
            yield cast("Connection", SparkConnection(connection, spark, folder))
    finally:
        for numbered in folder.glob("[0-9]*"):
            shutil.rmtree(numbered)
        shutil.rmtree(folder / "tmp", ignore_errors=True)
