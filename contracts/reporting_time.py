"""The reporting calendar: Jalali and Gregorian months as windows of UTC instants.

This module alone knows Asia/Tehran. A month starts at midnight in Tehran and is half-open; summer time
(kept until 1401) is the zone's own business. The rest of the project knows windows and labels.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

import jdatetime

from contracts.errors import UsageError

Calendar = Literal["jalali", "gregorian"]
CALENDARS: tuple[Calendar, ...] = ("jalali", "gregorian")
TEHRAN = ZoneInfo("Asia/Tehran")
# Events are accepted from 1970 on; the far end leaves room for more than a century.
FIRST_YEAR, LAST_YEAR = {"jalali": 1348, "gregorian": 1969}, {"jalali": 1500, "gregorian": 2121}

JALALI_MONTHS = (
    ("فروردین", "Farvardin"),
    ("اردیبهشت", "Ordibehesht"),
    ("خرداد", "Khordad"),
    ("تیر", "Tir"),
    ("مرداد", "Mordad"),
    ("شهریور", "Shahrivar"),
    ("مهر", "Mehr"),
    ("آبان", "Aban"),
    ("آذر", "Azar"),
    ("دی", "Dey"),
    ("بهمن", "Bahman"),
    ("اسفند", "Esfand"),
)
GREGORIAN_MONTHS = (
    ("ژانویه", "January"),
    ("فوریه", "February"),
    ("مارس", "March"),
    ("آوریل", "April"),
    ("مه", "May"),
    ("ژوئن", "June"),
    ("ژوئیه", "July"),
    ("اوت", "August"),
    ("سپتامبر", "September"),
    ("اکتبر", "October"),
    ("نوامبر", "November"),
    ("دسامبر", "December"),
)
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, order=True)
class Month:
    """A month of one calendar: ``Month("jalali", 1399, 1)`` is Farvardin 1399."""

    calendar: Calendar
    year: int
    number: int

    @property
    def label(self) -> str:
        """The month as published: ``1399-01``."""
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first_day(self) -> dt.date:
        """The Gregorian date of the month's first day."""
        if self.calendar == "jalali":
            day: dt.date = jdatetime.date(self.year, self.number, 1).togregorian()
            return day
        return dt.date(self.year, self.number, 1)

    @property
    def following(self) -> Month:
        """The month after this one."""
        year, number = (self.year + 1, 1) if self.number == 12 else (self.year, self.number + 1)
        return Month(self.calendar, year, number)

    @property
    def start(self) -> dt.datetime:
        """The first instant, in UTC."""
        return day_start(self.first_day)

    @property
    def end(self) -> dt.datetime:
        """The first instant after the month, in UTC: windows are half-open."""
        return self.following.start

    @property
    def days(self) -> int:
        """Length in days: 31, 30 or 29 in the Jalali calendar."""
        return (self.following.first_day - self.first_day).days

    @property
    def names(self) -> tuple[str, str]:
        """The month's name in Persian and in English."""
        return (JALALI_MONTHS if self.calendar == "jalali" else GREGORIAN_MONTHS)[self.number - 1]

    @property
    def quarter(self) -> str:
        """``1399-Q1``."""
        return f"{self.year:04d}-Q{(self.number - 1) // 3 + 1}"

    @property
    def half(self) -> str:
        """``1399-H1``."""
        return f"{self.year:04d}-H{(self.number - 1) // 6 + 1}"


@dataclass(frozen=True)
class Period:
    """An inclusive run of months of one calendar; ``label`` is ``1399-Q1``, ``1399-H1``, ``1399``, ``A/B``."""

    label: str
    first: Month
    last: Month

    @property
    def start(self) -> dt.datetime:
        """The first instant, in UTC."""
        return self.first.start

    @property
    def end(self) -> dt.datetime:
        """The first instant after the period, in UTC."""
        return self.last.end

    @property
    def days(self) -> int:
        """Length in days."""
        return (self.last.following.first_day - self.first.first_day).days

    @property
    def months(self) -> int:
        """Length in months."""
        return (self.last.year - self.first.year) * 12 + self.last.number - self.first.number + 1


def day_start(day: dt.date) -> dt.datetime:
    """Midnight in Tehran that opens ``day``, as a UTC instant.

    Where summer time skips midnight, the day opens at the jump, as the arithmetic of the zone gives it.
    """
    return dt.datetime.combine(day, dt.time(), TEHRAN).astimezone(dt.UTC)


def tehran_date(instant: dt.datetime) -> dt.date:
    """The Tehran date of an aware instant."""
    return instant.astimezone(TEHRAN).date()


def tehran_today() -> dt.date:
    """The Tehran date of now."""
    return tehran_date(dt.datetime.now(dt.UTC))


def month_of(calendar: Calendar, day: dt.date) -> Month:
    """The month that holds a (Gregorian) date."""
    if calendar == "jalali":
        found = jdatetime.date.fromgregorian(date=day)
        return Month("jalali", found.year, found.month)
    return Month("gregorian", day.year, day.month)


def parse_month(text: str, calendar: Calendar | None = None) -> Month:
    """Read ``1399-01`` or ``2020-03``; the year tells the calendar unless one is named.

    Raises UsageError for anything else, a month of the wrong calendar or a year outside the dimension.
    """
    match = _MONTH.fullmatch(text)
    if not match:
        raise UsageError(f"not a month: {text!r}", hint="YYYY-MM, such as 1399-01 or 2020-03")
    year, number = int(match[1]), int(match[2])
    for known in CALENDARS:
        if FIRST_YEAR[known] <= year <= LAST_YEAR[known]:
            if calendar not in (None, known):
                raise UsageError(f"{text} is not a month of the {calendar} calendar")
            return Month(known, year, number)
    raise UsageError(f"the year of {text!r} is in neither calendar's range")


def parse_begun_month(text: str) -> Month:
    """Read a month that has begun, as ``parse_month`` does; UsageError where it lies ahead."""
    month = parse_month(text)
    if month.start > dt.datetime.now(dt.UTC):
        raise UsageError(f"{text} has not begun")
    return month


def parse_period(text: str, calendar: Calendar) -> Period:
    """Read a declaration's period: a month, or an inclusive range ``YYYY-MM/YYYY-MM``."""
    first_text, _, last_text = text.partition("/")
    first = parse_month(first_text, calendar)
    last = parse_month(last_text, calendar) if last_text or "/" in text else first
    if last < first:
        raise UsageError(f"the period {text!r} ends before it starts")
    return Period(text, first, last)


def enclosing_periods(month: Month) -> tuple[Period, Period, Period]:
    """The quarter, half and year that hold a month."""

    def run(label: str, first: int, last: int) -> Period:
        return Period(label, Month(month.calendar, month.year, first), Month(month.calendar, month.year, last))

    quarter, half = (month.number - 1) // 3 * 3 + 1, (month.number - 1) // 6 * 6 + 1
    return (
        run(month.quarter, quarter, quarter + 2),
        run(month.half, half, half + 5),
        run(f"{month.year:04d}", 1, 12),
    )


@cache
def all_months(calendar: Calendar) -> tuple[Month, ...]:
    """Every month of the dimension, in order."""
    return tuple(_months(calendar))


def _months(calendar: Calendar) -> Iterator[Month]:
    for year in range(FIRST_YEAR[calendar], LAST_YEAR[calendar] + 1):
        for number in range(1, 13):
            yield Month(calendar, year, number)
