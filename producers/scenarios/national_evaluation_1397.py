"""The national evaluation, rounds of 1395 to 1396, released by Ordibehesht 1397; and inquiries between agencies.

The first two rounds stand in the catalogue's ``assessments.csv``: they were held before the evaluator had a stream. The
third is said by the evaluator itself, score by score, on the day of its release; ``evaluation_scores`` tells how the
reported means come out. Deeds and Tax answer a falling part of their inquiries on paper; the Central Bank answers
Mobile Government's about cheques and facilities online, and never says whether paper was left: its online share is not
provided. At a scale s each answers ``max(20, round(monthly x s))`` inquiries a month; these numbers are the scenario's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Any, NamedTuple

from contracts.reporting_time import Month
from contracts.settings import EVALUATOR
from producers import envelope
from producers.apportionment import scatter, spread
from producers.citizens import seeded
from producers.identifiers import seeded_event_id
from producers.journeys import MonthClock, Reporter, Said, start_of_journey, written_time
from producers.scenarios import national_agencies
from producers.scenarios.evaluation_scores import ROUNDS, Row, assessments, frameworks
from producers.scenarios.office_days import work_days
from producers.scenarios.registry import Tables

NAME = "national-evaluation-1397"
TITLE = {
    "fa": "ارزیابی ملی خدمات الکترونیکی: ۶۲، ۸۳ و ۹۳ دستگاه در سه نوبت تا ۱۳۹۷",
    "en": "National evaluation of electronic services: 62, 83 and 93 agencies in three rounds up to 1397",
}
MONTHS = (*(Month("jalali", 1396, number) for number in (10, 11, 12)), *(Month("jalali", 1397, n) for n in (1, 2)))
EVENTS_AT_FULL_SCALE = 8_000_000
STREAMED = ROUNDS[-1]
SOURCE = "/evaluators/it-council-secretariat"
_FEWEST = 20
_HOUR = 3_600_000


class Answering(NamedTuple):
    """An agency that answers inquiries; ``paper`` is the part on paper in the first and in the last month."""

    agency_id: str
    monthly: int
    counterparts: tuple[str, ...]
    paper: tuple[float, float]


ANSWERING = (
    Answering("deeds-organization", 400_000, ("municipalities", "tax-administration", "roads-ministry"), (0.7, 0.5)),
    Answering("tax-administration", 300_000, ("customs", "deeds-organization", "social-security"), (0.6, 0.45)),
    Answering("central-bank", 900_000, ("it-organization",), (0.0, 0.0)),
)
SENDERS = tuple(agency.agency_id for agency in ANSWERING)


def _mandate(
    mandate_id: str, law: tuple[str, str], measure: str, low: str, high: str, valid_from: str, due: str, valid_to: str
) -> Row:
    return {
        "mandate_id": mandate_id,
        "law_fa": law[0],
        "law_en": law[1],
        "scope": "national",
        "measure": measure,
        "threshold_low": low,
        "threshold_high": high,
        "valid_from": valid_from,
        "due": due,
        "valid_to": valid_to,
    }


MANDATES = (
    _mandate(
        "evaluation-every-three-months",
        ("وظیفه دبیرخانه شورای اجرایی فناوری اطلاعات", "Duty of the Secretariat of the IT Executive Council"),
        "evaluation_round_every_months",
        *("3", "", national_agencies.EXISTS_FROM, "", "2018-06-21"),  # to the end of spring 1397: the report's own time
    ),
    _mandate(
        "priority-projects-1397",
        ("ابلاغ ۲۳ پروژه اولویت‌دار دولت الکترونیک", "Notification of 23 priority projects of electronic government"),
        "electronic_share",
        *("0.75", "0.8", "2018-04-29", "2021-04-29", ""),  # 9 Ordibehesht 1397, and three years
    ),
)


def catalogue() -> Tables:
    """The catalogue's rows; they depend on neither scale nor seed."""
    agencies = [*(agency.agency_id for agency in national_agencies.evaluated()), *SENDERS]
    return {
        "agencies": national_agencies.rows(agencies),
        "mandates": MANDATES,
        "frameworks": frameworks(),
        "assessments": tuple(row for one in ROUNDS if one is not STREAMED for row in assessments(one)),
    }


def events(month: Month, scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """What reaches the broker in a month: day by day, in a day the evaluator first."""
    seed_text, tag = seeded(NAME, seed, scale)
    clock = MonthClock(month)
    released = date.fromisoformat(STREAMED.release_on)
    plans = [
        scatter(max(_FEWEST, round(agency.monthly * scale)), work_days(clock), spread(17 * place + month.number))
        for place, agency in enumerate(ANSWERING)
    ]
    for day, today in enumerate(clock.dates):
        random = Random(f"{seed_text}|{today}")
        if today == released:
            for number, row in enumerate(assessments(STREAMED)):
                yield EVALUATOR, _scored(clock.starts[day] + 9 * _HOUR + number * 1000, row, random)
        for place, agency in enumerate(ANSWERING):
            reporter = Reporter(agency.agency_id, random)
            before = sum(plans[place][:day])
            for said in _answers(reporter, clock, month, day, agency, range(before, before + plans[place][day]), tag):
                yield agency.agency_id, said.value


def _scored(at: int, row: Row, random: Random) -> bytes:
    """One indicator's score as the evaluator says it; blank cells are left out."""
    data: dict[str, Any] = {name: cell for name, cell in row.items() if cell}
    data["score"] = float(row["score"])
    event_id = seeded_event_id(at, random)
    return envelope.encode(
        envelope.document(event_id, SOURCE, envelope.full_type("assessment.scored"), written_time(at), data)
    )


def _answers(
    reporter: Reporter, clock: MonthClock, month: Month, day: int, agency: Answering, numbers: range, tag: str
) -> list[Said]:
    """The inquiries that an agency answers on a day, at office hours."""
    progress = MONTHS.index(month) / (len(MONTHS) - 1)
    paper = agency.paper[0] + (agency.paper[1] - agency.paper[0]) * progress
    said = []
    for number in numbers:
        data = {
            "inquiry_id": f"inq-{tag}-{agency.agency_id}-{month.label}-{number}",
            "counterpart_agency_id": agency.counterparts[number % len(agency.counterparts)],
            "mode": "paper" if spread(number) < paper else "online",
        }
        said.append(
            reporter.say("inquiry.answered", start_of_journey(reporter.random, clock, day, "service_desk"), data)
        )
    return sorted(said, key=lambda one: one.at)
