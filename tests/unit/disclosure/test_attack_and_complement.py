"""The attacker finds what follows, complementary suppression leaves it nothing; on tables anybody can check by hand."""

import numpy as np
import pytest
from random_tables import K, problem_of, random_problem, side_by_side

from disclosure.attack import attack, intervals
from disclosure.complement import by_rows, complement
from disclosure.optimum import optimum
from disclosure.sums import Sums

TABLES = 1000


def narrow(problem, shown, *, exact=True):
    return attack(problem.sums[0], problem.numbers, shown, problem.need, exact=exact).exposed


def test_a_single_withheld_part_follows_from_the_whole_and_the_other_parts():
    problem = problem_of([[7, 30], [40, 50]])
    (found, *_) = narrow(problem, problem.shown)
    assert (found.cell, found.low, found.high) == (0, pytest.approx(7), pytest.approx(7))
    assert found.because_of


def test_two_withheld_parts_hide_each_other_only_as_far_as_they_go_together():
    problem = problem_of([[3, 4, 30]])
    ((low, high),) = intervals(problem.sums[0], problem.numbers, problem.shown, np.array([0]))
    assert (low, high) == (pytest.approx(0), pytest.approx(7))


def test_a_cell_in_no_shown_sum_may_be_anything():
    problem = problem_of([[3, 4], [5, 6]], shown=np.zeros((3, 3), dtype=bool))
    assert narrow(problem, problem.shown) == ()


def test_complementary_suppression_withstands_the_attacker_on_random_tables():
    problem, table_of = side_by_side([random_problem(seed, (3, 3) if seed % 2 else (2, 4)) for seed in range(TABLES)])
    pattern = complement(problem)
    assert pattern.exposed == ()
    assert narrow(problem, problem.shown & ~pattern.complementary, exact=False) == ()
    # The attacker must succeed where the defence is off, or its silence proves nothing.
    before = {int(table_of[found.cell]) for found in narrow(problem, problem.shown, exact=False)}
    assert len(before) > TABLES / 2
    assert pattern.complementary.sum() < (~problem.shown).sum() < len(problem.shown)


def test_every_cell_by_itself_withstands_the_attacker():
    for seed in range(12):
        problem = random_problem(seed, (3, 3))
        assert narrow(problem, problem.shown & ~complement(problem).complementary) == ()


def test_judging_cells_together_finds_what_judging_them_one_by_one_finds():
    for seed in range(8):
        problem = random_problem(seed, (3, 4))
        one_by_one = {found.cell for found in narrow(problem, problem.shown)}
        assert {found.cell for found in narrow(problem, problem.shown, exact=False)} == one_by_one


def test_looking_at_rows_alone_is_not_enough():
    problem, _ = side_by_side([random_problem(seed, (3, 4)) for seed in range(60)])
    assert narrow(problem, by_rows(problem), exact=False)
    assert not complement(problem).exposed


def test_the_order_of_cells_does_not_change_what_is_withheld():
    body = np.array([[3, 25, 61], [44, 8, 33], [70, 52, 12]])
    pattern = complement(problem_of(body)).complementary.reshape(4, 4)
    turned = complement(problem_of(body[::-1, ::-1])).complementary.reshape(4, 4)
    inner = turned[:3, :3][::-1, ::-1]
    assert (pattern[:3, :3] == inner).all()
    assert (complement(problem_of(body)).complementary == pattern.reshape(-1)).all()


def test_the_loss_stays_near_the_least_possible():
    ours = least = 0.0
    for seed in range(10):
        problem = random_problem(seed, (3, 3))
        best = optimum(problem)
        assert best is not None
        ours += float(problem.cost @ complement(problem).complementary)
        least += float(problem.cost @ best)
    assert least <= ours <= 1.75 * least


def test_leaves_of_two_ways_to_add_up_are_tied():
    # The nation is 30: agencies (a, b) and places (p, q) both make it up; a, p shown: 25 and 24.
    members = np.zeros((4, 5))
    for leaf in range(4):
        members[leaf, leaf] = 1
    members[2, 4] = members[3, 4] = 1
    from scipy.sparse import csr_array

    sums = Sums(csr_array(members), csr_array(np.array([[1.0], [1.0], [-1.0], [-1.0]])))
    numbers = np.array([25.0, 5.0, 24.0, 6.0, 30.0])
    shown = np.array([True, False, True, False, True])
    found = attack(sums, numbers, shown, np.full(5, float(K)), exact=True).exposed
    assert [(one.cell, round(one.low), round(one.high)) for one in found] == [(1, 5, 5), (3, 6, 6)]


def test_numbers_that_contradict_each_other_elsewhere_hide_nothing():
    # 5 + 5 are not 20; beside them 34 - 30 gives the 4 away.
    members = np.zeros((4, 6))
    members[[0, 1, 0, 1, 2, 3, 2, 3], [0, 1, 2, 2, 3, 4, 5, 5]] = 1
    from scipy.sparse import csr_array

    sums = Sums(csr_array(members), csr_array((4, 0)))
    numbers = np.array([5.0, 5.0, 20.0, 4.0, 30.0, 34.0])
    shown = np.array([True, True, True, False, True, True])
    (found,) = attack(sums, numbers, shown, np.full(6, float(K)), exact=True).exposed
    assert (found.cell, found.low, found.high) == (3, pytest.approx(4), pytest.approx(4))
    assert set(found.because_of) == {4, 5}
