"""What a public version withholds: small numbers, what moved a little, whole blocks beside them, what still follows.

Leaves for each table with numbers of people a relation ``withheld_<table>``: row_id and a flag for each such measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from contracts.settings import Settings
from disclosure.attack import Exposed, Seen, attack
from disclosure.moves import Tables, told_between, told_moves
from disclosure.relations import Flags
from disclosure.sums import Sums
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable
from warehouse.numbers_told import History, history
from warehouse.public_blocks import Blocks
from warehouse.public_cells import Cells, cells_of, flagged, measures
from warehouse.rows_told_on import Standing

_ROUNDS = 24
_GENTLE = 8  # rounds; what is still not proved safe then loses all that speaks of it
_FEW = 40  # patterns that are judged one by one; more of them are mended without


@dataclass(frozen=True)
class Withheld:
    """The cells and what is shown of them, and what readers were told before.

    ``k``: the threshold. ``small``: withheld for its own sake; ``fixed``: told before and not moved since: telling it
    again says nothing.
    ``is_proved``: the attacker was asked about all that is ``shown`` and found nothing; ``exposed``: what could not
    be helped, because it follows from ``fixed`` numbers alone.
    """

    cells: Cells
    k: float
    past: History
    small: Flags
    fixed: Flags
    shown: Flags
    is_proved: bool
    exposed: tuple[Exposed, ...]
    rounds: int
    programs: int


def decision(connection: Connection, tables: Sequence[MetricTable], settings: Settings, *, before: str) -> Decision:
    """What there is to decide of every public number of shaped tables.

    ``before``: the attached analysts' version in service, if any: it says what the public was told (numbers_told.py).
    """
    listed = measures(tables)
    k = settings.min_cell
    cells = cells_of(connection, tables, flagged(connection, tables, k), k)
    past = history(connection, tables, before=before)
    return Decision(cells, Blocks(connection, listed, cells, k, settings.calendar), past, k)


class Decision:
    """Threshold and history first, then the public rules, then what the attacker asks for, round by round."""

    def __init__(self, cells: Cells, blocks: Blocks, past: History, k: int) -> None:
        self.cells, self.blocks, self.past, self.k = cells, blocks, past, float(k)
        with np.errstate(invalid="ignore"):
            self.moved = cells.numbers - past.told
            little = (self.moved != 0) & (np.abs(self.moved) < k)
        self.small = ~cells.shown | (cells.can_hide & (past.frozen | little))
        self.fixed = (self.moved == 0) & ~self.small
        self.shown = blocks.settle(self.small, self.fixed, past.told)
        self.older = np.zeros(len(self.small), dtype=bool)
        self.programs = 0
        self.seen: dict[int, Seen] = {}

    def without(self, kept: Standing) -> bool:
        """Take from what is shown so far what readers are not told, whatever is decided; True where any of it is new.

        Then ``made`` decides again.
        """
        withheld = self.cells.can_hide & kept.withheld & ~self.small
        older = kept.older & ~self.older
        if not (withheld | older).any():
            return False
        self.small, self.older = self.small | withheld, self.older | older
        self.fixed = self.fixed & ~self.small
        self.shown = self.blocks.without(~self.shown | self.small)
        return True

    def made(self) -> Withheld:
        """What is shown in the end, and what is known of it."""
        sums, shown = self.cells.sums, self.shown
        asked = {place for place in range(len(sums)) if self._is_new(place, shown)}
        waiting = list(range(len(sums)))
        left: dict[int, list[Exposed]] = {}
        rounds = 0
        while waiting and rounds < _ROUNDS:
            rounds += 1
            gone = np.zeros(len(shown), dtype=bool)
            for place in waiting:
                left[place] = [*(self._follow(place, shown) if place in asked else ()), *self._move(place, shown)]
                gone |= self._cheapest(left[place], shown, is_late=rounds > _GENTLE)
            if not gone.any() or rounds > 2 * _GENTLE:
                # What was told before and has not moved can always be told again: at last nothing else is.
                helpless = [place for place, found in left.items() if found]
                gone |= shown & ~self.fixed & self.cells.can_hide & _of([sums[place] for place in helpless], len(shown))
            before = shown
            shown = self.blocks.without(~shown | gone) if gone.any() else shown
            changed = np.flatnonzero(before & ~shown)
            waiting = [place for place, one in enumerate(sums) if np.isin(changed, one.members.indices).any()]
        exposed = tuple(one for place in sorted(left) for one in left[place])
        is_proved = not waiting and not exposed
        self.shown = shown
        return Withheld(
            *(self.cells, self.k, self.past, self.small, self.fixed, shown, is_proved, exposed),
            rounds,
            self.programs,
        )

    def _is_new(self, place: int, shown: Flags) -> bool:
        """Whether anything of a quantity is told for the first time, or fell.

        Else an earlier version told as much, and what came since is known no better: withheld numbers are as far apart
        from what readers can infer as they were, and farther by what came (decision 24).
        """
        if self.past.least < self.k:
            return True
        mine = _of([self.cells.sums[place]], len(shown)) & (self.cells.numbers > 0)
        with np.errstate(invalid="ignore"):
            return bool((mine & shown & ~(self.moved >= 0)).any() or (mine & (self.moved < 0)).any())

    def _follow(self, place: int, shown: Flags) -> Sequence[Exposed]:
        cells = self.cells
        seen = self.seen.setdefault(place, Seen.nothing(len(shown)))
        found = attack(cells.sums[place], cells.numbers, shown, cells.need, most=_FEW, seen=seen)
        self.programs += found.programs
        return found.exposed

    def _move(self, place: int, shown: Flags) -> Sequence[Exposed]:
        cells, past = self.cells, self.past
        shown = shown & ~self.older
        known = shown & ~np.isnan(self.moved)
        tables = Tables(past.last, np.where(past.ahead, 0.0, cells.need), cells.numbers, shown, cells.need)
        return [
            *told_moves(cells.sums[place], np.where(known, self.moved, 0.0), known, self.k),
            *told_between(cells.sums[place], tables, self.k),
        ]

    def _cheapest(self, found: Sequence[Exposed], shown: Flags, *, is_late: bool) -> Flags:
        """For each cell the cheapest shown one that gives it away; the second calendar first: it tells things again."""
        gone = np.zeros(len(shown), dtype=bool)
        numbers, beside = self.cells.numbers, self.blocks.is_beside
        may = shown & self.cells.can_hide & ~self.fixed
        for one in found:
            free = sorted((cell for cell in one.because_of if may[cell]), key=lambda c: (not beside[c], numbers[c], c))
            gone[free if is_late else free[:1]] = True
        return gone


def _of(listed: Sequence[Sums], cells: int) -> Flags:
    """The cells that have leaves in any of some sums."""
    mine = np.zeros(cells, dtype=bool)
    for sums in listed:
        mine[sums.members.indices] = True
    return mine


def write_flags(connection: Connection, tables: Sequence[MetricTable], shown: Flags) -> None:
    """Leave the relations ``withheld_<table>`` of what a decision shows."""
    cells = pa.table({"cell": np.flatnonzero(~shown)})
    connection.register("given_withheld", cells)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE withheld_places AS "
        "SELECT table_name, measure, row_id FROM places SEMI JOIN given_withheld AS given ON given.cell = places.cell"
    )
    connection.unregister("given_withheld")
    for name in {one.table.name: None for one in measures(tables)}:
        mine = [one.name for one in measures(tables) if one.table.name == name]
        flags = ", ".join(f"small.{one} OR coalesce(bool_or(places.measure = '{one}'), false) AS {one}" for one in mine)
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE withheld_{name} AS
            SELECT small.row_id, {flags}
            FROM flags_{name} AS small
            LEFT JOIN withheld_places AS places ON places.table_name = '{name}' AND places.row_id = small.row_id
            GROUP BY small.row_id, {", ".join(f"small.{one}" for one in mine)}
            """  # noqa: S608 names of the build's tables
        )
