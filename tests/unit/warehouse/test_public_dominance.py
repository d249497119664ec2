"""A number that is mostly one person's is withheld like a small one, whatever of it is told elsewhere."""

import datetime as dt
import random
from collections import Counter

import pytest

from warehouse import publish
from warehouse.connection import build_connection

SHOWN = """
    SELECT scope_id, completed FROM marts.monthly_transactions
    WHERE completed_status = 'value' AND channel = 'all' ORDER BY ALL
"""


@pytest.fixture
def build(build):
    build.run("UPDATE dim_month SET month_start = DATE '2020-03-20', days = 31")
    for scope, name, parent in (
        ("national", "IR", None),
        *(("agency", name, "national:IR") for name in ("tax", "post", "roads")),
    ):
        build.run(
            "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key) VALUES ($scope, $name, $key, $parent)",
            {"scope": scope, "name": name, "key": f"{scope}:{name}", "parent": parent},
        )
    return build


def happened(build, **agencies):
    """Completed transactions of each agency: how many each person made; ``(n,)`` are n of nobody known."""
    made = [
        (agency, f"{agency}-{user}", part if isinstance(part, int) else part[0], isinstance(part, int))
        for agency, parts in agencies.items()
        for user, part in enumerate(parts)
    ]
    names = [agency for agency, _, _, _ in made]
    build.run(
        """
        INSERT INTO fct_transactions BY NAME
        SELECT 'completed' AS kind, agency AS agency_id, concat(who, '-', n) AS transaction_id, 16788 AS jalali_no,
            24243 AS gregorian_no, CASE WHEN is_person THEN place END AS user_no, 'portal' AS channel
        FROM (
            SELECT unnest($agencies) AS agency, unnest($persons) AS who, unnest($numbers) AS number,
                unnest($are_persons) AS is_person, unnest(range(len($persons)))::INTEGER AS place
        ), range(number) AS r(n)
        """,
        {
            "agencies": names,
            "persons": [who for _, who, _, _ in made],
            "numbers": [number for _, _, number, _ in made],
            "are_persons": [is_person for _, _, _, is_person in made],
        },
    )
    for agency in (*agencies, None):
        mine = [(number, is_person) for name, _, number, is_person in made if agency in (name, None)]
        scope = ("agency", agency) if agency else ("national", "IR")
        put(build, *scope, sum(number for number, _ in mine), sum(is_person for _, is_person in mine))


def put(build, scope, name, completed, keys):
    for channel in ("portal", "all"):
        build.put("monthly_transactions", channel=channel, scope=scope, scope_id=name, completed=completed, keys=keys)


MOSTLY_ONE = [200, *[1] * 15]
MANY = [2] * 200


def test_a_number_that_one_person_makes_is_withheld_and_a_neighbour_hides_it(settings, build, look):
    happened(build, tax=MOSTLY_ONE, post=[2] * 150, roads=MANY)
    publish.publish(settings)
    assert look(SHOWN, "public") == [("IR", 915), ("roads", 400)]
    assert ("tax", 215) in look(SHOWN)


def test_it_is_withheld_too_where_events_have_lost_their_persons(settings, build, look):
    happened(build, tax=MOSTLY_ONE, post=[2] * 150, roads=MANY)
    build.run("""
        INSERT INTO fct_person_months BY NAME
        SELECT
            'completed' AS did, jalali_no, gregorian_no, user_no, channel, 'IR' AS nation, agency_id, count(*) AS times
        FROM fct_transactions WHERE user_no IS NOT NULL GROUP BY ALL
    """)
    build.run("UPDATE fct_transactions SET user_no = NULL")
    publish.publish(settings)
    assert look(SHOWN, "public") == [("IR", 915), ("roads", 400)]


@pytest.mark.parametrize(
    "parts",
    [[20] * 12, [200, *[1] * 15, (100,)], [200, 15, *[1] * 25], [9, *[1] * 9]],
    ids=["all alike", "many of nobody known", "a rest of more than a tenth", "few, but alike"],
)
def test_a_number_that_no_person_makes_alone_is_shown(settings, build, look, parts):
    happened(build, tax=parts, post=MANY)
    publish.publish(settings)
    assert {name for name, _ in look(SHOWN, "public")} == {"IR", "post", "tax"}


def test_exactly_the_numbers_that_the_rule_names_are_found(settings, build, monkeypatch):
    """Against a count of its own, over random persons and agencies."""
    from warehouse import public_cells

    draws = random.Random(7)
    agencies = {
        name: [draws.choice((1, 1, 1, 2, 3, 120, 400)) for _ in range(draws.choice((11, 12, 14, 30)))]
        for name in ("tax", "post", "roads")
    }
    happened(build, **agencies)
    found = {}
    real = public_cells.dominated

    def noted(connection, k):
        wide = real(connection, k)
        rows = connection.execute("SELECT cell, scope_id FROM public_cells WHERE channel = 'all'").fetchall()
        found.update({name: wide[cell] > 0 for cell, name in rows if wide[cell] > 0 or name not in found})
        return wide

    monkeypatch.setattr(public_cells, "dominated", noted)
    publish.publish(settings, now=dt.datetime(2020, 6, 1, tzinfo=dt.UTC))
    expected = Counter()
    nation = [part for parts in agencies.values() for part in parts]
    for name, parts in (*agencies.items(), ("IR", nation)):
        first, _, *rest = sorted(parts, reverse=True)
        expected[name] = sum(rest) < first / 10
    assert {name: bool(is_so) for name, is_so in found.items()} == dict(expected)
    assert set(expected.values()) == {True, False}


def test_a_build_without_facts_is_published_as_before(settings, build, look):
    happened(build, tax=MANY)
    with build_connection(settings) as connection:
        connection.execute("DROP TABLE fct_sessions")
    publish.publish(settings)
    assert ("tax", 400) in look(SHOWN, "public")
