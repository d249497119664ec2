"""What two versions side by side tell of what happened between them: the same arithmetic over how numbers moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from disclosure.attack import Exposed, attack
from disclosure.relations import Flags, Numbers
from disclosure.sums import Sums

_FEW = 12  # patterns that are judged one by one
_NONE = 0.5  # a movement of less is none


def told_moves(sums: Sums, moves: Numbers, known: Flags, need: float) -> list[Exposed]:
    """Cells whose movement readers can infer more closely than ``need`` (width), though it may not be none at all.

    ``moves``: by how much each ``known`` cell moved; known of others is nothing. Where none fell, the reader takes it
    that nothing fell. Where one did, leaves may have fallen too, each by ``need`` at most: what is certain then is
    certain of any fall.
    """
    used = np.diff(sums.members.tocsc().indptr) > 0
    known = known & used
    if not np.any(moves[known] != 0):
        return []
    shift = np.zeros(len(moves))
    if (moves[known] < 0).any():
        shift = need * np.asarray(sums.members.sum(axis=0)).reshape(-1)
    wanted = np.where(known | ~used, 0.0, need)
    found = attack(sums, np.where(known, moves + shift, 0.0), known, wanted, most=_FEW)
    if not found.is_proved and any(not one.because_of for one in found.exposed):
        found = attack(sums, np.where(known, moves + shift, 0.0), known, wanted)
    moved = (replace(one, low=one.low - shift[one.cell], high=one.high - shift[one.cell]) for one in found.exposed)
    return [one for one in moved if not found.is_proved or max(one.high, -one.low) > _NONE]
