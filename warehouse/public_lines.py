"""The lines in which public numbers stand: wholes and their parts, as tables show them (see disclosure/blocks.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from disclosure.blocks import BLOCK, REST, TIMES, TIMES_REST, WITHIN, Lines
from warehouse.connection import Connection
from warehouse.public_cells import Measure, apart, quantity_links, tree

_TIME = (
    "calendar = {0}.calendar AND {1}.starts_on IS NOT DISTINCT FROM {0}.starts_on AND {1}.ends_before = {0}.ends_before"
)
_PLACE = ("scope", "scope_id", "channel", "item")
_IS_NATION = "whole.scope = 'national'"


def lines_of(connection: Connection, listed: Sequence[Measure], k: int) -> Lines:
    """The lines of ``public_cells`` (see public_cells.py), in an order that no order of rows changes."""
    # Of a whole that is small no part is shown, and nothing follows: its line says nothing.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shown_wholes AS SELECT * FROM public_cells WHERE number >= $k OR shown", {"k": k}
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE lines (kind INTEGER, whole BIGINT, part BIGINT, rule VARCHAR)")
    for kind, select in enumerate(_selects(listed)):
        connection.execute(f"INSERT INTO lines SELECT {kind}, whole, part, rule FROM ({select})")  # noqa: S608 our words
    found = connection.execute(
        "SELECT kind, whole, part, rule FROM lines ORDER BY kind, whole, rule, part"
    ).fetchnumpy()
    wholes, kinds = (np.asarray(found[name], dtype=np.int64) for name in ("whole", "kind"))
    rules = np.asarray(found["rule"]).astype(str)
    edge = np.ones(len(wholes), dtype=bool)
    edge[1:] = (np.diff(wholes) != 0) | (np.diff(kinds) != 0) | (rules[1:] != rules[:-1])
    first = np.flatnonzero(edge)
    starts = np.append(first, len(wholes))
    return Lines(wholes[first], np.asarray(found["part"], dtype=np.int64), starts, rules[first].tolist())


def _selects(listed: Sequence[Measure]) -> Iterator[str]:
    """SQL of whole, part and rule for each kind of line."""
    grown = "if(whole.kind IN ('first', 'stock') OR whole.stock_of <> '', '{0}', {1})"
    yield _joined("part.channel <> 'all' AND whole.channel = 'all'", grown.format(WITHIN, _split(BLOCK)), "channel")
    yield _joined("part.item <> 'all' AND whole.item = 'all'", _split(BLOCK), "item")
    same = " AND ".join(f"part.{name} = whole.{name}" for name in ("quantity", "channel", "item"))
    # Parts of different kinds (agencies and places of the nation) are different lines.
    for part_scope in ("agency", "province", "county", "district", "service", "ministry"):
        yield f"""
            WITH tree AS ({tree()})
            SELECT whole.cell AS whole, part.cell AS part, {grown.format(WITHIN, f"'{REST}'")} AS rule
            FROM shown_wholes AS whole INNER JOIN tree USING (scope, scope_id)
            INNER JOIN public_cells AS part
                ON {same} AND part.{_TIME.format("whole", "part")} AND part.scope = tree.part_scope
                AND part.scope_id = tree.part_id
            WHERE tree.part_scope = '{part_scope}'
        """  # noqa: S608 our own words
    for whole, parts in quantity_links(listed).items():
        for names in apart(listed, parts):
            yield _of_quantities(whole, names, f"'{REST}'", "part.channel = whole.channel")
    for one in listed:
        if "channels" in one.spec:
            whole, of = one.quantity, one.beside("channels_of")
            named = ", ".join(f"'{name}'" for name in one.spec["channels"])
            yield _of_quantities(
                whole, [str(of)], _split(TIMES), f"whole.channel = 'all' AND part.channel IN ({named})"
            )
            others = f"(part.quantity = '{whole}' OR part.channel NOT IN ('all', {named}))"
            condition = (
                f"whole.channel = 'all' AND {others} AND NOT (part.quantity = '{whole}' AND part.channel <> 'all')"
            )
            yield _of_quantities(str(of), [str(of), whole], f"'{REST}'", condition)
    yield from _of_times()


def _split(rule: str) -> str:
    """SQL of the rule for lines of the nation, which says what it can, and of all others."""
    return f"if({_IS_NATION}, '{REST if rule == BLOCK else TIMES_REST if rule == TIMES else rule}', '{rule}')"


def _joined(condition: str, rule: str, but: str) -> str:
    same = " AND ".join(f"part.{name} = whole.{name}" for name in ("quantity", *_PLACE) if name != but)
    return f"""
        SELECT whole.cell AS whole, part.cell AS part, {rule} AS rule
        FROM shown_wholes AS whole
        INNER JOIN public_cells AS part ON {same} AND part.{_TIME.format("whole", "part")}
        WHERE {condition}
    """  # noqa: S608 our own words


def _of_quantities(whole: str, parts: Sequence[str], rule: str, condition: str) -> str:
    names = ", ".join(f"'{name}'" for name in parts)
    return f"""
        SELECT whole.cell AS whole, part.cell AS part, {rule} AS rule
        FROM shown_wholes AS whole INNER JOIN public_cells AS part
            ON part.{_TIME.format("whole", "part")} AND part.scope = whole.scope AND part.scope_id = whole.scope_id
            AND part.item = whole.item
        WHERE whole.quantity = '{whole}' AND part.quantity IN ({names}) AND {condition}
    """  # noqa: S608 our own words


def _of_times() -> Iterator[str]:
    """Longer times and their months; longer times and the longest times that make them up."""
    same = " AND ".join(f"part.{name} = whole.{name}" for name in ("quantity", "calendar", *_PLACE))
    within = "part.starts_on >= whole.starts_on AND part.ends_before <= whole.ends_before AND part.cell <> whole.cell"
    adds_up = "whole.kind IN ('flow', 'true') AND whole.stock_of = '' AND whole.starts_on IS NOT NULL"
    month = """
        EXISTS (
            SELECT 1 FROM time_tellings AS times WHERE times.is_month AND times.calendar = part.calendar
            AND times.starts_on = part.starts_on AND times.ends_before = part.ends_before
        )
    """
    pair = "SELECT whole.cell AS whole, part.cell AS part"
    join = f"FROM shown_wholes AS whole INNER JOIN public_cells AS part ON {same} AND {within} WHERE {adds_up}"
    yield f"{pair}, {_split(TIMES)} AS rule {join} AND {month}"
    for months in (3, 6):
        length = f"datediff('day', part.starts_on, part.ends_before) BETWEEN {months * 29} AND {months * 31 + 1}"
        longer = f"datediff('day', whole.starts_on, whole.ends_before) > {months * 31 + 1}"
        yield f"{pair}, {_split(TIMES)} AS rule {join} AND {length} AND {longer}"
