"""`mizan status`: who needs a person stands first; on a terminal it goes on showing it until Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from landing_stage import Stage, delete_topic, ended, visit

from landing.drain import LandingHalted, land

pytestmark = pytest.mark.integration
CTRL_C = b"\x03"


class Terminal:
    """A program on a terminal of its own, 160 columns wide."""

    def __init__(self, stage: Stage, *command: str) -> None:
        self._here, there = pty.openpty()
        environment = {**os.environ, **stage.environment, "TERM": "xterm", "COLUMNS": "160", "LINES": "50"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "console.main", *command],
            stdin=there,
            stdout=there,
            stderr=there,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(there, termios.TIOCSCTTY, 0),
        )
        os.close(there)
        self.seen = ""

    def until(self, *words: str, seconds: float = 60.0) -> None:
        """Read until a page holds all these words, in this order."""
        deadline, begun = time.monotonic() + seconds, len(self.seen)
        while not _in_order(self.seen[begun:], words):
            assert time.monotonic() < deadline, self.seen[-3000:]
            if select.select([self._here], [], [], 0.5)[0]:
                self.seen += os.read(self._here, 65536).decode(errors="replace")

    def press(self, key: bytes) -> None:
        os.write(self._here, key)

    def ends(self, seconds: float = 60.0) -> int:
        """Read on, as a terminal does, until the program ends; its exit code."""
        deadline = time.monotonic() + seconds
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline, self.seen[-3000:]
            if select.select([self._here], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):  # it has closed its end
                    self.seen += os.read(self._here, 65536).decode(errors="replace")
        return code

    def close(self) -> None:
        os.close(self._here)


def _in_order(text: str, words: tuple[str, ...]) -> bool:
    place = 0
    for word in words:
        place = text.find(word, place)
        if place < 0:
            return False
    return True


@contextlib.contextmanager
def terminal(stage: Stage, *command: str) -> Iterator[Terminal]:
    opened = Terminal(stage, *command)
    with ended(opened.process):
        yield opened
    opened.close()


def test_who_needs_a_person_stands_first(stage: Stage):
    well, gone, waits = stage.agency(1), stage.agency(1), stage.agency(1)
    for agency in (well, gone):
        stage.send(agency, [visit(agency, "e-1")])
    land(stage.settings)
    stage.send(waits, [visit(waits, "e-1")])
    delete_topic(stage, gone)
    with pytest.raises(LandingHalted):
        land(stage.settings)
    stage.send(waits, [visit(waits, "e-2")])
    code, page, err = stage.run("status")
    assert code == 0, err
    assert _in_order(
        page, (gone, "halted: PARTITIONS_DELETED", waits, "behind", well, "current", "published: nothing yet")
    )
    found = {row["agency_id"]: row for row in json.loads(stage.run("status", "--json")[1])["agencies"]}
    assert (found[waits]["lag"], found[waits]["waits_longer_than"], found[gone]["lag"]) == (1, None, None)


def test_on_a_terminal_it_goes_on_until_stopped(stage: Stage):
    agency = stage.agency(1)
    stage.send(agency, [visit(agency, "e-1")])
    with terminal(stage, "status", "--watch") as page:
        page.until(agency, "behind")
        land(stage.settings)
        page.until(agency, "current")
        page.press(CTRL_C)
        assert page.ends() == 130


def test_without_a_terminal_there_is_nothing_to_watch(stage: Stage):
    code, _, err = stage.run("status", "--watch")
    assert code == 2
    assert "--watch" in err
