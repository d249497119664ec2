"""Late events change numbers: no later version is refused, and a reader of all versions learns of no few people."""

from __future__ import annotations

import datetime as dt
import itertools

import duckdb
import numpy as np
import pytest
from scipy.optimize import linprog

from contracts.errors import GateClosed
from warehouse import public_withheld
from warehouse import publish as publishing
from warehouse.public_gate import Told
from warehouse.public_withheld import Withheld
from warehouse.publish import publish

K = 10
MONTHS, TIMES = ("1399-01", "1399-02", "1399-03"), ("1399-01", "1399-02", "1399-03", "1399-Q1")
CHANNELS = ("portal", "paper")
NATION = ("national", "IR")
FIRST = {
    "tax": [(160, 40), (171, 45), (150, 60)],
    "post": [(90, 33), (85, 30), (99, 41)],
    "roads": [(64, 22), (60, 25), (70, 12)],
    "ports": [(31, 14), (4, 2), (45, 17)],
    "parks": [(3, 2), (12, 6), (28, 16)],
}
IN_THE_QUARTER = dt.datetime(2020, 5, 25, tzinfo=dt.UTC)  # its second and third month are open
# What each later version brings: agency, month, channel, how many.
LATER = (
    [("tax", 0, 0, 3), ("post", 1, 1, 1)],
    [("roads", 2, 1, 14), ("parks", 0, 0, 5)],
    [("tax", 0, 0, 9), ("ports", 1, 0, 11), ("post", 1, 1, 2)],
    [("roads", 2, 1, 2), ("parks", 0, 0, 25), ("tax", 0, 1, 30), ("post", 0, 0, 4)],
    [("tax", 1, 0, 40), ("post", 1, 1, 12), ("roads", 1, 0, 6), ("roads", 2, 1, 10)],
)


class World:
    """Completed transactions by agency, month and channel, told with all their sums."""

    def __init__(self, build, months: int = 3) -> None:
        self.build = build
        self.agencies = tuple(FIRST)
        self.numbers = np.array([FIRST[name] for name in self.agencies])
        self.numbers[:, months:] = 0
        rows = [("national", "IR", None), *(("agency", name, "national:IR") for name in self.agencies)]
        for scope, name, parent in rows:
            build.run(
                "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key) VALUES ($scope, $name, $key, $parent)",
                {"scope": scope, "name": name, "key": f"{scope}:{name}", "parent": parent},
            )
        self.keys = list(
            itertools.product((NATION, *(("agency", name) for name in self.agencies)), TIMES, (*CHANNELS, "all"))
        )
        self.masks = [self.mask(*key) for key in self.keys]
        self.told = [0] * len(self.keys)
        self.tell()

    def mask(self, scope, time, channel):
        chosen = np.zeros(self.numbers.shape, dtype=bool)
        who = slice(None) if scope == NATION else self.agencies.index(scope[1])
        when = slice(None) if time == "1399-Q1" else MONTHS.index(time)
        how = slice(None) if channel == "all" else CHANNELS.index(channel)
        chosen[who, when, how] = True
        return chosen

    def tell(self) -> None:
        for place, ((kind, name), time, channel) in enumerate(self.keys):
            number = int(self.numbers[self.masks[place]].sum())
            if number != self.told[place]:
                self.told[place] = number
                table = "period_totals" if time == "1399-Q1" else "monthly_transactions"
                self.build.put(table, time, channel, scope=kind, scope_id=name, completed=number, keys=number)

    def late(self, events) -> None:
        for name, month, channel, count in events:
            self.numbers[self.agencies.index(name), month, channel] += count
        self.tell()


def shown(settings, world, version):
    """What a public version says of its day: number or NaN for each of the world's keys.

    A number that stands under an older vintage is that version's: readers know no more of today by it. Where there is
    no row, nothing had come.
    """
    file = settings.published / "public" / f"v{version:06d}.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            " UNION ALL ".join(
                f"SELECT scope, scope_id, {time}, channel, "
                f"if(vintage = max(vintage) OVER (PARTITION BY {time}), completed, NULL) FROM marts.{table}"
                for time, table in (("month", "monthly_transactions"), ("period", "period_totals"))
            )
        ).fetchall()
    found = {((kind, name), time, channel): number for kind, name, time, channel, number in rows}
    numbers = (found.get(key, 0) for key in world.keys)
    return np.array([np.nan if number is None else number for number in numbers], dtype=float)


def interval(weights, equations, ends):
    """The least and greatest number that fits all versions; inf where nothing bounds it."""
    low, high = (
        linprog(sign * weights, A_eq=equations, b_eq=ends, bounds=(0, 1e5), method="highs").fun for sign in (1, -1)
    )
    return low, -high


def few(world, versions):
    """What a reader of all versions knows too closely: of withheld numbers, and of how much any number moved.

    The reader knows how all of them add up and that what landed is not taken back.
    """
    leaves = world.numbers.size
    masks = [mask.reshape(-1).astype(float) for mask in world.masks]

    def upto(place, version, since=0):
        row = np.zeros(leaves * len(versions))
        row[leaves * since : leaves * (version + 1)] = np.tile(masks[place], version + 1 - since)
        return row

    known = [(place, version) for version, cells in enumerate(versions) for place in np.flatnonzero(~np.isnan(cells))]
    equations = np.array([upto(place, version) for place, version in known])
    ends = np.array([versions[version][place] for place, version in known])
    found = []
    for version, cells in enumerate(versions):
        for place, key in enumerate(world.keys):
            if np.isnan(cells[place]):
                low, high = interval(upto(place, version), equations, ends)
                # That a large number which is told now was the same before gives nobody away.
                is_told_later = any(later[place] >= K for later in versions[version + 1 :]) and low > K - 0.01
                if high - low < K - 0.01 and not is_told_later:
                    found.append((f"v{version + 1}", key, round(low), round(high)))
            if version:
                low, high = interval(upto(place, version, version), equations, ends)
                if high > 0.5 and high < K - 0.01:
                    found.append((f"v{version} to v{version + 1}", key, round(low), round(high)))
                if low > 0.5 and high - low < K - 0.01 and high < K:
                    found.append((f"v{version} to v{version + 1} surely", key, round(low), round(high)))
    return found


