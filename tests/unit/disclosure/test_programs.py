"""A program that goes on where another ended finds what one from nothing finds, and nothing is said on the way."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

from disclosure.programs import Programs

MOST = 1000.0


def test_each_program_finds_what_another_solver_s_call_finds_from_nothing():
    draws = np.random.default_rng(5)
    bound = csr_array((draws.random((12, 40)) < 0.3) * 1.0)
    ends = bound @ draws.integers(0, 30, 40).astype(float)
    programs = Programs(bound, ends, MOST)
    for _ in range(25):
        weights = draws.standard_normal(40)
        found = programs.least(weights)
        alone = linprog(weights, A_eq=bound, b_eq=ends, bounds=(0, MOST))
        assert found is not None
        assert weights @ found == pytest.approx(alone.fun)
        assert bound @ found == pytest.approx(ends)
        # What the equations, and the numbers at their greatest, are worth is all that the sum is.
        reduced = np.minimum(weights - bound.T @ programs.marginals(), 0.0)
        assert programs.marginals() @ ends + MOST * reduced.sum() == pytest.approx(alone.fun)


def test_where_no_numbers_fit_there_are_none_whatever_was_asked_before():
    programs = Programs(csr_array(np.array([[1.0, 1.0], [1.0, 0.0]])), np.array([3.0, 5.0]), MOST)
    assert programs.least(np.array([1.0, 2.0])) is None
    assert programs.least(np.array([-1.0, 0.0])) is None


def test_the_solver_says_nothing_where_a_command_s_document_goes():
    asked = (
        "import numpy as np; from scipy.sparse import csr_array; from disclosure.programs import Programs; "
        "Programs(csr_array(np.ones((1, 2))), np.array([5.0]), 9.0).least(np.array([1.0, -1.0]))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == ""
