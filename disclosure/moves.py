"""What two versions side by side tell: the same arithmetic over how numbers moved, and over both tables at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import block_array, block_diag, csr_array

from disclosure.attack import Exposed, Seen, attack
from disclosure.relations import Flags, Numbers
from disclosure.sums import Sums

_FEW = 12  # patterns that are judged one by one
_NONE = 0.5  # a movement of less is none
_BEFORE, _MOVES = 0, 2  # which of: the table before, the one of now, what came between


@dataclass(frozen=True)
class Tables:
    """The same cells in two versions, one after the other.

    ``told``: what the first one tells, NaN where nothing; ``need_before``: how wide what is known of the others must
    stay. ``numbers``, ``shown`` and ``need``: the same of the second.
    """

    told: Numbers
    need_before: Numbers
    numbers: Numbers
    shown: Flags
    need: Numbers


def told_moves(sums: Sums, moves: Numbers, known: Flags, need: float) -> list[Exposed]:
    """Cells of which readers know that they moved, up or down, by fewer than ``need`` (and may have moved at all).

    ``moves``: by how much each ``known`` cell moved; known of others is nothing. The reader takes it that nothing fell
    but what is seen to, and what must have for all to add up.
    """
    used = _used(sums)
    known = known & used
    if not np.any(moves[known] != 0):
        return []
    wanted = np.where(known | ~used, 0.0, need)
    for deep in _falls(sums, moves, known, need):
        shift = np.asarray(sums.members.T @ deep).reshape(-1)
        fallen = replace(sums, ends=np.asarray(sums.ties.T @ deep).reshape(-1))
        found = attack(fallen, np.where(known, moves + shift, 0.0), known, wanted, most=_FEW, seen=_may_be_none(shift))
        if not found.contradicts:
            break
    moved = (replace(one, low=one.low - shift[one.cell], high=one.high - shift[one.cell]) for one in found.exposed)
    return [one for one in moved if not one.is_proved or max(one.high, -one.low) > _NONE]


def told_between(sums: Sums, tables: Tables, least: float) -> list[Exposed]:
    """Cells of which two tables together tell too much: numbers that either withholds, and movements of a few.

    Where nothing is shown for the first time the two are looked for apart, and `told_moves` has said all. What follows
    from the first one alone is left out: no later table keeps it from anybody. An Exposed is named by its cell, and
    blames cells that are shown now.
    """
    used, size = _used(sums), len(tables.numbers)
    was = ~np.isnan(tables.told) & used
    anew, known = tables.shown & used & ~was, tables.shown & was
    if not anew.any() or not was.any():
        return []
    moves = np.where(known, tables.numbers - np.nan_to_num(tables.told), 0.0)
    members = csr_array(block_array([[sums.members, sums.members, None], [None, sums.members, sums.members]]))
    both = Sums(members, csr_array(block_diag((sums.ties, sums.ties))))
    tells = np.concatenate([was, anew, known])
    blames = np.concatenate([np.zeros(size, dtype=bool), anew, known])
    # Of a number that was told, readers know how far it may have come; what is told now is no secret.
    wanted = np.concatenate(
        [
            np.where(was | ~used, 0.0, tables.need_before),
            np.where(was | tables.shown | ~used, 0.0, tables.need),
            np.where(known | ~used, 0.0, least),
        ]
    )
    for deep in _falls(sums, moves, known, least):
        shift = np.asarray(sums.members.T @ deep).reshape(-1)
        shifts = np.concatenate([np.zeros(size), shift, shift])
        ends = np.concatenate([np.zeros(sums.ties.shape[1]), np.asarray(sums.ties.T @ deep).reshape(-1)])
        given = np.where(tells, np.concatenate([np.nan_to_num(tables.told), tables.numbers, moves]) + shifts, 0.0)
        seen = _may_be_none(np.concatenate([np.full(2 * size, np.inf), shift]))
        found = attack(replace(both, ends=ends), given, tells, wanted, most=_FEW, seen=seen, blames=blames)
        if not found.contradicts:
            break
    listed = []
    for one in found.exposed:
        table, cell = divmod(one.cell, size)
        low, high = one.low - shifts[one.cell], one.high - shifts[one.cell]
        blamed = tuple(sorted({other % size for other in one.because_of}))
        # That it did not move, or that a number was large before which is told now, gives nobody away.
        is_harmless = one.is_proved and (
            (table == _MOVES and max(high, -low) <= _NONE) or (table == _BEFORE and anew[cell] and low >= least)
        )
        if blamed and not is_harmless:
            listed.append(Exposed(cell, low, high, blamed, one.is_proved))
    return listed


def _may_be_none(floor: Numbers) -> Seen:
    """Whoever knows a movement to be large knows of no few people: not to have moved counts as seen everywhere."""
    return Seen(floor.copy(), np.full(len(floor), -np.inf))


def _used(sums: Sums) -> Flags:
    """The cells that have leaves."""
    return np.asarray(np.diff(sums.members.tocsc().indptr) > 0, dtype=bool)


def _falls(sums: Sums, moves: Numbers, known: Flags, need: float) -> Iterator[Numbers]:
    """How far each leaf may have fallen, as a reader takes it: first as little as may be, then more, until it fits.

    First any part of what is seen to have fallen, on every way to add it up, as deep as the deepest that is seen; then
    anything (who is found to have come earlier is missing later), and deeper.
    """
    fell = _any_of(sums.members, known & (moves < 0))
    while (grown := fell | _any_of(sums.ties, _any_of(sums.ties.T, fell))).sum() > fell.sum():
        fell = grown
    somebody = ~sums.without_anybody()
    deepest = max(need, float(-moves[known].min(initial=0.0)))
    yield np.where(fell & somebody, deepest, 0.0)
    if fell.any():
        for times in (1.0, 8.0, 64.0):
            yield np.where(somebody, times * deepest, 0.0)


def _any_of(matrix: csr_array, chosen: Flags) -> Flags:
    """The rows that have any of the chosen columns."""
    return np.asarray(abs(matrix) @ chosen.astype(np.float64) > 0, dtype=bool)
