"""Three rounds of the national evaluation: who was in them, and scores whose published means are the reported ones.

| round | agencies | of them web presence alone | mean of the others | mean of participation |
|---|---|---|---|---|
| 1395 | 62 | 2 | 19.3 | 4 |
| 1396-06 | 83 | 2 | 28 | 16/3 = 5.33 |
| 1396-12 | 93 | 6 | 38.95 | 64/3 = 21.33 |

A mean is over the agencies scored in full: partial scope is never averaged with full scope. The nine named scores of
the third round are the reported ones; so is that four named agencies were scored on web presence alone. The report has
no weights: the framework's are equal, illustrative, and say so in its name. All other scores are plausible, not
reported; they depend on neither scale nor seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from producers.apportionment import apportion, spread
from producers.scenarios.national_agencies import evaluated

Row = Mapping[str, str]

INDICATORS = (
    ("web_presence", "حضور در وب", "Web presence"),
    ("interactive", "تعاملی", "Interactive"),
    ("transactional", "تراکنشی", "Transactional"),
    ("integration", "یکپارچگی", "Integration"),
    ("participation", "مشارکتی", "Participation"),
)
EVALUATOR_NAME = "Secretariat of the IT Executive Council"
_NO_LOGIN = "no login to the agency's systems was possible"
# Named in the third round: their scores, and who was scored on web presence alone (two more are not named).
NAMED = {
    "central-insurance": 97,
    "economy-ministry": 79,
    "customs": 78,
    "standards-organization": 72,
    "state-trading": 69,
    "tax-administration": 68,
    "transport-infrastructure": 67,
    "thermal-power": 9,
    "pasteur-institute": 3,
}
WEB_ONLY = ("education-ministry", "agricultural-engineering", "pension-organization", "educational-testing")
_WEB_ONLY_UNNAMED = ("atomic-energy", "prisons-organization")
_ABSENT_IN_2 = "statistics-centre"
_HUNDRED = 10_000  # scores are reckoned in hundredths of a point
# Of what participation leaves over: web presence is easy, integration is not.
_PARTS = (36, 26, 22, 16)


class Round(NamedTuple):
    """One round; totals are in hundredths of a point, over the agencies scored in full."""

    name: str
    framework: str
    announced_on: str
    assessed_from: str
    assessed_to: str
    release_on: str
    web_only: tuple[str, ...]
    total: int
    participation: int


ROUNDS = (
    Round(
        "1395", "1395-illustrative", "2016-11-20", "2016-12-21", "2017-03-05", "2017-03-15",
        ("education-ministry", "educational-testing"), 60 * 1_930, 60 * 400,
    ),
    Round(
        "1396-06", "1396-06-illustrative", "2017-07-23", "2017-08-23", "2017-09-22", "2017-10-10",
        ("education-ministry", "educational-testing"), 81 * 2_800, 81 * 1_600 // 3,
    ),
    Round(
        "1396-12", "1396-12-illustrative", "2018-01-21", "2018-02-20", "2018-03-20", "2018-05-08",
        (*WEB_ONLY, *_WEB_ONLY_UNNAMED), 87 * 3_895, 87 * 6_400 // 3,
    ),
)  # fmt: skip


def frameworks() -> tuple[Row, ...]:
    """The rows of frameworks.csv: each round's version, with equal weights, announced before the round."""
    return tuple(
        {
            "framework_version": one.framework,
            "indicator": indicator,
            "name_fa": fa,
            "name_en": en,
            "weight": "1",
            "announced_on": one.announced_on,
        }
        for one in ROUNDS
        for indicator, fa, en in INDICATORS
    )


def assessments(one: Round) -> tuple[Row, ...]:
    """The rows of assessments.csv of a round: an agency's indicators, or its web presence alone."""
    rows = []
    for agency_id in agencies_of(one):
        scored = (_web_alone(agency_id),) if agency_id in one.web_only else scores(one)[agency_id]
        for (indicator, _, _), score in zip(INDICATORS, scored, strict=False):
            rows.append(
                {
                    "round": one.name,
                    "assessed_from": one.assessed_from,
                    "assessed_to": one.assessed_to,
                    "release_on": one.release_on,
                    "framework_version": one.framework,
                    "evaluator": EVALUATOR_NAME,
                    "agency_id": agency_id,
                    "indicator": indicator,
                    "score": f"{score / 100:.15g}",
                    "scope": "web_presence_only" if agency_id in one.web_only else "full",
                    "scope_reason": _NO_LOGIN if agency_id in one.web_only else "",
                    "method": "desk",
                }
            )
    return tuple(rows)


@cache
def agencies_of(one: Round) -> tuple[str, ...]:
    """Who was in a round."""
    number = ROUNDS.index(one) + 1
    return tuple(
        agency.agency_id
        for agency in evaluated()
        if agency.first_round <= number and not (number == 2 and agency.agency_id == _ABSENT_IN_2)
    )


@cache
def scores(one: Round) -> Mapping[str, tuple[int, ...]]:
    """The five indicators of each agency scored in full, in hundredths of a point."""
    full = [agency_id for agency_id in agencies_of(one) if agency_id not in one.web_only]
    fixed = {agency: score * 100 for agency, score in NAMED.items()} if one is ROUNDS[-1] else {}
    others = [agency_id for agency_id in full if agency_id not in fixed]
    weights = [_ability(one, agency_id) for agency_id in others]
    composite = fixed | dict(zip(others, apportion(one.total - sum(fixed.values()), weights), strict=True))
    participation = _participation(one, composite)
    return {agency_id: _indicators(5 * composite[agency_id], participation[agency_id]) for agency_id in full}


def _ability(one: Round, agency_id: str) -> float:
    """What an agency's score is in proportion to: its place in the third round, a little otherwise before."""
    place = [agency.agency_id for agency in evaluated()].index(agency_id)
    # The unnamed lie between the last of the leading seven and the first of the last two.
    third = NAMED.get(agency_id) or 12 + 49 * spread(place + 1)
    return third if one is ROUNDS[-1] else third * (0.85 + 0.3 * spread(5 * place + ROUNDS.index(one)))


def _participation(one: Round, composite: Mapping[str, int]) -> dict[str, int]:
    """Participation in proportion to the score; the best agency needs more of it, or its other four would pass 100."""
    least = {agency_id: max(0, 5 * score - 4 * _HUNDRED) for agency_id, score in composite.items()}
    agencies = list(composite)
    rest = one.participation - sum(least.values())
    shares = apportion(rest, [0 if least[agency_id] else composite[agency_id] for agency_id in agencies])
    return {agency_id: least[agency_id] + share for agency_id, share in zip(agencies, shares, strict=True)}


def _indicators(whole: int, participation: int) -> tuple[int, ...]:
    """Four indicators that share what participation leaves of ``whole``, none above 100, then participation."""
    parts = apportion(whole - participation, _PARTS)
    for place, part in enumerate(parts):
        over = max(0, part - _HUNDRED)
        parts[place] -= over
        if over:
            room = [max(0, _HUNDRED - other) for other in parts]
            parts = [part + more for part, more in zip(parts, apportion(over, room), strict=True)]
    return (*parts, participation)


def _web_alone(agency_id: str) -> int:
    return round(100 * (35 + 30 * spread(len(agency_id))))
