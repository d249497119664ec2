"""Words and numbers of one language: what the pages print, isolated where two directions of writing meet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import jdatetime
import yaml
from markupsafe import Markup, escape

from contracts.reporting_time import TEHRAN
from contracts.vocabularies import labels

Language = Literal["fa", "en"]
_PERSIAN = str.maketrans("0123456789,.%", "۰۱۲۳۴۵۶۷۸۹٬٫٪")
_MINUS = "\N{MINUS SIGN}"


class Cell(NamedTuple):
    """A published number and its status: a number where the status is ``value``, else None."""

    value: float | int | None
    status: str

    @property
    def known(self) -> bool:
        """True where there is a number."""
        return self.status == "value" and self.value is not None


@cache
def _phrases() -> Mapping[str, Mapping[str, str]]:
    text = files("dashboard").joinpath("words.yaml").read_text(encoding="utf-8")
    phrases: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return phrases


@dataclass(frozen=True)
class Wording:
    """One language's way to say a phrase, a number, a share, a day or a code."""

    language: Language

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``."""
        return "rtl" if self.language == "fa" else "ltr"

    def phrase(self, key: str, **values: object) -> Markup:
        """The phrase, with every value isolated from the direction around it. KeyError for an unknown one."""
        text = Markup(_phrases()[key][self.language])  # noqa: S704 our own file; values are escaped
        return text.format(**{name: isolated(value) for name, value in values.items()}) if values else text

    def of(self, fa: str | None, en: str | None, code: str) -> str:
        """A name in this language, else in the other, else its code."""
        return (fa or en or code) if self.language == "fa" else (en or fa or code)

    def label(self, vocabulary: str, code: str | None) -> str:
        """The label of a code of a closed list; the code itself where the list does not have it, a dash for None."""
        if code is None:
            return "–"
        found = labels(vocabulary).get(code)
        return code if found is None else found.fa if self.language == "fa" else found.en

    def channel(self, code: str) -> str:
        """The label of a channel, ``all`` among them."""
        return str(self.phrase("all")) if code == "all" else self.label("channel", code)

    def digits(self, text: str) -> str:
        """Figures as this language writes them."""
        return text.translate(_PERSIAN) if self.language == "fa" else text

    def number(self, value: float | int, decimals: int = 0) -> str:
        """1234.5 as 1,234.5 or ۱٬۲۳۴٫۵: ``decimals`` digits after the point, none for whole numbers."""
        return self.digits(f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{decimals}f}").replace(
            "-", _MINUS
        )

    def percent(self, share: float, decimals: int = 2) -> str:
        """0.4885 as 48.85% or ۴۸٫۸۵٪."""
        return self.digits(f"{share * 100:.{decimals}f}%").replace("-", _MINUS)

    def hundredths(self, share: float) -> str:
        """0.4885 as 48.85: a share said with the word percent."""
        return self.digits(f"{share * 100:.2f}")

    def cell(self, cell: Cell, kind: str = "number") -> str:
        """A number, or the word for why there is none: suppressed, not provided, not applicable."""
        if cell.value is None or cell.status != "value":
            return self.label("value_status", cell.status)
        if kind == "percent":
            return self.percent(cell.value)
        return self.number(cell.value, 2 if kind == "decimal" else 0)

    def day(self, day: dt.date | None) -> str:
        """A day of the Solar Hijri calendar in Persian, of the Gregorian in English."""
        if day is None:
            return "–"
        written = jdatetime.date.fromgregorian(date=day).isoformat() if self.language == "fa" else day.isoformat()
        return self.digits(written.replace("-", "/") if self.language == "fa" else written)

    def moment(self, instant: dt.datetime) -> str:
        """An instant to the minute, in Tehran."""
        there = instant.astimezone(TEHRAN)
        return f"{self.day(there.date())} {self.digits(f'{there:%H:%M}')}"


def isolated(value: object) -> Markup:
    """The value in an element of its own, so that its direction does not spill; markup that already is one stays."""
    return value if isinstance(value, Markup) else Markup("<bdi>{}</bdi>").format(escape(value))
