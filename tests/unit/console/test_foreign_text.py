"""What agencies, files and callers say reaches a terminal or a log as text alone."""

import io
import json
import logging
import os
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console import output
from console.printable import printable, printable_json

JOINERS = "\u200c\u200d\u00a0"
HOSTILE = "\x1b]0;owned\x07\x1b[2Kok\r\nmizan: all is well\u202egnp\u2066\x9b31m\u2028\x7f"
MARKUP = "[link=https://evil.example]press[/link] [red]x[/] :smile:"
MIZAN = [sys.executable, "-m", "console.main"]


def harmless(text: str) -> bool:
    return all(one.isprintable() or one in JOINERS for one in text)


@given(st.text())
@example(HOSTILE)
def test_any_text_is_one_line_without_a_character_that_acts(text: str):
    assert harmless(printable(text))
    assert printable(printable(text)) == printable(text)


def test_persian_with_its_joiners_stays_as_it_is():
    assert printable("می\u200cشود، ه\u200d 1399") == "می\u200cشود، ه\u200d 1399"


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
@example({HOSTILE: HOSTILE, "\U000e0041": "\ud800"})
def test_a_json_document_says_the_same_and_holds_no_such_character(document: object):
    shown = printable_json(json.dumps(document, ensure_ascii=False, indent=2))
    assert json.loads(shown) == document
    assert all(harmless(line) for line in shown.split("\n"))


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """Both streams as one terminal that draws everything it is told to."""
    drawn = io.StringIO()
    for name in ("data", "notes"):
        real = getattr(output, name)
        console = type(real)(file=drawn, force_terminal=True, width=200, highlight=False, soft_wrap=True)
        console._markup, console._emoji = real._markup, real._emoji
        monkeypatch.setattr(output, name, console)
    return drawn


def test_a_terminal_draws_names_and_no_links_or_colours_of_theirs(terminal):
    output.say(HOSTILE, MARKUP)
    output.note(HOSTILE + MARKUP)
    grid = output.Grid(HOSTILE, MARKUP, title=HOSTILE + MARKUP)
    grid.add_row(HOSTILE + MARKUP, [HOSTILE, MARKUP])
    output.show_grid(grid)
    drawn = terminal.getvalue()
    assert drawn.count("[link=https://evil.example]press[/link]") == 6
    assert drawn.count("\\x1b]0;owned\\x07") == 6
    # What is left of escape sequences is the table's own looks: bold, italic, underlines and their ends.
    rest = drawn
    for own in ("\x1b[0m", "\x1b[1m", "\x1b[3m"):
        rest = rest.replace(own, "")
    assert all(harmless(line) for line in rest.split("\n")), rest
    assert not [line for line in rest.split("\n") if line.startswith("mizan: all is well")]


def test_a_line_of_fields_keeps_its_fields(capsys):
    output.say_fields("a\tb", HOSTILE)
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line.split("\t")) == 2
    assert harmless(line.replace("\t", ""))


def test_a_log_record_is_one_line(capsys):
    record = logging.makeLogRecord({"msg": "topic %s", "args": (HOSTILE,)})
    output.Notes().emit(record)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mizan: topic ")
    assert harmless(line)


@pytest.mark.parametrize(
    "call",
    [
        ("send", "--agency", "tax", "--check", "{file}"),
        ("catalogue", "load", "{file}"),
        ("catalogue", "show", HOSTILE),
        ("catalogue", HOSTILE),
        ("explain", HOSTILE, f"{HOSTILE}=1"),
        ("agency", "add", HOSTILE),
        ("restore", "--from", "{file}"),
        (HOSTILE,),
        ("--" + HOSTILE,),
    ],
    ids=lambda call: " ".join(call)[:24].encode("ascii", "replace").decode(),
)
def test_no_command_repeats_what_it_was_called_with_as_it_is(call, tmp_path):
    file = tmp_path / HOSTILE.replace("/", "_")
    file.write_bytes(json.dumps({"id": HOSTILE, HOSTILE: HOSTILE}).encode() + b"\n{" + HOSTILE.encode() + b"\n")
    ended = subprocess.run(
        [*MIZAN, *(part.format(file=file) if part == "{file}" else part for part in call)],
        env=os.environ | {"MIZAN_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    said = ended.stdout + ended.stderr
    assert said
    assert all(harmless(line) for line in said.split("\n")), ascii(said)
    assert not [line for line in said.split("\n") if line.startswith("mizan: all is well")]
