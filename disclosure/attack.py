"""What a reader can infer of withheld cells: the attacker, by linear programs over all published sums.

For a withheld cell the least and the greatest number that fit all shown ones are what a reader knows of it. *Certify*:
numbers that fit, in which a cell may still be this or that, prove it safe. Corners of all that fits, in directions that
are drawn to look at what is not proved yet, prove most. *Convict*: what stays unproved has its two programs solved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from disclosure.equations import shortened
from disclosure.programs import Programs
from disclosure.relations import Flags, Numbers, Places
from disclosure.sums import Groups, Sums, grouped

_CORNERS = 64  # that are looked at, at most
_IDLE = 4  # corners, one after the other, that prove next to nothing
_TOLERANCE = 0.01  # of the solver, in counts
_ONE_BY_ONE = 4  # fewer are not worth a corner
_STEPS = 3  # of tightening bounds before any program
_FAR = 1e6  # what no equation bounds may be as large as this
_BINDS = 1e-7


@dataclass(frozen=True)
class Exposed:
    """A withheld cell whose interval is narrower than needed, and the shown cells that make it so.

    Without ``is_proved`` it could only not be proved safe together with others: the interval says nothing then.
    """

    cell: int
    low: float
    high: float
    because_of: tuple[int, ...]
    is_proved: bool = True


@dataclass(frozen=True)
class Seen:
    """What each cell was proved to be able to be, at numbers that fit. Withholding more takes nothing from it."""

    low: Numbers
    high: Numbers

    @classmethod
    def nothing(cls, cells: int) -> Seen:
        """Before any attack."""
        return cls(np.full(cells, np.inf), np.full(cells, -np.inf))


@dataclass(frozen=True)
class Found:
    """The outcome of an attack: the cells inferred too closely, in order, and how many programs it took.

    ``is_proved``: each of them is; else some could only not be proved safe at once. ``contradicts``: no numbers fit.
    """

    exposed: tuple[Exposed, ...]
    programs: int
    is_proved: bool = True
    contradicts: bool = False


def attack(
    sums: Sums,
    numbers: Numbers,
    shown: Flags,
    need: Numbers,
    *,
    most: int | None = None,
    exact: bool = False,
    seen: Seen | None = None,
    blames: Flags | None = None,
) -> Found:
    """Every withheld cell that readers of the shown ones can infer more closely than ``need`` (width) allows.

    Where more than ``most`` patterns of cells cannot be proved safe together, they are named unproved: enough for whom
    withholds more of what is shown around them; where nothing is, they are judged one by one. With ``exact`` nothing is
    judged together: every withheld cell has its own two programs. ``seen`` is
    read and added to. ``blames``: the shown cells that may be named as reasons, the nearest ones that there are.
    """
    reader = _Reader(
        sums, numbers, shown, need, seen or Seen.nothing(len(numbers)), shown if blames is None else blames
    )
    return reader.exposed(most=most, exact=exact)


def intervals(sums: Sums, numbers: Numbers, shown: Flags, cells: Places) -> list[tuple[float, float]]:
    """What readers of the shown cells know of some withheld ones: the least and the greatest number that fit."""
    need = np.zeros(len(numbers))
    need[cells] = 1.0
    reader = _Reader(sums, numbers, shown, need, Seen.nothing(len(numbers)), shown)
    return [reader.interval(int(cell))[:2] for cell in cells]


class _Reader:
    def __init__(self, sums: Sums, numbers: Numbers, shown: Flags, need: Numbers, seen: Seen, blames: Flags) -> None:
        self.numbers, self.need, self.blames = numbers, need, blames
        self.groups: Groups = grouped(sums, numbers, shown, need)
        bound = self.groups.bound
        size = bound.shape
        coo = bound.tocoo()
        links = csr_array((np.ones(len(coo.data)), (coo.row, coo.col + size[0])), shape=(sum(size), sum(size)))
        _, labels = connected_components(links, directed=False)
        self.part_of_row, self.part = labels[: size[0]], labels[size[0] :]
        self.short = shortened(bound, self.groups.ends)
        self.free = ~np.isin(self.part, np.setdiff1d(self.part_of_row, self._bare_ties()))
        self.here = np.flatnonzero(~self.free)
        self.programs = 0
        self.contradicts = False
        self.by_group = bound.tocsc()
        shapes = self.groups.touched.shape[0]
        self.width_needed = np.zeros(shapes)
        self.cells = np.flatnonzero(self.groups.pattern >= 0)
        np.maximum.at(self.width_needed, self.groups.pattern[self.cells], need[self.cells])
        self.seen = seen
        self.low, self.high = np.full(shapes, np.inf), np.full(shapes, -np.inf)
        mine = self.groups.pattern[self.cells]
        # What one cell of a pattern can be, every cell of it can be.
        np.minimum.at(self.low, mine, seen.low[self.cells])
        np.maximum.at(self.high, mine, seen.high[self.cells])

    def exposed(self, *, most: int | None, exact: bool) -> Found:
        """The cells that are exposed, or that too many others kept from being proved safe."""
        found: dict[int, Exposed] = {}
        if not exact:
            found = {one.cell: one for one in self.told()}
            self._certify(np.fromiter(found, dtype=np.int64, count=len(found)))
        pattern = self.groups.pattern
        mine = pattern[self.cells]
        unsafe = ~(self.high[mine] - self.low[mine] >= self.need[self.cells] - _TOLERANCE)
        doubtful = [cell for cell in self.cells[unsafe].tolist() if cell not in found]
        shapes = {int(pattern[cell]) for cell in doubtful}
        is_few = most is None or len(shapes) <= most
        around = {shape: () if is_few else self._around(shape) for shape in sorted(shapes)}
        told = {shape: (0.0, 0.0, cells) if cells else self._solve(shape) for shape, cells in around.items()}
        for cell in doubtful:
            low, high, blamed = told[int(pattern[cell])]
            if high - low < self.need[cell] - _TOLERANCE:
                found[cell] = Exposed(cell, low, high, blamed, is_proved=not around[int(pattern[cell])])
        self.seen.low[self.cells] = np.minimum(self.low[mine], self.seen.low[self.cells])
        self.seen.high[self.cells] = np.maximum(self.high[mine], self.seen.high[self.cells])
        exposed = tuple(found[cell] for cell in sorted(found))
        return Found(exposed, self.programs, all(one.is_proved for one in exposed), self.contradicts)

    def _bare_ties(self) -> Places:
        """Parts of one tie that no shown cell touches: whatever is on its one side may be on the other."""
        bound, source = self.groups.bound, self.groups.source
        alone = np.bincount(self.part_of_row)[self.part_of_row] == 1
        has_both = (np.asarray((bound > 0).sum(axis=1)) > 0) & (np.asarray((bound < 0).sum(axis=1)) > 0)
        return np.asarray(self.part_of_row[alone & has_both & (source < 0)], dtype=np.int64)

    def _around(self, shape: int) -> tuple[int, ...]:
        """The shown cells whose equations touch a pattern; where only ties do, the nearest ones."""
        touched = self._groups_of(self.groups.touched, shape)
        return self._nearest(np.unique(self.by_group[:, touched].indices))

    def _nearest(self, rows: Places) -> tuple[int, ...]:
        """The cells that may be blamed for some equations; where none may, for those beside them, and so on."""
        while not (cells := self._blamed(rows)):
            here = np.zeros(self.groups.bound.shape[0])
            here[rows] = 1.0
            beside = np.flatnonzero(abs(self.groups.bound) @ (abs(self.groups.bound).T @ here))
            if len(beside) <= len(rows):
                break
            rows = beside
        return cells

    def _blamed(self, rows: Places) -> tuple[int, ...]:
        cells = self.groups.source[rows]
        cells = cells[cells >= 0]
        return tuple(np.unique(cells[self.blames[cells]]).tolist())

    def told(self) -> list[Exposed]:
        """Cells that follow without a program: each group of leaves is at most what any of its equations leaves it."""
        bound, ends = self.groups.bound, self.groups.ends
        coo = bound.tocoo()
        rows, groups, up = coo.row, coo.col, coo.data > 0
        high, low = np.full(bound.shape[1], _FAR), np.zeros(bound.shape[1])
        by_high, by_low = (np.full(bound.shape[1], -1) for _ in range(2))
        for _ in range(_STEPS):
            most = np.bincount(rows, weights=np.where(up, high[groups], -low[groups]), minlength=len(ends))
            least = np.bincount(rows, weights=np.where(up, low[groups], -high[groups]), minlength=len(ends))
            over, under = (ends - least)[rows], (ends - most)[rows]
            tops = np.where(up, over + low[groups], high[groups] - under)
            floors = np.where(up, under + high[groups], low[groups] - over)
            _tighten(high, by_high, groups, rows, tops, np.less)
            _tighten(low, by_low, groups, rows, floors, np.greater)
        at_most, at_least = self.groups.touched @ high, np.minimum(self.groups.inside @ low, self.low)
        narrow = (at_most - at_least < self.width_needed - _TOLERANCE) & (self.width_needed > 0)
        narrow &= np.diff(self.groups.touched.indptr) > 0
        reasons: dict[int, tuple[int, ...]] = {}
        for shape in np.flatnonzero(narrow).tolist():
            touched = self._groups_of(self.groups.touched, shape)
            rows_by = np.setdiff1d(np.concatenate([by_high[touched], by_low[touched]]), [-1])
            reasons[shape] = self._blamed(rows_by) or self._around(shape)
        mine = self.groups.pattern[self.cells]
        told = self.cells[narrow[mine] & ((at_most - at_least)[mine] < self.need[self.cells] - _TOLERANCE)]
        return [
            Exposed(cell, float(at_least[shape]), float(at_most[shape]), reasons[shape])
            for cell in told.tolist()
            for shape in [int(self.groups.pattern[cell])]
        ]

    def interval(self, cell: int) -> tuple[float, float, tuple[int, ...]]:
        """Least and greatest number of a withheld cell, and the shown cells that bind them."""
        shape = int(self.groups.pattern[cell])
        return self._solve(shape) if shape >= 0 else (0.0, float("inf"), ())

    def _solve(self, shape: int) -> tuple[float, float, tuple[int, ...]]:
        touched, inside = (self._groups_of(of, shape) for of in (self.groups.touched, self.groups.inside))
        if self.free[touched].any():
            return 0.0, float("inf"), ()
        if not len(touched):
            return 0.0, float("inf"), ()
        (high, by_high), low, by_low = self._greatest(touched, 1.0), 0.0, np.zeros(0)
        if len(inside):
            most, by_low = self._greatest(inside, -1.0)
            low = min(max(0.0, -most), float(self.low[shape]))
        binding: set[int] = set()
        if high - low < self.width_needed[shape] - _TOLERANCE:
            binding.update(self._blamed(np.flatnonzero(np.abs(by_high) > _BINDS)))
            binding.update(self._blamed(np.flatnonzero(np.abs(by_low) > _BINDS)))
        self.low[shape], self.high[shape] = low, high
        return low, high, tuple(sorted(binding))

    @cached_property
    def _programs(self) -> Programs:
        return Programs(self.short.bound[:, self.here], self.short.ends, _FAR)

    def _least(self, weights: Numbers) -> Numbers | None:
        """The numbers of groups that fit and whose weighted sum is the least; None where none fit."""
        self.programs += 1
        found = self._programs.least(weights[self.here])
        if found is None:
            return None
        numbers = np.zeros(len(self.part))
        numbers[self.here] = found
        return numbers

    def _greatest(self, chosen: Places, sign: float) -> tuple[float, Numbers]:
        """The greatest sum of some groups, with a sign, and by how much it would move with the end of each equation.

        Numbers that contradict each other tell a reader nothing.
        """
        weights = np.zeros(len(self.part))
        weights[chosen] = sign
        found = self._least(-weights)
        if found is not None:
            return float(weights @ found), np.asarray(self.short.made_of.T @ self._programs.marginals())
        # Where numbers contradict each other elsewhere, these are known all the same.
        moves = np.zeros(self.groups.bound.shape[0])
        programs, rows, here = self._part_alone(chosen)
        alone = programs.least(-weights[here])
        if alone is None:
            return float("inf"), moves
        moves[rows] = programs.marginals()
        return float(weights[here] @ alone), moves

    def _part_alone(self, chosen: Places) -> tuple[Programs, Places, Places]:
        """Programs over the parts of the equations that touch some groups: with which equations and groups."""
        parts = np.unique(self.part[chosen])
        rows = np.flatnonzero(np.isin(self.part_of_row, parts))
        here = np.flatnonzero(np.isin(self.part, parts) & ~self.free)
        return Programs(self.groups.bound[rows][:, here], self.groups.ends[rows], _FAR), rows, here

    def _groups_of(self, matrix: csr_array, shape: int) -> Places:
        return np.asarray(matrix.indices[matrix.indptr[shape] : matrix.indptr[shape + 1]], dtype=np.int64)

    def _certify(self, but: Places) -> None:
        """Note what many cells may be, at numbers that fit: as many of them as possible high, then as many low."""
        groups = self.groups
        loose = np.asarray((groups.touched @ self.free.astype(np.float64)) > 0)
        # Nothing but parts of shown zeros: a zero that says no more than they do.
        loose |= np.diff(groups.touched.indptr) == 0
        self.high[loose], self.low[loose] = np.inf, 0.0
        told = np.zeros(len(self.low), dtype=bool)
        told[groups.pattern[but]] = True
        draws = np.random.default_rng(7)  # any order does; the same one each time
        self._look_at_corners(told, draws)

    def _look_at_corners(self, told: Flags, draws: np.random.Generator) -> None:
        """Note what cells are in corners of all numbers that fit, the farthest ones in directions that are drawn."""
        groups, idle, before = self.groups, 0, 0
        for corner in range(_CORNERS):
            left = np.flatnonzero(self._narrow(told))
            idle = idle + 1 if corner and len(left) > 0.95 * before else 0
            if len(left) < _ONE_BY_ONE or idle >= _IDLE or not len(self.here):
                return
            before = len(left)
            asked = groups.touched[left]
            # More often high than low: a cell is low in most corners anyhow.
            pull = draws.standard_exponential(len(left)) * np.where(draws.random(len(left)) < 0.7, -1.0, 1.0)
            around = asked.T @ (pull / np.diff(asked.indptr))
            numbers = self._least(around if corner else draws.standard_normal(len(self.part)))
            if numbers is None:
                self.contradicts = True
                return
            self.high = np.maximum(self.high, np.asarray(groups.touched @ numbers))
            self.low = np.minimum(self.low, np.asarray(groups.inside @ numbers))

    def _narrow(self, told: Flags) -> Flags:
        return np.asarray(
            ~told & (self.width_needed > 0) & (self.high - self.low < self.width_needed - _TOLERANCE), dtype=bool
        )


def _tighten(
    bounds: Numbers, by: Places, groups: Places, rows: Places, found: Numbers, better: Callable[..., Flags]
) -> None:
    """Take the best bound found for each group, and note the equation it comes of."""
    order = np.argsort(found if better is np.less else -found, kind="stable")
    unique, first = np.unique(groups[order], return_index=True)
    best = order[first]
    improved = better(found[best], bounds[unique] - (1e-9 if better is np.less else -1e-9))
    bounds[unique[improved]] = found[best[improved]]
    by[unique[improved]] = rows[best[improved]]
