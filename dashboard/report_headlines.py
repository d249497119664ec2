"""The headlines: one sentence a measure, and behind each the passport of its figure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from markupsafe import Markup, escape

from contracts.shipped import shipped_yaml
from dashboard.report_data import NATION, Figures
from dashboard.wording import Cell, Wording, coded

OVERVIEW = ("active_users", "visits", "completed")


@cache
def definitions() -> Mapping[str, Mapping[str, Markup]]:
    """What the measures mean: by measure its table and its definition in both languages."""
    found: Mapping[str, Mapping[str, str]] = shipped_yaml("dashboard", "definitions.yaml")
    # Our own file, with marks for names in Latin letters.
    return {measure: {key: Markup(said) for key, said in one.items()} for measure, one in found.items()}  # noqa: S704


class Headlines:
    """The sentences of one language about the whole country."""

    def __init__(self, figures: Figures, words: Wording, month_name: Callable[[str], str]) -> None:
        self.figures = figures
        self.words = words
        self._month_name = month_name

    def of(self, month: str) -> Iterator[dict[str, Any]]:
        """One sentence a measure: the figure, how many a day, and against the same month of the year before."""
        for measure in OVERVIEW:
            said = Markup(" ").join(self._headline(month, measure))
            yield {"sentence": said, "passport": self._passport(month, measure)}
        take_up = self.figures.take_up.get(month, Cell(None, "not_provided"))
        if take_up.known and take_up.value is not None:
            said = self.words.phrase(
                "take_up", value=_strong(self.words.percent(take_up.value)), month=self._month_name(month)
            )
            yield {
                "sentence": said,
                "passport": self._passport(month, "digital_take_up"),
            }

    def _headline(self, month: str, measure: str) -> Iterator[Markup]:
        figures, words = self.figures, self.words
        cell, name = figures.cell(NATION, month, measure), self._month_name(month)
        if cell.value is None:
            yield words.phrase(f"no_{measure}", month=name, value=words.cell(cell).lower())
            return
        yield words.phrase(measure, month=name, value=_strong(words.cell(cell)))
        days = figures.months[month].days
        # Distinct users do not divide by days; events do, and months have 29 to 31 of them.
        is_daily = measure != "active_users"
        if is_daily:
            yield words.phrase("per_day", value=words.number(cell.value / days, 1))
        earlier = figures.year_before(month)
        base = figures.cell(NATION, earlier, measure)
        if not base.value or earlier not in figures.months:
            yield words.phrase("no_year_before", month=self._month_name(earlier), value=words.cell(base).lower())
            return
        scale = days / figures.months[earlier].days if is_daily else 1
        change = cell.value / (base.value * scale) - 1
        key = ("same" if change == 0 else "more" if change > 0 else "less") + ("_a_day" if is_daily else "")
        yield words.phrase(key, value=_strong(words.percent(abs(change), 1)), month=self._month_name(earlier))

    def _passport(self, month: str, measure: str) -> list[tuple[Markup, Markup]]:
        """A headline's passport as terms and what is said of them; nothing where it has none."""
        words, found = self.words, self.figures.passport(NATION, month, "all", measure)
        if found is None:
            return []
        definition = definitions()[measure]
        parts = words.fraction(found.numerator, found.denominator) or words.phrase(
            "own_numerator", value=words.number(found.numerator or 0)
        )
        until = self.figures.meta.get("lake.landed_until")
        return [
            (words.phrase("definition"), definition[words.language]),
            (words.phrase("numerator"), parts),
            (
                words.phrase("coverage"),
                words.phrase(
                    "coverage_says", covered=words.number(found.covered), expected=words.number(found.expected or 0)
                )
                if found.covered is not None
                else escape(words.label("value_status", found.status)),
            ),
            (words.phrase("as_of"), words.moment(dt.datetime.fromisoformat(until)) if until else Markup("–")),
            (words.phrase("lake_version"), escape(words.digits(self.figures.meta.get("lake.events", "–")))),
            (words.phrase("source"), coded(f"{definition['table']}.{measure} · {NATION} · {month} · all")),
        ]


def _strong(text: str) -> Markup:
    return Markup('<bdi class="fig">{}</bdi>').format(text)
