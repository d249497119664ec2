"""A person is erased beside a real broker: Kafka still holds the records, and they come back by no door of ours."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from landing_stage import Stage, visit

from catalogue.read import known
from contracts.event import Known
from contracts.reporting_time import month_of, tehran_date
from landing.drain import land
from landing.replay import replay
from landing.verify import verify
from pipeline.erasure import forget
from pipeline.steps import run
from warehouse.lake import Lake
from warehouse.maintenance import compact
from warehouse.published import open_published
from warehouse.signing import create_signing_key

pytestmark = pytest.mark.integration
WHY = {"by": "Keeper", "reason": "request 12"}
ROWS = 'SELECT * FROM t ORDER BY topic, partition, "offset"'
NOW = dt.datetime.now(dt.UTC)
# Not so long ago, so that there are few months to build, and long enough for its month to be provisional.
AT = (NOW - dt.timedelta(days=70)).isoformat()
GONE, *OTHERS = (f"{n:02x}" * 32 for n in range(1, 6))


def visits(agency: str, prefix: str, people: list[str]) -> list[bytes]:
    return [visit(agency, f"{prefix}-{n}", time=AT, data={"user_key": person}) for n, person in enumerate(people)]


@pytest.mark.parametrize("lost", ["events", "both"])
def test_a_lost_file_is_made_again_without_the_person(stage: Stage, lost: str):
    create_signing_key(stage.settings)
    agency = stage.agency(partitions=1)
    unknown = visit(agency, "t", data={"province": "qom", "user_key": GONE})
    stage.send(agency, [*visits(agency, "e", [GONE, *OTHERS]), unknown, b"{broken"])
    ids = known(stage.settings).user_key_ids
    land(stage.settings, known=Known({}, {}, ids))
    replay(stage.settings, known=Known({}, {"qom": "province"}, ids))
    stage.send(agency, visits(agency, "late", [OTHERS[0], GONE]))
    land(stage.settings, known=Known({}, {}, ids))
    assert forget(stage.settings, [GONE], **WHY).erased.rows == 3
    assert verify(stage.settings, deep=True).ok
    compact(stage.settings, fewest_files=2)
    events, aside = (
        stage.rows("events", ROWS),
        stage.rows("quarantine", 'SELECT "offset", reason_code FROM t ORDER BY 1'),
    )
    assert len(events) == 5
    # The files that held the person are still there, whole, until they are vacuumed: none may be taken for a copy.
    for path in Lake(stage.settings).open("events").files:
        Path(path).unlink()
    if lost == "both":
        (path,) = Lake(stage.settings).open("quarantine").files
        Path(path).unlink()
    proof = verify(stage.settings, deep=True, refetch=True)
    if lost == "both":
        # Nothing that is left tells what was set aside from what was a row: it says so, and guesses at nothing.
        assert not proof.ok
        assert proof.notes
        return
    assert proof.ok, (proof.problems, proof.notes)
    assert stage.rows("events", ROWS) == events
    assert stage.rows("quarantine", 'SELECT "offset", reason_code FROM t ORDER BY 1') == aside
    assert replay(stage.settings, known=Known({}, {"qom": "province"}, ids)).events == 0


def test_the_next_version_is_without_the_person_and_says_why_a_settled_month_changed(stage: Stage):
    create_signing_key(stage.settings)
    agency = stage.agency()
    stage.send(agency, [*visits(agency, "e", [GONE, *OTHERS]), visit(agency, "other", time=AT)])
    run(stage.settings)
    assert users(stage) == [(6, 6)]
    forget(stage.settings, [GONE], **WHY)
    proof = verify(stage.settings, deep=True)
    assert proof.ok, proof.problems
    assert proof.checked["erased"] == 1
    run(stage.settings)
    assert users(stage) == [(5, 5)]
    with open_published(stage.settings) as published:
        reasons = published.execute("SELECT DISTINCT reason FROM marts.restatements").fetchall()
    assert reasons == [("erasure",)]


def users(stage: Stage) -> list[tuple[object, ...]]:
    with open_published(stage.settings) as published:
        return published.execute(
            "SELECT active_users, registered_users FROM marts.monthly_users "
            "WHERE calendar = 'jalali' AND month = $month AND scope = 'national' AND channel = 'all'",
            {"month": month_of("jalali", tehran_date(dt.datetime.fromisoformat(AT))).label},
        ).fetchall()
