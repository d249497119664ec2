"""`mizan send` of files: resumable by content, nothing of a bad file, nothing lost without a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import TryAgain
from producers.outbox import Outbox, Sending


class Broker:
    def __init__(self, takes: int = 10**9) -> None:
        self.takes, self.log, self.handed = takes, [], []

    def send(self, value: bytes) -> None:
        self.handed.append(value)

    def flush(self) -> int:
        taken = self.handed[: self.takes]
        self.takes -= len(taken)
        self.log += taken
        self.handed = []
        return len(taken)


LINES = [b'{"n":%d}' % number for number in range(30)]
OTHERS = [b'{"m":%d}' % number for number in range(5)]


def test_the_same_file_is_sent_once(tmp_path: Path) -> None:
    broker = Broker()
    with Outbox(tmp_path) as outbox:
        name = outbox.accept(LINES)
        assert outbox.send(name, lambda: broker) == Sending(30, 0, 0)
        assert outbox.send(outbox.accept(LINES), lambda: broker) == Sending(0, 30, 0)
        assert outbox.send(outbox.accept(LINES, again=True), lambda: broker) == Sending(30, 0, 0)
    assert broker.log == LINES + LINES


def test_a_call_that_was_cut_off_is_continued_by_the_next(tmp_path: Path) -> None:
    broker = Broker(takes=12)
    with Outbox(tmp_path) as outbox, pytest.raises(TryAgain):
        outbox.send(outbox.accept(LINES), lambda: broker)
    broker.takes = 10**9
    with Outbox(tmp_path) as outbox:
        assert outbox.pending() == 18
        assert outbox.send(outbox.accept(LINES), lambda: broker) == Sending(18, 12, 0)
    assert broker.log == LINES


def test_what_an_earlier_file_left_goes_with_the_next(tmp_path: Path) -> None:
    def away() -> Broker:
        raise TryAgain("no answer")

    broker = Broker()
    with Outbox(tmp_path) as outbox:
        with pytest.raises(TryAgain):
            outbox.send(outbox.accept(LINES), away)
        assert outbox.send(outbox.accept(OTHERS), lambda: broker) == Sending(5, 0, 30)
    assert sorted(broker.log) == sorted(LINES + OTHERS)


def test_a_copy_cut_short_is_made_again(tmp_path: Path) -> None:
    broker = Broker()
    with Outbox(tmp_path) as outbox:
        name = outbox.accept(LINES)
        (tmp_path / name / "whole").unlink()
        segment = next((tmp_path / name).glob("*.ndjson"))
        segment.write_bytes(segment.read_bytes()[:100])
        assert outbox.send(outbox.accept(LINES), lambda: broker) == Sending(30, 0, 0)
    assert broker.log == LINES


def test_two_calls_at_once_are_not_mixed(tmp_path: Path) -> None:
    with Outbox(tmp_path), pytest.raises(TryAgain):
        Outbox(tmp_path)


def test_an_empty_file_is_nothing_to_do(tmp_path: Path) -> None:
    with Outbox(tmp_path) as outbox:
        assert outbox.send(outbox.accept([]), Broker) == Sending(0, 0, 0)
