"""``numbers_told``: every number of people that the public was ever told, as it was told last.

Versions side by side tell what happened between them. So each version carries what readers know already. It stands
in the analysts' file, in a schema of its own (``history.numbers_told``): it also holds numbers that the public tier
tells no more, and is no table for readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from disclosure.relations import Flags, Numbers
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable
from warehouse.restated import tables_of

_TABLE = "history.numbers_told"
_PLACE = "quantity, calendar, starts_on, ends_before, scope, scope_id, channel, item"
_COLUMNS = (
    "quantity VARCHAR, calendar VARCHAR, starts_on DATE, ends_before DATE, scope VARCHAR, scope_id VARCHAR, "
    "channel VARCHAR, item VARCHAR, number BIGINT, min_cell INTEGER, while_open BOOLEAN, is_last BOOLEAN"
)
_SAME = " AND ".join(f"told.{name} IS NOT DISTINCT FROM cells.{name}" for name in _PLACE.split(", "))
# A time with a month in it that is still open: more of it is to come, and to be told.
_IS_OPEN = """
    EXISTS (
        SELECT 1 FROM time_tellings AS months
        WHERE months.is_month AND months.state = 'open' AND months.calendar = public_cells.calendar
            AND months.starts_on < public_cells.ends_before AND months.ends_before > public_cells.starts_on
    )
"""


@dataclass(frozen=True)
class History:
    """What earlier versions say of today's cells.

    ``told``: the number told last, NaN where none was; ``last``: the same of those that the version in service tells.
    ``ahead``: of a time that had not begun in it. Everybody knows that nothing had come: of a month it tells 0.
    ``frozen``: never told, while others of the very time were, when none of its months was open any more.
    ``least``: the least k under which any number was told; 0 where none was.
    """

    told: Numbers
    last: Numbers
    ahead: Flags
    frozen: Flags
    least: int


def history(connection: Connection, tables: Sequence[MetricTable], *, before: str) -> History:
    """Of ``public_cells``; ``before`` is the attached analysts' version in service, if there is one."""
    ((size,),) = connection.execute("SELECT count(*) FROM public_cells").fetchall()
    least = 0
    (told, last), (ahead, frozen) = np.full((2, size), np.nan), np.zeros((2, size), dtype=bool)
    if _is_there(connection, before):
        connection.execute(f"CREATE OR REPLACE TEMP VIEW told_before AS SELECT * FROM {before}.{_TABLE}")  # noqa: S608
        for numbers, which in ((told, "true"), (last, "told.is_last")):
            found = connection.execute(
                f"SELECT cells.cell, told.number::DOUBLE AS number FROM public_cells AS cells "  # noqa: S608 our own words
                f"INNER JOIN told_before AS told ON {_SAME} WHERE {which}"
            ).fetchnumpy()
            numbers[found["cell"]] = found["number"]
        ((least,),) = connection.execute("SELECT coalesce(min(min_cell), 0) FROM told_before").fetchall()
        frozen[_cells(connection, _FROZEN)] = True
        frozen &= np.isnan(told)
        ahead[_cells(connection, _AHEAD.format(begun=_begun(connection, tables, before)))] = True
        nothing = _cells(connection, _ONCE_IN_A_MONTH)
        nothing = nothing[ahead[nothing] & np.isnan(told[nothing])]
        told[nothing] = last[nothing] = 0.0
    return History(told, last, ahead, frozen, least)


def _begun(connection: Connection, tables: Sequence[MetricTable], before: str) -> str:
    """SQL of the times (calendar, time_key) of which the version ``before`` has any row; all where it has none."""
    existing = tables_of(connection, before)
    dated = [
        (time, table.name)
        for table in tables
        for time in ("month", "period")
        if {"calendar", time} <= set(table.keys) and table.name in existing
    ]
    rows = [f"SELECT calendar, {time} AS time_key FROM {before}.marts.{name}" for time, name in dated]  # noqa: S608 of the build
    return " UNION ".join(rows) or "SELECT calendar, time_key FROM time_tellings"


_FROZEN = """
    SELECT cells.cell FROM public_cells AS cells
    SEMI JOIN (
        SELECT quantity, starts_on, ends_before FROM told_before WHERE starts_on IS NOT NULL AND NOT while_open
    ) AS times USING (quantity, starts_on, ends_before)
"""
_AHEAD = """
    SELECT cells.cell FROM public_cells AS cells
    SEMI JOIN (
        SELECT calendar, starts_on, ends_before
        FROM time_tellings ANTI JOIN ({begun}) AS begun USING (calendar, time_key)
    ) AS times USING (calendar, starts_on, ends_before)
"""
_ONCE_IN_A_MONTH = """
    SELECT cells.cell FROM public_cells AS cells
    SEMI JOIN (FROM time_tellings WHERE is_month) AS times USING (calendar, starts_on, ends_before)
    WHERE cells.kind <> 'stock' AND cells.stock_of = ''
"""


def _cells(connection: Connection, select: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(connection.execute(select).fetchnumpy()["cell"], dtype=np.int64)


def write_told(connection: Connection, shown: Flags | None, k: int, *, before: str, target: str) -> None:
    """Make the table for a version that shows ``shown`` of ``public_cells``; None: figures that were told before."""
    connection.execute(f"CREATE SCHEMA {target}.history")
    connection.execute(f"CREATE TABLE {target}.{_TABLE} ({_COLUMNS})")
    connection.execute(
        f"COMMENT ON TABLE {target}.{_TABLE} IS "
        "'Every number of people that the public was ever told, as it was told last: later versions go by it.'"
    )
    insert = f"INSERT INTO {target}.{_TABLE}"
    if shown is not None:
        connection.register("given_shown", pa.table({"cell": np.flatnonzero(shown)}))
        connection.execute(
            f"{insert} SELECT {_PLACE}, any_value(number), {int(k)}, bool_and({_IS_OPEN}), true FROM public_cells "  # noqa: S608 our own
            "SEMI JOIN given_shown AS given ON given.cell = public_cells.cell GROUP BY ALL ORDER BY ALL"
        )
        connection.unregister("given_shown")
    if _is_there(connection, before):
        again = f"EXISTS (SELECT 1 FROM {target}.{_TABLE} AS cells WHERE {_SAME})"  # noqa: S608 our own words
        # Figures that are published again tell nothing anew.
        kept = "told.*" if shown is None else "told.* REPLACE (false AS is_last)"
        connection.execute(f"{insert} SELECT {kept} FROM {before}.{_TABLE} AS told WHERE NOT {again} ORDER BY ALL")  # noqa: S608


def _is_there(connection: Connection, database: str) -> bool:
    found = connection.execute(
        "SELECT count(*) FROM duckdb_tables() "
        "WHERE database_name = $name AND schema_name || '.' || table_name = $table",
        {"name": database, "table": _TABLE},
    ).fetchall()
    return found != [(0,)]
