"""Closing months by name: what a release holds, what it refuses, and what becomes of a final month that changes."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from contracts.errors import MizanError, UsageError
from contracts.reporting_time import parse_month
from warehouse.month_closings import ledger
from warehouse.publish import publish
from warehouse.release_checks import release_folders, release_problems
from warehouse.releases import close, reopen, sha256

FARVARDIN, ORDIBEHESHT = parse_month("1399-01"), parse_month("1399-02")
WHO = {"by": "Head of statistics", "note": "looked at with the provinces"}
STATES = "SELECT month, state, vintage, closed_by, note FROM marts.month_states ORDER BY ALL"
CLOSE = (
    "from contracts.reporting_time import parse_month; from contracts.settings import Settings; "
    "from warehouse.releases import close; "
    "close(Settings.load(), parse_month('1399-01'), by='Head of statistics', note='looked at with the provinces')"
)


@pytest.fixture
def published(settings, build):
    build.put("monthly_users", active_users=50)
    build.put("monthly_users", channel="portal", active_users=30)
    build.put("monthly_users", "1399-02", active_users=60)
    build.put("monthly_transactions", completed=70)
    build.put("period_totals", "1399-Q1", active_users=90, days=93)
    publish(settings)
    return build


def test_a_closed_month_is_final_and_its_release_holds_what_it_said(settings, published, look):
    done = close(settings, FARVARDIN, **WHO)
    assert (done.folder, done.vintage, done.is_new) == (settings.home / "releases" / "1399-01-1", 1, True)
    assert publish(settings).is_new
    assert look(STATES) == [("1399-01", "final", 1, *WHO.values()), ("1399-02", "provisional", 1, None, None)]
    assert look("SELECT DISTINCT month, state, vintage FROM marts.monthly_users ORDER BY ALL") == [
        ("1399-01", "final", 1),
        ("1399-02", "provisional", 1),
    ]
    assert look("SELECT state FROM marts.monthly_transactions", "public") == [("final",)]
    cells = duckdb.sql(f"SELECT channel, active_users FROM '{done.folder}/cells/monthly_users.parquet'").fetchall()
    assert cells == [("all", 50), ("portal", 30)]
    told = json.loads((done.folder / "release.json").read_text())
    assert {
        name: told[name] for name in ("month", "calendar", "vintage", "published_version", "signed_by", "note")
    } == {
        "month": "1399-01",
        "calendar": "jalali",
        "vintage": 1,
        "published_version": 1,
        "signed_by": WHO["by"],
        "note": WHO["note"],
    }
    assert told["content_hash"] == done.content_hash
    assert told["files"]["cells/monthly_users.parquet"] == sha256(done.folder / "cells" / "monthly_users.parquet")
    assert "SELECT" in (done.folder / "definitions" / "monthly_users.sql").read_text()
    contract = json.loads((done.folder / "definitions" / "monthly_users.json").read_text())
    assert contract["metric"] == "monthly_users"
    assert stat.S_IMODE((done.folder / "release.json").stat().st_mode) == 0o440
    assert stat.S_IMODE((settings.keys / "release-signing.key").stat().st_mode) == 0o600
    assert release_problems(settings) == []


def test_closing_twice_changes_nothing(settings, published):
    first = close(settings, FARVARDIN, **WHO)
    publish(settings)
    again = close(settings, FARVARDIN, by="Somebody else", note="again")
    assert (again.is_new, again.folder, again.content_hash) == (False, first.folder, first.content_hash)
    assert [row.decided_by for row in ledger(settings)] == [WHO["by"]]
    assert not publish(settings).is_new


def test_a_period_is_final_when_all_its_months_with_rows_are(settings, published, look):
    periods = "SELECT period, state FROM marts.period_totals"
    close(settings, FARVARDIN, **WHO)
    publish(settings)
    assert look(periods) == [("1399-Q1", "provisional")]
    close(settings, ORDIBEHESHT, **WHO)
    publish(settings)
    assert look(periods) == [("1399-Q1", "final")]
    published.put("monthly_users", "1399-02", active_users=61)
    publish(settings)
    assert look(periods) == [("1399-Q1", "revised")]


def test_a_final_month_that_changes_is_revised_and_keeps_what_it_said(settings, published, look):
    first = close(settings, FARVARDIN, **WHO)
    signed = (first.folder / "release.json").read_bytes()
    publish(settings)
    published.put("monthly_transactions", completed=71)
    publish(settings)
    assert look(STATES)[0] == ("1399-01", "revised", 2, *WHO.values())
    assert look("SELECT completed, state, vintage FROM marts.monthly_transactions") == [(71, "revised", 2)]
    assert look("SELECT completed, state, vintage FROM marts.monthly_transactions_vintages") == [(70, "final", 1)]
    restated = "SELECT vintage, old_value, new_value, reason FROM marts.restatements"
    assert look(restated) == [(2, 70.0, 71.0, "late_events")]
    # Its release stays as it was; closing again makes another one beside it.
    second = close(settings, FARVARDIN, by="Successor", note="the late events are in")
    publish(settings)
    assert look(STATES)[0] == ("1399-01", "final", 2, "Successor", "the late events are in")
    assert [folder.name for folder in release_folders(settings)] == ["1399-01-1", "1399-01-2"]
    assert (first.folder / "release.json").read_bytes() == signed
    assert second.content_hash != first.content_hash
    assert release_problems(settings) == []


def test_old_vintages_of_a_closed_month_are_never_pruned(settings, published, look):
    close(settings, FARVARDIN, **WHO)
    for completed in range(71, 78):
        published.put("monthly_transactions", completed=completed)
        publish(settings)
    kept = look("SELECT vintage, completed FROM marts.monthly_transactions_vintages ORDER BY ALL")
    assert kept == list(enumerate(range(70, 77), 1))


def test_what_may_not_be_closed_is_refused_with_a_reason(settings, build):
    with pytest.raises(UsageError, match="1399-01 is not published"):
        close(settings, FARVARDIN, **WHO)
    build.put("monthly_users", active_users=50)
    publish(settings, now=FARVARDIN.end - dt.timedelta(days=1))
    with pytest.raises(UsageError, match="1399-01 is open"):
        close(settings, FARVARDIN, **WHO)
    publish(settings)
    with pytest.raises(UsageError, match="1399-02 is not published"):
        close(settings, ORDIBEHESHT, **WHO)
    build.run("INSERT INTO held_scopes VALUES ('jalali', '1399-01', 'national', 'IR', 'tax')")
    publish(settings)
    with pytest.raises(UsageError, match="misses batches that the gate holds: tax") as refused:
        close(settings, FARVARDIN, **WHO)
    assert refused.value.exit_code == 2
    assert "mizan gate release" in str(refused.value.hint)
    build.run("DELETE FROM held_scopes")
    with pytest.raises(UsageError, match="not published") as refused:
        close(settings, FARVARDIN, **WHO)
    assert refused.value.hint == "run: mizan publish"
    publish(settings)
    with pytest.raises(UsageError, match="by a name and with a note"):
        close(settings, FARVARDIN, by=" ", note="x")
    assert release_folders(settings) == []
    assert ledger(settings) == []


def test_a_reopened_month_is_provisional_until_it_is_closed_again(settings, published, look):
    with pytest.raises(UsageError, match="1399-01 is not closed"):
        reopen(settings, FARVARDIN, by="Successor", note="too early")
    first = close(settings, FARVARDIN, **WHO)
    publish(settings)
    reopen(settings, FARVARDIN, by="Successor", note="a province was missing")
    publish(settings)
    note = "reopened by Successor: a province was missing"
    assert look(STATES)[0] == ("1399-01", "provisional", 1, None, note)
    again = close(settings, FARVARDIN, **WHO)
    assert (again.is_new, again.folder) == (True, first.folder)
    assert [row.action for row in ledger(settings)] == ["close", "reopen", "close"]
    publish(settings)
    assert look(STATES)[0][1] == "final"


@pytest.mark.parametrize(
    ("place", "is_released", "is_entered"),
    [("close.start", 0, 0), ("close.files", 0, 0), ("close.rename", 1, 0), ("close.ledger", 1, 1)],
)
def test_a_closing_killed_at_any_step_leaves_nothing_or_a_whole_release(
    settings, published, look, place: str, is_released: int, is_entered: int
):
    (settings.home / "ALLOW_FAULTPOINTS").touch()
    environment = {**os.environ, "MIZAN_HOME": str(settings.home), "FAULTPOINT": f"{place}:kill"}
    killed = subprocess.run([sys.executable, "-c", CLOSE], env=environment, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (len(release_folders(settings)), len(ledger(settings))) == (is_released, is_entered)
    assert release_problems(settings) == []
    # What was not entered in the ledger is not final.
    publish(settings)
    assert look(STATES)[0][1] == ("final" if is_entered else "provisional")
    close(settings, FARVARDIN, **WHO)
    publish(settings)
    assert look(STATES)[0] == ("1399-01", "final", 1, *WHO.values())
    assert [path.name for path in (settings.home / "releases").iterdir()] == ["1399-01-1"]
    assert len(ledger(settings)) == 1
    assert release_problems(settings) == []


def _rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(content)


def test_a_release_that_was_touched_is_found(settings, published):
    folder = close(settings, FARVARDIN, **WHO).folder

    def kinds() -> set[tuple[str, str]]:
        return {(kind, where) for kind, where, _ in release_problems(settings)}

    cells, document = folder / "cells" / "monthly_users.parquet", folder / "release.json"
    whole = cells.read_bytes()
    _rewrite(cells, whole[:-1] + b"x")
    assert kinds() == {("RELEASE_DAMAGED", "releases/1399-01-1/cells/monthly_users.parquet")}
    cells.unlink()
    assert kinds() == {("RELEASE_DAMAGED", "releases/1399-01-1/cells/monthly_users.parquet")}
    cells.write_bytes(whole)
    (folder / "cells" / "more.parquet").write_bytes(whole)
    assert kinds() == {("RELEASE_DAMAGED", "releases/1399-01-1/cells/more.parquet")}
    (folder / "cells" / "more.parquet").unlink()
    assert kinds() == set()
    signed = document.read_bytes()
    _rewrite(document, signed.replace(b"Head of statistics", b"Tail of statistics"))
    assert kinds() == {("RELEASE_SIGNATURE", "releases/1399-01-1/release.sig")}
    _rewrite(document, signed)
    # A stranger's key signs whatever it likes; it is not ours.
    (settings.keys / "release-signing.key").write_text("ab" * 32 + "\n")
    assert kinds() == {("RELEASE_SIGNATURE", "releases/1399-01-1/release.pub")}
    (settings.keys / "release-signing-before.pub").write_bytes((folder / "release.pub").read_bytes())
    assert kinds() == set()
    folder.rename(folder.with_name("elsewhere"))
    assert ("RELEASE_MISSING", "releases/1399-01-1") in kinds()


def test_a_damaged_release_of_the_same_vintage_is_not_adopted(settings, published):
    folder = close(settings, FARVARDIN, **WHO).folder
    reopen(settings, FARVARDIN, **WHO)
    publish(settings)
    _rewrite(folder / "release.json", b"{}")
    with pytest.raises(MizanError, match="damaged"):
        close(settings, FARVARDIN, **WHO)


def test_openssl_alone_can_check_a_signature(settings, published, tmp_path):
    folder = close(settings, FARVARDIN, **WHO).folder
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "release.pub", "-rawin", "-in", "release.json"]
    done = subprocess.run(
        [*command, "-sigfile", "release.sig"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Verified Successfully" in done.stdout, done.stderr
