"""Months as windows of instants: leap years, summer time, both calendars."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from contracts.errors import UsageError
from contracts.reporting_time import (
    CALENDARS,
    Calendar,
    Month,
    all_months,
    day_start,
    enclosing_periods,
    month_of,
    parse_month,
    parse_period,
    tehran_date,
)


@pytest.mark.parametrize(
    ("month", "first_day", "days"),
    [
        (Month("jalali", 1399, 1), dt.date(2020, 3, 20), 31),
        (Month("jalali", 1399, 7), dt.date(2020, 9, 22), 30),
        (Month("jalali", 1399, 12), dt.date(2021, 2, 19), 30),  # 1399 is a leap year
        (Month("jalali", 1400, 1), dt.date(2021, 3, 21), 31),
        (Month("jalali", 1400, 12), dt.date(2022, 2, 20), 29),
        (Month("jalali", 1402, 12), dt.date(2024, 2, 20), 29),
        (Month("jalali", 1403, 1), dt.date(2024, 3, 20), 31),
        (Month("jalali", 1403, 12), dt.date(2025, 2, 19), 30),  # 1403 is a leap year
        (Month("jalali", 1404, 1), dt.date(2025, 3, 21), 31),
        (Month("gregorian", 2020, 2), dt.date(2020, 2, 1), 29),
    ],
)
def test_a_month_starts_on_its_day_and_has_its_length(month: Month, first_day: dt.date, days: int) -> None:
    assert month.first_day == first_day
    assert month.days == days


@pytest.mark.parametrize(("year", "days"), [(1395, 366), (1398, 365), (1399, 366), (1402, 365), (1403, 366)])
def test_a_jalali_year_has_its_length(year: int, days: int) -> None:
    assert sum(Month("jalali", year, number).days for number in range(1, 13)) == days


@pytest.mark.parametrize("calendar", CALENDARS)
def test_months_tile_time_without_hole_or_overlap(calendar: Calendar) -> None:
    months = all_months(calendar)
    for month, following in itertools.pairwise(months):
        assert month.end == following.start
        assert month.start < month.end
        assert month_of(calendar, month.first_day) == month
        assert month_of(calendar, following.first_day - dt.timedelta(days=1)) == month


@pytest.mark.parametrize(
    ("day", "start"),
    [
        (dt.date(2020, 3, 20), "2020-03-19T20:30:00+00:00"),  # winter time, +03:30
        (dt.date(2020, 6, 1), "2020-05-31T19:30:00+00:00"),  # summer time, +04:30
        (dt.date(2020, 9, 22), "2020-09-21T20:30:00+00:00"),  # the first of Mehr is back in winter time
        (dt.date(2022, 6, 1), "2022-05-31T19:30:00+00:00"),  # the last summer time, 1401
        (dt.date(2023, 6, 1), "2023-05-31T20:30:00+00:00"),  # abolished
    ],
)
def test_a_day_opens_at_midnight_in_tehran(day: dt.date, start: str) -> None:
    assert day_start(day).isoformat() == start


def test_summer_time_changes_the_length_of_a_month_in_hours_not_in_days() -> None:
    farvardin, shahrivar = Month("jalali", 1399, 1), Month("jalali", 1399, 6)
    assert farvardin.end - farvardin.start == dt.timedelta(days=31, hours=-1)
    assert shahrivar.end - shahrivar.start == dt.timedelta(days=31, hours=1)
    assert Month("jalali", 1402, 1).end - Month("jalali", 1402, 1).start == dt.timedelta(days=31)


def test_every_instant_around_a_change_of_summer_time_has_one_date() -> None:
    instant = dt.datetime(2020, 3, 20, 12, tzinfo=dt.UTC)
    last = tehran_date(instant)
    for _ in range(48 * 12):
        instant += dt.timedelta(minutes=5)
        date = tehran_date(instant)
        assert date in (last, last + dt.timedelta(days=1))
        assert day_start(date) <= instant < day_start(date + dt.timedelta(days=1))
        last = date


def test_a_month_knows_its_names_quarter_and_half() -> None:
    month = parse_month("1399-07")
    assert (month.names, month.quarter, month.half) == (("مهر", "Mehr"), "1399-Q3", "1399-H2")
    assert [period.label for period in enclosing_periods(month)] == ["1399-Q3", "1399-H2", "1399"]
    assert [period.days for period in enclosing_periods(Month("jalali", 1399, 2))] == [93, 186, 366]


def test_the_year_tells_the_calendar() -> None:
    assert parse_month("1399-01").calendar == "jalali"
    assert parse_month("2020-03").calendar == "gregorian"


@pytest.mark.parametrize("text", ["1399-00", "1399-13", "1399-1", "99-01", "1399/01", "1800-01", "", "۱۳۹۹-۰۱"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_month(text)


def test_a_month_of_the_other_calendar_is_refused_where_one_is_named() -> None:
    with pytest.raises(UsageError):
        parse_month("2020-03", "jalali")


@pytest.mark.parametrize(
    ("text", "days", "months"), [("1399-01", 31, 1), ("1399-01/1399-06", 186, 6), ("1399-01/1400-12", 731, 24)]
)
def test_a_period_is_an_inclusive_run_of_months(text: str, days: int, months: int) -> None:
    period = parse_period(text, "jalali")
    assert (period.days, period.months) == (days, months)


@pytest.mark.parametrize("text", ["1399-06/1399-01", "1399-01/", "1399-01/2020-06", "1399"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_period(text, "jalali")
