"""The gate of the public tier: what is about to be published is read back and attacked as a reader would.

It shares nothing with what decides on withholding but the list of cells: whatever went wrong there, a version from
which a withheld number follows, or which tells what a few people did since the last one, is not published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.errors import GateClosed
from disclosure.attack import attack
from disclosure.moves import Tables, told_between, told_moves
from disclosure.relations import Flags, Numbers, Places
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, quoted
from warehouse.public_cells import measures
from warehouse.public_withheld import Withheld

_NAMED = 20  # cells in one message
_TOLERANCE = 0.01  # in counts


@dataclass(frozen=True)
class Told:
    """Of the cells: ``anew``, today's number is told; ``on``, an older one still is (see rows_told_on.py)."""

    anew: Flags
    on: Flags


def check_public(
    connection: Connection, tables: Sequence[MetricTable], relations: Mapping[str, str], withheld: Withheld
) -> Told:
    """What ``relations`` tell of the cells. Raises GateClosed, naming the cells, where that gives people away."""
    cells = withheld.cells
    shown = _where(connection, tables, relations, len(cells.need), "public.{0} = own.{0}")
    stands = _where(connection, tables, relations, len(cells.need), "public.{0} <> own.{0}") & ~shown
    # By how much a number moved may be known where that is no few: it stands for another number of its row alone.
    with np.errstate(invalid="ignore"):
        may_be_known = np.abs(cells.numbers - withheld.past.told) >= withheld.k
    found = [
        *_told_again(withheld, shown, np.where(may_be_known, 0.0, cells.need)),
        *_followed(withheld, shown, np.where(stands & may_be_known, 0.0, cells.need)),
    ]
    if found:
        names = _names(connection, np.array([cell for cell, _ in found[:_NAMED]], dtype=np.int64))
        lines = [f"{names[cell]} ({why})" for cell, why in found[:_NAMED]]
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise GateClosed(
            f"the public tier is not published: {len(found)} numbers give people away: {'; '.join(lines)}{more}",
            hint="docs/disclosure.md",
        )
    return Told(shown, stands)


def _where(
    connection: Connection, tables: Sequence[MetricTable], relations: Mapping[str, str], cells: int, condition: str
) -> Flags:
    """Cells with a place where ``condition`` holds of the public row and the exact one; ``{0}`` is the measure."""
    found_in = np.zeros(cells, dtype=bool)
    for one in measures(tables):
        table, name = one.table, quoted(one.name)
        keys = " AND ".join(f"public.{quoted(key)} IS NOT DISTINCT FROM own.{quoted(key)}" for key in table.keys)
        found = connection.execute(
            f"""
            SELECT DISTINCT places.cell
            FROM places
            INNER JOIN shaped_{table.name} AS own ON own.rowid = places.row_id
            INNER JOIN {relations[table.name]} AS public ON {keys}
            WHERE places.table_name = '{table.name}' AND places.measure = '{one.name}' AND {condition.format(name)}
            """  # noqa: S608 names of the build's tables
        ).fetchnumpy()
        found_in[np.asarray(found["cell"], dtype=np.int64)] = True
    return found_in


def _told_again(withheld: Withheld, shown: Flags, need: Numbers) -> Iterator[tuple[int, str]]:
    """Numbers that readers may not be told beside what they were told before."""
    cells, past, k = withheld.cells, withheld.past, withheld.k
    known = shown & ~np.isnan(past.told)
    moves = np.where(known, cells.numbers - np.nan_to_num(past.told), 0.0)
    for cell in np.flatnonzero(known & (moves != 0) & (np.abs(moves) < k)).tolist():
        yield cell, f"moved by fewer than {k:.0f} since it was told"
    for cell in np.flatnonzero(shown & cells.can_hide & past.frozen).tolist():
        yield cell, "was withheld while others of its time were told"
    tables = Tables(past.last, np.where(past.ahead, 0.0, cells.need), cells.numbers, shown, need)
    for sums in cells.sums:
        for one in told_moves(sums, moves, known, k):
            if need[one.cell] > 0:
                yield one.cell, f"moved by {one.low:.0f} to {one.high:.0f} since it was told, as others say"
        for one in told_between(sums, tables, k):
            if need[one.cell] > 0:
                yield one.cell, f"between {one.low:.0f} and {one.high:.0f}, beside the version before"


def _followed(withheld: Withheld, shown: Flags, need: Numbers) -> Iterator[tuple[int, str]]:
    """Withheld numbers that follow from shown ones; what was proved where no less was shown is not proved again.

    What follows from numbers that were told before and have not moved is public already: refusing the version would
    keep nothing from anybody, and no later version would ever be published.
    """
    cells = withheld.cells
    if withheld.is_proved and not (shown & ~withheld.shown).any():
        return
    for sums in cells.sums:
        found = attack(sums, cells.numbers, shown, need, most=_NAMED)
        public = {}
        if found.exposed:
            if not found.is_proved:
                found = attack(sums, cells.numbers, shown, need)
            again = attack(sums, cells.numbers, shown & withheld.fixed, need)
            public = {one.cell: one.high - one.low for one in again.exposed}
        for one in found.exposed:
            if public.get(one.cell, np.inf) > one.high - one.low + _TOLERANCE:
                yield one.cell, f"between {one.low:.0f} and {one.high:.0f}"


def _names(connection: Connection, cells: Places) -> dict[int, str]:
    found = connection.execute(
        "SELECT cell, concat_ws(' ', quantity, scope || ':' || scope_id, channel, nullif(item, 'all'), calendar, "
        "starts_on || '..' || ends_before) FROM public_cells WHERE list_contains($cells, cell)",
        {"cells": cells.tolist()},
    ).fetchall()
    return dict(found)
