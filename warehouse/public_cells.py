"""The cells of the public tier and all that readers know of how they add up, read from the metric contracts.

A *cell* is one number of the world, in however many tables it is published: so many transactions completed in a run of
months, a scope and a channel. Contracts say which measure ``counts`` what, whether it counts people (``people``: they
overlap; ``first``: each once in all time), what it is ``part_of``, and of what it is a running total (``stock``,
``stock_of``). Dimensions and months say the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from disclosure.complement import Problem
from disclosure.relations import Flags, Numbers, Places, Writer
from disclosure.sums import Sums
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, quoted
from warehouse.public_dominance import dominated
from warehouse.public_tier import too_few
from warehouse.public_time import write_times

_TREE = """
    SELECT 'national' AS scope, 'IR' AS scope_id, 'agency' AS part_scope, scope_id AS part_id
    FROM dim_scope WHERE scope = 'agency'
    UNION ALL
    SELECT parent.scope, parent.scope_id, part.scope, part.scope_id
    FROM dim_scope AS part INNER JOIN dim_scope AS parent ON part.parent_key = parent.scope_key
    WHERE NOT (parent.scope = 'national' AND part.scope = 'agency')
"""
_SAME = "quantity, calendar, starts_on, ends_before, scope, scope_id, channel, item"


@dataclass(frozen=True)
class Measure:
    """A published measure that counts something people did, as its contract says it."""

    table: MetricTable
    name: str
    spec: Mapping[str, Any]

    @property
    def quantity(self) -> str:
        """What is counted; another definition of a metric counts something else."""
        return self._of(str(self.spec.get("counts") or self.spec["tells"]))

    def beside(self, fact: str) -> str | None:
        """The quantity that the contract names under ``part_of`` and the like."""
        return self._of(str(self.spec[fact])) if fact in self.spec else None

    def _of(self, quantity: str) -> str:
        older = self.table.name.removeprefix(self.table.metric)
        return quantity + older


def measures(tables: Sequence[MetricTable]) -> list[Measure]:
    """Every published measure whose contract says what it counts."""
    return [
        Measure(table, name, spec)
        for table in tables
        for name in table.measures
        for spec in [table.spec(name)]
        if "counts" in spec or "tells" in spec
    ]


def flagged(connection: Connection, tables: Sequence[MetricTable], k: int) -> dict[str, str]:
    """For each table with such measures a relation that flags, by ``row_id``, the numbers of fewer than k persons."""
    relations = {}
    for name, table in {one.table.name: one.table for one in measures(tables)}.items():
        mine = [one.name for one in measures([table])]
        flags = ", ".join(f"({too_few(table, measure, k)}) AS {measure}" for measure in mine)
        relations[name] = f"flags_{name}"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE flags_{name} AS "  # noqa: S608 names of the build's tables
            f"SELECT own.rowid AS row_id, {flags} FROM shaped_{name} AS own"
        )
    return relations


@dataclass(frozen=True)
class Cells:
    """The published numbers of the world, by their place in ``public_cells``, and the leaves that they are sums of.

    ``shown``: whether each would be shown if nothing were withheld beside what is small, or mostly one person's;
    ``can_hide``: False for a zero that the catalogue gives away; ``need``: how far apart what is known of each must
    stay where it is withheld.
    """

    numbers: Numbers
    shown: Flags
    can_hide: Flags
    need: Numbers
    sums: tuple[Sums, ...]


def cells_of(connection: Connection, tables: Sequence[MetricTable], hidden: Mapping[str, str], k: int) -> Cells:
    """The cells of shaped tables; leaves temporary tables ``public_cells`` and ``places``.

    ``hidden``: for each table a relation with the table's rows (by ``row_id``) and a flag for each measure that is
    withheld anyhow. ``places``: table_name, measure, row_id, cell.
    """
    _list_cells(connection, measures(tables), hidden, k)
    columns = connection.execute(
        "SELECT number::DOUBLE AS number, shown, can_hide FROM public_cells ORDER BY cell"
    ).fetchnumpy()
    numbers = np.asarray(columns["number"], dtype=np.float64)
    shown, can_hide = (np.asarray(columns[name], dtype=bool) for name in ("shown", "can_hide"))
    wide = dominated(connection, k)
    need = np.where(can_hide, np.maximum(wide, float(k)), 0.0)
    # Here, because sums of leaves are made of this module's cells.
    from warehouse.public_sums import sums_of

    sums = sums_of(connection, measures(tables), len(numbers))
    return Cells(numbers, shown & ~(can_hide & (wide > 0)), can_hide, need, sums)


def problem(connection: Connection, tables: Sequence[MetricTable], hidden: Mapping[str, str], k: int) -> Problem:
    """The same as a problem of disclosure with all relations, for who searches number by number (see complement.py)."""
    cells = cells_of(connection, tables, hidden, k)
    writer = Writer(cells.numbers, np.maximum(cells.need, float(k)), least=k)
    for kind, groups, parts, wholes in _groups(connection, measures(tables)):
        {"wholes": writer.wholes, "unions": writer.unions, "covers": writer.covers}[kind](groups, parts, wholes)
    write_times(connection, writer, k)
    relations, numbers, need = writer.written()
    no = np.zeros(len(numbers) - len(cells.numbers), dtype=bool)
    return Problem(
        relations,
        tuple(_with_more(one, len(no)) for one in cells.sums),
        numbers,
        need,
        np.concatenate([cells.shown, no]),
        np.concatenate([cells.can_hide, no]),
        numbers + 1.0,
    )


def _with_more(sums: Sums, cells: int) -> Sums:
    """The same sums beside so many cells that nobody publishes."""
    members = sums.members
    shape = (members.shape[0], members.shape[1] + cells)
    return Sums(csr_array((members.data, members.indices, members.indptr), shape=shape), sums.ties)


def _list_cells(connection: Connection, listed: Sequence[Measure], hidden: Mapping[str, str], k: int) -> None:
    """``placed``: every published number that counts something; ``public_cells``: each number of the world once."""
    selects = " UNION ALL ".join(_placed(measure, hidden[measure.table.name], k) for measure in listed)
    none = (
        "SELECT NULL::VARCHAR AS table_name, NULL::VARCHAR AS measure, NULL::BIGINT AS row_id, NULL::VARCHAR AS "
        "quantity, NULL::VARCHAR AS kind, NULL::VARCHAR AS stock_of, NULL::VARCHAR AS calendar, NULL::DATE AS "
        "starts_on, NULL::DATE AS ends_before, NULL::VARCHAR AS scope, NULL::VARCHAR AS scope_id, NULL::VARCHAR AS "
        "channel, NULL::VARCHAR AS item, NULL::BIGINT AS number, NULL::BIGINT AS persons, NULL::BOOLEAN AS shown, "
        "NULL::BOOLEAN AS can_hide "
        "WHERE false"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE placed AS {selects or none}")
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE public_cells AS
        SELECT row_number() OVER (ORDER BY {_SAME}, number) - 1 AS cell, *
        FROM (
            SELECT
                {_SAME}, number, any_value(kind) AS kind, any_value(stock_of) AS stock_of, min(persons) AS persons,
                bool_and(shown) AS shown, bool_and(can_hide) AS can_hide
            FROM placed GROUP BY ALL
        )
        """  # noqa: S608 our own columns
    )
    same = " AND ".join(f"cells.{name} = placed.{name}" for name in (*_SAME.split(", "), "number"))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE places AS SELECT placed.table_name, placed.measure, placed.row_id, cells.cell "  # noqa: S608
        f"FROM placed INNER JOIN public_cells AS cells ON {same}"
    )


