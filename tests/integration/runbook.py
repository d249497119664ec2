"""The runbook of halts as tests read it: what it says under a heading, word for word."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from landing_stage import Stage

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "halts.md"
_HALT = re.compile(r"`([A-Z][A-Z_]+)`")


def sections() -> dict[str, str]:
    """Text by heading."""
    parts = ("\n" + RUNBOOK.read_text(encoding="utf-8")).split("\n# ")
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def commands(section: str, given: Mapping[str, str]) -> list[list[str]]:
    """The commands under a heading, without `mizan`, the words in capitals filled in."""
    found = []
    for line in sections()[section].split("```")[1].strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "mizan"
        found.append([given.get(word, word) for word in words])
    return found


def follow(stage: Stage, section: str, given: Mapping[str, str] | None = None) -> None:
    """Run the commands under a heading, one by one; each must end well."""
    for words in commands(section, given or {}):
        code, out, err = stage.run(*words)
        assert code == 0, (words, out, err)


def halts() -> dict[str, str]:
    """What to do, by the name of the halt: the cells of every row that names it."""
    found: dict[str, str] = {}
    for line in sections()["Halts"].splitlines():
        for name in _HALT.findall(line.split("|")[1]) if line.startswith("|") else []:
            found[name] = found.get(name, "") + line.split("|")[3]
    return found
