"""Vintages: what changed since the last publication, under which number, and what stood there before.

A month's vintage is 1 at its first publication and grows by one whenever a publication changes a cell of it: a value
or a status in any monthly table, a row that came or went. Periods have vintages of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, columns_of, quoted

RESTATEMENT_COLUMNS = {
    "table_name": "VARCHAR",
    "key": "VARCHAR",
    "vintage": "INTEGER",
    "old_value": "DOUBLE",
    "old_status": "VARCHAR",
    "new_value": "DOUBLE",
    "new_status": "VARCHAR",
    "reason": "VARCHAR",
    "published_version": "INTEGER",
}
OPEN_VINTAGES_KEPT = 5  # an open month may change every minute; what it was is of no lasting use
_VINTAGE_COLUMNS = "calendar VARCHAR, time_key VARCHAR, is_month BOOLEAN, vintage INTEGER, before INTEGER"


def tables_of(connection: Connection, database: str) -> frozenset[str]:
    """The tables of an attached snapshot's ``marts``; none where it is not attached."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $name AND schema_name = 'marts'",
        {"name": database},
    ).fetchall()
    return frozenset(name for (name,) in found)


def find_changes(
    connection: Connection,
    tables: Sequence[MetricTable],
    *,
    before: str,
    now: Mapping[str, str],
    released: Mapping[tuple[str, str], Path],
) -> None:
    """Compare the snapshot ``before`` with the relations ``now``; leaves two temporary tables.

    ``released`` are the folders of closed months' releases (by calendar and month): what was said of them, where no
    snapshot is published any more.

    ``changed_cells``: table_name, keys (as text, in the grain's order), measure, old and new value and status, held
    agencies of old and new row.
    ``vintages``: per calendar and month (or period) the vintage from now on and the one before (None: new).
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changed_cells (table_name VARCHAR, keys VARCHAR[], calendar VARCHAR, "
        "time_key VARCHAR, is_month BOOLEAN, measure VARCHAR, old_value DOUBLE, old_status VARCHAR, new_value DOUBLE, "
        "new_status VARCHAR, old_held VARCHAR, new_held VARCHAR, is_redefined BOOLEAN)"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE vintages ({_VINTAGE_COLUMNS})")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE vintages_before ({_VINTAGE_COLUMNS})")
    existing = tables_of(connection, before)
    for table in tables:
        if table.name in existing:
            _find_changed_cells(connection, table, f"{before}.marts.{table.name}", now[table.name])
            for kind in ("", "_vintages"):
                if table.name + kind in existing:
                    connection.execute(
                        f"INSERT INTO vintages_before SELECT calendar, {table.time_key}, {table.is_monthly}, "  # noqa: S608
                        f"max(vintage), NULL FROM {before}.marts.{table.name}{kind} GROUP BY ALL"
                    )
    if "month_states" in existing:
        # A month whose every row went is in no table any more, and still has had its vintages.
        connection.execute(
            f"INSERT INTO vintages_before SELECT calendar, month, true, vintage, NULL FROM {before}.marts.month_states"  # noqa: S608
        )
    else:
        _compare_with_releases(connection, tables, now, released)
    current = " UNION ".join(
        f"SELECT calendar, {table.time_key} AS time_key, {table.is_monthly} AS is_month FROM {now[table.name]}"  # noqa: S608
        for table in tables
    )
    connection.execute(
        f"""
        INSERT INTO vintages
        WITH earlier AS (
            SELECT calendar, time_key, is_month, max(vintage) AS vintage FROM vintages_before GROUP BY ALL
        ),
        changed AS (SELECT DISTINCT calendar, time_key, is_month FROM changed_cells)
        SELECT
            calendar, time_key, is_month,
            CASE
                WHEN earlier.vintage IS NULL THEN 1
                WHEN changed.calendar IS NULL THEN earlier.vintage
                ELSE earlier.vintage + 1
            END,
            earlier.vintage
        FROM ({current}) AS present
        FULL JOIN earlier USING (calendar, time_key, is_month)
        LEFT JOIN changed USING (calendar, time_key, is_month)
        """  # noqa: S608
    )


def _compare_with_releases(
    connection: Connection,
    tables: Sequence[MetricTable],
    now: Mapping[str, str],
    released: Mapping[tuple[str, str], Path],
) -> None:
    """Where nothing is published any more, ledger and releases still say what was final, under which vintage."""
    connection.execute("INSERT INTO vintages_before SELECT calendar, month, true, vintage, NULL FROM closings")
    for (calendar, month), folder in released.items():
        for table in tables:
            if not table.is_monthly or not (folder / "definitions" / f"{table.name}.json").exists():
                continue  # a table that is newer than the release
            new = f"(SELECT * FROM {now[table.name]} WHERE calendar = '{calendar}' AND month = '{month}')"  # noqa: S608
            cells = folder / "cells" / f"{table.name}.parquet"
            path = str(cells).replace("'", "''")
            old = f"read_parquet('{path}')" if cells.exists() else f"(SELECT * FROM {new} WHERE false)"  # noqa: S608
            _find_changed_cells(connection, table, old, new)


def _find_changed_cells(connection: Connection, table: MetricTable, old: str, new: str) -> None:
    """One row per cell that differs, of the measures both sides know."""
    there = columns_of(connection, old)
    if not set(table.keys) <= there.keys():
        return  # rows of another grain are not the same cells
    keys = ", ".join(map(quoted, table.keys))
    measures = [name for name in table.measures if name in there and f"{name}_status" in there]
    differs = " OR ".join(
        f"old.{quoted(column)} IS DISTINCT FROM new.{quoted(column)}"
        for name in measures
        for column in (name, f"{name}_status")
    )
    sides = ", ".join(
        f"{side}.{quoted(name)}::DOUBLE AS {side}_{name}, {side}.{quoted(name + '_status')} AS {side}_{name}_status"
        for name in measures
        for side in ("old", "new")
    )
    versioned = "metric_version" in there and "metric_version" in table.types
    redefined = "coalesce(old.metric_version <> new.metric_version, false)" if versioned else "false"
    # All measures in one join: most rows are the same in all of them.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE differing AS
        SELECT
            {keys}, old.held_agencies AS old_held, new.held_agencies AS new_held, {sides},
            {redefined} AS is_redefined
        FROM {old} AS old FULL JOIN {new} AS new USING ({keys})
        WHERE {differs}
        """  # noqa: S608 names of the build's tables
    )
    listed = ", ".join(f"{quoted(key)}::VARCHAR" for key in table.keys)
    for name in measures:
        connection.execute(
            f"""
            INSERT INTO changed_cells
            SELECT
                '{table.name}', [{listed}], calendar, {table.time_key}, {table.is_monthly}, '{name}',
                old_{name}, old_{name}_status, new_{name}, new_{name}_status, old_held, new_held,
                is_redefined
            FROM differing
            WHERE
                old_{name} IS DISTINCT FROM new_{name} OR old_{name}_status IS DISTINCT FROM new_{name}_status
            """  # noqa: S608 names of the build's tables
        )