def _placed(measure: Measure, hidden: str, k: int) -> str:
    """SQL of one measure's cells: where each stands, what it counts, whether it is shown so far."""
    table, name = measure.table, quoted(measure.name)
    keys = set(table.keys)
    time = next((key for key in ("month", "period") if key in keys), None)
    number = f"own.{name}"
    if "tells" in measure.spec:
        number = f"own.{name} * own.{quoted(str(measure.spec['part_of']))}"
    scope, scope_id = "own.scope", "own.scope_id"
    if not table.has_scope:
        whose = next(key for key in ("service_id", "agency_id") if key in keys)
        scope, scope_id = f"'{whose.removesuffix('_id')}'", f"own.{whose}"
    channel = "own.channel" if "channel" in keys else "'all'"
    channel = f"'{measure.spec['in_channel']}'" if "in_channel" in measure.spec else channel
    item = f"own.{quoted(str(measure.spec['item']))}" if "item" in measure.spec else "'all'"
    kind = str(measure.spec.get("people", "stock" if "stock" in measure.spec else "flow")).lower()
    stock_of = measure.beside("stock_of")
    join, starts, ends, calendar = "", "NULL::DATE", "own.as_of", "'jalali'"
    if time is not None:
        join = f"INNER JOIN time_tellings AS times ON times.calendar = own.calendar AND times.time_key = own.{time}"
        if measure.spec.get("in_month") == "before":
            join += (
                " INNER JOIN time_tellings AS earlier ON earlier.calendar = own.calendar AND earlier.is_month"
                " AND times.is_month AND earlier.ends_before = times.starts_on"
            )
            starts, ends = "earlier.starts_on", "earlier.ends_before"
        else:
            starts, ends = "times.starts_on", "times.ends_before"
        calendar = "own.calendar"
    foreign = "false"
    if "channel_is_foreign" in hidden_columns(table) and "in_channel" not in measure.spec:
        foreign = f"(own.channel_is_foreign AND own.{name} = 0)"
    return f"""
        SELECT
            '{table.name}' AS table_name, '{measure.name}' AS measure, own.rowid AS row_id,
            '{measure.quantity}' AS quantity, '{kind}' AS kind, '{stock_of or ""}' AS stock_of,
            {calendar} AS calendar, {starts} AS starts_on, {ends} AS ends_before, {scope} AS scope,
            {scope_id} AS scope_id, {channel} AS channel, {item} AS item, round({number})::BIGINT AS number,
            own.{measure.name}_keys AS persons,
            NOT (flags.{name} OR (round({number}) > 0 AND round({number}) < {int(k)})) AS shown,
            NOT {foreign} AS can_hide
        FROM shaped_{table.name} AS own INNER JOIN {hidden} AS flags ON flags.row_id = own.rowid {join}
        WHERE own.{measure.name}_status = 'value' AND own.{measure.name}_keys IS NOT NULL AND ({number}) IS NOT NULL
    """  # noqa: S608 names of the build's tables and contracts


