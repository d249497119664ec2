"""Two operators at once: one of them does it, the other is told, and nothing is lost, doubled or half done."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from landing_stage import Stage, await_stopped, ended, visit
from test_quarantine_replay import AGENCIES, SERVICES, holds, received, register, states

from landing.drain import land
from landing.replay import replay
from warehouse.connection import memory_connection, view_files
from warehouse.lake import Lake
from warehouse.published import current

pytestmark = pytest.mark.integration


def go_on(process) -> tuple[int, str, str]:
    """Wake a stopped program and wait for its end: exit code, what it said and what it noted."""
    os.kill(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_drop_that_comes_while_a_replay_reads_makes_the_replay_step_back(stage: Stage):
    agency = stage.agency()
    stage.send(agency, [received(agency, f"r-{i}") for i in range(8)])
    land(stage.settings)
    register(stage, agency)
    # Stopped with its events landed and nothing noted; the drop first finishes what it finds.
    with ended(stage.start("quarantine", "replay", FAULTPOINT="replay.events.post_commit:stop")) as replaying:
        await_stopped(replaying.pid)
        code, out, err = stage.run(
            *("quarantine", "drop", "--reason", "unknown_service", "--by", "Sara", "--note", "given up", "--json")
        )
        assert (code, json.loads(out)) == (0, {"dropped": 0}), err
        code, out, err = go_on(replaying)
        assert code == 5, (out, err)
    assert states(stage, agency) == {"replayed": 8}
    assert sorted(stage.ids(agency)) == sorted(f"r-{i}" for i in range(8))
    holds(stage)


def test_a_drop_that_comes_before_the_replay_s_events_leaves_each_record_with_one_state(stage: Stage):
    agency = stage.agency()
    stage.send(agency, [received(agency, f"r-{i}") for i in range(8)])
    land(stage.settings)
    register(stage, agency)
    with ended(stage.start("quarantine", "replay", FAULTPOINT="replay.events.pre_commit:stop")) as replaying:
        await_stopped(replaying.pid)
        drop = ("quarantine", "drop", "--reason", "unknown_service", "--by", "Sara", "--note", "given up")
        assert stage.run(*drop)[0] == 0
        code, out, err = go_on(replaying)
        assert code == 5, (out, err)
    # Its events had got through before its decision was refused: the proof notes what is in the lake.
    holds(stage)
    assert states(stage, agency) == {"replayed": 8}
    assert sorted(stage.ids(agency)) == sorted(f"r-{i}" for i in range(8))
    assert replay(stage.settings).records == 0


def test_landing_goes_on_beside_a_replay_of_another_agency(stage: Stage):
    one, other = stage.agency(), stage.agency()
    stage.send(one, [received(one, f"r-{i}") for i in range(8)])
    land(stage.settings)
    register(stage, one)
    with ended(stage.start("quarantine", "replay", FAULTPOINT="replay.events.pre_commit:stop")) as replaying:
        await_stopped(replaying.pid)
        stage.send(other, [visit(other, f"e-{i}") for i in range(5)])
        assert land(stage.settings).events == 5
        code, out, err = go_on(replaying)
        assert code == 0, (out, err)
    assert len(stage.ids(one)) == 8
    assert len(stage.ids(other)) == 5
    holds(stage)


def test_two_loads_of_the_catalogue_at_once_leave_one_of_the_two_and_never_a_mixture(stage: Stage, tmp_path: Path):
    calls = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "agencies.csv").write_text(AGENCIES.format(agency=f"tax-{name}"), encoding="utf-8")
        (folder / "services.csv").write_text(SERVICES.format(agency=f"tax-{name}"), encoding="utf-8")
        calls.append(stage.start("catalogue", "load", str(folder)))
    codes = []
    for process in calls:
        with ended(process):
            _, err = process.communicate(timeout=120)
            codes.append(process.returncode)
            assert "Traceback" not in err, err
    assert 0 in codes
    assert set(codes) <= {0, 5, 75}
    lake, told = Lake(stage.settings), []
    for table in ("catalogue/agencies", "catalogue/services"):
        with memory_connection() as connection:
            view_files(connection, "t", lake.open(table, {}).files, {"agency_id": "VARCHAR"})
            told.append({agency for (agency,) in connection.sql("SELECT agency_id FROM t").fetchall()})
    assert told[0] == told[1]
    assert len(told[0]) == 1


def test_a_catalogue_loaded_while_a_build_runs_is_in_the_next_build_and_two_publications_make_one_version(stage: Stage):
    agency = stage.agency()
    stage.send(agency, [visit(agency, f"e-{i}") for i in range(20)])
    land(stage.settings)
    assert stage.run("gate")[0] == 0
    with ended(stage.start("build", FAULTPOINT="tx.mid:stop")) as building:
        await_stopped(building.pid)
        register(stage, agency)
        code, out, err = go_on(building)
        assert code == 0, (out, err)
    with ended(stage.start("publish", "--json")) as one, ended(stage.start("publish", "--json")) as other:
        said = []
        for process in (one, other):
            out, err = process.communicate(timeout=180)
            assert process.returncode == 0, err
            said.append(json.loads(out))
    assert [row["version"] for row in said] == [1, 1]
    assert sorted(row["is_new"] for row in said) == [False, True]
    assert stage.run("build")[0] == 0
    code, out, err = stage.run("publish", "--json")
    assert (code, json.loads(out)["version"]) == (0, 2), (out, err)
    assert current(stage.settings)["version"] == 2
    # And a version that nobody kept is not brought back.
    before = sorted(path.name for path in stage.settings.home.rglob("*"))
    code, _, err = stage.run("publish", "--rollback", "v999")
    assert code == 2
    assert "v999 is not kept" in err
    assert sorted(path.name for path in stage.settings.home.rglob("*")) == before
