"""Which numbers a public tier withholds beside the small ones: whole blocks, by rules that everybody may know.

Every number stands in *lines*: a whole and its parts (all channels and each, a scope and those in it, a period and its
months, completed transactions and the accepted ones). A withheld part follows from its whole where the others are
shown. Withholding single numbers until nothing follows is a long search that leaves a pattern nobody can foresee; whole
blocks are found in a moment and leave the sums of what is shown easy to see through. The rules of a line:

- *block*: its parts are shown all or none (channels of a scope in a month, reasons of a scope).
- *times*: the whole is shown where all of its parts are, or none of them (a quarter and its months).
- *rest*: the withheld parts are two at least and hold together what is needed; else the smallest shown one goes too.
- *times with a rest*: the same of a whole that is a longer time.
- *within*: of a whole that is withheld no part is shown. So it is in every line but those of times.

Where parts overlap (people in several channels) their number is looked at, not what they hold. What was shown before
and has not changed cannot be taken back (``fixed``).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from disclosure.relations import Flags, Numbers, Places

BLOCK, TIMES, REST, TIMES_REST, WITHIN = "block", "times", "rest", "times with a rest", "within"


@dataclass(frozen=True)
class Lines:
    """``wholes`` (cell of each line), ``parts`` (cells) with ``starts`` (lines + 1), and the ``rule`` of each line."""

    wholes: Places
    parts: Places
    starts: Places
    rule: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells in lines, their exact ``numbers``, and how wide what is known of each must stay where withheld (``need``).

    ``small``: withheld anyhow; ``fixed``: shown, whatever follows; ``same``: one number for cells that are the same
    under several names; ``told``: what readers were told before, NaN where nothing.
    """

    lines: Lines
    numbers: Numbers
    need: Numbers
    small: Flags
    fixed: Flags
    same: Places
    told: Numbers


