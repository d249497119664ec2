"""Whoever waits at a terminal sees that work goes on; programs that read stdout or stderr see nothing of it."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console  # noqa: TID251 a terminal of the test's own

from console import output
from contracts.logs import tell

LOG = logging.getLogger("mizan.test")


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    shown = io.StringIO()
    monkeypatch.setattr(output, "notes", Console(file=shown, force_terminal=True, width=120))
    return shown


def test_a_bar_says_what_was_told_last_and_how_much_is_done(terminal: io.StringIO):
    level = logging.getLogger("mizan").level
    with output.working("building"):
        tell(LOG, "months computed", step="build", month="1399-02", done=3, of=9)
        output.Notes().handle(logging.makeLogRecord({"msg": "a line\x1b[2J of an agency"}))
    said = terminal.getvalue()
    assert "months computed 1399-02 3 of 9" in said
    assert "0:00:0" in said
    assert "\x1b[2J of" not in said
    assert logging.getLogger("mizan").level == level


def test_where_stderr_is_no_terminal_nothing_is_shown(capsys):
    with output.working("building"):
        tell(LOG, "months computed", step="build", done=3, of=9)
    assert capsys.readouterr() == ("", "")


def test_a_command_shows_its_work_on_the_terminal_and_its_data_on_stdout_alone(tmp_path: Path):
    environment = {**os.environ, "MIZAN_HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "120"}
    mizan = [sys.executable, "-m", "console.main"]
    subprocess.run([*mizan, "init"], env=environment, check=True, capture_output=True)
    ours, theirs = pty.openpty()
    with subprocess.Popen([*mizan, "build", "--json"], env=environment, stdout=subprocess.PIPE, stderr=theirs) as done:
        os.close(theirs)
        seen = b""
        while part := _read(ours):  # meanwhile: a terminal that nobody reads holds up who writes to it
            seen += part
        os.close(ours)
        assert done.stdout is not None
        printed = done.stdout.read()
    assert printed.startswith(b"{")
    assert b"\x1b" not in printed
    assert b"building" in seen
    assert b"0:00:0" in seen


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other side is closed
        return b""