def hidden_columns(table: MetricTable) -> frozenset[str]:
    """The inner columns of a shaped table beside key counts."""
    return frozenset({"channel_is_foreign", "completeness_landed"}) if table.time_key is not None else frozenset()


def _groups(connection: Connection, listed: Sequence[Measure]) -> Iterator[tuple[str, Places, Places, Places]]:
    """Wholes and their parts: (how they relate, group of each part, parts, wholes by group)."""
    at = "quantity, calendar, starts_on, ends_before"
    yield from _found(
        connection,
        f"""
        SELECT whole.cell AS whole, part.cell AS part, 1 AS side, whole.kind
        FROM public_cells AS whole INNER JOIN public_cells AS part USING ({at}, scope, scope_id, item)
        WHERE whole.channel = 'all' AND part.channel <> 'all' AND whole.kind <> 'stock'
    """,  # noqa: S608 our own words
    )
    yield from _found(
        connection,
        f"""
        WITH tree AS ({_TREE})
        SELECT whole.cell AS whole, part.cell AS part, ascii(tree.part_scope) AS side, whole.kind
        FROM public_cells AS whole
        INNER JOIN tree USING (scope, scope_id)
        INNER JOIN public_cells AS part
            ON part.quantity = whole.quantity AND part.calendar = whole.calendar AND part.starts_on = whole.starts_on
            AND part.ends_before = whole.ends_before AND part.channel = whole.channel AND part.item = whole.item
            AND part.scope = tree.part_scope AND part.scope_id = tree.part_id
        WHERE whole.kind <> 'stock'
    """,  # noqa: S608 our own words
    )
    yield from _found(
        connection,
        f"""
        SELECT whole.cell AS whole, part.cell AS part, 1 AS side, 'flow' AS kind
        FROM public_cells AS whole INNER JOIN public_cells AS part USING ({at}, scope, scope_id, channel)
        WHERE whole.item = 'all' AND part.item <> 'all'
    """,  # noqa: S608 our own words
    )
    for whole, parts in quantity_links(listed).items():
        # Parts that one table splits a whole into do not overlap; those of different tables do.
        for names in apart(listed, parts):
            yield from _found(
                connection,
                f"""
                SELECT whole.cell AS whole, part.cell AS part, 1 AS side, 'flow' AS kind
                FROM public_cells AS whole INNER JOIN public_cells AS part
                    ON part.calendar = whole.calendar AND part.starts_on IS NOT DISTINCT FROM whole.starts_on
                    AND part.ends_before = whole.ends_before AND part.scope = whole.scope
                    AND part.scope_id = whole.scope_id AND part.channel = whole.channel AND part.item = whole.item
                WHERE whole.quantity = '{whole}' AND part.quantity IN ({", ".join(f"'{name}'" for name in names)})
            """,  # noqa: S608 our own words
            )
    for one in listed:
        if "channels" in one.spec:
            named = ", ".join(f"'{name}'" for name in one.spec["channels"])
            yield from _found(
                connection,
                f"""
                SELECT whole.cell AS whole, part.cell AS part, 1 AS side, 'flow' AS kind
                FROM public_cells AS whole INNER JOIN public_cells AS part
                    USING ({at.removeprefix("quantity, ")}, scope, scope_id, item)
                WHERE whole.quantity = '{one.quantity}' AND part.quantity = '{one.beside("channels_of")}'
                    AND whole.channel = 'all' AND part.channel IN ({named})
            """,  # noqa: S608 our own words
            )
    # A stock grows by what came since the row before it: nobody publishes that, everybody can compute it.
    yield from _found(
        connection,
        """
        SELECT cell AS whole, lag(cell) OVER series AS part, 1 AS side, 'flow' AS kind
        FROM public_cells WHERE kind = 'stock'
        WINDOW series AS (PARTITION BY quantity, scope, scope_id, channel, item ORDER BY ends_before)
        QUALIFY part IS NOT NULL
    """,
    )


