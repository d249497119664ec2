"""The built tables equal an independent oracle, row for row and column for column."""

from __future__ import annotations

import pytest
import random_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_bench import LakeBench, as_oracle, assert_equal, expected


@pytest.mark.parametrize(("seed", "size"), [(1, 300), (2, 1000), (3, 3000), (5, 10_000)])
def test_a_random_world_gives_the_oracles_tables(bench: LakeBench, seed: int, size: int) -> None:
    world = random_events.world(seed, size)
    bench.land("b1", world.events)
    with bench.build() as connection:
        bench.update(connection)
        assert_equal(as_oracle(connection), expected(world.events, world.catalogue))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), size=st.integers(1, 40))
def test_small_worlds_give_the_oracles_tables(tmp_path_factory: pytest.TempPathFactory, seed: int, size: int) -> None:
    bench = LakeBench(tmp_path_factory.mktemp("world"))
    world = random_events.world(seed, size)
    bench.land("b1", world.events)
    with bench.build() as connection:
        bench.update(connection)
        assert_equal(as_oracle(connection), expected(world.events, world.catalogue))
