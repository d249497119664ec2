"""Runs are kept: what passed anywhere is not run again, what failed anywhere is told."""

from __future__ import annotations

from pathlib import Path

from faults import record


def run(row: str, seed: int, outcome: str, at: str) -> record.Run:
    broken = [{"invariant": "I1", "what": 'lost, "quoted"\nand cut'}] if outcome == "failed" else []
    return {
        "row": row, "seed": seed, "outcome": outcome, "at": at, "commit": "abc1234", "seconds": 1.5,
        "violations": broken,
    }  # fmt: skip


def test_a_run_is_kept_as_it_was(tmp_path: Path):
    fresh, kept = tmp_path / "fresh", tmp_path / "runs.csv"
    record.note("1/2", run("L1", 1, "passed", "2026-01-01"), fresh)
    record.note("2/2", run("L1", 2, "failed", "2026-01-01"), fresh)
    before = record.recorded(fresh, kept)
    record.keep(before, kept)
    after = record.recorded(tmp_path / "another machine", kept)
    assert [{**one, "failed_before": False} for one in before] == after


def test_a_run_that_failed_before_says_so_for_ever(tmp_path: Path):
    fresh, kept = tmp_path / "fresh", tmp_path / "runs.csv"
    record.keep([run("L1", 1, "failed", "2026-01-01")], kept)
    for day in ("2026-01-02", "2026-01-03"):
        record.note("1/1", run("L1", 1, "passed", day), fresh)
    record.keep(record.recorded(fresh, kept), kept)
    (last,) = record.recorded(tmp_path / "another machine", kept)
    assert (last["outcome"], last["at"], last["failed_before"]) == ("passed", "2026-01-03", True)


def test_what_a_machine_could_not_run_is_no_run(tmp_path: Path):
    kept = tmp_path / "runs.csv"
    record.keep([run("L1", 1, "passed", "2026-01-01"), run("B2", 1, "skipped", "2026-01-01")], kept)
    assert [one["row"] for one in record.recorded(tmp_path, kept)] == ["L1"]


def test_what_is_kept_is_of_rows_there_are():
    from faults.registry import DESIGNED

    assert {one["row"] for one in record.recorded(Path("/nowhere"))} <= set(DESIGNED)
