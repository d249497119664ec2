"""No public version gives a withheld number away, by itself or beside the version before; one that would is refused."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from contracts.errors import GateClosed
from warehouse import public_withheld, publish
from warehouse.public_blocks import Blocks
from warehouse.published import current

NATION = ("national", "IR")
SHOWN = """
    SELECT scope_id, channel, month, completed FROM marts.monthly_transactions
    WHERE completed_status = 'value' ORDER BY ALL
"""


@pytest.fixture
def agencies(build):
    rows = [("national", "IR", None), *(("agency", name, "national:IR") for name in ("tax", "post", "roads"))]
    for scope, name, parent in rows:
        build.run(
            "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key) VALUES ($scope, $name, $key, $parent)",
            {"scope": scope, "name": name, "key": f"{scope}:{name}", "parent": parent},
        )
    return build


def put(build, scope, channel, completed, month="1399-01"):
    kind, name = scope
    build.put("monthly_transactions", month, channel, scope=kind, scope_id=name, completed=completed, keys=completed)


def tell(build, month="1399-01", **numbers):
    """Completed transactions of agencies by channel, and of the nation as their sums."""
    totals = dict.fromkeys(("portal", "paper"), 0)
    for agency, (portal, paper) in numbers.items():
        for channel, count in (("portal", portal), ("paper", paper), ("all", portal + paper)):
            put(build, ("agency", agency), channel, count, month)
        totals["portal"] += portal
        totals["paper"] += paper
    for channel, count in (*totals.items(), ("all", sum(totals.values()))):
        put(build, NATION, channel, count, month)


def defence_off(monkeypatch):
    """Nothing is withheld beside what is small, and no attacker is asked before the gate."""
    monkeypatch.setattr(Blocks, "settle", lambda self, small, fixed, told: self._cells.shown.copy())
    monkeypatch.setattr(public_withheld, "_ROUNDS", 0)


def test_a_small_agency_is_hidden_behind_another(settings, agencies, look):
    tell(agencies, tax=(60, 40), post=(35, 30), roads=(3, 2))
    publish.publish(settings)
    shown = look(SHOWN, "public")
    assert ("IR", "all", "1399-01", 170) in shown
    assert ("tax", "all", "1399-01", 100) in shown
    # The smallest neighbour goes with it, in every channel.
    assert not [row for row in shown if row[0] in ("post", "roads")]
    assert ("post", "all", "1399-01", 65) in look(SHOWN)


def test_a_disclosive_version_is_refused_with_exit_3_and_its_cells_are_named(settings, agencies, look, monkeypatch):
    tell(agencies, tax=(60, 40), post=(35, 30), roads=(3, 2))
    defence_off(monkeypatch)
    with pytest.raises(GateClosed, match="completed agency:roads all") as refused:
        publish.publish(settings)
    assert refused.value.exit_code == 3
    assert current(settings, "public") is None
    monkeypatch.undo()
    assert publish.publish(settings).is_new


def test_what_moved_by_a_few_stands_as_it_was_told_until_it_has_moved_by_more(settings, agencies, look):
    found, vintages = [], []
    for paper in (40, 43, 47, 52):
        tell(agencies, tax=(60, paper), post=(35, 30))
        publish.publish(settings)
        found.append({row[0]: row[3] for row in look(SHOWN, "public") if row[1] == "all"})
        of_all = "SELECT scope_id, vintage FROM marts.{} WHERE channel = 'all' ORDER BY ALL"
        vintages.append(look(of_all.format("monthly_transactions"), "public"))
    assert found[0] == found[1] == found[2] == {"IR": 165, "post": 65, "tax": 100}
    assert found[3] == {"IR": 177, "post": 65, "tax": 112}
    assert vintages[0] == [("IR", 1), ("post", 1), ("tax", 1)]
    assert vintages[2] == [("IR", 1), ("post", 3), ("tax", 1)]
    assert vintages[3] == [("IR", 4), ("post", 4), ("tax", 4)]
    # What stood for two versions is superseded once; nothing is said of vintages that were never told of it.
    earlier = look(of_all.format("monthly_transactions_vintages"), "public")
    assert [row for row in earlier if row[0] != "post"] == [("IR", 1), ("tax", 1)]
    restated = look("SELECT key, vintage, old_value, new_value FROM marts.restatements", "public")
    assert {row[1:] for row in restated if '"tax"' in row[0] and '"all"' in row[0] and "completed" in row[0]} == {
        (4, 100, 112)
    }
    said = dict(look("SELECT key, value FROM marts._meta", "public"))
    assert said["disclosure.told_on"] == "0"


def test_the_passport_of_a_number_that_stands_is_that_of_when_it_was_told(settings, agencies, look):
    mine = (
        "SELECT numerator, vintage, as_of::DATE::VARCHAR FROM marts.figure_passports "
        "WHERE measure = 'completed' AND key LIKE '%tax%all%'"
    )
    told = []
    for paper, day in ((40, 1), (43, 2)):
        tell(agencies, tax=(60, paper), post=(35, 30))
        publish.publish(settings, now=dt.datetime(2020, 12, day, tzinfo=dt.UTC))
        told.append(look(mine, "public"))
    assert told[0] == told[1] == [(100, 1, "2020-12-01")]
    assert look(mine)[0][:2] == (103, 2)


def test_a_row_that_stands_for_one_number_shuts_no_gate_for_another(settings, build, look):
    for portal, paper, received in ((50, 50, 100), (70, 53, 150)):
        for channel, completed, came in (
            ("portal", portal, received),
            ("paper", paper, 100),
            ("all", portal + paper, 0),
        ):
            build.put("monthly_transactions", channel=channel, completed=completed, received=came or received + 100)
        assert publish.publish(settings).is_new
    rows = look("SELECT channel, completed, received FROM marts.monthly_transactions ORDER BY ALL", "public")
    # That all moved by 23 and portal by 20 would say what paper did. Portal's row stands, as a whole; what it received
    # follows from the others, and is no few.
    assert rows == [("all", 123, 250), ("paper", 50, 100), ("portal", 50, 100)]


def test_a_month_that_begins_is_told_though_the_other_calendar_s_month_grows_by_it(settings, build, look):
    # From 20 April on is 1399-02: seventy of them came in what is left of April.
    first = {"1399-01": 100, "2020-03": 40, "2020-04": 60}
    for numbers in (first, first | {"1399-02": 200, "2020-04": 130, "2020-05": 130}):
        for month, completed in numbers.items():
            calendar = "jalali" if month.startswith("13") else "gregorian"
            build.put("monthly_transactions", month, calendar=calendar, completed=completed, keys=completed)
        publish.publish(settings)
    assert {row[2]: row[3] for row in look(SHOWN, "public")} == numbers


def test_a_number_that_has_become_small_does_not_stand(settings, agencies, look):
    for paper in (11, 8):
        tell(agencies, tax=(60, 40), post=(35, paper), roads=(80, 20))
        publish.publish(settings)
    assert ("post", "paper", "1399-01", 11) not in look(SHOWN, "public")
    assert not [row for row in look(SHOWN, "public") if row[0] == "post" and row[1] == "paper"]


def test_a_version_that_tells_what_a_few_did_since_the_last_is_refused(settings, agencies, monkeypatch):
    tell(agencies, tax=(60, 40), post=(35, 30))
    publish.publish(settings)
    tell(agencies, tax=(60, 43), post=(35, 30))
    defence_off(monkeypatch)
    with pytest.raises(GateClosed, match="moved by fewer than 10"):
        publish.publish(settings)
    assert current(settings, "public")["version"] == 1


def test_the_same_numbers_show_the_same_whatever_the_order_of_rows(settings, agencies, look):
    tell(agencies, tax=(60, 40), post=(35, 30), roads=(3, 2))
    publish.publish(settings, now=dt.datetime(2020, 6, 1, tzinfo=dt.UTC))
    first = look(SHOWN, "public")
    agencies.run(
        "CREATE TABLE turned AS SELECT * FROM monthly_transactions_v1 ORDER BY rowid DESC; "
        "DELETE FROM monthly_transactions_v1; INSERT INTO monthly_transactions_v1 SELECT * FROM turned; "
        "DROP TABLE turned"
    )
    publish.publish(settings, force=True)
    assert look(SHOWN, "public") == first


def test_a_version_says_how_much_it_withholds(settings, agencies, look):
    tell(agencies, tax=(60, 40), post=(35, 30), roads=(3, 2))
    publish.publish(settings)
    said = dict(look("SELECT key, value FROM marts._meta WHERE starts_with(key, 'disclosure.')", "public"))
    kinds = ("numbers", "told", "small", "second_calendar", "moved", "beside")
    counts = [int(said[f"disclosure.{name}"]) for name in kinds]
    assert counts[0] == sum(counts[1:])
    assert counts[5] > 0
    assert np.isclose(int(said["disclosure.numbers_withheld_percent"]), 100 * (1 - counts[1] / counts[0]), atol=1)
    large = counts[1] + counts[4] + counts[5]  # of one calendar alone: the planted build has no other
    assert counts[3] == 0
    assert np.isclose(int(said["disclosure.large_withheld_percent"]), 100 * (1 - counts[1] / large), atol=1)


def test_a_large_number_whose_row_stands_for_another_is_as_hard_to_infer_as_a_small_one(settings, build, look):
    now = dt.datetime(2020, 4, 5, tzinfo=dt.UTC)  # the month is open, and the only one of its quarter that has begun
    found = []
    for completed, visits in ((50, 5), (53, 40), (75, 60)):
        build.put("monthly_transactions", completed=completed, keys=completed)
        build.put("monthly_visits", visits=visits, keys=visits)
        build.put("period_totals", "1399-Q1", completed=completed, visits=visits)
        publish.publish(settings, now=now)
        told = (
            f"SELECT {measure} FROM marts.{table}"
            for table, measure in (("period_totals", "completed, visits"), ("monthly_visits", "visits"))
        )
        found.append([look(one, "public") for one in told])
    # The quarter's row stands for its completed transactions; the month's visits would tell the quarter's.
    assert found == [[[(50, None)], [(None,)]], [[(50, None)], [(None,)]], [[(75, 60)], [(60,)]]]