def quantity_links(listed: Sequence[Measure]) -> dict[str, list[str]]:
    """Each quantity that others are part of, with those, in order."""
    links = {(one.quantity, one.beside("part_of")) for one in listed} - {(one.quantity, None) for one in listed}
    return {
        whole: sorted(part for part, of in links if of == whole) for whole in sorted({str(whole) for _, whole in links})
    }


def tree() -> str:
    """SQL of the scopes and those in them: scope, scope_id, part_scope, part_id."""
    return _TREE


def apart(listed: Sequence[Measure], parts: Sequence[str]) -> list[list[str]]:
    """The parts of a whole in groups that do not overlap: those that a contract sets apart, and each other alone."""
    exclude = {one.quantity for one in listed if one.spec.get("apart")}
    together = [name for name in parts if name in exclude]
    return [*([together] if together else []), *([name] for name in parts if name not in exclude)]


def _found(connection: Connection, select: str) -> Iterator[tuple[str, Places, Places, Places]]:
    """The pairs of a query (whole, part, side, kind) as groups, by how the kind adds up."""
    columns = connection.execute(f"SELECT whole, part, side, kind FROM ({select}) ORDER BY ALL").fetchnumpy()  # noqa: S608
    kinds = np.asarray(columns["kind"]).astype(str)
    for kind, how in (("flow", "wholes"), ("true", "unions"), ("first", "covers")):
        here = kinds == kind
        if not here.any():
            continue
        pairs = np.column_stack([np.asarray(columns[name])[here].astype(np.int64) for name in ("whole", "side")])
        unique, groups = np.unique(pairs, axis=0, return_inverse=True)
        parts = np.asarray(columns["part"])[here].astype(np.int64)
        yield how, groups.reshape(-1).astype(np.int64), parts, unique[:, 0]
