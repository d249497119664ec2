"""The catalogue of the Qom scenario: every reported share of services comes out of these counts.

| counted | all 651 | of them new, 145 |
|---|---|---|
| level full, partial, unknown | 318, 218, 115 | as it falls |
| primary channel portal, counter, app | 475, 111, 65 (72.96 %, 17.05 %, 9.98 %) | 106, 25, 14 (73.1 %, 17.2 %, 9.7 %) |
| audience citizen | 345 (53.0 %) | 77 (53.1 %) |
| nature transactional or transactional-interactive | the rest by name | 128 (88.3 %); 17 informational |

The report does not say which base its 53, 73 and 17 % have; here they hold for both. The catalogue is the
scenario's, not the seed's: it is the same for every seed and scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from random import Random

from producers.apportionment import apportion
from producers.scenarios import asked
from producers.scenarios.national_agencies import EXISTS_FROM
from producers.scenarios.qom_agencies import AGENCIES, LEADING

Row = Mapping[str, str]

SERVICES, NEW = 651, 145
LEVELS = (("full", 318), ("partial", 218), ("unknown", 115))
CHANNELS_NEW = (("portal", 106), ("counter_office", 25), ("mobile_app", 14))
CHANNELS_OLD = (("portal", 369), ("counter_office", 86), ("mobile_app", 51))
AUDIENCE_NEW = (("citizen", 77), ("business", 40), ("government", 28))
AUDIENCE_OLD = (("citizen", 268), ("business", 150), ("government", 88))
NEW_INFORMATIONAL = 17
LAUNCHING = 49  # of the 145: their launch has begun, nobody uses them yet
BLOCKED = 61  # of the 115: their transactions cannot be counted, so they send none

_YEAR_START, _YEAR_END = date(2020, 3, 20), date(2021, 3, 20)  # 1399
_HALF_DAYS = 186
_INFORMING = 7  # the place of informing among the actions
_ACTIONS = (
    ("ثبت درخواست {}", "Application: {}"),
    ("استعلام {}", "Inquiry: {}"),
    ("پرداخت هزینه {}", "Payment: {}"),
    ("صدور گواهی {}", "Certificate: {}"),
    ("پیگیری پرونده {}", "Case tracking: {}"),
    ("تمدید مجوز {}", "Licence renewal: {}"),
    ("اصلاح اطلاعات {}", "Correction of records: {}"),
    ("اطلاع‌رسانی {}", "Information: {}"),
    ("رسیدگی به اعتراض {}", "Objection: {}"),
    ("صدور مجوز {}", "Licence: {}"),
    ("نوبت‌دهی {}", "Appointment: {}"),
    ("انتقال {}", "Transfer: {}"),
    ("ابطال مجوز {}", "Licence cancellation: {}"),
    ("بازدید {}", "Inspection: {}"),
    ("تسویه حساب {}", "Settlement: {}"),
    ("ثبت شکایت {}", "Complaint: {}"),
)
_BLOCK_REASONS = (
    "دسترسی به سامانه ملی به استان داده نشده است",
    "تراکنش‌ها در سامانه ستاد مرکزی ثبت می‌شود",
    "ثبت تراکنش هنوز دستی است",
)


@cache
def agencies() -> tuple[Row, ...]:
    """The rows of agencies.csv. How many were asked to answer is not published: in 1399 that is not provided."""
    return tuple(
        row
        for agency in AGENCIES
        for row in asked.versions(
            {
                "agency_id": agency.agency_id,
                "name_fa": agency.name_fa,
                "name_en": agency.name_en,
                "parent_id": "",
                "level": "provincial",
                "province": "qom",
                "district": "",
            },
            "",
            _YEAR_START.isoformat(),
            _YEAR_END.isoformat(),
            EXISTS_FROM,
        )
    )


@cache
def services() -> tuple[Row, ...]:
    """The rows of services.csv, agency by agency."""
    random = Random("qom-1399-h1 catalogue")
    named = _named_services()
    informing = [place for place, (_, number) in enumerate(named) if number % len(_ACTIONS) == _INFORMING]
    others = [place for place in range(SERVICES) if place not in set(informing)]
    new_informing = set(random.sample(informing, NEW_INFORMATIONAL))
    new = sorted(new_informing | set(random.sample(others, NEW - NEW_INFORMATIONAL)))
    old = sorted(set(range(SERVICES)) - set(new))

    level = dict(enumerate(_dealt(random, LEVELS)))
    primary = dict(zip(new, _dealt(random, CHANNELS_NEW), strict=True))
    primary |= dict(zip(old, _dealt(random, CHANNELS_OLD), strict=True))
    audience = dict(zip(new, _dealt(random, AUDIENCE_NEW), strict=True))
    audience |= dict(zip(old, _dealt(random, AUDIENCE_OLD), strict=True))
    launching = set(random.sample(new, LAUNCHING))
    unknown = [place for place in range(SERVICES) if level[place] == "unknown"]
    blocked = set(random.sample(unknown, BLOCKED))

    rows = []
    for place, (agency, number) in enumerate(named):
        subject_fa, subject_en = AGENCIES[agency].subjects[number // len(_ACTIONS)]
        action_fa, action_en = _ACTIONS[number % len(_ACTIONS)]
        launched = _YEAR_START + timedelta(days=random.randrange(1, _HALF_DAYS)) if place in new else None
        rows.append(
            {
                "service_id": f"{AGENCIES[agency].agency_id}-{number + 1:02d}",
                "agency_id": AGENCIES[agency].agency_id,
                "name_fa": action_fa.format(subject_fa),
                "name_en": action_en.format(subject_en),
                "declared_level": level[place],
                "audience": audience[place],
                "nature": "informational" if place in informing else _NATURES[number % len(_NATURES)],
                "lifecycle": "launching" if place in launching else "live",
                "launched_at": launched.isoformat() if launched else "",
                "primary_channel": primary[place],
                "channels": "|".join(_channels(random, primary[place])),
                "countability": "blocked" if place in blocked else "countable",
                "block_reason": _BLOCK_REASONS[place % len(_BLOCK_REASONS)] if place in blocked else "",
                "via_window": "false",
                "valid_from": _YEAR_START.isoformat(),
                "valid_to": "",
            }
        )
    return tuple(_with_every_channel(rows))


_NATURES = ("transactional", "transactional_interactive")
_ORDER = ("portal", "mobile_app", "counter_office", "service_desk")


def is_used(service: Row, on: date) -> bool:
    """True where transactions of the service happen and can be counted on a day of the half-year."""
    return (
        service["lifecycle"] == "live"
        and (service["launched_at"] == "" or date.fromisoformat(service["launched_at"]) <= on)
        and service["countability"] == "countable"
        and service["nature"] != "informational"
    )


def _named_services() -> list[tuple[int, int]]:
    """Each service as (place of its agency, number of its name); an agency has at most 31 names."""
    weights = [2.0 + agency.weight**0.5 + (3 if agency.agency_id in LEADING else 0) for agency in AGENCIES]
    return [(agency, number) for agency, count in enumerate(apportion(SERVICES, weights)) for number in _numbers(count)]


def _numbers(count: int) -> list[int]:
    """Name numbers in turn from both subjects; one that informs is always among the first eight."""
    both = len(_ACTIONS)
    turns = [number for action in range(both) if action != _INFORMING for number in (action, action + both)]
    return sorted([_INFORMING, *turns[: count - 1]])


def _dealt(random: Random, parts: tuple[tuple[str, int], ...]) -> list[str]:
    deck = [name for name, count in parts for _ in range(count)]
    random.shuffle(deck)
    return deck


def _channels(random: Random, primary: str) -> list[str]:
    chances = {"portal": 0.8, "mobile_app": 0.3, "counter_office": 0.4, "service_desk": 0.5}
    return [name for name in _ORDER if name == primary or random.random() < chances[name]]


def _with_every_channel(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Every agency has a used service on every channel: nobody is sent away from a desk for want of one."""
    for agency in AGENCIES:
        used = [row for row in rows if row["agency_id"] == agency.agency_id and is_used(row, _YEAR_START)]
        for channel in _ORDER:
            if not any(channel in row["channels"].split("|") for row in used):
                row = used[0]
                row["channels"] = "|".join(name for name in _ORDER if name in {*row["channels"].split("|"), channel})
    return rows
