"""The 54 agencies of Qom province that answered: names, what their services are about, how much they are used.

The report behind the scenario names six of them as leading; the other names and all weights are plausible, not
reported. Weights are parts of the province's transactions.
"""

from __future__ import annotations

from typing import NamedTuple


class ReportingAgency(NamedTuple):
    """One agency; ``subjects`` are (Persian, English) pairs its services are named after."""

    agency_id: str
    name_fa: str
    name_en: str
    weight: int
    subjects: tuple[tuple[str, str], tuple[str, str]]


def _agency(
    slug: str, fa: str, en: str, weight: int, first: tuple[str, str], second: tuple[str, str]
) -> ReportingAgency:
    return ReportingAgency(f"qom-{slug}", f"{fa} قم", f"Qom {en}", weight, (first, second))


# The six that the report names, in its order.
LEADING = (
    "qom-water",
    "qom-planning",
    "qom-economy",
    "qom-tax",
    "qom-post",
    "qom-labour",
)

# One agency a line: a table reads better than five hundred wrapped lines.
# ruff: noqa: E501
# fmt: off
AGENCIES = (
    _agency("water", "شرکت آب و فاضلاب استان", "Water and Wastewater Company", 70, ("انشعاب آب", "water connection"), ("قبض آب", "water bill")),
    _agency("planning", "سازمان مدیریت و برنامه‌ریزی استان", "Management and Planning Organization", 18, ("پیمانکاری", "contractor ranking"), ("طرح عمرانی", "public works project")),
    _agency("economy", "اداره کل امور اقتصادی و دارایی استان", "Economic Affairs and Finance Office", 20, ("اموال دولتی", "state property"), ("سرمایه‌گذاری", "investment")),
    _agency("tax", "اداره کل امور مالیاتی استان", "Tax Affairs Office", 95, ("مالیات بر درآمد", "income tax"), ("ارزش افزوده", "value added tax")),
    _agency("post", "اداره کل پست استان", "Post Office", 60, ("کد پستی", "postal code"), ("مرسوله", "parcel")),
    _agency("labour", "اداره کل تعاون، کار و رفاه اجتماعی استان", "Cooperatives, Labour and Social Welfare Office", 34, ("کاریابی", "job placement"), ("شرکت تعاونی", "cooperative company")),
    _agency("ict", "اداره کل ارتباطات و فناوری اطلاعات استان", "Communications and Information Technology Office", 10, ("دفتر پیشخوان", "counter office"), ("ارتباطات روستایی", "rural connectivity")),
    _agency("electricity", "شرکت توزیع نیروی برق استان", "Electricity Distribution Company", 72, ("انشعاب برق", "electricity connection"), ("قبض برق", "electricity bill")),
    _agency("gas", "شرکت گاز استان", "Gas Company", 58, ("انشعاب گاز", "gas connection"), ("قبض گاز", "gas bill")),
    _agency("civil-registration", "اداره کل ثبت احوال استان", "Civil Registration Office", 46, ("شناسنامه", "birth certificate"), ("کارت ملی", "national card")),
    _agency("deeds", "اداره کل ثبت اسناد و املاک استان", "Deeds and Properties Registration Office", 44, ("سند مالکیت", "title deed"), ("شرکت‌ها", "company registration")),
    _agency("social-security", "اداره کل تأمین اجتماعی استان", "Social Security Office", 80, ("سابقه بیمه", "insurance record"), ("مستمری", "pension payment")),
    _agency("health-insurance", "اداره کل بیمه سلامت استان", "Health Insurance Office", 40, ("دفترچه بیمه", "insurance booklet"), ("پوشش درمان", "treatment cover")),
    _agency("medical-university", "دانشگاه علوم پزشکی", "University of Medical Sciences", 36, ("پروانه بهداشتی", "health permit"), ("درمانگاه", "clinic")),
    _agency("welfare", "اداره کل بهزیستی استان", "Welfare Office", 16, ("توانبخشی", "rehabilitation"), ("مهدکودک", "kindergarten")),
    _agency("education", "اداره کل آموزش و پرورش استان", "Education Office", 42, ("مدرسه", "school enrolment"), ("تأیید مدرک", "certificate of study")),
    _agency("vocational-training", "اداره کل آموزش فنی و حرفه‌ای استان", "Technical and Vocational Training Office", 14, ("آموزش مهارت", "skills course"), ("آموزشگاه آزاد", "private training centre")),
    _agency("university", "دانشگاه", "University", 12, ("دانش‌آموختگان", "graduates"), ("پذیرش دانشجو", "student admission")),
    _agency("roads", "اداره کل راه و شهرسازی استان", "Roads and Urban Development Office", 15, ("زمین شهری", "urban land"), ("پروانه مهندسی", "engineering licence")),
    _agency("road-transport", "اداره کل راهداری و حمل‌ونقل جاده‌ای استان", "Road Maintenance and Transport Office", 22, ("کارت راننده", "driver card"), ("ناوگان باری", "freight fleet")),
    _agency("railway", "اداره کل راه‌آهن", "Railway Office", 8, ("حمل ریلی", "rail freight"), ("حریم راه‌آهن", "railway boundary")),
    _agency("agriculture", "سازمان جهاد کشاورزی استان", "Agriculture Organization", 18, ("بهره‌بردار کشاورزی", "farm holding"), ("نهاده دامی", "livestock feed")),
    _agency("veterinary", "اداره کل دامپزشکی استان", "Veterinary Office", 8, ("سلامت دام", "animal health"), ("داروی دامی", "veterinary medicine")),
    _agency("natural-resources", "اداره کل منابع طبیعی و آبخیزداری استان", "Natural Resources and Watershed Office", 6, ("اراضی ملی", "national lands"), ("پروانه چرا", "grazing permit")),
    _agency("environment", "اداره کل حفاظت محیط زیست استان", "Environmental Protection Office", 6, ("ارزیابی محیط زیست", "environmental assessment"), ("معاینه فنی", "emission test")),
    _agency("industry", "سازمان صنعت، معدن و تجارت استان", "Industry, Mine and Trade Organization", 26, ("جواز تأسیس", "establishment licence"), ("پروانه کسب", "business permit")),
    _agency("standards", "اداره کل استاندارد استان", "Standards Office", 7, ("نشان استاندارد", "standard mark"), ("آزمایشگاه همکار", "partner laboratory")),
    _agency("industrial-estates", "شرکت شهرک‌های صنعتی استان", "Industrial Estates Company", 7, ("زمین صنعتی", "industrial plot"), ("خدمات شهرک", "estate services")),
    _agency("customs", "اداره کل گمرک استان", "Customs Office", 12, ("ترخیص کالا", "goods clearance"), ("کارت بازرگانی", "trade card")),
    _agency("heritage", "اداره کل میراث فرهنگی، گردشگری و صنایع دستی استان", "Heritage, Tourism and Handicrafts Office", 9, ("اقامتگاه", "lodging"), ("کارت صنایع دستی", "handicraft card")),
    _agency("sport", "اداره کل ورزش و جوانان استان", "Sport and Youth Office", 8, ("باشگاه", "sports club"), ("سازمان جوانان", "youth association")),
    _agency("culture", "اداره کل فرهنگ و ارشاد اسلامی استان", "Culture and Islamic Guidance Office", 9, ("چاپ و نشر", "publishing"), ("رویداد هنری", "art event")),
    _agency("endowments", "اداره کل اوقاف و امور خیریه استان", "Endowments and Charity Office", 10, ("موقوفه", "endowment"), ("بقعه متبرکه", "shrine")),
    _agency("hajj", "اداره کل حج و زیارت استان", "Hajj and Pilgrimage Office", 9, ("سفر زیارتی", "pilgrimage"), ("دفتر زیارتی", "pilgrimage agency")),
    _agency("justice", "دادگستری کل استان", "Justice Department", 48, ("پرونده قضایی", "court case"), ("کارشناس رسمی", "official expert")),
    _agency("forensics", "اداره کل پزشکی قانونی استان", "Forensic Medicine Office", 9, ("معاینه بالینی", "clinical examination"), ("گواهی فوت", "death certificate")),
    _agency("prisons", "اداره کل زندان‌ها", "Prisons Office", 6, ("ملاقات", "visiting"), ("مرخصی", "leave")),
    _agency("penalties", "اداره کل تعزیرات حکومتی استان", "Governmental Penalties Office", 6, ("شکایت صنفی", "trade complaint"), ("پرونده تعزیرات", "penalty case")),
    _agency("governorate", "استانداری", "Governorate", 9, ("اتباع خارجی", "foreign nationals"), ("سازمان مردم‌نهاد", "civic association")),
    _agency("municipality", "شهرداری", "Municipality", 64, ("پروانه ساختمان", "building permit"), ("عوارض نوسازی", "renewal dues")),
    _agency("housing-foundation", "بنیاد مسکن استان", "Housing Foundation", 10, ("مسکن روستایی", "rural housing"), ("سند روستایی", "rural deed")),
    _agency("martyrs", "بنیاد شهید و امور ایثارگران استان", "Martyrs and Veterans Foundation", 12, ("خدمات ایثارگران", "veterans' services"), ("تسهیلات مسکن", "housing loan")),
    _agency("relief-committee", "کمیته امداد استان", "Relief Committee", 12, ("حمایت معیشتی", "livelihood support"), ("وام اشتغال", "employment loan")),
    _agency("red-crescent", "جمعیت هلال احمر استان", "Red Crescent Society", 6, ("امداد و نجات", "relief and rescue"), ("داوطلبان", "volunteers")),
    _agency("libraries", "اداره کل کتابخانه‌های عمومی استان", "Public Libraries Office", 9, ("کتابخانه", "library membership"), ("امانت کتاب", "book loan")),
    _agency("meteorology", "اداره کل هواشناسی استان", "Meteorology Office", 6, ("داده هواشناسی", "weather data"), ("هشدار جوی", "weather warning")),
    _agency("regional-water", "شرکت آب منطقه‌ای", "Regional Water Company", 7, ("چاه آب", "water well"), ("پروانه بهره‌برداری", "exploitation permit")),
    _agency("oil-products", "شرکت پخش فرآورده‌های نفتی منطقه", "Oil Products Distribution Company", 16, ("سهمیه سوخت", "fuel quota"), ("جایگاه سوخت", "fuel station")),
    _agency("pension-fund", "صندوق بازنشستگی کشوری استان", "Civil Servants Pension Fund", 18, ("حکم بازنشستگی", "retirement order"), ("وام بازنشستگان", "pensioners' loan")),
    _agency("rural-cooperatives", "سازمان تعاون روستایی استان", "Rural Cooperatives Organization", 6, ("تعاونی روستایی", "rural cooperative"), ("خرید تضمینی", "guaranteed purchase")),
    _agency("nomads", "اداره کل امور عشایر استان", "Nomadic Affairs Office", 6, ("کوچ عشایر", "nomads' migration"), ("اعتبار عشایر", "nomads' credit")),
    _agency("literacy", "معاونت سوادآموزی استان", "Literacy Movement", 6, ("دوره سوادآموزی", "literacy course"), ("گواهی سواد", "literacy certificate")),
    _agency("farmers-insurance", "صندوق بیمه کشاورزان، روستاییان و عشایر استان", "Farmers, Villagers and Nomads Insurance Fund", 9, ("بیمه روستایی", "rural insurance"), ("غرامت", "compensation")),
    _agency("blood-transfusion", "انتقال خون استان", "Blood Transfusion Office", 8, ("اهدای خون", "blood donation"), ("پایگاه سیار", "mobile donation base")),
)
# fmt: on
