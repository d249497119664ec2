"""Complementary suppression: which further cells must be withheld so that no withheld cell can be inferred.

Two stages, both deterministic. *By rows*: in each equality of one whole the withheld parts must be two at least and
must hold together what is needed; else the cheapest shown cell goes. *By attack*: the attacker is asked; for each cell
it infers, the cheapest shown cell of the equations that gave it away goes, until the attacker infers nothing. The cost
of a cell is what a reader loses: its number.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disclosure.attack import Exposed, Found, Seen, attack
from disclosure.relations import Flags, Numbers, Places, Relations
from disclosure.sums import Sums, twins

_ROUNDS = 200
_GENTLE = 10  # rounds; what is still not proved safe then loses all that speaks of it
_FEW = 40  # patterns that are judged one by one; more of them are mended without


@dataclass(frozen=True)
class Problem:
    """Cells to protect: exact numbers, what each withheld one needs, what may be shown, withheld and at which cost.

    ``shown``: what would be shown if nothing were added. ``can_hide``: shown cells that may be withheld (a structural
    zero is known to everybody). ``cost``: per cell, above zero. ``sums``: sets of leaves, attacked one by one.
    """

    relations: Relations
    sums: tuple[Sums, ...]
    numbers: Numbers
    need: Numbers
    shown: Flags
    can_hide: Flags
    cost: Numbers


@dataclass(frozen=True)
class Pattern:
    """What is withheld beside the given cells, and how the search went: ``exposed`` is what could not be helped."""

    complementary: Flags
    exposed: tuple[Exposed, ...]
    rounds: int
    programs: int
    seen: tuple[Seen, ...]


def complement(problem: Problem) -> Pattern:
    """The further cells to withhold, by rows first and then by attack."""
    same = twins(problem.sums, len(problem.numbers))
    shown = by_rows(problem)
    rounds = programs = 0
    left: dict[int, tuple[Exposed, ...]] = {}
    seen = [Seen.nothing(len(problem.numbers)) for _ in problem.sums]
    waiting = list(range(len(problem.sums)))
    while waiting and rounds < _ROUNDS:
        rounds += 1
        before = shown.copy()
        for number in waiting:
            found = attack(problem.sums[number], problem.numbers, shown, problem.need, most=_FEW, seen=seen[number])
            programs += found.programs
            left[number] = found.exposed
            _mend(problem, shown, found, same, is_late=rounds > _GENTLE)
        shown = by_rows(problem, shown)
        gone = np.flatnonzero(before & ~shown)
        waiting = [number for number, sums in enumerate(problem.sums) if _has_any(sums, gone)]
    exposed = tuple(one for number in sorted(left) for one in left[number])
    return Pattern(problem.shown & ~shown, exposed, rounds, programs, tuple(seen))


def _mend(problem: Problem, shown: Flags, found: Found, same: Sequence[Places], *, is_late: bool) -> None:
    """For each cell in turn, withhold the cheapest that gave it away; late, all that gave it away.

    Where each was proved exposed, only if none of those that gave it away went just now; else all at once.
    """
    before = shown.copy()
    went: set[int] = set()
    for one in found.exposed:
        if not found.is_proved or went.isdisjoint(one.because_of):
            cells = [cell for cell in one.because_of if before[cell] and problem.can_hide[cell]]
            if cells:
                cheapest = min(cells, key=lambda cell: (problem.cost[cell], cell))
                for cell in cells if is_late and not found.is_proved else [cheapest]:
                    shown[same[cell][problem.can_hide[same[cell]]]] = False
                    went.update(same[cell].tolist())


def _has_any(sums: Sums, cells: Places) -> bool:
    return bool(len(cells)) and bool(np.isin(cells, sums.members.indices).any())


def by_rows(problem: Problem, shown: Flags | None = None) -> Flags:
    """What stays shown when each equality of one whole is looked at by itself: the first stage, the greedy baseline."""
    matrix = problem.relations.matrix
    columns = matrix.tocsc()
    shown = (problem.shown if shown is None else shown).copy()
    waiting = _thin_rows(problem, shown).tolist()
    queued = np.zeros(matrix.shape[0], dtype=bool)
    queued[waiting] = True
    while waiting:
        row = heapq.heappop(waiting)
        queued[row] = False
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        cells, signs = matrix.indices[span], matrix.data[span]
        while _is_thin(problem, cells, signs, ~shown[cells]):
            free = cells[shown[cells] & problem.can_hide[cells]]
            if not len(free):
                break
            chosen = int(free[np.lexsort((free, problem.cost[free]))[0]])
            shown[chosen] = False
            for other in columns.indices[columns.indptr[chosen] : columns.indptr[chosen + 1]].tolist():
                if not queued[other] and problem.relations.is_equal[other]:
                    queued[other] = True
                    heapq.heappush(waiting, other)
    return shown


def _thin_rows(problem: Problem, shown: Flags) -> Places:
    """The equalities in which the withheld cells are too few, or hold too little, to hide one of them; in order."""
    matrix = problem.relations.matrix
    coo = matrix.tocoo()
    hidden = ~shown[coo.col]
    rows, cells, positive = coo.row[hidden], coo.col[hidden], coo.data[hidden] > 0
    size = matrix.shape[0]
    count = np.bincount(rows, minlength=size)
    ups = np.bincount(rows, weights=positive, minlength=size)
    behind = np.bincount(rows, weights=problem.numbers[cells], minlength=size)
    need = np.zeros(size)
    np.maximum.at(need, rows, problem.need[cells])
    one_side = (ups == count) | (ups == 0)
    thin = (need > 0) & ((count == 1) | (one_side & (behind < need)))
    return np.flatnonzero(thin & problem.relations.is_equal)


def _is_thin(problem: Problem, cells: Places, signs: Numbers, hidden: Flags) -> bool:
    need = problem.need[cells[hidden]]
    if not len(need) or need.max() <= 0:
        return False
    if len(need) == 1:
        return True
    behind = signs[hidden] > 0
    return bool((behind.all() or not behind.any()) and problem.numbers[cells[hidden]].sum() < need.max())
