"""The catalogue of the national window scenario: ministries, what belongs to them, and how electronic they are.

The shares of electronic services of nine ministries are the reported ones or lie where the report puts them:
Justice and Energy 100 %, ICT 97 % (32 of 33), Education, Health and Sport above 70 %, Agriculture, Heritage and Oil
low. All other numbers, and all names of services, are plausible and not reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from producers.scenarios import national_agencies
from producers.scenarios.national_agencies import WINDOW

Row = Mapping[str, str]


class WindowAgency(NamedTuple):
    """One agency; ``connected_through`` is its last month (1 to 6) served on the window, 0 never, 12 to the end."""

    agency_id: str
    services: int
    electronic: int
    weight: int
    connected_through: int = 12


_NEVER, _LOST_AFTER_KHORDAD, _OUT_AFTER_ORDIBEHESHT = 0, 3, 2

AGENCIES = (
    WindowAgency("justice-ministry", 6, 6, 10),
    WindowAgency("penalties-organization", 6, 6, 6),
    WindowAgency("energy-ministry", 5, 5, 6),
    WindowAgency("tavanir", 8, 8, 40),
    WindowAgency("water-wastewater", 7, 7, 34),
    WindowAgency("ict-ministry", 8, 8, 8),
    WindowAgency("national-post", 14, 13, 42),
    WindowAgency("radio-regulation", 11, 11, 8),
    WindowAgency("education-ministry", 8, 6, 30),
    WindowAgency("school-renovation", 3, 2, 2),
    WindowAgency("health-ministry", 10, 8, 26),
    WindowAgency("food-drug", 6, 4, 6),
    WindowAgency("health-insurance", 4, 3, 30),
    WindowAgency("sport-ministry", 7, 5, 8),
    WindowAgency("agriculture-ministry", 8, 2, 8),
    WindowAgency("natural-resources", 4, 1, 3),
    WindowAgency("veterinary", 5, 1, 3, _LOST_AFTER_KHORDAD),
    WindowAgency("rural-cooperatives", 3, 1, 2, _NEVER),
    WindowAgency("heritage-ministry", 9, 2, 6),
    WindowAgency("oil-ministry", 4, 1, 3),
    WindowAgency("national-gas", 6, 2, 26),
    WindowAgency("oil-products", 5, 1, 16),
    WindowAgency("economy-ministry", 5, 3, 10),
    WindowAgency("tax-administration", 12, 7, 46),
    WindowAgency("customs", 10, 6, 10),
    WindowAgency("central-insurance", 4, 2, 12),
    WindowAgency("interior-ministry", 6, 3, 6),
    WindowAgency("civil-registration", 12, 7, 48),
    WindowAgency("municipalities", 4, 2, 12),
    WindowAgency("labour-ministry", 7, 4, 24),
    WindowAgency("social-security", 14, 8, 70),
    WindowAgency("welfare", 8, 4, 12, _OUT_AFTER_ORDIBEHESHT),
    WindowAgency("vocational-training", 5, 3, 8),
    WindowAgency("roads-ministry", 6, 3, 20),
    WindowAgency("road-transport", 8, 5, 14),
    WindowAgency("railways", 4, 2, 6),
    WindowAgency("industry-ministry", 12, 7, 28),
    WindowAgency("industrial-estates", 4, 2, 4),
    WindowAgency("science-ministry", 6, 4, 14),
    WindowAgency("student-affairs", 7, 4, 10),
    WindowAgency("culture-ministry", 6, 3, 6),
    WindowAgency("hajj-organization", 5, 3, 8),
    WindowAgency("foreign-ministry", 6, 4, 8),
)

_NAMES = (
    ("ثبت درخواست", "Application"),
    ("استعلام سوابق", "Records inquiry"),
    ("صدور گواهی", "Certificate"),
    ("پرداخت برخط", "Online payment"),
    ("پیگیری پرونده", "Case tracking"),
    ("تمدید مجوز", "Licence renewal"),
    ("اصلاح اطلاعات", "Correction of records"),
    ("رسیدگی به اعتراض", "Objection"),
    ("صدور مجوز", "Licence"),
    ("نوبت‌دهی", "Appointment"),
    ("انتقال پرونده", "File transfer"),
    ("بازدید", "Inspection"),
    ("تسویه حساب", "Settlement"),
    ("ثبت شکایت", "Complaint"),
)


_LAW_1401 = ("قانون بودجه ۱۴۰۱", "Budget law of 1401")
_LAW_1402 = ("قانون بودجه ۱۴۰۲", "Budget law of 1402")
_YEAR_1401 = ("2022-03-21", "2023-03-20")
_YEAR_1402 = ("2023-03-21", "2024-03-19")


def _mandate(
    mandate_id: str, law: tuple[str, str], scope: str, measure: str, threshold: str, year: tuple[str, str]
) -> Row:
    return {
        "mandate_id": mandate_id,
        "law_fa": law[0],
        "law_en": law[1],
        "scope": scope,
        "measure": measure,
        "threshold_low": threshold,
        "threshold_high": "",
        "valid_from": year[0],
        "due": year[1],
        "valid_to": "",
    }


# The mandates of both years, each due by its last day. A ministry answers for itself and for what belongs to it.
MANDATES = (
    _mandate("window-1401-services-30", _LAW_1401, "ministry", "window_service_share", "0.3", _YEAR_1401),
    _mandate("window-1402-connected", _LAW_1402, "ministry", "window_connected_share", "1", _YEAR_1402),
    _mandate("window-1402-services-all", _LAW_1402, "ministry", "window_service_share", "1", _YEAR_1402),
    _mandate("window-1402-inquiries-online", _LAW_1402, "national", "inquiries_online_share", "1", _YEAR_1402),
    _mandate("window-1402-smart-20", _LAW_1402, "ministry", "smart_share", "0.2", _YEAR_1402),
)
# Asked to connect like the others, and never heard of: the nation's agencies cannot be counted by who speaks.
SILENT = "fisheries"
# Not asked to report. With one that belongs to it, an agency without a parent is a ministry.
_UNASKED = ("sports-facilities", "heritage-research")


@cache
def agencies() -> tuple[Row, ...]:
    """The rows of agencies.csv: the window's operator, the agencies, and a few that never say anything."""
    return national_agencies.rows([WINDOW, SILENT, *_UNASKED, *(agency.agency_id for agency in AGENCIES)])


