"""A reader of a published public tier who shares no code with what protects it: bounds by linear programming.

He knows every shown number, the tree of scopes, the days of every month and period in both calendars, and that counts
are not negative. He is given more than he has: where the exact numbers of parts give their whole, he knows that.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from contracts.settings import Settings

Scope = tuple[str, str]
Place = tuple[str, str, str]  # scope, scope_id, channel
Tree = Mapping[Scope, Mapping[str, Sequence[Scope]]]
SOURCES = {
    "visits": ("monthly_visits", "visits", "visits"),
    "completed": ("monthly_transactions", "completed", "completed"),
    "received": ("monthly_transactions", "received", None),
    "accepted": ("monthly_transactions", "accepted", None),
}


@dataclass(frozen=True)
class Cell:
    """One published count of events: where, when, what it is, and whether readers are told."""

    place: Place
    calendar: str
    starts_on: dt.date
    ends_before: dt.date
    exact: int
    is_shown: bool


def cells_of(public: Path, analyst: Path, quantity: str) -> list[Cell]:
    """All cells of a quantity that have a number for analysts."""
    monthly, measure, by_period = SOURCES[quantity]
    with duckdb.connect() as connection:
        for name, file in (("public", public), ("analyst", analyst)):
            connection.execute(f"ATTACH '{file}' AS {name} (READ_ONLY)")
        parts = [(monthly, measure, "month", "(SELECT d.days FROM analyst.marts.dim_month AS d "
                  "WHERE d.calendar = a.calendar AND d.month = a.month)")]  # fmt: skip
        if by_period is not None:
            parts.append(("period_totals", by_period, "period", "a.days"))
        rows = [
            row
            for table, name, time, days in parts
            for row in connection.execute(
                f"""
                SELECT a.scope, a.scope_id, a.channel, a.calendar, a.month_start, a.month_start + ({days})::INTEGER,
                    a.{name}, coalesce(p.{name} = a.{name}, false)
                FROM analyst.marts.{table} AS a
                LEFT JOIN public.marts.{table} AS p USING (calendar, {time}, scope, scope_id, channel)
                WHERE a.{name}_status = 'value'
                """
            ).fetchall()
        ]
    return [
        Cell((scope, scope_id, channel), calendar, starts, ends, exact, shown)
        for scope, scope_id, channel, calendar, starts, ends, exact, shown in rows
    ]


def tree_of(public: Path) -> Tree:
    """For each scope its parts, by their kind; the nation is made of agencies too, besides its provinces."""
    with duckdb.connect(str(public), read_only=True) as connection:
        rows = connection.execute("SELECT scope, scope_id, scope_key, parent_key FROM marts.dim_scope").fetchall()
    whole_of = {key: (scope, scope_id) for scope, scope_id, key, _ in rows}
    found: dict[Scope, dict[str, list[Scope]]] = defaultdict(lambda: defaultdict(list))
    for scope, scope_id, _, parent in rows:
        if parent in whole_of:
            found[whole_of[parent]][scope].append((scope, scope_id))
        if scope == "agency" and whole_of.get(parent) != ("national", "IR"):
            found["national", "IR"]["agency"].append((scope, scope_id))
    return found


def read(settings: Settings, quantity: str) -> tuple[list[Cell], Tree]:
    """The cells of the version in service and the tree of its scopes."""
    public, analyst = (settings.published / tier / "current.duckdb" for tier in ("public", "analyst"))
    return cells_of(public, analyst, quantity), tree_of(public)


def check(settings: Settings, quantity: str, k: int) -> None:
    """Nothing follows from the version in service; were nothing withheld but small numbers, something would."""
    cells, tree = read(settings, quantity)
    assert {cell.is_shown for cell in cells} == {True, False}
    assert inferred(cells, tree, k, asked=3) == []
    assert inferred(by_threshold_alone(cells, k), tree, k, asked=3)


def by_threshold_alone(cells: Sequence[Cell], k: int) -> list[Cell]:
    """The same cells, were nothing withheld but small numbers."""
    return [replace(cell, is_shown=cell.exact >= k) for cell in cells]


def inferred(cells: Sequence[Cell], tree: Tree, k: int, asked: int) -> list[tuple[Cell, float, float]]:
    """Withheld cells that follow more closely than ``k``, with their bounds.

    All are first bounded by adding and taking away until nothing changes, as a patient reader would; then the narrowest
    ``asked`` by linear programs, least and greatest.
    """
    system = _System(cells, tree)
    low, high = system.bounded()
    withheld = [place for place, cell in enumerate(cells) if not cell.is_shown]
    narrowest = sorted(withheld, key=lambda place: (high[place] - low[place], place))[:asked]
    bounds = [(cells[place], *system.solved(place)) for place in narrowest]
    return [one for one in bounds if one[2] - one[1] < k - 0.01]


class _System:
    """Numbers of each place between neighbouring month boundaries, and all that is known of their sums."""

    def __init__(self, cells: Sequence[Cell], tree: Tree) -> None:
        self.cells = cells
        self.days = sorted({day for cell in cells for day in (cell.starts_on, cell.ends_before)})
        self.at = {place: number for number, place in enumerate(sorted({cell.place for cell in cells}))}
        self.width = len(self.days) - 1
        self.size = len(self.at) * self.width
        exact: dict[tuple[object, ...], dict[Place, int]] = defaultdict(dict)
        for cell in cells:
            exact[cell.calendar, cell.starts_on, cell.ends_before][cell.place] = cell.exact
        rows = [(list(self.leaves(cell)), float(cell.exact)) for cell in cells if cell.is_shown]
        for whole, parts in self._lines(tree):
            if all(one.get(whole, 0) == sum(one.get(part, 0) for part in parts) for one in exact.values()):
                for step in range(self.width):
                    signs = [(self.at[part] * self.width + step, 1.0) for part in parts]
                    rows.append(([*signs, (self.at[whole] * self.width + step, -1.0)], 0.0))
        self.matrix = self._matrix([row for row, _ in rows])
        self.ends = np.array([end for _, end in rows])

    def leaves(self, cell: Cell) -> Iterator[tuple[int, float]]:
        first, last = self.days.index(cell.starts_on), self.days.index(cell.ends_before)
        for step in range(first, last):
            yield self.at[cell.place] * self.width + step, 1.0

    def _lines(self, tree: Tree) -> Iterator[tuple[Place, list[Place]]]:
        channels = defaultdict(list)
        for place in self.at:
            if place[2] != "all":
                channels[place[:2]].append(place)
        for scope, parts in channels.items():
            if (*scope, "all") in self.at:
                yield (*scope, "all"), parts
        for whole, kinds in tree.items():
            for parts in kinds.values():
                for channel in sorted({place[2] for place in self.at}):
                    there = [(*part, channel) for part in parts if (*part, channel) in self.at]
                    if (*whole, channel) in self.at and there:
                        yield (*whole, channel), there

    def _matrix(self, rows: Sequence[Sequence[tuple[int, float]]]) -> csr_array:
        data = [sign for row in rows for _, sign in row]
        columns = [place for row in rows for place, _ in row]
        starts = np.cumsum([0, *(len(row) for row in rows)])
        return csr_array((data, columns, starts), shape=(len(rows), self.size))

    def bounded(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of every cell by passing what is known along the equations until nothing changes."""
        large = 1e9
        low, high = np.zeros(self.size), np.full(self.size, large)
        matrix = self.matrix.tocoo()
        row, column, sign = matrix.row, matrix.col, matrix.data
        for _ in range(60):
            least = np.where(sign > 0, low[column], -high[column])
            most = np.where(sign > 0, high[column], -low[column])
            sums = [np.bincount(row, weights=side, minlength=len(self.ends)) for side in (least, most)]
            # Each term is what the others leave of the row's end.
            up = self.ends[row] - (sums[0][row] - least)
            down = self.ends[row] - (sums[1][row] - most)
            before = high.sum() - low.sum()
            np.minimum.at(high, column, np.where(sign > 0, up, -down))
            np.maximum.at(low, column, np.where(sign > 0, down, -up))
            if before - (high.sum() - low.sum()) < 0.5:
                break
        spans = [[place for place, _ in self.leaves(cell)] for cell in self.cells]
        return np.array([low[span].sum() for span in spans]), np.array([high[span].sum() for span in spans])

    def solved(self, number: int) -> tuple[float, float]:
        """The least and greatest that a cell may be."""
        weights = np.zeros(self.size)
        for place, sign in self.leaves(self.cells[number]):
            weights[place] = sign
        # What hangs together with the cell; the rest cannot bound it.
        mine = self._around(np.flatnonzero(weights))
        rows = np.flatnonzero(np.diff(self.matrix[:, mine].indptr) > 0)
        part = self.matrix[rows][:, mine]
        found = []
        for side in (1.0, -1.0):
            done = linprog(side * weights[mine], A_eq=part, b_eq=self.ends[rows], bounds=(0, 1e9), method="highs")
            assert done.status == 0, done.message
            found.append(side * done.fun)
        return found[0], found[1]

    @cached_property
    def _connected(self) -> np.ndarray:
        return connected_components(abs(self.matrix).T @ abs(self.matrix), directed=False)[1]

    def _around(self, start: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(self._connected, self._connected[start]))
