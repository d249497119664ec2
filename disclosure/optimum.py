"""The least that must be withheld, for small tables: one mixed-integer program, solved to the end.

It is the yardstick of complement.py, and far too slow for anything that is published.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, vstack

from disclosure.complement import Problem
from disclosure.relations import Flags


def optimum(problem: Problem, *, seconds: float = 60.0) -> Flags | None:
    """The complementary cells of least cost that keep every given withheld cell as wide as it needs; None in vain.

    A cell that is added needs no interval of its own here: this is a lower bound of what complement() costs. For each
    given cell there are two sets of leaves, a high and a low one; a cell that stays shown has its own number in both.
    """
    (sums,) = problem.sums
    members = csr_array(sums.members.T)
    cells, leaves = members.shape
    given = np.flatnonzero(~problem.shown & (problem.need > 0))
    many = 2 * len(given)
    far = float(problem.numbers.max(initial=1.0) + problem.need.max(initial=0.0))
    slack = csr_array((np.full(cells, far), (np.arange(cells), np.arange(cells))), shape=(cells, cells))
    rows, low, high = [], [], []
    for place in range(many):
        empty = [csr_array((cells, leaves)) for _ in range(many)]
        empty[place] = members
        for sign in (1.0, -1.0):  # |sum of leaves - number| <= far * withheld
            rows.append(hstack([sign * block for block in empty] + [-slack], format="csr"))
            low.append(np.full(cells, -np.inf))
            high.append(sign * problem.numbers)
    for place, cell in enumerate(given):
        empty = [csr_array((1, leaves)) for _ in range(many)]
        empty[2 * place], empty[2 * place + 1] = members[[cell]], -1.0 * members[[cell]]
        rows.append(hstack([*empty, csr_array((1, cells))], format="csr"))
        low.append(np.array([problem.need[cell]]))
        high.append(np.array([np.inf]))
    fixed = np.where(~problem.shown, 1.0, 0.0)
    free = np.where(problem.shown & ~problem.can_hide, 0.0, 1.0)
    found = milp(
        np.concatenate([np.zeros(many * leaves), np.where(problem.shown, problem.cost, 0.0)]),
        constraints=LinearConstraint(vstack(rows, format="csr"), np.concatenate(low), np.concatenate(high)),
        integrality=np.concatenate([np.zeros(many * leaves), np.ones(cells)]),
        bounds=Bounds(
            np.concatenate([np.zeros(many * leaves), fixed]), np.concatenate([np.full(many * leaves, np.inf), free])
        ),
        options={"time_limit": seconds},
    )
    return None if found.x is None else problem.shown & (found.x[many * leaves :] > 0.5)
