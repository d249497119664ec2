"""Words and numbers of one language: what the pages print, isolated where two directions of writing meet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import jdatetime
from markupsafe import Markup, escape

from contracts.reporting_time import TEHRAN
from contracts.shipped import shipped_yaml
from contracts.vocabularies import labels

Language = Literal["fa", "en"]
_PERSIAN = str.maketrans("0123456789,.%", "۰۱۲۳۴۵۶۷۸۹٬٫٪")
_ALPHABET = "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی"
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
    phrases: Mapping[str, Mapping[str, str]] = shipped_yaml("dashboard", "words.yaml")
    return phrases


@dataclass(frozen=True)
class Wording:
    """One language's way to say a phrase, a number, a share, a day or a code."""

    language: Language

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``."""
        return "rtl" if self.language == "fa" else "ltr"

    @property
    def comma(self) -> Markup:
        """What stands between the members of a list."""
        return Markup("، ") if self.language == "fa" else Markup(", ")

    def phrase(self, key: str, **values: object) -> Markup:
        """The phrase, with every value isolated from the direction around it. KeyError for an unknown one."""
        text = Markup(_phrases()[key][self.language])  # noqa: S704 our own file; values are escaped
        return text.format(**{name: isolated(value) for name, value in values.items()}) if values else text

    def of(self, fa: str | None, en: str | None, code: str) -> Markup:
        """A name in this language; where it has none, in the other one and marked as such; else its code."""
        own, other = (fa, en) if self.language == "fa" else (en, fa)
        if own:
            return escape(own)
        if other:
            language, direction = ("en", "ltr") if self.language == "fa" else ("fa", "rtl")
            return Markup('<span lang="{}" dir="{}">{}</span>').format(language, direction, other)
        return coded(code)

    def order(self, name: str) -> tuple[tuple[int, str], ...]:
        """What names are sorted by: the Persian alphabet, whose letters are not in order in Unicode."""
        letters = name.casefold().replace("ئ", "ی").replace("أ", "ا")
        return tuple((_ALPHABET.find(letter), letter) for letter in letters)

    def label(self, vocabulary: str, code: str | None) -> str:
        """The label of a code of a closed list; the code itself where the list does not have it, a dash for None."""
        if code is None:
            return "–"
        found = labels(vocabulary).get(code)
        return coded(code) if found is None else found.fa if self.language == "fa" else found.en

    def channel(self, code: str) -> str:
        """The label of a channel, ``all`` among them."""
        return str(self.phrase("all")) if code == "all" else self.label("channel", code)

    def digits(self, text: str) -> str:
        """Figures as this language writes them."""
        return text.translate(_PERSIAN) if self.language == "fa" else text

    def number(self, value: float | int, decimals: int = 0) -> str:
        """1234.5 as 1,234.5 or ۱٬۲۳۴٫۵: ``decimals`` digits after the point, none for whole numbers."""
        text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{decimals}f}"
        return self.digits(text).replace("-", _MINUS)

    def percent(self, share: float, decimals: int = 2) -> str:
        """0.4885 as 48.85% or ۴۸٫۸۵٪."""
        return self.digits(f"{share * 100:.{decimals}f}%").replace("-", _MINUS)

    def signed(self, value: float) -> Markup:
        """A change with its sign and two decimals: +10.95."""
        sign = "+" if value > 0 else _MINUS if value < 0 else ""
        return Markup('<bdi dir="ltr">{}{}</bdi>').format(sign, self.digits(f"{abs(value):,.2f}"))

    def round(self, code: str) -> Markup:
        """A round's or period's code, whose hyphen would turn its parts around after Persian letters."""
        return Markup('<bdi dir="ltr">{}</bdi>').format(self.digits(code))

    def hundredths(self, share: float) -> str:
        """0.4885 as 48.85: a share said with the word percent."""
        return self.digits(f"{share * 100:.2f}")

    def range(self, low: float, high: float | None, *, is_share: bool) -> Markup:
        """A threshold, or the two between which it lies: 75 to 80 percent."""
        values = [low] if high is None or high == low else [low, high]
        said = [self.trimmed(value * 100 if is_share else value) for value in values]
        text = self.phrase("from_to", low=said[0], high=said[1]) if len(said) > 1 else isolated(said[0])
        return self.phrase("percent", value=text) if is_share else text

    def trimmed(self, value: float) -> str:
        """A number with as many of two decimals as it needs."""
        return self.digits(f"{value:,.2f}".rstrip("0").rstrip(".")).replace("-", _MINUS)

    def cell(self, cell: Cell, kind: str = "number") -> str:
        """A number, or the word for why there is none: suppressed, not provided, not applicable."""
        if cell.value is None or cell.status != "value":
            return self.label("value_status", cell.status)
        if kind in ("percent", "tenths"):
            return self.percent(cell.value, 2 if kind == "percent" else 1)
        return self.number(cell.value, 2 if kind == "decimal" else 0)

    def fraction(self, numerator: float | None, denominator: float | None) -> Markup:
        """12 of 40, from a passport; nothing where a figure has no two parts."""
        if numerator is None or denominator is None:
            return Markup("")
        return self.phrase("of_whole", part=self.number(numerator), whole=self.number(denominator))

    def day(self, day: dt.date | None) -> Markup:
        """A day of the Solar Hijri calendar in Persian, of the Gregorian in English; a dash for None."""
        if day is None:
            return Markup("–")
        return Markup('<time datetime="{}" dir="ltr">{}</time>').format(
            day.isoformat(), self._jalali(day) if self.language == "fa" else day.isoformat()
        )

    def _jalali(self, day: dt.date) -> str:
        return self.digits(jdatetime.date.fromgregorian(date=day).isoformat().replace("-", "/"))

    def moment(self, instant: dt.datetime) -> Markup:
        """An instant to the minute, in Tehran."""
        there = instant.astimezone(TEHRAN)
        written = self._jalali(there.date()) if self.language == "fa" else there.date().isoformat()
        return Markup('<time datetime="{}" dir="ltr">{} {}</time>').format(
            instant.isoformat(timespec="minutes"), written, self.digits(f"{there:%H:%M}")
        )


def coded(code: str) -> Markup:
    """A code, an id, a file's name: left to right in any text, and of no language."""
    return Markup('<bdi dir="ltr" lang="zxx">{}</bdi>').format(code)


def isolated(value: object) -> Markup:
    """The value in an element of its own, so that its direction does not spill; markup that already is one stays."""
    return value if isinstance(value, Markup) else Markup("<bdi>{}</bdi>").format(escape(value))
