"""The report: static pages in Persian and English, written when a version is published, readable without a server.

``index.html`` is the front page in Persian; ``report/fa`` and ``report/en`` hold the pages of agencies, ministries,
provinces and months. A page is made of the version's own public tables. One whose figures and words did not change is
linked from the version before, so that a version costs what is new in it.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dashboard import charts
from dashboard.report_data import BEHIND, NATION, Figures, Scope, read_figures
from dashboard.wording import Cell, Language, Wording
from warehouse.connection import Connection

LANGUAGES: tuple[Language, ...] = ("fa", "en")
INDEX = "pages.json"  # page to the digest of what it was made of
_OTHER: Mapping[Language, Language] = {"fa": "en", "en": "fa"}
_PAGED = ("ministry", "agency", "province")


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
    for language in LANGUAGES:
        site = _Site(figures, Wording(language), tables)
        for page, template, content in site.pages():
            made[page] = site.digest(template, content)
            path = folder / page
            path.parent.mkdir(parents=True, exist_ok=True)
            if before is not None and known.get(page) == made[page] and (before / page).exists():
                path.hardlink_to(before / page)
            else:
                path.write_text(site.render(page, template, content), encoding="utf-8")
    (folder / INDEX).write_text(json.dumps(made, indent=0), encoding="utf-8")


def _index(before: Path | None) -> Mapping[str, str]:
    try:
        known: Mapping[str, str] = json.loads(((before or Path()) / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return known


class _Site:
    """The pages of one language."""

    def __init__(self, figures: Figures, wording: Wording, tables: Sequence[str]) -> None:
        self.figures = figures
        self.words = wording
        self.tables = tables
        self.min_cell = int(figures.meta["min_cell"])
        common = f"{_edition()}|{self.min_cell}|{figures.names!r}|{sorted(figures.scopes)}|{figures.months!r}"
        self.shared = hashlib.sha256(common.encode()).hexdigest()

    def pages(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each page's path below the report's folder, its template, and what it shows."""
        folder = f"report/{self.words.language}"
        # The Persian front page is the report's own.
        yield ("index.html" if self.words.language == "fa" else f"{folder}/index.html"), "front", self._front()
        yield f"{folder}/agencies.html", "agencies", self._agencies()
        yield f"{folder}/months.html", "months", self._months()
        for month in sorted(self.figures.by_month):
            yield f"{folder}/month/{month}.html", "month", self._month(month)
        for kind in _PAGED:
            for subject in self.figures.of_kind(kind):
                yield f"{folder}/{kind}/{subject.scope_id}.html", "scope", self._scope(subject)

    def render(self, page: str, template: str, content: Mapping[str, Any]) -> str:
        """The page as HTML."""
        up = "../" * page.count("/")
        language = self.words.language
        root = f"{up}report/{language}/"
        fronts = {"fa": f"{up}index.html", "en": f"{up}report/en/index.html"}
        other: Language = _OTHER[language]
        twin = fronts[other] if template == "front" else up + page.replace(f"/{language}/", f"/{other}/", 1)

        def link(key: str) -> str:
            kind, _, scope_id = key.partition(":")
            return fronts[language] if kind not in _PAGED else f"{root}{kind}/{scope_id}.html"

        made: str = (
            _environment()
            .get_template(f"{template}.html.jinja")
            .render(
                w=self.words,
                t=self.words.phrase,
                css=_style(),
                css_digest=base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode(),
                min_cell=self.min_cell,
                front=fronts[language],
                root=root,
                data=up,
                other=twin,
                other_language=other,
                link=link,
                name=self.name,
                month_name=self.month_name,
                colours=_colours(content.get("legend", ())),
                **content,
            )
        )
        return made

    def digest(self, template: str, content: Mapping[str, Any]) -> str:
        """What a page is made of, as one digest: its content, and what every page of the site shares."""
        return hashlib.sha256(f"{self.shared}|{template}|{content!r}".encode()).hexdigest()

    def name(self, key: str) -> str:
        """A subject's name; its id where it has none."""
        if key == NATION:
            return str(self.words.phrase("nation"))
        found = self.figures.names.get(key, {})
        return self.words.of(found.get("name_fa"), found.get("name_en"), key.partition(":")[2])

    def month_name(self, label: str) -> str:
        """A month's name and year: Farvardin 1399."""
        found = self.figures.months.get(label)
        said = label if found is None else f"{self.words.of(found.name_fa, found.name_en, label)} {found.year}"
        return self.words.digits(said)

    def _front(self) -> dict[str, Any]:
        figures, month = self.figures, self.figures.headline_month
        # Heartbeats that say nothing of the window are no fault of the connection.
        behind = [
            row
            for row in figures.connections.values()
            if row["connection_state"] in BEHIND and row["reason"] != "not_told"
        ]
        behind.sort(
            key=lambda row: (BEHIND.index(row["connection_state"]), row["since"] or dt.date.max, row["agency_id"])
        )
        missed = [
            row for rows in figures.mandates.values() for row in rows if row["compliance"] in ("overdue", "not_met")
        ]
        missed.sort(key=lambda row: (row["due"] or dt.date.max, row["mandate_id"], row["scope_key"]))
        instant = dt.datetime.fromisoformat(figures.meta["as_of"])
        return {
            "title": self.words.phrase("headlines"),
            "headlines": list(self._headlines(month)) if month else [],
            "state": self._state(month),
            "nation_levels": figures.levels.get(NATION),
            "behind": behind,
            "mandates": missed,
            **self._trend(NATION),
            "period_rows": figures.periods.get(NATION, ()),
            "losses": figures.losses,
            "restatements": figures.restatements,
            "lists": [
                (self.words.phrase("provinces"), figures.of_kind("province")),
                (self.words.phrase("ministries"), figures.of_kind("ministry")),
            ],
            "tables": [name for name in self.tables if name != "figure_passports"],
            "version": self.words.phrase(
                "version", version=self.words.digits(figures.meta["version"]), moment=self.words.moment(instant)
            ),
        }

    def _agencies(self) -> dict[str, Any]:
        return {
            "title": self.words.phrase("agencies"),
            "agencies": self.figures.of_kind("agency"),
            "connections": self.figures.connections,
            "ranking": self.figures.ranking,
        }

    def _months(self) -> dict[str, Any]:
        return {
            "title": self.words.phrase("months"),
            "states": list(self.figures.states.values())[::-1],
            "paged": sorted(self.figures.by_month),
        }

    def _month(self, month: str) -> dict[str, Any]:
        figures = self.figures
        rows = figures.by_month[month]
        kinds = (("provinces", "province"), ("ministries", "ministry"), ("agencies", "agency"))
        return {
            "title": self.month_name(month),
            "state": self._state(month),
            "rows": [row for row in figures.monthly.get(NATION, ()) if row["month"] == month],
            "kinds": [
                (self.words.phrase(title), [row for row in rows if row["scope_key"].startswith(f"{kind}:")])
                for title, kind in kinds
            ],
        }

    def _scope(self, subject: Scope) -> dict[str, Any]:
        figures = self.figures
        is_agency = subject.scope == "agency"
        return {
            "title": self.name(subject.key),
            "subject": subject,
            "parent": figures.scopes.get(subject.parent or ""),
            "connection": figures.connections.get(subject.scope_id) if is_agency else None,
            "ranking": figures.ranking.get(subject.scope_id, ()) if is_agency else (),
            "level": figures.levels.get(subject.key),
            "mandates": figures.mandates.get(subject.key, ()),
            "period_rows": figures.periods.get(subject.key, ()),
            **self._trend(subject.key),
        }

    def _trend(self, key: str) -> dict[str, Any]:
        """Newest month first in the table, oldest first in the charts."""
        rows = list(self.figures.monthly.get(key, ()))
        months = sorted({row["month"] for row in rows})
        names = sorted({row["channel"] for row in rows if row["channel"] != "all"})
        drawn = []
        for measure in ("active_users", "visits", "completed"):
            points = [(self.month_name(month), self.figures.cell(key, month, measure)) for month in months]
            if sum(cell.known for _, cell in points) > 1:
                title = str(self.words.phrase(f"{measure}_chart"))
                drawn.append({"title": title, "svg": charts.bars(points, title, self.words), "legend": ()})
        shares = [
            (self.month_name(month), [(row["channel"], row["share"]) for row in rows if row["month"] == month])
            for month in months
        ]
        if len(names) > 1 and any(cell.known for _, told in shares for channel, cell in told if channel != "all"):
            title = str(self.words.phrase("share_chart"))
            drawn.append({"title": title, "svg": charts.stacks(shares, names, title, self.words), "legend": names})
        ordered = sorted(rows, key=lambda row: row["month"], reverse=True)
        return {"rows": ordered, "charts": drawn, "legend": names}

    def _state(self, label: str | None) -> Markup:
        """How settled a month is and who reported; nothing where no such month is known."""
        row = self.figures.states.get(label or "")
        if row is None:
            return Markup("")
        month, state = self.month_name(row["month"]), self.words.label("month_state", row["state"])
        # Who reported is counted among those expected to: where nobody said who is, there is no number to say.
        if not row["expected"]:
            return self.words.phrase("month_state_unknown", month=month, state=state)
        expected, reported = self.words.number(row["expected"]), self.words.number(row["reported"])
        return self.words.phrase("month_state", month=month, state=state, expected=expected, reported=reported)

    def _headlines(self, month: str) -> Iterator[Markup]:
        """One sentence a measure: the figure, how many a day, and against the same month of the year before."""
        for measure in ("active_users", "visits", "completed"):
            yield Markup(" ").join(self._headline(month, measure))
        take_up = self.figures.take_up.get(month, Cell(None, "not_provided"))
        if take_up.known and take_up.value is not None:
            share = self.words.percent(take_up.value)
            yield self.words.phrase("take_up", value=share, month=self.month_name(month))

    def _headline(self, month: str, measure: str) -> Iterator[Markup]:
        figures, words = self.figures, self.words
        cell, name = figures.cell(NATION, month, measure), self.month_name(month)
        if cell.value is None:
            yield words.phrase(f"no_{measure}", month=name, value=words.cell(cell))
            return
        yield words.phrase(measure, month=name, value=words.cell(cell))
        days = figures.months[month].days
        # Distinct users do not divide by days; events do.
        if measure != "active_users":
            yield words.phrase("per_day", value=words.number(cell.value / days, 1))
        earlier = figures.year_before(month)
        base = figures.cell(NATION, earlier, measure)
        if not base.value or earlier not in figures.months:
            yield words.phrase("no_year_before", month=self.month_name(earlier), value=words.cell(base))
            return
        # Months have 29 to 31 days: what is compared is the day.
        change = (cell.value / days) / (base.value / figures.months[earlier].days) - 1
        key = "same" if change == 0 else "more" if change > 0 else "less"
        yield words.phrase(key, value=words.percent(abs(change), 1), month=self.month_name(earlier))


def _colours(names: Sequence[str]) -> dict[str, str]:
    return {name: charts.fill(names, name) for name in names}


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
