"""Several landers at once, each with its shard of the agencies: one lake, nothing lost, nothing twice, no fence."""

import contextlib

import pytest
from landing_stage import Stage, ended, topic, visit

from landing.plan import Shard
from landing.verify import verify

pytestmark = pytest.mark.integration

LANDERS, EACH = 3, 40


def test_every_topic_is_of_one_share_and_no_share_is_empty():
    names = [topic(f"agency-{number}") for number in range(200)]
    for landers in (1, 2, 4, 7):
        shards = [Shard(number, landers) for number in range(1, landers + 1)]
        assert all(sum(shard.has(name) for shard in shards) == 1 for name in names)
        assert all(any(shard.has(name) for name in names) for shard in shards)


def test_landers_with_shares_of_the_agencies_commit_to_one_lake_at_once(stage: Stage):
    shards = [Shard(number, LANDERS) for number in range(1, LANDERS + 1)]
    while not all(any(shard.has(topic(agency)) for agency in stage.agencies) for shard in shards):
        stage.agency()
    for agency in stage.agencies:
        stage.send(agency, [visit(agency, f"e-{number}") for number in range(EACH)] + [b"{"])
    with contextlib.ExitStack() as ends:
        # Small batches, so that their commits meet.
        landers = [
            ends.enter_context(ended(stage.start("land", "--until-empty", "--shard", shard, MIZAN_LAND_CAP="20")))
            for shard in (f"{number}/{LANDERS}" for number in range(1, LANDERS + 1))
        ]
        for process in landers:
            _, said = process.communicate(timeout=240)
            assert process.returncode == 0, said
    for agency in stage.agencies:
        assert sorted(stage.ids(agency)) == sorted(f"e-{number}" for number in range(EACH))
        assert len(stage.reasons(agency)) == 1
    assert verify(stage.settings, deep=True).ok
