"""The same equations in fewer words: programs over them are solved in less than half of the time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from disclosure.relations import Numbers


class Shortened(NamedTuple):
    """Equations (rows x unknowns, right-hand sides) with the very same solutions as longer ones.

    ``made_of`` (rows x longer rows): which of those, added up and taken off, each of them is.
    """

    bound: csr_array
    ends: Numbers
    made_of: csr_array


def shortened(bound: csr_array, ends: Numbers) -> Shortened:
    """The same equations, of a whole only what its parts leave.

    A year, its halves, quarters and months say most things four times over. Only rows of ones are shortened.
    """
    size = np.diff(bound.indptr)
    ones = np.add.reduceat(np.append(bound.data != 1, False), bound.indptr[:-1]) == 0 if len(size) else size > 0
    held = [frozenset(bound.indices[bound.indptr[row] : bound.indptr[row + 1]].tolist()) for row in range(len(size))]
    overlap = csr_array(bound @ bound.T)
    known: set[frozenset[int]] = set()
    rows: list[int] = []
    columns: list[int] = []
    signs: list[float] = []
    left_over: list[float] = []
    sources: list[list[int]] = []
    for row in range(len(size)):
        left, end, taken = held[row], float(ends[row]), []
        if ones[row]:
            if left in known:
                continue
            known.add(left)
            span = slice(overlap.indptr[row], overlap.indptr[row + 1])
            others, common = overlap.indices[span], overlap.data[span]
            inner = others[(common == size[others]) & (size[others] < size[row]) & ones[others]]
            for other in inner[np.lexsort((inner, -size[inner]))].tolist():
                if held[other] <= left:
                    left, end = left - held[other], end - float(ends[other])
                    taken.append(other)
        if not left:
            continue
        rows += [len(left_over)] * len(left)
        span = slice(bound.indptr[row], bound.indptr[row + 1])
        columns += sorted(left) if ones[row] else bound.indices[span].tolist()
        signs += [1.0] * len(left) if ones[row] else bound.data[span].tolist()
        left_over.append(end)
        sources.append([row, *taken])
    shape = (len(left_over), bound.shape[1])
    made_of = csr_array(
        (
            [sign for one in sources for sign in (1.0, *[-1.0] * (len(one) - 1))],
            ([place for place, one in enumerate(sources) for _ in one], [row for one in sources for row in one]),
        ),
        shape=(len(sources), bound.shape[0]),
    )
    return Shortened(csr_array((signs, (rows, columns)), shape=shape), np.array(left_over), made_of)
