"""What two versions side by side tell of what happened between them: the same arithmetic over how numbers moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from disclosure.attack import Exposed, attack
from disclosure.relations import Flags, Numbers
from disclosure.sums import Sums

_FEW = 12  # patterns that are judged one by one
_NONE = 0.5  # a movement of less is none


def told_moves(sums: Sums, moves: Numbers, known: Flags, need: float) -> list[Exposed]:
    """Cells whose movement readers can infer more closely than ``need`` (width), though it may not be none at all.

    ``moves``: by how much each ``known`` cell moved; known of others is nothing. The reader takes it that nothing fell
    but what is seen to, and what must have for all to add up.
    """
    used = np.diff(sums.members.tocsc().indptr) > 0
    known = known & used
    if not np.any(moves[known] != 0):
        return []
    for deep in _falls(sums, moves, known, need):
        shift = np.asarray(sums.members.T @ deep).reshape(-1)
        fallen = replace(sums, ends=np.asarray(sums.ties.T @ deep).reshape(-1))
        wanted = np.where(known | ~used, 0.0, need)
        found = attack(fallen, np.where(known, moves + shift, 0.0), known, wanted, most=_FEW)
        if not found.contradicts:
            break
    moved = (replace(one, low=one.low - shift[one.cell], high=one.high - shift[one.cell]) for one in found.exposed)
    return [one for one in moved if not one.is_proved or max(one.high, -one.low) > _NONE]


def _falls(sums: Sums, moves: Numbers, known: Flags, need: float) -> Iterator[Numbers]:
    """How far each leaf may have fallen, as a reader takes it: first as little as may be, then more, until it fits.

    First any part of what is seen to have fallen, on every way to add it up, as deep as the deepest that is seen; then
    anything (who is found to have come earlier is missing later), and deeper.
    """
    fell = _any_of(sums.members, known & (moves < 0))
    while (grown := fell | _any_of(sums.ties, _any_of(sums.ties.T, fell))).sum() > fell.sum():
        fell = grown
    somebody = ~sums.without_anybody()
    deepest = max(need, float(-moves[known].min()))
    yield np.where(fell & somebody, deepest, 0.0)
    if fell.any():
        for times in (1.0, 8.0, 64.0):
            yield np.where(somebody, times * deepest, 0.0)


def _any_of(matrix: csr_array, chosen: Flags) -> Flags:
    """The rows that have any of the chosen columns."""
    return np.asarray(abs(matrix) @ chosen.astype(np.float64) > 0, dtype=bool)
