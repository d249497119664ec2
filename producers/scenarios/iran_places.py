"""Iran's provinces, and Qom's county and districts: one set of rows, so that scenarios can share a home.

The last register to speak of a place is the one heard; as every scenario says the same of it, nobody is spoken over.
"""

from __future__ import annotations

from collections.abc import Mapping

Row = Mapping[str, str]

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
# The five districts of the county, as the report on them names them.
QOM_DISTRICTS = (
    ("markazi", "مرکزی", "Markazi"),
    ("jafarieh", "جعفریه", "Jafarieh"),
    ("salafchegan", "سلفچگان", "Salafchegan"),
    ("kahak", "کهک", "Kahak"),
    ("khalajestan", "خلجستان", "Khalajestan"),
)
QOM_COUNTY = "qom-county"


def provinces() -> tuple[Row, ...]:
    """All provinces as rows of places.csv."""
    return tuple(_row(place, "province", "", fa, en) for place, fa, en, _ in PROVINCES)


def qom() -> tuple[Row, ...]:
    """The province of Qom, its one county and the county's five districts."""
    return (
        *(row for row in provinces() if row["place_id"] == "qom"),
        _row(QOM_COUNTY, "county", "qom", "شهرستان قم", "Qom County"),
        *(_row(place, "district", QOM_COUNTY, fa, en) for place, fa, en in QOM_DISTRICTS),
    )


def _row(place: str, kind: str, parent: str, fa: str, en: str) -> Row:
    return {"place_id": place, "kind": kind, "parent_id": parent, "name_fa": fa, "name_en": en}
