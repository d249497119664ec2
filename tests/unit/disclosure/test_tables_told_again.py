"""Two versions of a table side by side: late events came in between, and a reader of both learns of no few people.

As many random tables as DISCLOSURE_TABLES says (1,000 in `make disclosure`).
"""

import os
from dataclasses import replace

import numpy as np
import pytest
from random_tables import K, random_problem, side_by_side
from scipy.sparse import block_array, csr_array, hstack

from disclosure.attack import Seen, attack
from disclosure.complement import complement
from disclosure.moves import Tables, told_between, told_moves
from disclosure.sums import Sums, of_table

TABLES = int(os.environ.get("DISCLOSURE_TABLES", "120"))
SHAPES = ((3, 3), (2, 4), (3, 4))


@pytest.fixture(scope="module")
def told_twice():
    """Tables, what the first version shows of them, and by how much each number moved before the second."""
    problem, _ = side_by_side([random_problem(seed, SHAPES[seed % 3]) for seed in range(TABLES)])
    shown = problem.shown & ~complement(problem).complementary
    draws = np.random.default_rng(5)
    leaves = problem.sums[0].members.shape[0]
    came = np.where(draws.random(leaves) < 0.25, draws.integers(1, 3 * K, leaves), 0)
    return problem, shown, np.asarray(problem.sums[0].members.T @ came)


def again(problem, first, moves):
    """What the second version shows: what has not moved or by K at least, less what tells of a small movement."""
    shown = first & ((moves == 0) | (moves >= K))
    for _ in range(50):
        found = told_moves(problem.sums[0], np.where(shown, moves, 0.0), shown, float(K))
        gone = [
            min((cell for cell in one.because_of if shown[cell] and moves[cell]), key=lambda c: (problem.cost[c], c))
            for one in found
            if any(shown[cell] and moves[cell] for cell in one.because_of)
        ]
        if not gone:
            return shown
        shown[gone] = False
    raise AssertionError("no end")


def grown(problem, first, moves, *, beside_the_first=True):
    """The same where numbers are told as soon as they are large, less what gives others of either table away."""
    now = problem.numbers + moves
    tables = Tables(np.where(first, problem.numbers, np.nan), problem.need, now, first, problem.need)
    shown = again(problem, first, moves) | (~first & (now >= K))
    for _ in range(50):
        found = [
            *told_moves(problem.sums[0], np.where(first & shown, moves, 0.0), first & shown, float(K)),
            *attack(problem.sums[0], now, shown, np.where(first, 0.0, problem.need)).exposed,
            *(told_between(problem.sums[0], replace(tables, shown=shown), float(K)) if beside_the_first else ()),
        ]
        may_go = shown & ~(first & (moves == 0))
        gone = [
            min((cell for cell in one.because_of if may_go[cell]), key=lambda c: (problem.cost[c], c))
            for one in found
            if may_go[list(one.because_of)].any()
        ]
        if not gone:
            return shown
        shown[gone] = False
    raise AssertionError("no end")


def both(problem, first, second, moves):
    """What a reader of both versions infers of a number before, of its movement, of it after (0, 1, 2)."""
    members = problem.sums[0].members
    none = csr_array(members.shape)
    sums = Sums(
        csr_array(block_array([[members, none, members], [none, members, members]])),
        csr_array((2 * members.shape[0], 0)),
    )
    # How much a number moved is known where both versions show it, and is no secret where it did not move.
    numbers = np.concatenate([problem.numbers, moves, problem.numbers + moves])
    shown = np.concatenate([first, first & second, second])
    # A number that is told now may be known to have been large; one that was told is as well known as its movement.
    before = np.where(second & (problem.numbers >= K), 0.0, problem.need)
    need = np.concatenate([before, np.where(moves == 0, 0.0, K), np.where(first, 0.0, problem.need)])
    # That very many came is no secret of a few: whatever is known of a movement, none at all counts as possible.
    low = np.where(np.arange(3 * len(moves)) // len(moves) == 1, 0.0, np.inf)
    found = attack(sums, numbers, shown, need, seen=Seen(low, np.full(len(low), -np.inf)))
    return [one.cell // len(moves) for one in found.exposed]


def test_withheld_numbers_and_small_movements_stay_apart_in_both_versions_together(told_twice):
    problem, first, moves = told_twice
    second = again(problem, first, moves)
    assert both(problem, first, second, moves) == []
    assert (second & (moves >= K)).sum() > TABLES / 10


def test_what_is_told_as_soon_as_it_is_large_gives_nothing_away_beside_the_first_table(told_twice):
    problem, first, moves = told_twice
    second = grown(problem, first, moves)
    assert both(problem, first, second, moves) == []
    assert (second & ~first).sum() > TABLES / 10
    careless = grown(problem, first, moves, beside_the_first=False)
    assert {0, 1} & set(both(problem, first, careless, moves))


@pytest.mark.parametrize(
    ("defence", "betrayed"),
    [
        ("numbers that moved by a few are told", 1),
        ("what tells of a small movement is not looked for", 1),
        ("numbers that were withheld are told", 0),
    ],
)
def test_each_rule_is_needed(told_twice, defence, betrayed):
    problem, first, moves = told_twice
    second = again(problem, first, moves)
    if betrayed == 0:
        second = second | (~first & (problem.numbers + moves >= K))
    elif defence.startswith("numbers"):
        second = first
    else:
        second = first & ((moves == 0) | (moves >= K))
    assert betrayed in both(problem, first, second, moves)


def test_a_quantity_of_which_nothing_moved_is_asked_of_no_movement_though_another_fell():
    draws = np.random.default_rng(1)
    for _ in range(60):
        size = int(draws.integers(3, 9))
        table = of_table(np.arange(size * size).reshape(size, size))
        leaves = table.members.shape[0]
        ties = np.where(draws.random((leaves, 3)) < 0.2, draws.choice([-1.0, 1.0], (leaves, 3)), 0)
        another = csr_array((leaves, 1))  # a number of some other quantity: no leaf of this one is in it
        sums = Sums(csr_array(hstack([table.members, another])), csr_array(ties))
        known = np.append(draws.random(size * size) < draws.choice([0.1, 0.3, 0.6, 0.9]), True)
        moves = np.append(np.zeros(size * size), -5.0 * K)
        assert told_moves(sums, moves, known, float(K)) == []