def write_vintages(connection: Connection, table: MetricTable, *, before: str, target: str) -> None:
    """Make ``<table>_vintages``: those of the snapshot before, and its rows that a new vintage supersedes."""
    existing = tables_of(connection, before)
    columns = columns_of(connection, f"{target}.marts.{table.name}")
    parts = [f"SELECT * FROM {target}.marts.{table.name} WHERE false"]  # noqa: S608
    if table.name in existing:
        parts.append(
            f"SELECT {aligned(connection, columns, f'{before}.marts.{table.name}')} "  # noqa: S608
            f"FROM {before}.marts.{table.name} AS own JOIN vintages AS now ON now.calendar = own.calendar "
            f"AND now.time_key = own.{table.time_key} AND now.is_month = {table.is_monthly} "
            "WHERE now.vintage <> own.vintage "
            # A row that stands as it was told (rows_told_on.py) is superseded by nothing.
            f"AND NOT EXISTS (SELECT 1 FROM {target}.marts.{table.name} AS still WHERE still.vintage = own.vintage AND "
            + " AND ".join(f"still.{quoted(key)} IS NOT DISTINCT FROM own.{quoted(key)}" for key in table.keys)
            + ")"
        )
    if f"{table.name}_vintages" in existing:
        parts.append(
            f"SELECT {aligned(connection, columns, f'{before}.marts.{table.name}_vintages')} "  # noqa: S608
            f"FROM {before}.marts.{table.name}_vintages AS own"
        )
    order = ", ".join(map(quoted, (*table.keys, "vintage")))
    connection.execute(
        f"CREATE TABLE {target}.marts.{table.name}_vintages AS SELECT own.* FROM ({' UNION ALL '.join(parts)}) AS own "  # noqa: S608
        f"LEFT JOIN standing AS now ON now.calendar = own.calendar AND now.time_key = own.{table.time_key} "
        f"AND now.is_month = {table.is_monthly} "
        f"WHERE NOT (coalesce(now.state, '') = 'open' AND own.vintage < now.vintage - {OPEN_VINTAGES_KEPT}) "
        f"ORDER BY {order}"
    )


def aligned(connection: Connection, columns: Mapping[str, str], relation: str) -> str:
    """The columns of an older relation in today's order and types; a measure it did not have is not provided."""
    there = columns_of(connection, relation)
    return ", ".join(
        f"own.{quoted(name)}::{kind} AS {quoted(name)}"
        if name in there
        else f"{chr(39) + 'not_provided' + chr(39) if name.endswith('_status') else 'NULL'}::{kind} AS {quoted(name)}"
        for name, kind in columns.items()
    )


