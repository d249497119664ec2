"""The linear relations among published cells, as everybody can write them down.

Every relation is homogeneous, because every total is a cell itself: ``parts - whole = 0`` or ``<= 0``. Rows are
relations, columns are cells. Cells are counts and never negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Relations:
    """``matrix`` (relations x cells); a row is an equality to 0 where ``is_equal``, else at most 0."""

    matrix: csr_array
    is_equal: Flags

    @property
    def cells(self) -> int:
        """How many cells the relations speak of."""
        return int(self.matrix.shape[1])

    def hold(self, numbers: Numbers, *, tolerance: float = 1e-6) -> bool:
        """True where these numbers satisfy every relation."""
        found = self.matrix @ numbers
        return bool(np.all(np.where(self.is_equal, np.abs(found), found) <= tolerance))


class Writer:
    """Collects relations. The numbers decide how a whole and its parts relate, as its publisher knows it.

    ``numbers`` are the exact values, one per cell; ``need`` is how wide an attacker's interval must stay for a cell
    that is withheld (0: nobody is behind it). Both grow by the cells that nobody publishes and everybody can compute.
    """

    def __init__(self, numbers: Numbers, need: Numbers, *, least: int) -> None:
        self._numbers = [numbers]
        self._need = [need]
        self._least = least
        self._cells = len(numbers)
        self._parts: list[tuple[Places, Places, Numbers]] = []
        self._kinds: list[Flags] = []
        self._rows = 0

    def values(self, cells: Places) -> Numbers:
        """The exact numbers of some cells."""
        return np.concatenate(self._numbers)[cells]

    def unpublished(self, numbers: Numbers, need: Numbers) -> Places:
        """New cells that no table has: parts of a time, remainders."""
        places = np.arange(self._cells, self._cells + len(numbers), dtype=np.int64)
        self._numbers.append(np.asarray(numbers, dtype=np.float64))
        self._need.append(np.asarray(need, dtype=np.float64))
        self._cells += len(numbers)
        return places

    def wholes(self, groups: Places, parts: Places, wholes: Places) -> None:
        """``wholes[g]`` is made of the ``parts`` whose group is g (0-based).

        Parts that give the whole make an equality. A remainder that no table shows is a cell of its own, to be
        protected where it is small and not zero. Parts that overlap (people in several channels) make an upper bound,
        and each of them a lower one.
        """
        numbers = np.concatenate(self._numbers)
        sums = np.bincount(groups, weights=numbers[parts], minlength=len(wholes))
        left = numbers[wholes] - sums
        rest = left > 0.5
        small = self.unpublished(left[rest], np.where(left[rest] < self._least, float(self._least), 0.0))
        where = np.flatnonzero(rest)
        one = np.ones
        self._add(
            np.concatenate([groups, np.arange(len(wholes)), where]),
            np.concatenate([parts, wholes, small]),
            np.concatenate([one(len(parts)), -one(len(wholes)), one(len(small))]),
            left > -0.5,
            # Overlapping parts: whole - sum of parts <= 0.
            flipped=left <= -0.5,
        )

    def covers(self, groups: Places, parts: Places, wholes: Places) -> None:
        """``wholes[g]`` is at most the sum of its parts; groups that the numbers contradict are left out."""
        numbers = np.concatenate(self._numbers)
        sums = np.bincount(groups, weights=numbers[parts], minlength=len(wholes))
        covered = numbers[wholes] <= sums + 0.5
        keep = covered[groups]
        order = np.cumsum(covered) - 1
        rows = np.concatenate([order[groups[keep]], np.arange(covered.sum())])
        cells = np.concatenate([parts[keep], wholes[covered]])
        signs = np.concatenate([-np.ones(keep.sum()), np.ones(covered.sum())])
        self._add(rows, cells, signs, np.zeros(covered.sum(), dtype=bool))

    def unions(self, groups: Places, parts: Places, wholes: Places) -> None:
        """``wholes[g]`` counts those of any of its parts once: at most their sum, at least each of them."""
        self.covers(groups, parts, wholes)
        self.within(parts, wholes[groups])

    def within(self, smaller: Places, larger: Places) -> None:
        """Each of ``smaller`` is at most its ``larger``; pairs that the numbers contradict are left out."""
        numbers = np.concatenate(self._numbers)
        keep = numbers[smaller] <= numbers[larger] + 0.5
        smaller, larger = smaller[keep], larger[keep]
        rows = np.arange(len(smaller))
        signs = np.concatenate([np.ones(len(smaller)), -np.ones(len(smaller))])
        no = np.zeros(len(smaller), dtype=bool)
        self._add(np.concatenate([rows, rows]), np.concatenate([smaller, larger]), signs, no)

    def _add(self, rows: Places, cells: Places, signs: Numbers, is_equal: Flags, flipped: Flags | None = None) -> None:
        if flipped is not None:
            signs = np.where(flipped[rows], -signs, signs)
        self._parts.append((rows + self._rows, cells, signs))
        self._kinds.append(is_equal)
        self._rows += len(is_equal)

    def written(self) -> tuple[Relations, Numbers, Numbers]:
        """The relations, and the numbers and needs of all cells, unpublished ones last."""
        rows, cells, signs = (
            np.concatenate([part[place] for part in self._parts]) if self._parts else np.zeros(0) for place in range(3)
        )
        shape = (self._rows, self._cells)
        matrix = csr_array(coo_array((signs, (rows.astype(np.int64), cells.astype(np.int64))), shape=shape))
        kinds = np.concatenate(self._kinds) if self._kinds else np.zeros(0, dtype=bool)
        return Relations(matrix, kinds), np.concatenate(self._numbers), np.concatenate(self._need)


def table(shape: Sequence[int]) -> tuple[Places, list[tuple[Places, Places, Places]]]:
    """A table with its margins, for tests and trials: cells in an array one longer each way, the last one the total.

    Returns the array of cell numbers and, for each direction, groups, parts and wholes as ``Writer.wholes`` takes them.
    """
    cells = np.arange(int(np.prod([size + 1 for size in shape])), dtype=np.int64).reshape([size + 1 for size in shape])
    margins = []
    for axis in range(len(shape)):
        lines = np.moveaxis(cells, axis, -1).reshape(-1, shape[axis] + 1)
        groups = np.repeat(np.arange(len(lines), dtype=np.int64), shape[axis])
        margins.append((groups, lines[:, :-1].reshape(-1), lines[:, -1]))
    return cells, margins
