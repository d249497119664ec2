"""The catalogue of the national window scenario: ministries, what belongs to them, and how electronic they are.

The shares of electronic services of nine ministries are the reported ones or lie where the report puts them:
Justice and Energy 100 %, ICT 97 % (32 of 33), Education, Health and Sport above 70 %, Agriculture, Heritage and Oil
low. All other numbers, and all names of services, are plausible and not reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

Row = Mapping[str, str]


class NationalAgency(NamedTuple):
    """One agency; ``connected_through`` is its last month (1 to 6) on the window, 0 never, 12 to the end."""

    agency_id: str
    name_fa: str
    name_en: str
    parent_id: str
    services: int
    electronic: int
    weight: int
    connected_through: int = 12


WINDOW = "national-window"
_NEVER, _LOST_AFTER_KHORDAD, _OUT_AFTER_ORDIBEHESHT = 0, 3, 2

# One agency a line: a table reads better than three hundred wrapped lines.
# ruff: noqa: E501
# fmt: off
AGENCIES = (
    NationalAgency("justice-ministry", "وزارت دادگستری", "Ministry of Justice", "", 6, 6, 10),
    NationalAgency("penalties-organization", "سازمان تعزیرات حکومتی", "Governmental Penalties Organization", "justice-ministry", 6, 6, 6),
    NationalAgency("energy-ministry", "وزارت نیرو", "Ministry of Energy", "", 5, 5, 6),
    NationalAgency("tavanir", "شرکت توانیر", "Tavanir Power Company", "energy-ministry", 8, 8, 40),
    NationalAgency("water-wastewater", "شرکت مهندسی آب و فاضلاب کشور", "National Water and Wastewater Company", "energy-ministry", 7, 7, 34),
    NationalAgency("ict-ministry", "وزارت ارتباطات و فناوری اطلاعات", "Ministry of Information and Communications Technology", "", 8, 8, 8),
    NationalAgency("national-post", "شرکت ملی پست", "National Post Company", "ict-ministry", 14, 13, 42),
    NationalAgency("radio-regulation", "سازمان تنظیم مقررات و ارتباطات رادیویی", "Communications Regulatory Authority", "ict-ministry", 11, 11, 8),
    NationalAgency("education-ministry", "وزارت آموزش و پرورش", "Ministry of Education", "", 8, 6, 30),
    NationalAgency("school-renovation", "سازمان نوسازی مدارس", "School Renovation Organization", "education-ministry", 3, 2, 2),
    NationalAgency("health-ministry", "وزارت بهداشت، درمان و آموزش پزشکی", "Ministry of Health and Medical Education", "", 10, 8, 26),
    NationalAgency("food-drug", "سازمان غذا و دارو", "Food and Drug Administration", "health-ministry", 6, 4, 6),
    NationalAgency("health-insurance", "سازمان بیمه سلامت ایران", "Iran Health Insurance Organization", "health-ministry", 4, 3, 30),
    NationalAgency("sport-ministry", "وزارت ورزش و جوانان", "Ministry of Sport and Youth", "", 7, 5, 8),
    NationalAgency("agriculture-ministry", "وزارت جهاد کشاورزی", "Ministry of Agriculture", "", 8, 2, 8),
    NationalAgency("natural-resources", "سازمان منابع طبیعی و آبخیزداری", "Natural Resources and Watershed Organization", "agriculture-ministry", 4, 1, 3),
    NationalAgency("veterinary", "سازمان دامپزشکی", "Veterinary Organization", "agriculture-ministry", 5, 1, 3, _LOST_AFTER_KHORDAD),
    NationalAgency("rural-cooperatives", "سازمان تعاون روستایی", "Rural Cooperatives Organization", "agriculture-ministry", 3, 1, 2, _NEVER),
    NationalAgency("heritage-ministry", "وزارت میراث فرهنگی، گردشگری و صنایع دستی", "Ministry of Heritage, Tourism and Handicrafts", "", 9, 2, 6),
    NationalAgency("oil-ministry", "وزارت نفت", "Ministry of Oil", "", 4, 1, 3),
    NationalAgency("national-gas", "شرکت ملی گاز ایران", "National Gas Company", "oil-ministry", 6, 2, 26),
    NationalAgency("oil-products", "شرکت ملی پخش فرآورده‌های نفتی", "National Oil Products Distribution Company", "oil-ministry", 5, 1, 16),
    NationalAgency("economy-ministry", "وزارت امور اقتصادی و دارایی", "Ministry of Economic Affairs and Finance", "", 5, 3, 10),
    NationalAgency("tax-administration", "سازمان امور مالیاتی", "Tax Administration", "economy-ministry", 12, 7, 46),
    NationalAgency("customs", "گمرک جمهوری اسلامی ایران", "Customs Administration", "economy-ministry", 10, 6, 10),
    NationalAgency("central-insurance", "بیمه مرکزی", "Central Insurance", "economy-ministry", 4, 2, 12),
    NationalAgency("interior-ministry", "وزارت کشور", "Ministry of Interior", "", 6, 3, 6),
    NationalAgency("civil-registration", "سازمان ثبت احوال کشور", "Civil Registration Organization", "interior-ministry", 12, 7, 48),
    NationalAgency("municipalities", "سازمان شهرداری‌ها و دهیاری‌ها", "Municipalities and Rural Administrations Organization", "interior-ministry", 4, 2, 12),
    NationalAgency("labour-ministry", "وزارت تعاون، کار و رفاه اجتماعی", "Ministry of Cooperatives, Labour and Social Welfare", "", 7, 4, 24),
    NationalAgency("social-security", "سازمان تأمین اجتماعی", "Social Security Organization", "labour-ministry", 14, 8, 70),
    NationalAgency("welfare", "سازمان بهزیستی کشور", "Welfare Organization", "labour-ministry", 8, 4, 12, _OUT_AFTER_ORDIBEHESHT),
    NationalAgency("vocational-training", "سازمان آموزش فنی و حرفه‌ای", "Technical and Vocational Training Organization", "labour-ministry", 5, 3, 8),
    NationalAgency("roads-ministry", "وزارت راه و شهرسازی", "Ministry of Roads and Urban Development", "", 6, 3, 20),
    NationalAgency("road-transport", "سازمان راهداری و حمل‌ونقل جاده‌ای", "Road Maintenance and Transport Organization", "roads-ministry", 8, 5, 14),
    NationalAgency("railways", "راه‌آهن جمهوری اسلامی ایران", "Railways", "roads-ministry", 4, 2, 6),
    NationalAgency("industry-ministry", "وزارت صنعت، معدن و تجارت", "Ministry of Industry, Mine and Trade", "", 12, 7, 28),
    NationalAgency("industrial-estates", "سازمان صنایع کوچک و شهرک‌های صنعتی", "Small Industries and Industrial Estates Organization", "industry-ministry", 4, 2, 4),
    NationalAgency("science-ministry", "وزارت علوم، تحقیقات و فناوری", "Ministry of Science, Research and Technology", "", 6, 4, 14),
    NationalAgency("student-affairs", "سازمان امور دانشجویان", "Student Affairs Organization", "science-ministry", 7, 4, 10),
    NationalAgency("culture-ministry", "وزارت فرهنگ و ارشاد اسلامی", "Ministry of Culture and Islamic Guidance", "", 6, 3, 6),
    NationalAgency("hajj-organization", "سازمان حج و زیارت", "Hajj and Pilgrimage Organization", "culture-ministry", 5, 3, 8),
    NationalAgency("foreign-ministry", "وزارت امور خارجه", "Ministry of Foreign Affairs", "", 6, 4, 8),
)
# fmt: on

# Parts of the people, in thousands, roughly as the provinces stand to each other.
PROVINCES = (
    ("tehran", "تهران", "Tehran", 166),
    ("khorasan-razavi", "خراسان رضوی", "Razavi Khorasan", 80),
    ("isfahan", "اصفهان", "Isfahan", 64),
    ("fars", "فارس", "Fars", 61),
    ("khuzestan", "خوزستان", "Khuzestan", 59),
    ("east-azerbaijan", "آذربایجان شرقی", "East Azerbaijan", 49),
    ("mazandaran", "مازندران", "Mazandaran", 41),
    ("west-azerbaijan", "آذربایجان غربی", "West Azerbaijan", 41),
    ("kerman", "کرمان", "Kerman", 40),
    ("sistan-baluchestan", "سیستان و بلوچستان", "Sistan and Baluchestan", 35),
    ("alborz", "البرز", "Alborz", 34),
    ("gilan", "گیلان", "Gilan", 32),
    ("kermanshah", "کرمانشاه", "Kermanshah", 24),
    ("golestan", "گلستان", "Golestan", 23),
    ("hormozgan", "هرمزگان", "Hormozgan", 22),
    ("lorestan", "لرستان", "Lorestan", 22),
    ("hamadan", "همدان", "Hamadan", 22),
    ("kurdistan", "کردستان", "Kurdistan", 20),
    ("markazi-province", "مرکزی", "Markazi", 18),
    ("qom", "قم", "Qom", 16),
    ("qazvin", "قزوین", "Qazvin", 16),
    ("ardabil", "اردبیل", "Ardabil", 16),
    ("bushehr", "بوشهر", "Bushehr", 15),
    ("yazd", "یزد", "Yazd", 14),
    ("zanjan", "زنجان", "Zanjan", 13),
    ("chaharmahal-bakhtiari", "چهارمحال و بختیاری", "Chaharmahal and Bakhtiari", 12),
    ("north-khorasan", "خراسان شمالی", "North Khorasan", 11),
    ("kohgiluyeh-boyerahmad", "کهگیلویه و بویراحمد", "Kohgiluyeh and Boyer-Ahmad", 9),
    ("south-khorasan", "خراسان جنوبی", "South Khorasan", 9),
    ("semnan", "سمنان", "Semnan", 8),
    ("ilam", "ایلام", "Ilam", 8),
)
_VALID_FROM = "2022-03-21"  # 1 Farvardin 1401, the year the window was launched
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


def places() -> tuple[Row, ...]:
    """The rows of places.csv."""
    return tuple(
        {"place_id": place, "kind": "province", "parent_id": "", "name_fa": fa, "name_en": en}
        for place, fa, en, _ in PROVINCES
    )


@cache
def agencies() -> tuple[Row, ...]:
    """The rows of agencies.csv: the window's operator, then the agencies."""
    operator = NationalAgency(
        WINDOW, "پنجره ملی خدمات هوشمند دولت", "National Window of Smart Services", "ict-ministry", 0, 0, 0
    )
    return tuple(
        {
            "agency_id": agency.agency_id,
            "name_fa": agency.name_fa,
            "name_en": agency.name_en,
            "parent_id": agency.parent_id,
            "level": "national",
            "province": "",
            "district": "",
            "expected_to_report": "true",
            "valid_from": _VALID_FROM,
            "valid_to": "",
        }
        for agency in (operator, *AGENCIES)
    )


@cache
def services() -> tuple[Row, ...]:
    """The rows of services.csv, agency by agency: the electronic ones first, every fifth of them smart."""
    return tuple(_service(agency, number) for agency in AGENCIES for number in range(agency.services))


def level(agency: NationalAgency, number: int) -> str:
    """Declared level of an agency's service."""
    if number < agency.electronic:
        return "smart" if number % 5 == 4 else "full"
    return ("partial", "partial", "informational", "unknown")[number % 4]


def service_id(agency: NationalAgency, number: int) -> str:
    """Id of an agency's service."""
    return f"{agency.agency_id}-{number + 1:02d}"


def _service(agency: NationalAgency, number: int) -> Row:
    declared = level(agency, number)
    via_window = agency.connected_through > 0 and declared in ("full", "smart", "partial")
    fa, en = _NAMES[number]
    return {
        "service_id": service_id(agency, number),
        "agency_id": agency.agency_id,
        "name_fa": f"{fa} – {agency.name_fa}",
        "name_en": f"{en} – {agency.name_en}",
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
        "valid_from": _VALID_FROM,
        "valid_to": "",
    }