def find_restatements(connection: Connection, tables: Sequence[MetricTable], *, before: str, version: int) -> None:
    """Temporary table ``restated_now``: a row per changed cell of a month or period published as more than open.

    Wants the temporary tables of find_changes and ``change_kinds`` (see reasons in publish.py).
    """
    existing = tables_of(connection, before)
    # A month's own state; a period has none of its own: its rows say.
    states = "SELECT NULL::VARCHAR AS calendar, NULL::VARCHAR AS time_key, true AS is_month LIMIT 0"
    if "month_states" in existing:
        source = f"{before}.marts.month_states"
        states = f"SELECT calendar, month AS time_key, true AS is_month FROM {source} WHERE state <> 'open'"  # noqa: S608
    for table in tables:
        if not table.is_monthly and table.name in existing:
            source = f"{before}.marts.{table.name}"
            states += f" UNION SELECT calendar, period, false FROM {source} WHERE state <> 'open'"  # noqa: S608
    named = " ".join(
        f"WHEN '{table.name}' THEN json_object("
        + ", ".join(f"'{key}', cell.keys[{place}]" for place, key in enumerate(table.keys, 1))
        + ", 'measure', cell.measure)::VARCHAR"
        for table in tables
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE restated_now AS
        SELECT
            cell.table_name,
            CASE cell.table_name {named} END AS key,
            vintages.vintage, cell.old_value, cell.old_status, cell.new_value, cell.new_status,
            CASE
                WHEN kinds.only_kind = 'correction' THEN kinds.only_kind
                WHEN cell.is_redefined THEN 'definition'
                WHEN kinds.only_kind IS NOT NULL THEN kinds.only_kind
                WHEN cell.old_held IS NOT NULL AND cell.old_held IS DISTINCT FROM cell.new_held THEN 'release'
                WHEN kinds.has_erasures AND coalesce(cell.new_value, 0) < cell.old_value THEN 'erasure'
                WHEN kinds.has_retractions AND coalesce(cell.new_value, 0) < cell.old_value THEN 'retraction'
                ELSE 'late_events'
            END AS reason,
            {int(version)} AS published_version,
            cell.keys, cell.measure
        FROM changed_cells AS cell
        INNER JOIN vintages USING (calendar, time_key, is_month)
        SEMI JOIN ({states}) AS closed USING (calendar, time_key, is_month)
        CROSS JOIN change_kinds AS kinds
        """  # noqa: S608
    )


def write_restatements(
    connection: Connection, tables: Sequence[MetricTable], *, before: str, target: str, earlier: str
) -> None:
    """Make ``restatements``: those of the snapshot ``earlier``, and this version's, with what this tier may show.

    Where ``earlier`` is not the snapshot ``before``, that one is withdrawn: its numbers are not told again.
    """
    columns = ", ".join(f"{name}::{kind} AS {name}" for name, kind in RESTATEMENT_COLUMNS.items())
    typed = ", ".join(f"{name} {kind}" for name, kind in RESTATEMENT_COLUMNS.items())
    connection.execute(f"CREATE TABLE {target}.marts.restatements ({typed})")
    if "restatements" in tables_of(connection, earlier):
        old_rows = f"SELECT {columns} FROM {earlier}.marts.restatements"  # noqa: S608
        connection.execute(f"INSERT INTO {target}.marts.restatements {old_rows}")
    changed = set(connection.execute("SELECT DISTINCT table_name, measure FROM restated_now").fetchall())
    for table in tables:
        keys = " AND ".join(
            f"{{side}}.{quoted(key)}::VARCHAR = cell.keys[{place}]" for place, key in enumerate(table.keys, 1)
        )
        for measure in (name for name in table.measures if (table.name, name) in changed):
            old = f"old.{quoted(measure)}::DOUBLE, old.{measure}_status"
            if earlier != before:
                old = f"NULL, if(old.{measure}_status = 'value', 'suppressed', old.{measure}_status)"
            # The values are read again from this tier's own tables: what a tier withholds stays withheld here, and
            # what it does not show otherwise than before is no restatement of it: that alone would say that it moved.
            connection.execute(
                f"""
                INSERT INTO {target}.marts.restatements
                SELECT
                    cell.table_name, cell.key, cell.vintage,
                    {old},
                    new.{quoted(measure)}::DOUBLE, new.{measure}_status,
                    cell.reason, cell.published_version
                FROM restated_now AS cell
                LEFT JOIN {before}.marts.{table.name} AS old ON {keys.format(side="old")}
                LEFT JOIN {target}.marts.{table.name} AS new ON {keys.format(side="new")}
                WHERE cell.table_name = '{table.name}' AND cell.measure = '{measure}'
                    AND (
                        old.{quoted(measure)} IS DISTINCT FROM new.{quoted(measure)}
                        OR old.{measure}_status IS DISTINCT FROM new.{measure}_status
                    )
                ORDER BY cell.key
                """  # noqa: S608
            )
