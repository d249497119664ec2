"""Rows of the public tier that stand as they were told, under their older vintage.

A number that moved by fewer than k since it was told is not told anew (decision 24). To take it away would say that
very thing too, and leave readers without a number they have. So its row stays, whole, until it may be told anew: what
it says is known already. Not so where a number of it has become small. A number of a row that stands, which that row
withholds, waits with it: readers take it for a small one, and it is protected like one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from disclosure.relations import Flags
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, columns_of, quoted
from warehouse.passports import TABLE as PASSPORTS
from warehouse.passports import key_of
from warehouse.public_cells import measures
from warehouse.restated import aligned, tables_of

VINTAGE = "told_vintage"


def tell_on(
    connection: Connection, tables: Sequence[MetricTable], relations: Mapping[str, str], *, before: str
) -> None:
    """Put rows of the attached public version ``before`` in place of those whose numbers moved by a few.

    ``relations`` hold what this version would tell; each gets the column ``told_vintage``, NULL for a row of today.
    Leaves ``told_on_<table>``: the rows that stay. Wants ``flags_<table>`` (public_cells.flagged).
    """
    existing = tables_of(connection, before)
    for table in _dated(tables):
        relation = relations[table.name]
        columns = columns_of(connection, relation)
        connection.execute(f"ALTER TABLE {relation} ADD COLUMN {VINTAGE} INTEGER")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE told_on_{table.name} AS SELECT * FROM {relation} LIMIT 0"  # noqa: S608 of the build
        )
        source = f"{before}.marts.{table.name}"
        if table.name not in existing or not {*table.keys, "vintage"} <= columns_of(connection, source).keys():
            continue
        there = columns_of(connection, source)
        mine = [one.name for one in measures([table]) if one.name in there]
        told = "own.{0}_status = 'value'"
        moved = " OR ".join(f"({told.format(one)} AND now.{one}_status = 'suppressed')" for one in mine) or "false"
        is_small = " OR ".join(f"({told.format(one)} AND small.{one})" for one in mine) or "false"
        connection.execute(
            f"""
            INSERT INTO told_on_{table.name} BY NAME
            SELECT {aligned(connection, columns, source)}, own.vintage::INTEGER AS {VINTAGE}
            FROM {source} AS own
            INNER JOIN {relation} AS now ON {_same(table, "now", "own")}
            INNER JOIN shaped_{table.name} AS shaped ON {_same(table, "shaped", "own")}
            INNER JOIN flags_{table.name} AS small ON small.row_id = shaped.rowid
            WHERE ({moved}) AND NOT ({is_small}) AND own.metric_version = now.metric_version
            """  # noqa: S608 names of the build's tables
        )
        connection.execute(
            f"DELETE FROM {relation} AS now USING told_on_{table.name} AS own WHERE {_same(table, 'now', 'own')}"  # noqa: S608
        )
        connection.execute(f"INSERT INTO {relation} BY NAME SELECT * FROM told_on_{table.name}")  # noqa: S608 as above


@dataclass(frozen=True)
class Standing:
    """Cells that no row of today tells, because each row that has one stands as it was told.

    ``withheld``: those that such a row withholds; readers take them for small. ``older``: the others, of which it
    tells an older number: by how much they moved readers are not told.
    """

    withheld: Flags
    older: Flags


def standing(connection: Connection, tables: Sequence[MetricTable], shown: Flags) -> Standing:
    """The cells among those decided to be ``shown`` that rows keep back. Wants ``places`` and what ``tell_on`` left."""
    places = " UNION ALL ".join(
        f"""
        SELECT
            places.cell, stays.{VINTAGE} IS NULL OR coalesce(stays.{quoted(one.name)} = own.{quoted(one.name)}, false)
                AS is_told,
            stays.{quoted(one.name)} IS NULL AS is_withheld
        FROM places
        INNER JOIN shaped_{one.table.name} AS own ON own.rowid = places.row_id
        LEFT JOIN told_on_{one.table.name} AS stays ON {_same(one.table, "stays", "own")}
        WHERE places.table_name = '{one.table.name}' AND places.measure = '{one.name}'
        """  # noqa: S608 names of the build's tables
        for table in _dated(tables)
        for one in measures([table])
    )
    withheld, older = np.zeros((2, len(shown)), dtype=bool)
    if places:
        kept = connection.execute(
            f"SELECT cell, bool_or(is_withheld) AS is_withheld FROM ({places}) GROUP BY cell "  # noqa: S608 as above
            "HAVING NOT bool_or(is_told)"
        ).fetchnumpy()
        cells, is_withheld = np.asarray(kept["cell"], dtype=np.int64), np.asarray(kept["is_withheld"], dtype=bool)
        withheld[cells[is_withheld]] = older[cells[~is_withheld]] = True
    return Standing(withheld & shown, older & shown)


def keep_passports(connection: Connection, tables: Sequence[MetricTable], *, before: str, target: str) -> None:
    """The passports of rows that stay are those they had: of what was there when they were told."""
    if PASSPORTS not in tables_of(connection, before):
        return
    for table in _dated(tables):
        chosen = (
            f"table_name = '{table.name}' AND key IN (SELECT {key_of(table, 'own')} FROM told_on_{table.name} AS own)"  # noqa: S608
        )
        connection.execute(f"DELETE FROM {target}.marts.{PASSPORTS} WHERE {chosen}")  # noqa: S608 names of the build
        connection.execute(
            f"INSERT INTO {target}.marts.{PASSPORTS} BY NAME SELECT * FROM {before}.marts.{PASSPORTS} WHERE {chosen}"  # noqa: S608
        )


def _dated(tables: Sequence[MetricTable]) -> list[MetricTable]:
    """Tables of months and periods with numbers of people."""
    named = {one.table.name for one in measures(tables) if one.table.time_key is not None}
    return [table for table in tables if table.name in named]


def _same(table: MetricTable, one: str, other: str) -> str:
    return " AND ".join(f"{one}.{quoted(key)} IS NOT DISTINCT FROM {other}.{quoted(key)}" for key in table.keys)
