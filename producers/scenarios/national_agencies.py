"""The national agencies of every scenario: one set of rows, so that scenarios can share a home.

The last register to speak of an agency is the one heard, with all its versions; as every scenario says the same of it,
nobody is spoken over. Each agency exists since 1395. From 1401, when the national window was launched, the agencies
that the law named are asked to report; the others never were. ``first_round`` is the first round of the national
evaluation that an agency was in (0: none): its identifier was confirmed before.

The reports name some twenty of the agencies; the other names, all parents and all dates of confirmation are plausible,
not reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

Row = Mapping[str, str]


class NationalAgency(NamedTuple):
    """One agency of the nation; ``reports``: asked to report since 1401."""

    agency_id: str
    name_fa: str
    name_en: str
    parent_id: str
    first_round: int
    reports: bool = False


WINDOW = "national-window"
EXISTS_FROM = "2016-03-20"  # 1 Farvardin 1395
LAST_DAY_UNASKED = "2022-03-20"  # 29 Esfand 1400
ASKED_FROM = "2022-03-21"  # 1 Farvardin 1401, the year the window was launched
_CONFIRMED_ON = {0: "", 1: "2016-06-20", 2: "2017-06-10", 3: "2017-12-10"}

# One agency a line: a table reads better than seven hundred wrapped lines.
# ruff: noqa: E501
# fmt: off
AGENCIES = (
    NationalAgency("national-window", "پنجره ملی خدمات هوشمند دولت", "National Window of Smart Services", "ict-ministry", 0, True),
    NationalAgency("justice-ministry", "وزارت دادگستری", "Ministry of Justice", "", 1, True),
    NationalAgency("penalties-organization", "سازمان تعزیرات حکومتی", "Governmental Penalties Organization", "justice-ministry", 2, True),
    NationalAgency("energy-ministry", "وزارت نیرو", "Ministry of Energy", "", 1, True),
    NationalAgency("tavanir", "شرکت توانیر", "Tavanir Power Company", "energy-ministry", 1, True),
    NationalAgency("water-wastewater", "شرکت مهندسی آب و فاضلاب کشور", "National Water and Wastewater Company", "energy-ministry", 1, True),
    NationalAgency("ict-ministry", "وزارت ارتباطات و فناوری اطلاعات", "Ministry of Information and Communications Technology", "", 1, True),
    NationalAgency("national-post", "شرکت ملی پست", "National Post Company", "ict-ministry", 1, True),
    NationalAgency("radio-regulation", "سازمان تنظیم مقررات و ارتباطات رادیویی", "Communications Regulatory Authority", "ict-ministry", 2, True),
    NationalAgency("education-ministry", "وزارت آموزش و پرورش", "Ministry of Education", "", 1, True),
    NationalAgency("school-renovation", "سازمان نوسازی مدارس", "School Renovation Organization", "education-ministry", 2, True),
    NationalAgency("health-ministry", "وزارت بهداشت، درمان و آموزش پزشکی", "Ministry of Health and Medical Education", "", 1, True),
    NationalAgency("food-drug", "سازمان غذا و دارو", "Food and Drug Administration", "health-ministry", 1, True),
    NationalAgency("health-insurance", "سازمان بیمه سلامت ایران", "Iran Health Insurance Organization", "health-ministry", 1, True),
    NationalAgency("sport-ministry", "وزارت ورزش و جوانان", "Ministry of Sport and Youth", "", 1, True),
    NationalAgency("agriculture-ministry", "وزارت جهاد کشاورزی", "Ministry of Agriculture", "", 1, True),
    NationalAgency("natural-resources", "سازمان منابع طبیعی و آبخیزداری", "Natural Resources and Watershed Organization", "agriculture-ministry", 1, True),
    NationalAgency("veterinary", "سازمان دامپزشکی", "Veterinary Organization", "agriculture-ministry", 1, True),
    NationalAgency("rural-cooperatives", "سازمان تعاون روستایی", "Rural Cooperatives Organization", "agriculture-ministry", 2, True),
    NationalAgency("heritage-ministry", "وزارت میراث فرهنگی، گردشگری و صنایع دستی", "Ministry of Heritage, Tourism and Handicrafts", "", 0, True),
    NationalAgency("oil-ministry", "وزارت نفت", "Ministry of Oil", "", 1, True),
    NationalAgency("national-gas", "شرکت ملی گاز ایران", "National Gas Company", "oil-ministry", 1, True),
    NationalAgency("oil-products", "شرکت ملی پخش فرآورده‌های نفتی", "National Oil Products Distribution Company", "oil-ministry", 1, True),
    NationalAgency("economy-ministry", "وزارت امور اقتصادی و دارایی", "Ministry of Economic Affairs and Finance", "", 1, True),
    NationalAgency("tax-administration", "سازمان امور مالیاتی", "Tax Administration", "economy-ministry", 1, True),
    NationalAgency("customs", "گمرک جمهوری اسلامی ایران", "Customs Administration", "economy-ministry", 1, True),
    NationalAgency("central-insurance", "بیمه مرکزی", "Central Insurance", "economy-ministry", 1, True),
    NationalAgency("interior-ministry", "وزارت کشور", "Ministry of Interior", "", 1, True),
    NationalAgency("civil-registration", "سازمان ثبت احوال کشور", "Civil Registration Organization", "interior-ministry", 1, True),
    NationalAgency("municipalities", "سازمان شهرداری‌ها و دهیاری‌ها", "Municipalities and Rural Administrations Organization", "interior-ministry", 1, True),
    NationalAgency("labour-ministry", "وزارت تعاون، کار و رفاه اجتماعی", "Ministry of Cooperatives, Labour and Social Welfare", "", 1, True),
    NationalAgency("social-security", "سازمان تأمین اجتماعی", "Social Security Organization", "labour-ministry", 1, True),
    NationalAgency("welfare", "سازمان بهزیستی کشور", "Welfare Organization", "labour-ministry", 1, True),
    NationalAgency("vocational-training", "سازمان آموزش فنی و حرفه‌ای", "Technical and Vocational Training Organization", "labour-ministry", 1, True),
    NationalAgency("roads-ministry", "وزارت راه و شهرسازی", "Ministry of Roads and Urban Development", "", 1, True),
    NationalAgency("road-transport", "سازمان راهداری و حمل‌ونقل جاده‌ای", "Road Maintenance and Transport Organization", "roads-ministry", 1, True),
    NationalAgency("railways", "راه‌آهن جمهوری اسلامی ایران", "Railways", "roads-ministry", 1, True),
    NationalAgency("industry-ministry", "وزارت صنعت، معدن و تجارت", "Ministry of Industry, Mine and Trade", "", 1, True),
    NationalAgency("industrial-estates", "سازمان صنایع کوچک و شهرک‌های صنعتی", "Small Industries and Industrial Estates Organization", "industry-ministry", 2, True),
    NationalAgency("science-ministry", "وزارت علوم، تحقیقات و فناوری", "Ministry of Science, Research and Technology", "", 1, True),
    NationalAgency("student-affairs", "سازمان امور دانشجویان", "Student Affairs Organization", "science-ministry", 1, True),
    NationalAgency("culture-ministry", "وزارت فرهنگ و ارشاد اسلامی", "Ministry of Culture and Islamic Guidance", "", 1, True),
    NationalAgency("hajj-organization", "سازمان حج و زیارت", "Hajj and Pilgrimage Organization", "culture-ministry", 2, True),
    NationalAgency("foreign-ministry", "وزارت امور خارجه", "Ministry of Foreign Affairs", "", 1, True),
    NationalAgency("sports-facilities", "شرکت توسعه و نگهداری اماکن ورزشی", "Sports Facilities Development and Maintenance Company", "sport-ministry", 0),
    NationalAgency("heritage-research", "پژوهشگاه میراث فرهنگی و گردشگری", "Research Institute of Cultural Heritage and Tourism", "heritage-ministry", 0),
    NationalAgency("standards-organization", "سازمان ملی استاندارد ایران", "National Standards Organization", "", 1),
    NationalAgency("state-trading", "شرکت بازرگانی دولتی ایران", "State Trading Company", "agriculture-ministry", 1),
    NationalAgency("transport-infrastructure", "شرکت ساخت و توسعه زیربناهای حمل‌ونقل کشور", "Transport Infrastructure Construction and Development Company", "roads-ministry", 1),
    NationalAgency("thermal-power", "شرکت مادرتخصصی تولید نیروی برق حرارتی", "Thermal Power Plants Holding Company", "energy-ministry", 1),
    NationalAgency("pasteur-institute", "انستیتو پاستور ایران", "Pasteur Institute", "health-ministry", 1),
    NationalAgency("agricultural-engineering", "سازمان نظام مهندسی کشاورزی و منابع طبیعی", "Agricultural Engineering and Natural Resources Organization", "agriculture-ministry", 2),
    NationalAgency("pension-organization", "سازمان بازنشستگی کشوری", "Civil Servants Pension Organization", "labour-ministry", 2),
    NationalAgency("educational-testing", "سازمان سنجش آموزش کشور", "National Organization of Educational Testing", "science-ministry", 1),
    NationalAgency("deeds-organization", "سازمان ثبت اسناد و املاک کشور", "Deeds and Properties Registration Organization", "", 1),
    NationalAgency("central-bank", "بانک مرکزی", "Central Bank", "", 1),
    NationalAgency("it-organization", "سازمان فناوری اطلاعات ایران", "Information Technology Organization", "ict-ministry", 1),
    NationalAgency("telecom-infrastructure", "شرکت ارتباطات زیرساخت", "Telecommunication Infrastructure Company", "ict-ministry", 1),
    NationalAgency("space-agency", "سازمان فضایی ایران", "Space Agency", "ict-ministry", 3),
    NationalAgency("post-bank", "پست بانک ایران", "Post Bank", "ict-ministry", 1),
    NationalAgency("statistics-centre", "مرکز آمار ایران", "Statistical Centre", "", 1),
    NationalAgency("planning-organization", "سازمان برنامه و بودجه کشور", "Planning and Budget Organization", "", 1),
    NationalAgency("administrative-employment", "سازمان اداری و استخدامی کشور", "Administrative and Employment Organization", "", 1),
    NationalAgency("environment-organization", "سازمان حفاظت محیط زیست", "Environment Organization", "", 1),
    NationalAgency("atomic-energy", "سازمان انرژی اتمی", "Atomic Energy Organization", "", 2),
    NationalAgency("national-library", "سازمان اسناد و کتابخانه ملی", "National Library and Archives", "", 1),
    NationalAgency("mapping-organization", "سازمان نقشه‌برداری کشور", "National Cartographic Centre", "", 1),
    NationalAgency("meteorology-organization", "سازمان هواشناسی کشور", "Meteorological Organization", "roads-ministry", 1),
    NationalAgency("civil-aviation", "سازمان هواپیمایی کشوری", "Civil Aviation Organization", "roads-ministry", 1),
    NationalAgency("ports-maritime", "سازمان بنادر و دریانوردی", "Ports and Maritime Organization", "roads-ministry", 1),
    NationalAgency("airports", "شرکت فرودگاه‌ها و ناوبری هوایی", "Airports and Air Navigation Company", "roads-ministry", 2),
    NationalAgency("land-housing", "سازمان ملی زمین و مسکن", "National Land and Housing Organization", "roads-ministry", 2),
    NationalAgency("geological-survey", "سازمان زمین‌شناسی و اکتشافات معدنی", "Geological Survey", "industry-ministry", 1),
    NationalAgency("mines-development", "سازمان توسعه و نوسازی معادن و صنایع معدنی", "Mines and Mining Industries Development Organization", "industry-ministry", 2),
    NationalAgency("industrial-renovation", "سازمان گسترش و نوسازی صنایع", "Industrial Development and Renovation Organization", "industry-ministry", 2),
    NationalAgency("trade-promotion", "سازمان توسعه تجارت", "Trade Promotion Organization", "industry-ministry", 1),
    NationalAgency("consumer-protection", "سازمان حمایت مصرف‌کنندگان و تولیدکنندگان", "Consumers and Producers Protection Organization", "industry-ministry", 2),
    NationalAgency("martyrs-foundation", "بنیاد شهید و امور ایثارگران", "Martyrs and Veterans Foundation", "", 1),
    NationalAgency("housing-foundation", "بنیاد مسکن انقلاب اسلامی", "Housing Foundation", "", 2),
    NationalAgency("red-crescent", "جمعیت هلال احمر", "Red Crescent Society", "", 2),
    NationalAgency("relief-committee", "کمیته امداد امام خمینی", "Relief Committee", "", 2),
    NationalAgency("forensic-medicine", "سازمان پزشکی قانونی", "Forensic Medicine Organization", "", 1),
    NationalAgency("prisons-organization", "سازمان زندان‌ها", "Prisons Organization", "", 3),
    NationalAgency("privatization", "سازمان خصوصی‌سازی", "Privatization Organization", "economy-ministry", 1),
    NationalAgency("securities-exchange", "سازمان بورس و اوراق بهادار", "Securities and Exchange Organization", "economy-ministry", 1),
    NationalAgency("renewable-energy", "سازمان انرژی‌های تجدیدپذیر", "Renewable Energy Organization", "energy-ministry", 2),
    NationalAgency("water-resources", "شرکت مدیریت منابع آب", "Water Resources Management Company", "energy-ministry", 2),
    NationalAgency("national-oil", "شرکت ملی نفت ایران", "National Oil Company", "oil-ministry", 2),
    NationalAgency("petrochemical", "شرکت ملی صنایع پتروشیمی", "National Petrochemical Company", "oil-ministry", 3),
    NationalAgency("oil-refining", "شرکت ملی پالایش و پخش فرآورده‌های نفتی", "National Oil Refining and Distribution Company", "oil-ministry", 3),
    NationalAgency("plant-protection", "سازمان حفظ نباتات", "Plant Protection Organization", "agriculture-ministry", 3),
    NationalAgency("fisheries", "سازمان شیلات ایران", "Fisheries Organization", "agriculture-ministry", 2, True),
    NationalAgency("emergency-organization", "سازمان اورژانس کشور", "Emergency Organization", "health-ministry", 3),
    NationalAgency("blood-organization", "سازمان انتقال خون ایران", "Blood Transfusion Organization", "health-ministry", 2),
    NationalAgency("literacy-movement", "سازمان نهضت سوادآموزی", "Literacy Movement Organization", "education-ministry", 3),
    NationalAgency("public-libraries", "نهاد کتابخانه‌های عمومی کشور", "Public Libraries Foundation", "", 3),
    NationalAgency("endowments", "سازمان اوقاف و امور خیریه", "Endowments and Charity Organization", "culture-ministry", 3),
)
# fmt: on
_BY_ID = {agency.agency_id: agency for agency in AGENCIES}


def rows(agencies: Iterable[str]) -> tuple[Row, ...]:
    """The rows of agencies.csv of some agencies and of the ministries above them, in the order of the table."""
    wanted = set()
    for agency_id in agencies:
        step = agency_id
        while step and step not in wanted:
            wanted.add(step)
            step = _BY_ID[step].parent_id
    return tuple(row for agency in AGENCIES if agency.agency_id in wanted for row in _versions(agency))


def name(agency_id: str) -> tuple[str, str]:
    """An agency's name in Persian and English."""
    agency = _BY_ID[agency_id]
    return agency.name_fa, agency.name_en


@cache
def evaluated() -> tuple[NationalAgency, ...]:
    """The agencies that were in a round of the national evaluation."""
    return tuple(agency for agency in AGENCIES if agency.first_round)


def _versions(agency: NationalAgency) -> list[Row]:
    """An agency's rows: before and after it was asked to report; the window itself began with the asking."""
    if agency.agency_id == WINDOW:
        return [_row(agency, "true", ASKED_FROM, "")]
    if not agency.reports:
        return [_row(agency, "false", EXISTS_FROM, "")]
    return [_row(agency, "false", EXISTS_FROM, LAST_DAY_UNASKED), _row(agency, "true", ASKED_FROM, "")]


def _row(agency: NationalAgency, expected: str, valid_from: str, valid_to: str) -> Row:
    return {
        "agency_id": agency.agency_id,
        "name_fa": agency.name_fa,
        "name_en": agency.name_en,
        "parent_id": agency.parent_id,
        "level": "national",
        "province": "",
        "district": "",
        "expected_to_report": expected,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "official_id": "",
        "id_confirmed_on": _CONFIRMED_ON[agency.first_round],
    }
