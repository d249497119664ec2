"""``numbers_told``: every number of people that the public was ever told, as it was told last.

Two versions side by side tell what happened between them. So each version carries what readers know already: a number
that has moved by fewer than k since is withheld until it has moved by more, one that has not moved is told again.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from disclosure.relations import Flags, Numbers
from warehouse.connection import Connection
from warehouse.restated import tables_of

TABLE = "numbers_told"
_PLACE = "quantity, calendar, starts_on, ends_before, scope, scope_id, channel, item"
_COLUMNS = (
    "quantity VARCHAR, calendar VARCHAR, starts_on DATE, ends_before DATE, scope VARCHAR, scope_id VARCHAR, "
    "channel VARCHAR, item VARCHAR, number BIGINT, min_cell INTEGER"
)
_SAME = " AND ".join(f"told.{name} IS NOT DISTINCT FROM cells.{name}" for name in _PLACE.split(", "))


def last_told(connection: Connection, *, before: str, k: int) -> Numbers:
    """The number last told of each of ``public_cells``, NaN where none was under the same k."""
    ((size,),) = connection.execute("SELECT count(*) FROM public_cells").fetchall()
    numbers = np.full(size, np.nan)
    if TABLE in tables_of(connection, before):
        found = connection.execute(
            f"""
            SELECT cells.cell, told.number::DOUBLE AS number
            FROM public_cells AS cells INNER JOIN {before}.marts.{TABLE} AS told ON {_SAME}
            WHERE told.min_cell = $k
            ORDER BY cells.cell
            """,  # noqa: S608 our own words
            {"k": k},
        ).fetchnumpy()
        numbers[np.asarray(found["cell"], dtype=np.int64)] = np.asarray(found["number"], dtype=np.float64)
    return numbers


def write_told(connection: Connection, shown: Flags | None, k: int, *, before: str, target: str) -> None:
    """Make the table for a version that shows ``shown`` of ``public_cells``; None: figures told before."""
    connection.execute(f"CREATE TABLE {target}.marts.{TABLE} ({_COLUMNS})")
    connection.execute(
        f"COMMENT ON TABLE {target}.marts.{TABLE} IS "
        "'Every number of people that was ever told, as it was told last: what later versions may not betray.'"
    )
    insert = f"INSERT INTO {target}.marts.{TABLE}"
    if shown is not None:
        connection.register("given_shown", pa.table({"cell": np.flatnonzero(shown)}))
        connection.execute(
            f"{insert} SELECT {_PLACE}, any_value(number), {int(k)} FROM public_cells "  # noqa: S608 our own words
            "SEMI JOIN given_shown AS given ON given.cell = public_cells.cell GROUP BY ALL ORDER BY ALL"
        )
        connection.unregister("given_shown")
    if TABLE in tables_of(connection, before):
        again = f"EXISTS (SELECT 1 FROM {target}.marts.{TABLE} AS cells WHERE {_SAME})"  # noqa: S608 our own words
        connection.execute(f"{insert} SELECT told.* FROM {before}.marts.{TABLE} AS told WHERE NOT {again} ORDER BY ALL")  # noqa: S608
