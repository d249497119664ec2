"""The pages of the documentation hang together. `make docs` says the same of the site; this needs no more tools."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def links(page: Path) -> list[str]:
    found = []
    for block in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for token in block.children or ():
            found += [str(value) for name, value in token.attrs.items() if name in ("href", "src")]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@cache
def anchors(page: Path) -> set[str]:
    """As GitHub and the site make them of headings."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    headings = [inline.content for opening, inline in pairwise(tokens) if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    dead, followed = [], 0
    for page in PAGES:
        for link in links(page):
            place, _, anchor = link.partition("#")
            target = (page.parent / place).resolve() if place else page
            followed += 1
            if not target.is_file() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert dead == []
    assert followed > 150


def test_every_page_is_in_the_site_s_contents() -> None:
    listed = set()
    for page in PAGES:
        for contents in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            names = [name for name in contents.split() if not name.startswith(":")]
            listed |= {found.resolve() for name in names for found in page.parent.glob(f"{name}.md")}
    assert set(PAGES) - listed == {DOCS / "index.md"}
