"""The page of commands is what the commands say of themselves."""

from pathlib import Path

import pytest
from operator_rows import ROWS

from console.reference import reference
from contracts.errors import MizanError
from contracts.settings import VARIABLES

WRITTEN = reference()
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "cli.md"


def test_the_page_in_the_docs_is_the_one_that_the_commands_write() -> None:
    assert PAGE.read_text(encoding="utf-8") == WRITTEN, "make reference"


@pytest.mark.parametrize("command", ROWS)
def test_every_command_is_on_the_page_with_its_options(command: str) -> None:
    _, heading, rest = WRITTEN.partition(f"\n### {command}\n")
    assert heading
    told = rest.partition("\n### ")[0]
    assert all(f"| `{word}" in told for word in ROWS[command] if word.startswith("--"))


def test_every_exit_code_and_every_setting_is_on_the_page() -> None:
    assert all(f"| {kind.exit_code} | " in WRITTEN for kind in MizanError.__subclasses__())
    assert all(f"| `{variable.name}` | " in WRITTEN for variable in VARIABLES)
