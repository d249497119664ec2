"""A published figure, found again in the lake: by its own path, on random worlds in which agencies and places move."""

import datetime as dt
import random
import sys
from pathlib import Path

import pytest

from contracts.errors import UsageError
from provenance.explain import explain
from provenance.selections import recount_of
from warehouse.lake import Lake
from warehouse.landing_log import PartitionRange, as_said
from warehouse.losses import AcceptedLoss, commit_losses
from warehouse.publish import publish
from warehouse.published import open_published

# tests/ is no package: the oracle and the lake that is filled with rows are found by their folders.
sys.path.insert(0, str(Path(__file__).parents[1] / "transforms"))
sys.path.insert(0, str(Path(__file__).parents[2] / "oracle"))
import random_events
from lake_bench import LakeBench

TABLES = (
    "monthly_users",
    "monthly_transactions",
    "monthly_channel_share",
    "period_totals",
    "inquiries",
    "reasons_in_person",
)


def placed(events):
    """Events with offsets, as landing gives them."""
    return [
        event | {"topic": f"egov.events.v1.{event['agency_id']}", "partition": place % 2, "offset": place}
        for place, event in enumerate(events)
    ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = LakeBench(tmp_path_factory.mktemp("explained"))
    events = placed(random_events.world(11, 900).events)
    bench.land("b1", events[:600])
    bench.land("b2", events[600:800], verdict="warned")
    bench.land("b3", events[800:], verdict="held")
    with bench.build() as connection:
        bench.update(connection)
    publish(bench.settings)
    return bench


def figures(settings, table, few):
    """A few published numbers of a table that can be counted again: row and measure."""
    with open_published(settings) as connection:
        found = connection.execute(f"SELECT * FROM marts.{table} ORDER BY ALL")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    numbers = [
        (row, name)
        for row in rows
        for name in names
        if row.get(f"{name}_status") == "value" and row[name] and recount_of(table, name, row)
    ]
    return random.Random(table).sample(numbers, min(few, len(numbers)))


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_counts_up_again_from_the_events_it_names(bench, table):
    chosen = figures(bench.settings, table, 8)
    assert chosen
    keys = ("calendar", "month", "period", "scope", "scope_id", "channel")
    keys += ("agency_id", "counterpart_agency_id", "reason", "reported_by")
    for row, measure in chosen:
        explained = explain(bench.settings, table, {key: row[key] for key in keys if key in row}, measure)
        (events,) = explained["inputs"]["events"]
        assert [one["matches"] for one in events["recounts"]] == [True], (row, measure, events["recounts"])
        assert sum(part["events"] for part in events["partitions"]) == events["events"]
        assert {batch["verdict"] for batch in events["batches"]} <= {"passed", "warned"}


def test_what_a_held_batch_holds_is_named_as_left_out(bench):
    with open_published(bench.settings) as connection:
        ((month,),) = connection.execute(
            "SELECT month FROM marts.monthly_users WHERE held_agencies IS NOT NULL AND calendar = 'jalali' "
            "AND scope = 'national' ORDER BY active_users DESC LIMIT 1"
        ).fetchall()
    explained = explain(bench.settings, "monthly_users", {"month": month, "scope": "national"}, "active_users")
    (events,) = explained["inputs"]["events"]
    assert events["left_out"]["held"] > 0


def test_later_events_do_not_change_what_was_published(bench):
    (chosen,) = figures(bench.settings, "monthly_transactions", 1)
    row, measure = chosen
    keys = {key: row[key] for key in ("calendar", "month", "scope", "scope_id", "channel")}
    before = explain(bench.settings, "monthly_transactions", keys, measure)
    bench.land("b4", placed(random_events.world(12, 300).events))
    bench.judge("b3", {event["agency_id"] for event in random_events.world(11, 900).events}, "released")
    assert explain(bench.settings, "monthly_transactions", keys, measure) == before


def test_an_explanation_says_what_the_number_means(bench):
    (chosen,) = figures(bench.settings, "monthly_channel_share", 1)
    keys = {key: chosen[0][key] for key in ("month", "scope", "scope_id", "channel")}
    explained = explain(bench.settings, "monthly_channel_share", keys)
    assert any(line.startswith("Definition") for line in explained["definition"]["header"])
    by_name = {figure["measure"]: figure for figure in explained["figures"]}
    share = by_name["share"]
    if share["status"] == "value":
        passport = share["passport"]
        assert passport["numerator"] / passport["denominator"] == pytest.approx(share["value"])


@pytest.mark.parametrize(
    ("table", "keys", "measure", "nearest"),
    [
        ("monthly_user", {}, None, "monthly_users"),
        ("monthly_users", {"mont": "1399-01"}, None, "month"),
        ("monthly_users", {"scope_key": "province:qon"}, None, "province:qom"),
        ("monthly_users", {"scope": "national"}, "active_user", "active_users"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_is_nearest(bench, table, keys, measure, nearest):
    if measure is not None:
        with open_published(bench.settings) as connection:
            ((keys["month"],),) = connection.execute("SELECT max(month) FROM marts.monthly_users").fetchall()
    with pytest.raises(UsageError) as told:
        explain(bench.settings, table, keys, measure)
    assert nearest in (told.value.hint or "")


def test_a_key_that_is_left_open_is_asked_for(bench):
    with pytest.raises(UsageError) as told:
        explain(bench.settings, "monthly_users", {"scope": "agency"})
    assert "month" in (told.value.hint or "")


def test_where_a_topic_was_made_anew_the_offsets_say_by_how_much_they_are_shifted(bench):
    row, measure = figures(bench.settings, "monthly_users", 1)[0]
    keys = {key: row[key] for key in ("calendar", "month", "scope", "scope_id", "channel")}
    (events,) = explain(bench.settings, "monthly_users", keys, measure)["inputs"]["events"]
    part = events["partitions"][0]
    name = f"{part['topic']}/{part['partition']}"
    loss = AcceptedLoss(
        "a", part["topic"], part["partition"], 70, 70, None, "made_anew", None, dt.datetime.now(dt.UTC), "N", "T"
    )
    closed = as_said({name: PartitionRange("old", 70, 70, 0, 0, 0, 0)})
    begun = {name: {"topic_id": "new", "closed": "old", "shift": 70}}
    commit_losses(Lake(bench.settings).open("events"), [loss], {name: 70}, closed, begun)
    (events,) = explain(bench.settings, "monthly_users", keys, measure)["inputs"]["events"]
    assert f"from offset 70 of {name} on, offsets are Kafka's plus 70" in events["notes"]
