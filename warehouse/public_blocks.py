"""Which public numbers are withheld beside the small ones: lines and running totals of cells, by the public rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from disclosure.blocks import Blocks as LineBlocks
from disclosure.blocks import Table, one_number
from disclosure.relations import Flags, Numbers, Places
from disclosure.stocks import Stocks, shown_stocks
from disclosure.sums import looks
from warehouse.connection import Connection
from warehouse.public_cells import Cells, Measure
from warehouse.public_lines import lines_of

_SERIES = "if(stock_of = '', quantity, stock_of), scope, scope_id, channel, item"


class Blocks:
    """The lines and running totals of ``public_cells``, and what a public version shows of them.

    ``calendar``: the one in which every scope is told; the other is told of the nation alone, series by series where
    nothing of it is withheld. ``is_beside``: the cells of that other one.
    """

    def __init__(self, connection: Connection, listed: Sequence[Measure], cells: Cells, k: int, calendar: str) -> None:
        self._cells, self._k = cells, float(k)
        self._lines = lines_of(connection, listed, k)
        self._same = looks(cells.sums, len(cells.numbers))
        self._series = _numbers(connection, f"dense_rank() OVER (ORDER BY {_SERIES}) - 1")
        self._of_nation = _numbers(connection, "(scope = 'national')::INTEGER") > 0
        self._stocks = _stocks(connection, calendar)
        other = _numbers(connection, f"(calendar <> '{calendar}')::INTEGER") > 0
        # What is one number with one that the calendar of every scope has, or the nation, is told anyhow.
        name = one_number(self._lines, cells.numbers, self._same)
        self._untold = cells.can_hide & ~_any_alike(~other | self._of_nation, name)
        self.is_beside = cells.can_hide & other & ~_any_alike(~other, self._same)

    def settle(self, small: Flags, fixed: Flags, told: Numbers) -> Flags:
        """What is shown where ``small`` is withheld anyhow and ``fixed`` was shown before and has not changed.

        ``told``: the numbers that readers know of the version before, NaN where none.
        """
        cells = self._cells
        small = small | self._untold
        self._fixed = fixed & ~small
        self._blocks = LineBlocks(Table(self._lines, cells.numbers, cells.need, small, self._fixed, self._same, told))
        return self.without(small)

    def without(self, withheld: Flags) -> Flags:
        """The same, where further cells are withheld."""
        while True:
            shown = shown_stocks(self._stocks, self._cells.numbers, self._blocks.shown(withheld), self._fixed, self._k)
            broken = np.zeros(self._series.max(initial=-1) + 1, dtype=bool)
            broken[self._series[~shown & self._of_nation]] = True
            shown &= ~(self.is_beside & broken[self._series] & ~self._fixed)
            # A zero that the catalogue gives away is shown, whatever has its name.
            shown |= self._cells.shown & ~self._cells.can_hide
            if (shown == ~withheld).all():
                return shown
            withheld = ~shown


def _stocks(connection: Connection, calendar: str) -> Stocks:
    """The months of running totals and of what they run over, series by series."""
    found = connection.execute(
        """
        WITH placed AS (
            SELECT
                if(stock_of = '', quantity, stock_of) AS quantity, scope, scope_id, channel, item, ends_before, cell,
                stock_of <> '' AS is_stock
            FROM public_cells
            WHERE (kind = 'first' OR stock_of <> '') AND calendar = $calendar
        )
        SELECT
            dense_rank() OVER (ORDER BY quantity, scope, scope_id, channel, item) - 1 AS series,
            coalesce(max(cell) FILTER (WHERE NOT is_stock), -1) AS flow,
            coalesce(max(cell) FILTER (WHERE is_stock), -1) AS stock
        FROM placed
        GROUP BY quantity, scope, scope_id, channel, item, ends_before
        ORDER BY series, ends_before
        """,
        {"calendar": calendar},
    ).fetchnumpy()
    return Stocks(*(np.asarray(found[name], dtype=np.int64) for name in ("series", "flow", "stock")))


def _any_alike(flags: Flags, names: Places) -> Flags:
    """Whether any cell of the same name has the flag."""
    _, alike = np.unique(names, return_inverse=True)
    found = np.zeros(alike.max(initial=-1) + 1, dtype=bool)
    found[alike[flags]] = True
    return np.asarray(found[alike], dtype=bool)


def _numbers(connection: Connection, expression: str) -> Places:
    found = connection.execute(f"SELECT {expression} AS told FROM public_cells ORDER BY cell").fetchnumpy()  # noqa: S608
    return np.asarray(found["told"], dtype=np.int64)
