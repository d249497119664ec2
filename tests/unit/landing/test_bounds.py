"""How large a batch may be: halved where memory ran out, in this process or in one that died of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import TryAgain
from contracts.settings import Settings
from landing.bounds import AFTER_DEATH, BATCH_BYTES, BATCH_RECORDS, MOST_HALVINGS, bounds_of
from landing.confidential import unspilling_connection
from warehouse.connection import OUT_OF_MEMORY

DYING = """
import os, pathlib, sys
from contracts.settings import Settings
from landing.bounds import bounds_of
with bounds_of(Settings.load()) as bounds:
    for _ in range(int(sys.argv[1])):
        bounds.halve()
    print(bounds.halvings, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path)


def died(settings: Settings, halvings: int = 0) -> int:
    """A process that halves so often and is killed; how many halvings it ended with."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(halvings)],
        env={"MIZAN_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    return int(done.stdout)


def test_a_run_begins_with_whole_batches_and_leaves_no_note(settings: Settings):
    with bounds_of(settings) as bounds:
        assert (bounds.records, bounds.size) == (BATCH_RECORDS, BATCH_BYTES)
    with bounds_of(settings) as bounds:
        assert bounds.halvings == 0


def test_a_run_after_one_that_was_killed_begins_with_half_and_never_with_less_than_an_eighth(settings: Settings):
    assert [died(settings) for _ in range(5)] == [0, 1, 2, AFTER_DEATH, AFTER_DEATH]
    with bounds_of(settings) as bounds:
        assert bounds.records == BATCH_RECORDS // 8
    with bounds_of(settings) as bounds:
        assert bounds.halvings == 0


def test_a_run_that_ends_with_an_error_takes_its_note_away(settings: Settings):
    with pytest.raises(ValueError, match="broken"), bounds_of(settings):
        raise ValueError("broken")
    with bounds_of(settings) as bounds:
        assert bounds.halvings == 0


def test_a_note_that_nobody_wrote_is_passed_over(settings: Settings):
    settings.build_file.parent.mkdir(parents=True)
    (settings.build_file.parent / "landing-batch").write_text("half")
    with bounds_of(settings) as bounds:
        assert bounds.halvings == 0


def test_where_even_the_smallest_batch_does_not_fit_landing_ends_and_says_so(settings: Settings):
    with bounds_of(settings) as bounds:
        for _ in range(MOST_HALVINGS):
            bounds.halve()
        assert bounds.records == 97
        with pytest.raises(TryAgain, match="97 records"):
            bounds.halve()


def test_the_limit_of_the_rows_memory_is_told_as_memory_that_ran_out():
    connection = unspilling_connection(megabytes=20)
    with pytest.raises(OUT_OF_MEMORY):
        connection.execute(
            "CREATE TABLE t AS SELECT repeat(chr(65 + (i % 26)::INTEGER), 999) || i FROM range(99999) r(i)"
        )
    connection.close()
