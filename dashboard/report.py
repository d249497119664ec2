"""The report: static pages in Persian and English, written when a version is published, readable without a server.

``index.html`` is the front page in Persian; ``report/fa`` and ``report/en`` hold the pages of agencies, ministries,
provinces and months, ``report/data`` the figures of each as JSON, ``report/assets`` font and icon. A page is made of
the version's own public tables. One whose figures and words did not change is linked from the version before, so that
a version costs what is new in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dashboard import charts
from dashboard.report_data import NATION, Figures, read_figures
from dashboard.report_headlines import OVERVIEW
from dashboard.report_json import figures_of
from dashboard.report_pages import PAGED, Pages
from dashboard.wording import Cell, Language, Wording, coded
from warehouse.connection import Connection

LANGUAGES: tuple[Language, ...] = ("fa", "en")
INDEX = "pages.json"  # page to the digest of what it was made of
NOT_FOUND = "report/404.html"  # shown under any address, so its links begin at the root
ASSETS = ("icon.svg", "font.css", "vazirmatn.woff2", "vazirmatn-OFL.txt")
_OTHER: Mapping[Language, Language] = {"fa": "en", "en": "fa"}


def write_pages(connection: Connection, folder: Path, before: Path | None) -> None:
    """Write every page of the version that ``connection`` has open into ``folder``, which is new.

    ``before`` is the folder of an earlier version, or None; what it has unchanged becomes a hard link.
    """
    figures = read_figures(connection)
    tables = [
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts' ORDER BY table_name"
        ).fetchall()
    ]
    known = _index(before)
    made: dict[str, str] = {}
    for page, digest, written in _everything(figures, tables):
        made[page] = digest
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        if before is not None and known.get(page) == digest and (before / page).exists():
            path.hardlink_to(before / page)
        else:
            path.write_bytes(written())
    (folder / INDEX).write_text(json.dumps(made, indent=0), encoding="utf-8")


def _everything(figures: Figures, tables: Sequence[str]) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Each file of the report: its path, a digest of what it is made of, and what writes it."""
    for language in LANGUAGES:
        site = _Site(figures, Wording(language), tables)
        for page, template, content in site.pages():
            made = (page, template, content)
            yield page, site.digest(template, content), lambda site=site, made=made: site.render(*made).encode()  # type: ignore[misc]
    for key in (NATION, *(one.key for kind in PAGED for one in figures.of_kind(kind))):
        text = json.dumps(figures_of(figures, key), ensure_ascii=False, default=str)
        yield data_page(key), hashlib.sha256(text.encode()).hexdigest(), text.encode
    for name in ASSETS:
        asset = files("dashboard").joinpath("assets", name).read_bytes()
        yield f"report/assets/{name}", hashlib.sha256(asset).hexdigest(), lambda asset=asset: asset  # type: ignore[misc]


def data_page(key: str) -> str:
    """Where the figures of a subject are as JSON, below the report's folder."""
    return f"report/data/{key.replace(':', '/')}.json"


def _index(before: Path | None) -> Mapping[str, str]:
    try:
        known: Mapping[str, str] = json.loads(((before or Path()) / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return known


class _Site:
    """The pages of one language, and the way from each to the others."""

    def __init__(self, figures: Figures, words: Wording, tables: Sequence[str]) -> None:
        self.words = words
        self.content = Pages(figures, words, tables)
        self.min_cell = int(figures.meta["min_cell"])
        self.folder = f"report/{words.language}"
        common = f"{_edition()}|{self.min_cell}|{figures.names!r}|{sorted(figures.scopes)}|{figures.months!r}"
        self.shared = hashlib.sha256(f"{common}|{self.content.navigation()!r}".encode()).hexdigest()

    def pages(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each page's path below the report's folder, its template, and what it shows."""
        for page, template, content in self.content.every():
            yield self._place(page, self.words.language), template, content
        if self.words.language == LANGUAGES[0]:
            yield NOT_FOUND, "not_found", {"title": self.words.phrase("not_here")}

    def _place(self, page: str, language: Language) -> str:
        # The Persian front page is the report's own.
        return page if page == "index.html" and language == "fa" else f"report/{language}/{page}"

    def render(self, page: str, template: str, content: Mapping[str, Any]) -> str:
        """The page as HTML."""
        up = "/" if page == NOT_FOUND else "../" * page.count("/")
        language, other = self.words.language, _OTHER[self.words.language]
        own = "index.html" if page == NOT_FOUND else page.removeprefix(f"{self.folder}/")
        root = f"{up}{self.folder}/"
        front = up + self._place("index.html", language)

        def link(key: str) -> str:
            kind, _, scope_id = key.partition(":")
            return f"{root}{kind}/{scope_id}.html" if kind in PAGED else front

        made: str = (
            _environment()
            .get_template(f"{template}.html.jinja")
            .render(
                w=self.words,
                t=self.words.phrase,
                site=self.content,
                css=_style(),
                css_digest=base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode(),
                min_cell=self.min_cell,
                front=front,
                root=root,
                data=up,
                data_page=data_page,
                own=None if page == NOT_FOUND else own,
                navigation=self.content.navigation(),
                other=up + self._place(own, other),
                other_wording=Wording(other),
                link=link,
                name=self.content.name,
                month_name=self.content.month_name,
                code=coded,
                statuses=_statuses,
                swatch=charts.swatch,
                marks=charts.MARKS,
                shown=OVERVIEW,
                **content,
            )
        )
        return made

    def digest(self, template: str, content: Mapping[str, Any]) -> str:
        """What a page is made of, as one digest: its content, and what every page of the site shares.

        A page that shows passports shows them of its own figures, so they are part of what it is made of.
        """
        passports = self.content.figures.passports.get(content.get("key", ""), {})
        return hashlib.sha256(f"{self.shared}|{template}|{content!r}|{passports!r}".encode()).hexdigest()


def _statuses(rows: Sequence[Any], names: Sequence[str] = ()) -> list[str]:
    """Why there are cells without a number in these rows, or in those columns of them: each reason once."""
    found: set[str] = set()
    for row in rows:
        cells = [row[name] for name in names] if names else row.values() if isinstance(row, Mapping) else row
        found.update(cell.status for cell in cells if isinstance(cell, Cell) and not cell.known)
    return [status for status in ("suppressed", "not_provided", "not_applicable") if status in found]


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("dashboard", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> Markup:
    return Markup(  # noqa: S704 our own file
        files("dashboard").joinpath("templates", "report.css").read_text(encoding="utf-8")
    )


@cache
def _edition() -> str:
    """A digest of this room's own words, templates and code: another edition makes every page anew."""
    digest = hashlib.sha256()
    room = files("dashboard")
    for folder in (room, room.joinpath("templates")):
        for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if one.is_file():
                digest.update(one.name.encode() + one.read_bytes())
    return digest.hexdigest()
