"""Seeded small tables with margins, as problems of disclosure."""

import numpy as np
from scipy.sparse import block_diag, csr_array

from disclosure.complement import Problem
from disclosure.relations import Relations, Writer, table
from disclosure.sums import Sums, of_table

K = 10
COLUMNS = ("numbers", "need", "shown", "can_hide", "cost")


def with_margins(body):
    for axis in range(body.ndim):
        body = np.concatenate([body, body.sum(axis=axis, keepdims=True)], axis=axis)
    return body


def problem_of(body, *, shown=None):
    """A table's cells; those under K are withheld unless ``shown`` says otherwise."""
    full = with_margins(np.asarray(body, dtype=float))
    numbers = full.reshape(-1)
    cells, margins = table(np.asarray(body).shape)
    writer = Writer(numbers, np.full(len(numbers), float(K)), least=K)
    for margin in margins:
        writer.wholes(*margin)
    relations, numbers, need = writer.written()
    may = numbers >= K if shown is None else np.asarray(shown).reshape(-1)
    return Problem(relations, (of_table(cells),), numbers, need, may, np.ones(len(numbers), dtype=bool), numbers + 1.0)


def random_problem(seed, shape=(3, 4)):
    draws = np.random.default_rng(seed)
    small = draws.random(shape) < 0.4
    return problem_of(np.where(small, draws.integers(0, K, shape), draws.integers(K, 80, shape)))


def side_by_side(problems):
    """Many small problems as one, so that a program judges them all."""
    cells = [len(one.numbers) for one in problems]
    members = block_diag([one.sums[0].members for one in problems], format="csr")
    return Problem(
        Relations(
            csr_array(block_diag([one.relations.matrix for one in problems], format="csr")),
            np.concatenate([one.relations.is_equal for one in problems]),
        ),
        (Sums(csr_array(members), csr_array((members.shape[0], 0))),),
        *(np.concatenate([getattr(one, name) for one in problems]) for name in COLUMNS),
    ), np.repeat(np.arange(len(problems)), cells)
