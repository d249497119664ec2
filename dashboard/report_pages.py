"""What each page of the report shows, in one language: rows, sentences and charts, ready for its template."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from contracts.vocabularies import labels
from dashboard import charts
from dashboard.report_data import BEHIND, NATION, Figures, Row, Scope
from dashboard.report_headlines import OVERVIEW, Headlines, definitions
from dashboard.wording import Cell, Wording

PAGED = ("ministry", "agency", "province")  # kinds of subjects that have a page each
RESULTS = ("overdue", "not_met", "not_measurable", "met")
_LISTS: Mapping[str, str] = {"agency": "agencies", "province": "provinces", "ministry": "ministries"}


class Pages:
    """The content of every page of one language."""

    def __init__(self, figures: Figures, words: Wording, tables: Sequence[str]) -> None:
        self.figures = figures
        self.words = words
        self.tables = tables
        # By name, as this language sorts them.
        self._subjects_of = {
            kind: sorted(figures.of_kind(kind), key=lambda one: words.order(self.name(one.key).striptags()))
            for kind in PAGED
        }

    def every(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each page's path below its language's folder, its template, and what it shows; the front page first."""
        yield "index.html", "front", self._front()
        for kind, name in _LISTS.items():
            if subjects := self._subjects_of[kind]:
                yield f"{name}.html", "subjects", self._subjects(name, subjects)
        if self.figures.rounds:
            yield "ranking.html", "ranking", self._ranking()
        if self.figures.mandates:
            yield "mandates.html", "mandates", self._mandates()
        yield "months.html", "months", self._months()
        yield "downloads.html", "downloads", {"title": self.words.phrase("downloads"), "tables": self._tables()}
        yield "passports.html", "passports", self._passports()
        for month in sorted(self.figures.by_month):
            yield f"month/{month}.html", "month", self._month(month)
        for kind in PAGED:
            for subject in self._subjects_of[kind]:
                yield f"{kind}/{subject.scope_id}.html", "scope", self._scope(subject)

    def navigation(self) -> list[tuple[str, Markup]]:
        """The pages that every page leads to, apart from the front page."""
        there = [name for kind, name in _LISTS.items() if self._subjects_of[kind]]
        there += ["ranking"] if self.figures.rounds else []
        there += ["mandates"] if self.figures.mandates else []
        return [(f"{name}.html", self.words.phrase(name)) for name in (*there, "months", "downloads", "passports")]

    def name(self, key: str) -> Markup:
        """A subject's name; its id where it has none."""
        if key == NATION:
            return self.words.phrase("nation")
        found = self.figures.names.get(key, {})
        return self.words.of(found.get("name_fa"), found.get("name_en"), key.partition(":")[2])

    def month_name(self, label: str) -> str:
        """A month's name and year: Farvardin 1399."""
        found = self.figures.months.get(label)
        if found is None or not (found.name_fa and found.name_en):
            return self.words.digits(label)
        name = found.name_fa if self.words.language == "fa" else found.name_en
        return f"{name} {self.words.digits(str(found.year))}"

    def month_days(self, label: str) -> Markup:
        """A month's first and last day in the Gregorian calendar: 23 August to 22 September 2023."""
        found = self.figures.months.get(label)
        if found is None or found.first is None or found.last is None:
            return Markup("–")
        is_same_year = found.first.year == found.last.year
        return self.words.phrase(
            "from_to", low=self._gregorian(found.first, with_year=not is_same_year), high=self._gregorian(found.last)
        )

    def _gregorian(self, day: dt.date, *, with_year: bool = True) -> Markup:
        words, month = self.words, self.figures.months.get(f"{day:%Y-%m}")
        name = None if month is None else month.name_fa if words.language == "fa" else month.name_en
        if name is None:
            return words.day(day)
        said = words.digits(f"{day.day} {name}{f' {day.year}' if with_year else ''}")
        return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), said)

    def known(self, key: str, time: str, channel: str = "all") -> Markup:
        """Of how many expected agencies a row knows events; nothing where that is not provided or makes no sense."""
        for measure in ("completed", "active_users", "visits"):
            passport = self.figures.passport(key, time, channel, measure)
            if passport is not None and passport.covered is not None:
                return self.words.fraction(passport.covered, passport.expected)
        return Markup("–")

    def parts(self, key: str, time: str, channel: str, measure: str) -> Markup:
        """Numerator and denominator of a share, or nothing."""
        passport = self.figures.passport(key, time, channel, measure)
        return Markup("") if passport is None else self.words.fraction(passport.numerator, passport.denominator)

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
        instant = dt.datetime.fromisoformat(figures.meta["as_of"])
        return {
            "title": self.words.phrase("headlines"),
            "headlines": list(Headlines(figures, self.words, self.month_name).of(month)) if month else [],
            "headline_month": month,
            "state": self._state(month),
            "quality": list(self._quality(month)) if month else [],
            "nation_levels": figures.levels.get(NATION),
            "behind": behind,
            "mandates": self._mandate_counts(),
            **self._trend(NATION),
            "latest_round": self._rounds()[0] if figures.rounds else None,
            "losses": figures.losses,
            "restatements": figures.restatements,
            "lists": [
                (self.words.phrase("provinces"), self._subjects_of["province"]),
                (self.words.phrase("ministries"), self._subjects_of["ministry"]),
            ],
            "version": self.words.phrase(
                "version", version=self.words.digits(figures.meta["version"]), moment=self.words.moment(instant)
            ),
        }

    def _subjects(self, name: str, subjects: Sequence[Scope]) -> dict[str, Any]:
        figures, month = self.figures, self.figures.headline_month
        rows = [
            {
                "subject": one,
                "level": figures.levels.get(one.key),
                "connection": figures.connections.get(one.scope_id) if one.scope == "agency" else None,
                "last": self._last_rank(one),
                **{measure: figures.cell(one.key, month or "", measure) for measure in OVERVIEW},
            }
            for one in subjects
        ]
        return {
            "title": self.words.phrase(name),
            "rows": rows,
            "of_agencies": name == "agencies",
            "headline_month": month,
            "has_levels": any(row["level"] for row in rows),
        }

    def _last_rank(self, one: Scope) -> Row | None:
        rounds = self.figures.ranking.get(one.scope_id, ()) if one.scope == "agency" else ()
        return rounds[-1] if rounds else None

    def _rounds(self) -> list[dict[str, Any]]:
        """The rounds of the evaluation, the newest first, each with those ranked and those not."""
        rounds = []
        for row in self.figures.rounds:
            if row["cohort"] != "all":
                continue
            matched = [one for one in self.figures.rounds if one["round"] == row["round"] and one is not row]
            of_round = [one for rows in self.figures.ranking.values() for one in rows if one["round"] == row["round"]]
            ranked = sorted(
                (one for one in of_round if one["rank"].known), key=lambda one: (one["rank"].value, one["agency_id"])
            )
            partial = sorted((one for one in of_round if not one["rank"].known), key=lambda one: str(one["agency_id"]))
            rounds.append({"row": row, "matched": matched, "ranked": ranked, "partial": partial})
        return rounds

    def _ranking(self) -> dict[str, Any]:
        return {"title": self.words.phrase("ranking"), "rounds": self._rounds()}

    def _mandate_counts(self) -> list[dict[str, Any]]:
        """Every mandate once, with how many of those it binds stand where."""
        counted: dict[str, dict[str, Any]] = {}
        for rows in self.figures.mandates.values():
            for row in rows:
                entry = counted.setdefault(row["mandate_id"], {"row": row, "results": dict.fromkeys(RESULTS, 0)})
                entry["results"][row["compliance"]] += 1
        return sorted(
            counted.values(), key=lambda entry: (entry["row"]["due"] or dt.date.max, entry["row"]["mandate_id"])
        )

    def _mandates(self) -> dict[str, Any]:
        rows = [row for rows in self.figures.mandates.values() for row in rows]
        rows.sort(
            key=lambda row: (
                row["due"] or dt.date.max,
                row["mandate_id"],
                RESULTS.index(row["compliance"]),
                row["scope_key"],
            )
        )
        return {"title": self.words.phrase("mandates"), "mandates": rows}

    def _months(self) -> dict[str, Any]:
        return {
            "title": self.words.phrase("months"),
            "states": list(self.figures.states.values())[::-1],
            "paged": set(self.figures.by_month),
        }

    def _tables(self) -> list[dict[str, Any]]:
        named = {row["table_name"]: row for row in self.figures.definitions}
        version = int(self.figures.meta["version"])
        return [
            {
                "table": table,
                "name": self.words.of(named[table]["name_fa"], named[table]["name_en"], table)
                if table in named
                else "",
                "csv": None if table == "figure_passports" else f"csv/{table}.csv",
                "parquet": f"parquet/{table}/v{version:06d}.parquet",
            }
            for table in self.tables
        ]

    def _passports(self) -> dict[str, Any]:
        meta = self.figures.meta
        until = meta.get("lake.landed_until")
        return {
            "title": self.words.phrase("passports"),
            "definitions": definitions(),
            "versions": {row["table_name"]: row["metric_version"] for row in self.figures.definitions},
            "version": self.words.digits(meta["version"]),
            "published_at": self.words.moment(dt.datetime.fromisoformat(meta["as_of"])),
            "landed_until": self.words.moment(dt.datetime.fromisoformat(until)) if until else Markup("–"),
            "lake": {key[5:]: value for key, value in meta.items() if key.startswith("lake.") and value.isdigit()},
        }

    def _month(self, month: str) -> dict[str, Any]:
        figures = self.figures
        rows = figures.by_month[month]
        kinds = (("provinces", "province"), ("ministries", "ministry"), ("agencies", "agency"))
        return {
            "title": self.month_name(month),
            "month": month,
            "state": self._state(month),
            "quality": list(self._quality(month)),
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
            "ranking": figures.ranking.get(subject.scope_id, ())[::-1] if is_agency else (),
            "level": figures.levels.get(subject.key),
            "mandates": figures.mandates.get(subject.key, ()),
            **self._trend(subject.key),
        }

    def _trend(self, key: str) -> dict[str, Any]:
        """Newest month first in the tables, oldest first in the charts."""
        figures, words = self.figures, self.words
        rows = list(figures.monthly.get(key, ()))
        months = sorted({row["month"] for row in rows})
        told = {row["channel"] for row in rows}
        channels = [channel for channel in labels("channel") if channel in told]
        drawn = []
        for measure in OVERVIEW:
            points = [(self.month_name(month), figures.cell(key, month, measure)) for month in months]
            if sum(cell.known for _, cell in points) > 1:
                title = str(words.phrase(f"{measure}_chart"))
                drawn.append({"title": title, "svg": charts.bars(measure, points, title, words)})
        shares = {(row["month"], row["channel"]): row["share"] for row in rows}
        points_of_shares = [
            (self.month_name(month), [(channel, _at(shares, month, channel)) for channel in channels])
            for month in months
        ]
        stacked = None
        if len(channels) > 1 and any(cell.known for _, parts in points_of_shares for _, cell in parts):
            title = str(words.phrase("share_chart"))
            stacked = {"title": title, "svg": charts.stacks("shares", points_of_shares, channels, title, words)}
        return {
            "key": key,
            "rows": sorted(rows, key=lambda row: row["month"], reverse=True),
            "overview": [row for row in reversed(rows) if row["channel"] == "all"],
            "charts": drawn,
            "stacked": stacked,
            "channels": channels,
            "share_rows": [
                (month, [_at(shares, month, channel) for channel in channels]) for month in reversed(months)
            ],
            "other_rows": list(figures.monthly_other.get(key, ()))[::-1],
            "other_calendar": figures.other_calendar,
            "period_rows": figures.periods.get(key, ()),
        }

    def _state(self, label: str | None) -> Markup:
        """How settled a month is and who told of it; nothing where no such month is known."""
        row = self.figures.states.get(label or "")
        if row is None:
            return Markup("")
        words = self.words
        said = [words.phrase("month_state", month=self.month_name(row["month"]), state=self._month_state(row))]
        passport = self.figures.passport(NATION, row["month"], "all", "completed")
        # Who told is counted among those expected to: where nobody said who is, there is no number to say.
        if not row["expected"]:
            said.append(words.phrase("month_not_told"))
        else:
            if passport is not None and passport.covered is not None:
                expected, covered = words.number(passport.expected or 0), words.number(passport.covered)
                said.append(words.phrase("month_told", expected=expected, covered=covered))
            said.append(words.phrase("month_after", reported=words.number(row["reported"])))
        return Markup(" ").join(said)

    def _month_state(self, row: Row) -> str:
        return self.words.label("month_state", row["state"])

    def _quality(self, month: str) -> Iterator[Markup]:
        """How complete the nation's month is, and who is missing in it."""
        words, name = self.words, self.month_name(month)
        cell = self.figures.cell(NATION, month, "completeness")
        key = "completeness_says" if cell.known else "completeness_unknown"
        yield words.phrase(key, month=name, value=words.cell(cell, "percent"))
        held = [row["held_agencies"] for row in self.figures.monthly.get(NATION, ()) if row["month"] == month]
        missing = sorted({agency for text in held if text for agency in text.split(",")})
        if missing:
            names = words.comma.join(self.name(f"agency:{one}") for one in missing)
            yield words.phrase("held_some", month=name, agencies=names)
        else:
            yield words.phrase("held_none", month=name)


def _at(shares: Mapping[tuple[str, str], Cell], month: str, channel: str) -> Cell:
    return shares.get((month, channel), Cell(None, "not_provided"))
