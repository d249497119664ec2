"""Equations in fewer words say the same, and each says which of the longer ones it was made of."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from disclosure.equations import shortened


def _of_months(months: int) -> csr_array:
    """A year, its halves and quarters, and every second month of itself; each row names the months it holds."""
    spans = [(0, months), *((first, first + months // 2) for first in (0, months // 2))]
    spans += [(first, first + 3) for first in range(0, months, 3)] + [
        (month, month + 1) for month in range(0, months, 2)
    ]
    return csr_array(
        np.array([[1.0 if first <= month < last else 0.0 for month in range(months)] for first, last in spans])
    )


def test_each_of_the_shorter_equations_is_the_longer_ones_it_names_added_up_and_taken_off():
    bound = _of_months(12)
    ends = bound @ np.random.default_rng(3).integers(0, 50, 12).astype(float)
    short = shortened(bound, ends)
    assert short.bound.nnz < bound.nnz
    assert (short.made_of @ bound).toarray() == pytest.approx(short.bound.toarray())
    assert short.made_of @ ends == pytest.approx(short.ends)


def test_nothing_that_the_longer_equations_say_is_lost():
    bound = _of_months(12)
    short = shortened(bound, bound @ np.ones(12))
    whole = np.vstack([bound.toarray(), short.bound.toarray()])
    assert np.linalg.matrix_rank(short.bound.toarray()) == np.linalg.matrix_rank(whole)
