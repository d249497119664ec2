"""What a peer costs is also what it lets other processes do; a peer that is not here is left out, in words."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import environment
from benchmarks.peers.cost import measured

# Takes 60 MB, and at each line it reads 0.3 s of a processor.
WORKER = """
import sys, time
kept = b"." * 60_000_000
for line in sys.stdin:
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    print(line, end="", flush=True)
"""


def test_the_cost_of_another_process_is_added_while_the_work_goes_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:

        def ask() -> str:
            assert worker.stdin
            assert worker.stdout
            print("done", file=worker.stdin, flush=True)
            return worker.stdout.readline()

        answer, own = measured(ask)
        assert (answer, measured(ask, worker.pid)[0]) == ("done\n", "done\n")
        _, both = measured(ask, worker.pid)
    assert own["cpu_seconds"] < 0.1
    # In hundredths; that of the two lines before is not told again.
    assert 0.28 <= both["cpu_seconds"] < 0.45
    assert both["peak_rss_mb"] > own["peak_rss_mb"] + 50


def test_without_spark_its_peers_are_left_out_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    environment.is_here.cache_clear()
    assert [environment.is_here(peer) for peer in ("spark", "spark", "ours")] == [False, False, True]
    environment.is_here.cache_clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("make spark")
