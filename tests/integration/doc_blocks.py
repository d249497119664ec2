"""The blocks of README and docs that a reader may copy: where each stands, what it prints, and who else runs it."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Without a language it is a command too: the runbooks'.
RUNNABLE = ("", "sh", "bash", "console", "python", "sql", "r")
SHOWN = ("text", "json", "yaml")
_REMARK = re.compile(r"<!-- (run by|not run): (\S.*) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block, what the comment before it says of it, and what it ``prints`` by the block of text after it."""

    page: str
    line: int
    kind: str
    text: str
    run_by: str | None
    not_run: str | None
    prints: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The runnable blocks of a page, in order. ValueError for a fence of a kind that nobody knows."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    found = []
    for place, token in enumerate(tokens):
        if token.type != "fence" or token.info.startswith("{"):
            continue
        if token.info not in (*RUNNABLE, *SHOWN):
            raise ValueError(f"{page}: a block of {token.info}: neither run nor shown")
        if token.info in RUNNABLE:
            assert token.map is not None
            before = tokens[place - 1].content if place and tokens[place - 1].type == "html_block" else ""
            after = tokens[place + 1] if place + 1 < len(tokens) else token
            remark = _REMARK.search(before)
            said = {remark[1]: remark[2]} if remark else {}
            prints = after.content if after.type == "fence" and after.info == "text" else ""
            place_of = (str(page.relative_to(ROOT)), token.map[0] + 1, token.info, token.content)
            found.append(Block(*place_of, said.get("run by"), said.get("not run"), prints))
    return found


def missing(prints: str, output: str) -> str | None:
    """The first line of ``prints`` that ``output`` does not have after those before it; … stands for anything."""
    left = output.splitlines()
    for line in prints.splitlines():
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        while left and not pattern.fullmatch(left[0].rstrip()):
            left.pop(0)
        if not left:
            return line
        left.pop(0)
    return None