@cache
def services() -> tuple[Row, ...]:
    """The rows of services.csv, agency by agency: the electronic ones first, every fifth of them smart."""
    return tuple(_service(agency, number) for agency in AGENCIES for number in range(agency.services))


def level(agency: WindowAgency, number: int) -> str:
    """Declared level of an agency's service."""
    if number < agency.electronic:
        return "smart" if number % 5 == 4 else "full"
    return ("partial", "partial", "informational", "unknown")[number % 4]


def service_id(agency: WindowAgency, number: int) -> str:
    """Id of an agency's service."""
    return f"{agency.agency_id}-{number + 1:02d}"


def _service(agency: WindowAgency, number: int) -> Row:
    declared = level(agency, number)
    via_window = agency.connected_through > 0 and declared in ("full", "smart", "partial")
    fa, en = _NAMES[number]
    agency_fa, agency_en = national_agencies.name(agency.agency_id)
    return {
        "service_id": service_id(agency, number),
        "agency_id": agency.agency_id,
        "name_fa": f"{fa} – {agency_fa}",
        "name_en": f"{en} – {agency_en}",
        "declared_level": declared,
        "audience": "citizen",
        "nature": "informational" if declared == "informational" else "transactional",
        "lifecycle": "live",
        "launched_at": "",
        "primary_channel": "national_window" if via_window else "portal",
        "channels": "portal|service_desk|national_window" if via_window else "portal|service_desk",
        "countability": "countable",
        "block_reason": "",
        "via_window": "true" if via_window else "false",
        "valid_from": national_agencies.ASKED_FROM,
        "valid_to": "",
    }
