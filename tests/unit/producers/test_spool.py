"""What was accepted is never lost and never forgotten, however the process ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import Halted, TryAgain, UsageError
from producers.delivery import deliver
from producers.spool import Spool


def value(number: int) -> bytes:
    return b'{"n":%d}' % number


def pending(folder: Path) -> list[bytes]:
    with Spool(folder, durable=False) as spool:
        return list(spool.unacknowledged())


class Broker:
    """Takes what it is given until ``takes`` is used up: what delivery sees of a broker that goes away."""

    def __init__(self, takes: int = 10**9) -> None:
        self.takes = takes
        self.log: list[bytes] = []
        self.handed: list[bytes] = []

    def send(self, value: bytes) -> None:
        self.handed.append(value)

    def flush(self) -> int:
        taken = self.handed[: self.takes]
        self.takes -= len(taken)
        self.log += taken
        self.handed = []
        return len(taken)


def test_records_come_back_in_order_until_they_are_acknowledged(tmp_path: Path) -> None:
    with Spool(tmp_path, durable=False, segment_bytes=50) as spool:
        for number in range(20):
            assert spool.append(value(number)) == number
        spool.acknowledge(7)
        assert list(spool.unacknowledged()) == [value(number) for number in range(7, 20)]
    assert pending(tmp_path) == [value(number) for number in range(7, 20)]


def test_finished_segments_are_removed_and_numbers_go_on(tmp_path: Path) -> None:
    with Spool(tmp_path, durable=False, segment_bytes=50) as spool:
        for number in range(20):
            spool.append(value(number))
        spool.acknowledge(20)
        assert not list(tmp_path.glob("*.ndjson"))
        assert spool.append(value(20)) == 20
    assert pending(tmp_path) == [value(20)]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with Spool(tmp_path) as _:
        code = "from pathlib import Path; from producers.spool import Spool; import sys; Spool(Path(sys.argv[1]))"
        second = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert "another process is using the spool" in second.stderr
        with pytest.raises(TryAgain):
            Spool(tmp_path)
    Spool(tmp_path).close()


@pytest.mark.parametrize("torn", [b'{"n"', b"\x00\x00\x00", b'{"n":9\x00}\n', b"\n", b'{"n":9}'])
def test_a_torn_end_is_cut_off_and_the_next_record_is_whole(tmp_path: Path, torn: bytes) -> None:
    with Spool(tmp_path, durable=False) as spool:
        spool.append(value(0))
    with next(tmp_path.glob("*.ndjson")).open("ab") as file:
        file.write(torn)
    with Spool(tmp_path, durable=False) as spool:
        assert spool.append(value(1)) == 1
        assert list(spool.unacknowledged()) == [value(0), value(1)]


def test_damage_before_whole_records_is_named_not_guessed_about(tmp_path: Path) -> None:
    with Spool(tmp_path, durable=False) as spool:
        for number in range(3):
            spool.append(value(number))
    path = next(tmp_path.glob("*.ndjson"))
    path.write_bytes(path.read_bytes().replace(b'{"n":1}', b'\x00"n":1}'))
    with pytest.raises(Halted, match="SPOOL_DAMAGED"):
        Spool(tmp_path)


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    with Spool(tmp_path, durable=False, segment_bytes=20) as spool:
        for number in range(12):
            spool.append(value(number))
    sorted(tmp_path.glob("*.ndjson"))[1].unlink()
    with pytest.raises(Halted, match="missing"):
        Spool(tmp_path)


def test_a_record_is_one_line(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool, pytest.raises(UsageError):
        spool.append(b"{\n}")


def test_a_broker_that_goes_away_has_what_is_marked_and_the_rest_is_sent_later(tmp_path: Path) -> None:
    with Spool(tmp_path, durable=False, segment_bytes=100) as spool:
        for number in range(50):
            spool.append(value(number))
        broker = Broker(takes=17)
        with pytest.raises(TryAgain):
            deliver(spool, broker)
        assert spool.pending == 33
    with Spool(tmp_path, durable=False) as spool:
        broker.takes = 10**9
        assert deliver(spool, broker) == 33
        assert deliver(spool, broker) == 0
    assert broker.log == [value(number) for number in range(50)]


WRITER = """
import sys
from pathlib import Path
from producers.delivery import deliver
from producers.spool import Spool

class Broker:
    def __init__(self, path):
        self.log = open(path, "ab", buffering=0)
        self.handed = []
    def send(self, value):
        self.handed.append(value)
    def flush(self):
        self.log.write(b"".join(value + b"\\n" for value in self.handed))
        count, self.handed = len(self.handed), []
        return count

folder, log, accepted = map(Path, sys.argv[1:4])
known = len(accepted.read_bytes().splitlines()) if accepted.exists() else 0
with Spool(folder, durable=False, segment_bytes=400) as spool, accepted.open("ab", buffering=0) as said:
    broker = Broker(log)
    number = max(spool.accepted, known)
    print("ready", flush=True)
    while True:
        spool.append(b'{"n":%d}' % number)
        said.write(b'{"n":%d}\\n' % number)  # what the caller was told
        number += 1
        if number % 13 == 0:
            deliver(spool, broker)
"""


def test_kill_9_at_any_moment_loses_no_accepted_record(tmp_path: Path) -> None:
    folder, log, accepted = tmp_path / "spool", tmp_path / "broker", tmp_path / "accepted"
    moments = random.Random(4)
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(log), str(accepted)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.06))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    broker = Broker()
    with Spool(folder, durable=False) as spool:
        deliver(spool, broker)
        assert spool.pending == 0
    delivered = log.read_bytes().splitlines() + broker.log
    told = accepted.read_bytes().splitlines()
    assert len(told) > 100
    assert set(told) <= set(delivered)
    # Sent again after a kill, in order; never reordered, never invented.
    first_seen = list(dict.fromkeys(delivered))
    assert first_seen == [value(number) for number in range(len(first_seen))]
    assert len(first_seen) - len(told) <= 12
