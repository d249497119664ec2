"""Offsets accepted as lost stand beside the published figures, and a lake without any says so too."""

from __future__ import annotations

import datetime as dt

import pytest

from contracts.errors import Fenced
from pipeline.progress import counted_state
from warehouse.lake import Lake
from warehouse.landing_log import PartitionRange, as_said, commits, next_offsets
from warehouse.losses import AcceptedLoss, accepted_losses, commit_losses, losses_counted
from warehouse.publish import publish

TOPIC = "egov.events.v1.tax"
LOSS = AcceptedLoss(
    agency_id="tax",
    topic=TOPIC,
    partition=0,
    first_offset=0,
    next_offset=7,
    offsets=6,
    cause="trimmed",
    last_day_before=dt.date(2026, 2, 27),
    accepted_at=dt.datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=dt.UTC),
    accepted_by="Head of operations",
    reason="retention passed us while the disk was full",
)
SHOWN = "SELECT * FROM marts.accepted_losses"
COUNT = "SELECT value FROM marts._meta WHERE key = 'accepted_losses'"


def enter(lake: Lake, loss: AcceptedLoss = LOSS) -> int:
    """Enter a loss as the operator's command does."""
    part = PartitionRange("id", loss.first_offset, loss.next_offset, 0, 1, 0, loss.offsets)
    name = f"{loss.topic}/{loss.partition}"
    return commit_losses(lake.open("events"), [loss], {name: loss.next_offset, loss.topic: 5}, as_said({name: part}))


@pytest.fixture
def lake(settings):
    from catalogue.tables import create

    lake = Lake(settings)
    lake.create()
    create(settings)
    return lake


def test_a_loss_is_read_back_as_it_was_entered_and_moves_the_next_offset(lake):
    assert accepted_losses(lake.open("events")) == []
    enter(lake)
    events = lake.open("events")
    assert accepted_losses(events) == [LOSS]
    assert next_offsets(events) == {f"{TOPIC}/0": 7, TOPIC: 5}
    (commit,) = commits(lake, "events")
    assert (commit.kind, commit.partitions[f"{TOPIC}/0"].gaps) == ("loss", 6)


def test_of_two_losses_entered_on_one_version_one_is_fenced(lake):
    stale = lake.open("events")
    enter(lake)
    with pytest.raises(Fenced):
        commit_losses(stale, [LOSS], {f"{TOPIC}/1": 7}, {})
    assert losses_counted(lake.open("events")) == 1


def test_a_loss_is_published_in_both_tiers_and_alone_makes_a_new_version(settings, build, look, lake):
    build.put("monthly_users", active_users=50)
    publish(settings)
    assert (look(SHOWN), look(COUNT)) == ([], [("0",)])
    before = counted_state(settings)
    enter(lake)
    assert counted_state(settings) != before
    assert publish(settings).is_new
    assert not publish(settings).is_new
    at = LOSS.accepted_at.replace(tzinfo=None)  # published as UTC without a zone
    day = LOSS.last_day_before
    for tier in ("analyst", "public"):
        assert look(SHOWN, tier) == [("tax", TOPIC, 0, 0, 7, 6, "trimmed", day, at, LOSS.accepted_by, LOSS.reason)]
        assert look(COUNT, tier) == [("6",)]


def test_the_figures_and_their_state_stay_when_a_loss_is_accepted(settings, build, look, lake):
    build.put("monthly_users", active_users=50)
    publish(settings)
    rows = look("SELECT month, active_users, state, vintage FROM marts.monthly_users")
    enter(lake)
    publish(settings)
    assert look("SELECT month, active_users, state, vintage FROM marts.monthly_users") == rows
