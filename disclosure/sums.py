"""Cells as sums of leaves: the finest numbers that any published cell is made of.

A leaf is what nobody publishes split any further: so many of a service, in a channel, in the days between two
boundaries. Every cell (a month, a channel, an agency, a quarter) is a sum of leaves, so all margins hold at once,
also those that nobody thought of. Leaves are never negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from disclosure.relations import Flags, Numbers, Places

_WORD = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Sums:
    """``members`` (leaves x cells): 1 where the leaf belongs to the cell.

    ``ties`` (leaves x ties): signed sums, each of which is 0, or what ``ends`` says.
    """

    members: csr_array
    ties: csr_array
    ends: Numbers | None = None

    def without_anybody(self) -> Flags:
        """The leaves that no row stands for on the other way to add up: they are nothing."""
        signs = self.ties.tocsc()
        plus, minus = (np.asarray((sign * signs > 0).sum(axis=0)).reshape(-1) for sign in (1, -1))
        one_sided = np.flatnonzero((plus == 0) | (minus == 0))
        return np.asarray(abs(signs[:, one_sided]).sum(axis=1)).reshape(-1) > 0


def of_table(cells: Places) -> Sums:
    """The sums of a table with margins: ``cells`` numbers them, the last place of each direction is its total."""
    inner = cells[tuple(slice(0, size - 1) for size in cells.shape)]
    rows, columns = [], []
    for leaf, place in enumerate(np.ndindex(inner.shape)):
        for corner in np.ndindex(*([2] * cells.ndim)):
            rows.append(leaf)
            columns.append(cells[tuple(-1 if end else at for end, at in zip(corner, place, strict=True))])
    members = csr_array((np.ones(len(rows)), (rows, columns)), shape=(inner.size, cells.size))
    return Sums(members, csr_array((inner.size, 0)))


@dataclass(frozen=True)
class Groups:
    """Leaves that no shown cell tells apart, taken together: all that a reader's arithmetic can speak of.

    ``bound`` (equations x groups) with ``ends``; equation e comes of the shown cell ``source[e]`` (-1: a tie).
    ``touched`` and ``inside`` (patterns x groups): a withheld cell may hold any part of the groups it touches and holds
    at least those that lie inside it. ``pattern`` is that of each cell (-1: shown, or nothing is known of it).
    """

    bound: csr_array
    ends: Numbers
    source: Places
    touched: csr_array
    inside: csr_array
    pattern: Places


def grouped(sums: Sums, numbers: Numbers, shown: Flags, need: Numbers) -> Groups:
    """The reader's equations for a set of shown cells."""
    members = sums.members.tocsc()
    used = np.diff(members.indptr) > 0
    known = np.flatnonzero(shown & used)
    # What belongs to a shown zero is zero.
    empty = members[:, known[numbers[known] == 0]].sum(axis=1) > 0
    # And so is, in a month without any agency's row, what places say.
    alive = np.flatnonzero(~(np.asarray(empty).reshape(-1) | sums.without_anybody()))
    known = known[numbers[known] > 0]
    told = csr_array(members[:, known].tocsr()[alive])
    ties = csr_array(sums.ties[alive])
    draws = np.random.default_rng(11)
    words = draws.integers(1, _WORD, told.shape[1]), draws.integers(1, _WORD, ties.shape[1])
    with np.errstate(over="ignore"):
        hashed = _hashed(told, words[0]) + _hashed(ties, words[1])
    _, first, group = np.unique(hashed, return_index=True, return_inverse=True)
    size = np.bincount(group, minlength=len(first))
    bound = csr_array(_stacked(told[first], ties[first]).T)
    kept = np.diff(bound.indptr) > 0
    tied = np.zeros(ties.shape[1]) if sums.ends is None else sums.ends
    ends = np.concatenate([numbers[known], tied])[kept]
    source = np.concatenate([known, np.full(ties.shape[1], -1)])[kept]
    asked = np.flatnonzero(~shown & used & (need > 0))
    chosen = csr_array(members[:, asked].tocsr()[alive])
    collect = csr_array((np.ones(len(alive)), (group, np.arange(len(alive)))), shape=(len(first), len(alive)))
    counts = csr_array((collect @ chosen).T)
    whole = counts.copy()
    whole.data = (counts.data >= size[counts.indices]).astype(np.float64)
    with np.errstate(over="ignore"):
        marks = draws.integers(1, _WORD, len(first))
        looks = _hashed(counts, marks, ones=True) + 3 * _hashed(whole, marks)
    _, shape_first, shape = np.unique(looks, return_index=True, return_inverse=True)
    pattern = np.full(len(shown), -1, dtype=np.int64)
    pattern[asked] = shape
    touched = csr_array(counts[shape_first])
    touched.data[:] = 1.0
    inside = csr_array(whole[shape_first])
    inside.eliminate_zeros()
    return Groups(csr_array(bound[kept]), ends, source, touched, inside, pattern)


def looks(parts: Sequence[Sums], cells: int) -> Places:
    """A word for each cell: cells of the very same leaves, one number under several names, have the same."""
    draws = np.random.default_rng(13)
    words = np.zeros(cells, dtype=np.int64)
    with np.errstate(over="ignore"):
        for part in parts:
            words += _hashed(csr_array(part.members.T), draws.integers(1, _WORD, part.members.shape[0]))
    alone = words == 0
    words[alone] = -1 - np.arange(alone.sum())
    return words


def twins(parts: Sequence[Sums], cells: int) -> list[Places]:
    """For each cell all cells of the very same leaves, itself included."""
    words = looks(parts, cells)
    order = np.argsort(words, kind="stable")
    ends = np.flatnonzero(np.diff(words[order])) + 1
    found: list[Places] = [order[:0]] * cells
    for same in np.split(order, ends):
        for cell in same.tolist():
            found[cell] = same
    return found


def _hashed(matrix: csr_array, words: NDArray[np.int64], *, ones: bool = False) -> NDArray[np.int64]:
    """A number for each row by which equal rows are found: sums of random words, modulo 2**64."""
    signs = np.ones(len(matrix.data), dtype=np.int64) if ones else np.rint(matrix.data).astype(np.int64)
    whole = csr_array((signs, matrix.indices, matrix.indptr), shape=matrix.shape)
    return np.asarray(whole @ words, dtype=np.int64)


def _stacked(left: csr_array, right: csr_array) -> csr_array:

    return csr_array(hstack([left, right], format="csr"))
