"""The catalogue of the Tehran scenario: what is electronic in the nation and in the province, in 1398.

Fifty national agencies list twenty services each under national codes: 1,000 codes, 400 of them electronic (40 %).
Eighty offices in Tehran province deliver ten of them each: 800 rows, 352 electronic (44 %). A hundred codes are
delivered by two offices; 22 are electronic in Tehran and not yet elsewhere, which leaves the nation's share as it is.
Both shares are of the same catalogue and the same definition of a level, and so can be compared.

The report gives the two shares and about 80 agencies; which agencies, which services and all other numbers are
plausible, not reported. The services are those of 1398 and end with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from producers.scenarios import asked, national_agencies

Row = Mapping[str, str]

YEAR = ("2019-03-21", "2020-03-19")  # 1398
CODES_EACH, DELIVERED_EACH = 20, 10
# With two offices in the province: one for the city, one for the counties around it.
TWO_OFFICES = (
    "education-ministry", "social-security", "tax-administration", "civil-registration", "deeds-organization",
    "health-ministry", "health-insurance", "food-drug", "labour-ministry", "welfare",
    "vocational-training", "roads-ministry", "road-transport", "agriculture-ministry", "veterinary",
    "natural-resources", "industry-ministry", "standards-organization", "environment-organization", "tavanir",
    "water-wastewater", "national-gas", "oil-products", "national-post", "martyrs-foundation",
    "housing-foundation", "relief-committee", "red-crescent", "forensic-medicine", "penalties-organization",
)  # fmt: skip
ONE_OFFICE = (
    "economy-ministry", "customs", "sport-ministry", "heritage-ministry", "culture-ministry",
    "justice-ministry", "prisons-organization", "interior-ministry", "municipalities", "planning-organization",
    "hajj-organization", "endowments", "public-libraries", "meteorology-organization", "pension-organization",
    "industrial-estates", "rural-cooperatives", "blood-organization", "literacy-movement", "ict-ministry",
)  # fmt: skip
HEADS = (*TWO_OFFICES, *ONE_OFFICE)
SHARED = 100  # codes that two offices deliver: three or four of each pair
SHARED_ELECTRONIC = 10  # pairs that share an electronic one
AHEAD = 22  # offices with one service that is electronic with them alone
# Electronic codes of twenty, by turns: eight on average.
_ELECTRONIC = (12, 4, 10, 6, 8)
_BELOW = ("partial", "partial", "none", "informational")
_NAMES = (
    ("صدور مجوز", "Licence"),
    ("تمدید مجوز", "Licence renewal"),
    ("ثبت درخواست", "Application"),
    ("پرداخت هزینه", "Payment"),
    ("پیگیری پرونده", "Case tracking"),
    ("صدور گواهی", "Certificate"),
    ("استعلام سوابق", "Records inquiry"),
    ("اصلاح اطلاعات", "Correction of records"),
    ("رسیدگی به شکایت", "Complaint"),
    ("رسیدگی به اعتراض", "Objection"),
    ("نوبت‌دهی", "Appointment"),
    ("بازدید کارشناسی", "Expert inspection"),
    ("تسویه حساب", "Settlement"),
    ("انتقال پرونده", "File transfer"),
    ("ابطال مجوز", "Licence cancellation"),
    ("ثبت‌نام", "Registration"),
    ("پرداخت تسهیلات", "Loan"),
    ("صدور کارت", "Card"),
    ("تأیید مدارک", "Approval of documents"),
    ("اعطای یارانه", "Subsidy"),
)


class Office(NamedTuple):
    """One office in Tehran province; ``codes`` are the places of its services among its head's twenty."""

    agency_id: str
    head: str
    name_fa: str
    name_en: str
    codes: tuple[int, ...]
    ahead: int | None  # the code that is electronic here and not in the nation


@cache
def offices() -> tuple[Office, ...]:
    """The eighty offices: of each pair the city's, then the counties'; then the single ones."""
    found = []
    for place, head in enumerate(HEADS):
        fa, en = national_agencies.name(head)
        shared = _shared(place)
        city = tuple(range(DELIVERED_EACH))
        # The last code of the city's office that nobody shares; below full for every agency (see _electronic).
        ahead = DELIVERED_EACH - shared - 1 if _electronic_of(place)[0] < DELIVERED_EACH - shared - 1 else None
        found.append(Office(f"tehran-{head}", head, f"{fa} – استان تهران", f"{en}, Tehran Province", city, ahead))
        if shared:
            counties = tuple(range(DELIVERED_EACH - shared, 2 * DELIVERED_EACH - shared))
            found.append(
                Office(
                    f"tehran-{head}-counties",
                    head,
                    f"{fa} – شهرستان‌های استان تهران",
                    f"{en}, Counties of Tehran Province",
                    counties,
                    None,
                )
            )
    ahead_of = {office.agency_id for office in [one for one in found if one.ahead is not None][:AHEAD]}
    return tuple(office if office.agency_id in ahead_of else office._replace(ahead=None) for office in found)