@pytest.fixture
def world(build):
    return World(build)


THIRD_MONTH = [(name, 2, place, count) for name, months in FIRST.items() for place, count in enumerate(months[2])]


@pytest.mark.parametrize(
    ("now", "months", "later"),
    [
        (dt.datetime(2020, 12, 1, tzinfo=dt.UTC), 3, LATER),
        (IN_THE_QUARTER, 3, LATER),
        (IN_THE_QUARTER, 2, ([*THIRD_MONTH, ("tax", 0, 0, 1)], *LATER)),
        (IN_THE_QUARTER, 2, ([("ports", 2, 0, 4), ("tax", 2, 0, 12), ("post", 0, 0, 1)], *LATER)),
    ],
    ids=["ended", "open", "begins at once", "begins slowly"],
)
def test_late_events_are_published_version_by_version_and_all_versions_together_tell_of_no_few(
    settings, build, now, months, later
):
    world = World(build, months)
    versions = []
    for events in ([], *later):
        world.late(events)
        made = publish(settings, now=now)
        assert made.is_new
        versions.append(shown(settings, world, made.version))
    # Not by showing nothing: the first version tells most, and numbers that moved enough come back as they are.
    assert np.isfinite(versions[0]).mean() > 0.3
    last = np.array(world.told)
    again = np.isfinite(versions[-1])
    assert (versions[-1][again] == last[again]).all()
    assert (again & (versions[0] != last) & np.isfinite(versions[0])).any()
    assert few(world, versions[:1]) == []
    assert few(world, versions) == []


def gate_off(monkeypatch):
    def nothing_asked(connection, tables, relations, withheld):
        return Told(withheld.shown, np.zeros(len(withheld.shown), dtype=bool))

    monkeypatch.setattr(publishing, "check_public", nothing_asked)


def test_without_memory_of_what_was_told_two_versions_give_people_away_and_the_gate_says_so(
    settings, world, monkeypatch
):
    first = shown(settings, world, publish(settings).version)
    world.late([("tax", 0, 0, 3), ("parks", 0, 0, 25)])
    nothing = public_withheld.history
    with monkeypatch.context() as patch:
        patch.setattr(
            public_withheld, "history", lambda connection, tables, *, before: nothing(connection, tables, before="none")
        )
        gate_off(patch)
        second = shown(settings, world, publish(settings).version)
    assert few(world, [first, second])


def test_what_follows_from_earlier_versions_alone_is_counted_and_shuts_no_gate(settings, world, monkeypatch, look):
    def all_told(self):
        told = self.cells.numbers >= K
        return Withheld(self.cells, self.k, self.past, ~told, self.moved == 0, told, False, (), 0, 0)

    with monkeypatch.context() as patch:
        patch.setattr(public_withheld.Decision, "made", all_told)
        with pytest.raises(GateClosed, match="completed"):
            publish(settings)
        gate_off(patch)
        assert few(world, [shown(settings, world, publish(settings).version)])
    # Another month is told for the first time; what is known of the months before stays known.
    world.build.put("monthly_transactions", "1399-04", completed=500, keys=500)
    world.late([("tax", 0, 0, 3), ("roads", 0, 0, 30), ("post", 0, 1, -20)])
    assert publish(settings).is_new
    said = dict(look("SELECT key, value FROM marts._meta", "public"))
    assert int(said["disclosure.public_already"]) > 0
    assert (500,) in look("SELECT completed FROM marts.monthly_transactions WHERE month = '1399-04'", "public")


def test_a_rollback_does_not_tell_the_public_again_what_it_withdraws(settings, build, look):
    for number in (50, 60):
        build.put("monthly_users", active_users=number, keys=number)
        publish(settings)
    publish(settings, rollback="v1")
    restated = "SELECT old_value, old_status, new_value, reason FROM marts.restatements ORDER BY vintage"
    assert look(restated, "public") == [(None, "suppressed", 50, "correction")]
    assert look(restated)[-1] == (60, "value", 50, "correction")
    assert look("SELECT active_users FROM marts.monthly_users_vintages", "public") == [(50,)]


def test_in_an_open_month_a_number_is_told_as_soon_as_it_is_large_and_after_it_the_pattern_stays(settings, build, look):
    told = "SELECT scope_id, completed FROM marts.monthly_transactions WHERE completed IS NOT NULL ORDER BY ALL"
    found = []
    for day, tax, post in ((5, 40, 4), (9, 55, 21), (11, 55, 24), (40, 70, 24), (45, 90, 60)):
        for scope, name, number in (("agency", "tax", tax), ("agency", "post", post)):
            build.put("monthly_transactions", scope=scope, scope_id=name, completed=number, keys=number)
        now = dt.datetime(2020, 3, 20, tzinfo=dt.UTC) + dt.timedelta(days=day)
        publish(settings, now=now)
        found.append(look(told, "public"))
    assert found[0] == [("tax", 40)]
    assert found[1] == [("post", 21), ("tax", 55)]
    assert found[2] == [("post", 21), ("tax", 55)]  # three more, not told
    assert found[3] == [("post", 21), ("tax", 70)]
    assert found[4] == [("post", 60), ("tax", 90)]