class Blocks:
    """What stays shown of a table. Deterministic, whatever the order of cells and lines; what went stays away."""

    def __init__(self, table: Table) -> None:
        lines = table.lines
        self.table = table
        names, first, group = np.unique(
            one_number(lines, table.numbers, table.same), return_index=True, return_inverse=True
        )
        self.group = group
        self.is_shown = np.ones(len(names), dtype=bool)
        np.logical_and.at(self.is_shown, group, ~table.small)
        self.fixed = np.zeros(len(names), dtype=bool)
        np.logical_or.at(self.fixed, group, table.fixed)
        self.number, self.need = table.numbers[first], np.zeros(len(names))
        self.move = table.numbers[first] - table.told[first]
        np.maximum.at(self.need, group, table.need)
        self.whole: list[int] = []
        self.parts: list[list[int]] = []
        self.rest: list[float] = []
        self.rule: list[str] = []
        self.lines_of: list[list[int]] = [[] for _ in names]
        line_of_part = np.repeat(np.arange(len(lines.wholes)), np.diff(lines.starts))
        # Where nothing is shown, nothing is to be withheld.
        shown_parts = np.bincount(line_of_part, weights=self.is_shown[group[lines.parts]], minlength=len(lines.wholes))
        matters = self.is_shown[group[lines.wholes]] | (shown_parts > 0)
        wholes, parts = group[lines.wholes].tolist(), group[lines.parts].tolist()
        starts = lines.starts.tolist()
        known: dict[tuple[int, ...], int] = {}
        for line in np.flatnonzero(matters).tolist():
            whole = wholes[line]
            mine = sorted(set(parts[starts[line] : starts[line + 1]]) - {whole})
            looks = (whole, *mine)
            if not mine:
                continue
            if looks in known:
                # The nation's own line under a province's name: the nation says what it can.
                if lines.rule[line] in (REST, TIMES_REST):
                    self.rule[known[looks]] = lines.rule[line]
                continue
            known[looks] = len(self.whole)
            for cell in looks:
                self.lines_of[cell].append(len(self.whole))
            self.whole.append(whole)
            self.parts.append(mine)
            self.rest.append(float(self.number[whole] - self.number[mine].sum()))
            self.rule.append(lines.rule[line])

        self.waiting = list(range(len(self.whole)))
        self.queued = [True] * len(self.whole)

    def shown(self, withheld: Flags | None = None) -> Flags:
        """What stays shown by cell, where ``withheld`` (and what was withheld at any call before) is not."""
        if withheld is not None:
            gone = np.zeros(len(self.is_shown), dtype=bool)
            gone[self.group[withheld]] = True
            self._hide(np.flatnonzero(gone & self.is_shown).tolist())
        while self.waiting:
            line = heapq.heappop(self.waiting)
            self.queued[line] = False
            self._hide(self._to_hide(line))
        return self.is_shown[self.group]

    def _hide(self, cells: Sequence[int]) -> None:
        for gone in cells:
            if self.is_shown[gone]:
                self.is_shown[gone] = False
                for other in self.lines_of[gone]:
                    if not self.queued[other]:
                        self.queued[other] = True
                        heapq.heappush(self.waiting, other)

    def _to_hide(self, line: int) -> list[int]:
        whole, parts, rule = self.whole[line], self.parts[line], self.rule[line]
        # A zero that is shown belongs to nobody: it is there by the catalogue, in no arithmetic.
        shown = [cell for cell in parts if self.is_shown[cell] and self.number[cell] > 0]
        free = [cell for cell in shown if not self.fixed[cell]]
        hidden = [cell for cell in parts if not self.is_shown[cell]]
        if not self.is_shown[whole]:
            if rule not in (TIMES, TIMES_REST):
                return free
            # All months give their quarter.
            return [] if any(self.number[cell] > 0 for cell in hidden) else sorted(free, key=self._size)[:1]
        if rule == WITHIN or not any(self.need[cell] > 0 for cell in hidden):
            return []
        gone = self._moved_little(whole, shown, hidden)
        if gone:
            return gone
        if rule == BLOCK and free:
            return free
        if rule == TIMES and shown and not self.fixed[whole]:
            return [whole]
        return self._thin(whole, hidden, free, self.rest[line])

    def _moved_little(self, whole: int, shown: list[int], hidden: list[int]) -> list[int]:
        """Where shown ones say that the withheld ones moved by a few: the smallest part that moved, or the whole."""
        if not self.move[whole] > 0:  # not known before, or as before
            return []
        known = [cell for cell in shown if not np.isnan(self.move[cell])]
        left = float(self.move[whole] - self.move[known].sum())
        if not 0 < left < max(self.need[cell] for cell in hidden):
            return []
        moved = sorted((cell for cell in known if self.move[cell] > 0), key=self._size)
        return moved[:1] or [whole]

    def _size(self, cell: int) -> tuple[bool, float, int]:
        """The order in which shown numbers go: what its months give anyhow last, else the smallest first."""
        is_given = any(
            self.whole[line] == cell
            and self.rule[line] in (TIMES, TIMES_REST)
            and all(self.is_shown[part] for part in self.parts[line])
            for line in self.lines_of[cell]
        )
        return is_given, float(self.number[cell]), cell

    def _thin(self, whole: int, hidden: list[int], free: list[int], rest: float) -> list[int]:
        """The smallest shown parts that must go for the withheld ones to hide each other; at last the whole."""
        held = rest + float(self.number[hidden].sum()) if rest > -0.5 else float("inf")
        count = len(hidden) + (rest > 0.5)
        need = float(self.need[hidden].max())
        gone: list[int] = []
        for cell in sorted(free, key=self._size):
            if count >= 2 and held >= need:
                break
            gone.append(cell)
            held, count = held + float(self.number[cell]), count + 1
        if (count < 2 or held < need) and not self.fixed[whole]:
            return [whole]
        return gone


def one_number(lines: Lines, numbers: Numbers, same: Places) -> Places:
    """One name for cells that are one number: those of the same leaves, and an only part that is its whole."""
    only = np.flatnonzero(np.diff(lines.starts) == 1)
    wholes, parts = lines.wholes[only], lines.parts[lines.starts[only]]
    equal = (numbers[wholes] == numbers[parts]) & (numbers[wholes] > 0)
    wholes, parts = wholes[equal], parts[equal]
    size = len(numbers)
    _, first = np.unique(same, return_index=True)
    named = np.concatenate([np.arange(size), wholes]), np.concatenate([first[_ranks(same)], parts])
    links = csr_array((np.ones(len(named[0])), named), shape=(size, size))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _ranks(values: Places) -> Places:
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)