@cache
def agencies() -> tuple[Row, ...]:
    """The rows of agencies.csv: the heads and the ministries above them, then the offices.

    How many were asked to take part is not told, so an office is neither expected nor not in 1398.
    """
    own = [
        row
        for office in offices()
        for row in asked.versions(
            {
                "agency_id": office.agency_id,
                "name_fa": office.name_fa,
                "name_en": office.name_en,
                "parent_id": "",
                "level": "provincial",
                "province": "tehran",
                "district": "",
            },
            "",
            *YEAR,
            national_agencies.EXISTS_FROM,
        )
    ]
    return (*national_agencies.rows(HEADS), *({"official_id": "", "id_confirmed_on": "", **row} for row in own))


@cache
def services() -> tuple[Row, ...]:
    """The rows of services.csv: the heads' twenty each, then the offices' ten each."""
    heads = [
        _service(head, f"{head}-1398-{code + 1:02d}", place, code, level(place, code))
        for place, head in enumerate(HEADS)
        for code in range(CODES_EACH)
    ]
    return (*heads, *(row for office in offices() for row in services_of(office)))


def services_of(office: Office) -> Iterator[Row]:
    """The rows of services.csv of one office."""
    place = HEADS.index(office.head)
    for code in office.codes:
        declared = "full" if code == office.ahead else level(place, code)
        yield _service(office.agency_id, f"{office.agency_id}-{code + 1:02d}", place, code, declared)


def level(place: int, code: int) -> str:
    """The level of a national code at its head."""
    if _is_electronic(place, code):
        return "smart" if (place + code) % 10 == 9 else "full"
    # Where one office is ahead of the nation, the others still ask people to come.
    return _BELOW[(place + code) % len(_BELOW)] if code != DELIVERED_EACH - _shared(place) - 1 else "partial"


def _is_electronic(place: int, code: int) -> bool:
    in_city, shared, elsewhere = _electronic_of(place)
    first_shared = DELIVERED_EACH - _shared(place)
    return code < in_city or first_shared <= code < first_shared + shared or 0 <= code - DELIVERED_EACH < elsewhere


def _electronic_of(place: int) -> tuple[int, int, int]:
    """Electronic codes of a head: with its city office alone, with both offices, and from the eleventh code on."""
    whole = _ELECTRONIC[place % len(_ELECTRONIC)]
    shared = int(place < SHARED_ELECTRONIC)
    in_city = min((whole - shared + 1) // 2, DELIVERED_EACH - _shared(place) - 1) if _shared(place) else whole // 2
    return in_city, shared, whole - in_city - shared


def _shared(place: int) -> int:
    """Codes that both offices of a head deliver."""
    return SHARED // len(TWO_OFFICES) + int(place < SHARED % len(TWO_OFFICES)) if place < len(TWO_OFFICES) else 0


def _service(agency_id: str, service_id: str, place: int, code: int, declared: str) -> Row:
    electronic = declared in ("full", "smart")
    fa, en = _NAMES[code]
    agency_fa, agency_en = national_agencies.name(HEADS[place])
    channels = {"informational": "portal", "none": "service_desk"}.get(declared, "portal|service_desk")
    return {
        "service_id": service_id,
        "agency_id": agency_id,
        "name_fa": f"{fa} – {agency_fa}",
        "name_en": f"{en} – {agency_en}",
        "declared_level": declared,
        "audience": ("citizen", "citizen", "citizen|business")[code % 3],
        "nature": "informational" if declared == "informational" else "transactional",
        "lifecycle": "live",
        "launched_at": "",
        "primary_channel": "portal" if electronic or declared == "informational" else "service_desk",
        "channels": channels,
        "countability": "countable",
        "block_reason": "",
        "via_window": "false",
        "valid_from": YEAR[0],
        "valid_to": YEAR[1],
        "official_code": f"code-{place + 1:02d}-{code + 1:02d}",
    }


# The province's order to its agencies; no measure of ours says whether it was carried out.
MANDATES: tuple[Row, ...] = (
    {
        "mandate_id": "reasons-in-person-1398",
        "law_fa": "تکلیف سازمان مدیریت و برنامه‌ریزی استان تهران: پرسش از علت مراجعه حضوری",
        "law_en": "Tehran's Management and Planning Organization: ask why people come in person",
        "scope": "province",
        "measure": "reasons_in_person_reported",
        "threshold_low": "1",
        "threshold_high": "",
        "valid_from": YEAR[0],
        "due": "",
        "valid_to": YEAR[1],
    },
)
