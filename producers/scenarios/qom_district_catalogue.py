"""The catalogue of the districts scenario: the county of Qom, its five district governors' offices and their processes.

Four processes are electronic, all of them Kahak's. The county governor's office calls its service desk fully
electronic; what is observed there says otherwise. All names and numbers of processes but those four are plausible, not
reported. The report is undated; here it speaks of the last months of 1398, and its processes end with the year, so that
the province's services of 1399 are those of the report on 1399 alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from producers.scenarios import asked
from producers.scenarios.iran_places import QOM_DISTRICTS
from producers.scenarios.national_agencies import EXISTS_FROM

Row = Mapping[str, str]

FIRST_DAY, LAST_DAY = "2019-11-22", "2020-03-19"  # 1 Azar to 29 Esfand 1398
KAHAK_ELECTRONIC = 4
COUNTY = "county-governor-qom"
_PROCESSES = (
    ("پروانه ساختمان روستایی", "Rural building permit"),
    ("گواهی سکونت", "Certificate of residence"),
    ("پروانه کسب روستایی", "Rural business permit"),
    ("معرفی برای تسهیلات", "Referral for a loan"),
    ("تغییر کاربری زمین", "Change of land use"),
    ("رسیدگی به شکایت", "Complaint"),
    ("بودجه دهیاری", "Village budget approval"),
    ("حل اختلاف ملکی", "Property dispute"),
)


class Office(NamedTuple):
    """One office; ``levels`` are those of its processes, in their order. ``district`` is blank for the county's."""

    agency_id: str
    district: str
    name_fa: str
    name_en: str
    weight: int
    levels: tuple[str, ...]


def _levels(electronic: int, partial: int) -> tuple[str, ...]:
    return ("full",) * electronic + ("partial",) * partial + ("none",) * (len(_PROCESSES) - electronic - partial)


_PARTIAL = {"markazi": 4, "jafarieh": 2, "salafchegan": 3, "kahak": 3, "khalajestan": 1}
OFFICES = (
    *(
        Office(
            f"{district}-governor",
            district,
            f"بخشداری {fa}",
            f"District Governor's Office of {en}",
            3,
            _levels(KAHAK_ELECTRONIC if district == "kahak" else 0, _PARTIAL[district]),
        )
        for district, fa, en in QOM_DISTRICTS
    ),
    Office(COUNTY, "", "فرمانداری قم", "County Governor's Office of Qom", 4, ("full",) * 6),
)
# Nobody has ever used the county's last process: it is electronic by word alone.
UNUSED = f"{COUNTY}-06"


@cache
def agencies() -> tuple[Row, ...]:
    """The rows of agencies.csv; while the report speaks, every office is asked to report: its zeros are told."""
    return tuple(
        row
        for office in OFFICES
        for row in asked.versions(
            {
                "agency_id": office.agency_id,
                "name_fa": office.name_fa,
                "name_en": office.name_en,
                "parent_id": "",
                "level": "district" if office.district else "provincial",
                "province": "qom",
                "district": office.district,
            },
            "true",
            FIRST_DAY,
            LAST_DAY,
            EXISTS_FROM,
        )
    )


@cache
def services() -> tuple[Row, ...]:
    """The rows of services.csv, office by office."""
    return tuple(row for office in OFFICES for row in services_of(office))


def services_of(office: Office) -> Iterator[Row]:
    """The rows of services.csv of one office."""
    for number, level in enumerate(office.levels):
        fa, en = _PROCESSES[number]
        # Kahak's electronic processes left the desk; the county's stayed there, whatever they are called.
        online = level == "full" and office.agency_id != COUNTY
        yield {
            "service_id": f"{office.agency_id}-{number + 1:02d}",
            "agency_id": office.agency_id,
            "name_fa": f"{fa} – {office.name_fa}",
            "name_en": f"{en} – {office.name_en}",
            "declared_level": level,
            "audience": "citizen",
            "nature": "transactional",
            "lifecycle": "live",
            "launched_at": "",
            "primary_channel": "portal" if online else "service_desk",
            "channels": "portal|counter_office" if online else "service_desk",
            "countability": "countable",
            "block_reason": "",
            "via_window": "false",
            "valid_from": FIRST_DAY,
            "valid_to": LAST_DAY,
        }


MANDATES: tuple[Row, ...] = (
    {
        "mandate_id": "service-desk-six-months",
        "law_fa": "میز خدمت: الکترونیکی کردن همه فرایندها در شش ماه",
        "law_en": "Service desk: all processes electronic within six months",
        "scope": "district",
        "measure": "electronic_share",
        "threshold_low": "1",
        "threshold_high": "",
        "valid_from": "2019-05-22",  # 1 Khordad 1398
        "due": "2019-11-21",  # 30 Aban 1398
        "valid_to": LAST_DAY,
    },
)
