"""The report that is published with a version: what its pages say, and how they are swapped, linked and collected."""

from __future__ import annotations

import datetime as dt
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contracts.settings import Settings
from dashboard.report import write_pages
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.published import open_published

JALALI = (
    ("1398-01", "فروردین", "Farvardin", 1398, 31),
    ("1399-01", "فروردین", "Farvardin", 1399, 31),
    ("1399-02", "اردیبهشت", "Ordibehesht", 1399, 31),
)


class Page(HTMLParser):
    """A page's text, its rows as lists of texts, its links, and whatever would fetch something."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.fetches: list[str] = []
        self.ids: list[str] = []
        self.html: dict[str, str | None] = {}
        self.source = path.read_text(encoding="utf-8")
        self.path = path
        self._in_cell = False
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", self.source.partition("<body>")[2]))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "html":
            self.html = found
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True
        if tag == "a":
            self.links.append(found["href"] or "")
        if "id" in found:
            self.ids.append(found["id"] or "")
        if tag in ("script", "img", "link", "iframe") or "src" in found:
            self.fetches.append(found.get("src") or found.get("href") or tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.fixture
def report(settings: Settings, build):
    """Two years of a nation and of an agency, and the function that publishes and opens a page."""
    for month, fa, en, year, days in JALALI:
        build.run("DELETE FROM dim_month WHERE calendar = 'jalali' AND month = $month", {"month": month})
        build.run(
            "INSERT INTO dim_month (calendar, month, name_fa, name_en, year, days) "
            "VALUES ('jalali', $1, $2, $3, $4, $5)",
            [month, fa, en, year, days],
        )
    build.run(
        "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key, name_fa, name_en) VALUES "
        "('agency', 'tax', 'agency:tax', 'national:IR', 'مالیات', '<b>Tax & co</b>')"
    )
    for month, users, completed in (("1398-01", 1000, 3100), ("1399-01", 1500, 4650), ("1399-02", 1234567, 40)):
        build.put("monthly_users", month, active_users=users)
        build.put("monthly_transactions", month, completed=completed)
    build.put("monthly_transactions", "1399-01", scope="agency", scope_id="tax", completed=7, keys=3, declared=0)
    build.put("monthly_transactions", "1399-01", "portal", scope="agency", scope_id="tax", declared=12)

    def page(name: str = "index.html") -> Page:
        return Page(settings.published / "public" / name)

    return page


def test_the_front_page_says_the_newest_month_over_against_the_year_before(settings, build, report):
    publish(settings, pages=write_pages, now=dt.datetime(2020, 5, 25, tzinfo=dt.UTC))
    front = report()
    assert (front.html["lang"], front.html["dir"]) == ("fa", "rtl")
    assert "در فروردین ۱۳۹۹، ۱٬۵۰۰ کاربر فعال بوده است." in front.text
    assert "نسبت به فروردین ۱۳۹۸، ۵۰٫۰٪ بیشتر." in front.text
    assert "در فروردین ۱۳۹۹، ۴٬۶۵۰ تراکنش پایان یافته است. میانگین روزانه: ۱۵۰." in front.text
    english = report("report/en/index.html")
    assert (english.html["lang"], english.html["dir"]) == ("en", "ltr")
    assert "In Farvardin 1399 4,650 transactions were completed. On average 150 a day. 50.0% more a day" in english.text


def test_what_has_no_number_has_a_word_and_never_a_zero(settings, build, report):
    publish(settings, pages=write_pages)
    rows = {tuple(row[:2]): row for row in report("report/fa/agency/tax.html").rows}
    assert rows["فروردین ۱۳۹۹", "همه بسترها"][5] == "محرمانه"
    assert rows["فروردین ۱۳۹۹", "همه بسترها"][7] == "۰"
    assert rows["فروردین ۱۳۹۹", "پورتال سازمان"][5] == "ارائه نشده"
    assert rows["فروردین ۱۳۹۹", "پورتال سازمان"][7] == "۱۲"


def test_a_name_is_text_whatever_it_looks_like(settings, build, report):
    publish(settings, pages=write_pages)
    for name in ("report/en/agency/tax.html", "report/en/agencies.html", "report/en/month/1399-01.html"):
        assert "<b>Tax" not in report(name).source
        assert "&lt;b&gt;Tax &amp; co&lt;/b&gt;" in report(name).source


def test_every_link_leads_to_a_file_or_a_place_on_its_page_and_every_fetch_stays_within_the_version(
    settings, build, report
):
    publish(settings, pages=write_pages)
    public = settings.published / "public"
    paths = [public / "index.html", *(public / "report").resolve().rglob("*.html")]
    assert len(paths) >= 2 * 9
    pages = {}
    for path in paths:
        shown = path if path.name == "index.html" and path.parent == public else None
        # As a browser resolves it: below the folder that report/ points to, from where that link stands.
        address = shown or public / "report" / path.relative_to((public / "report").resolve())
        pages[str(address.relative_to(public))] = Page(path)
    for address, page in pages.items():
        assert len(page.source.encode()) < 200_000
        assert len(page.ids) == len(set(page.ids)), address
        assert all(fetched.partition("report/")[2].startswith("assets/") for fetched in page.fetches), address
        for link in (*page.links, *page.fetches):
            name, _, place = link.partition("#")
            # The page for what is not there is shown under any address: it begins at the root.
            target = str(_normal(Path(address).parent / name) if name[:1] != "/" else name.strip("/") or "index.html")
            target = target if name else address
            assert (public / target).exists(), (address, link)
            assert not place or place in pages[target].ids, (address, link)


def test_behind_every_headline_stands_its_passport_and_behind_every_column_its_definition(settings, build, report):
    publish(settings, pages=write_pages, now=dt.datetime(2020, 5, 25, tzinfo=dt.UTC))
    front = report("report/en/index.html")
    assert "monthly_transactions.completed · national:IR · 1399-01 · all" in front.text
    assert "Numerator and denominator4,650; a count, with no denominator" in front.text
    assert "../../report/en/passports.html#completed" in front.links
    figures = json.loads((settings.published / "public/report/data/agency/tax.json").read_text())
    hidden, told = (
        next(row for row in figures["months"] if (row["month"], row["channel"]) == ("1399-01", channel))
        for channel in ("all", "portal")
    )
    assert hidden["completed"] == {"value": None, "status": "suppressed"}
    assert (told["declared"]["value"], told["declared"]["passport"]["numerator"]) == (12, 12)


def test_a_name_in_the_other_language_is_marked_as_such(settings, build, report):
    build.run(
        "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key, name_fa, name_en) VALUES "
        "('agency', 'post', 'agency:post', 'national:IR', 'پست', NULL), "
        "('agency', 'water', 'agency:water', 'national:IR', NULL, NULL)"
    )
    for agency in ("post", "water"):
        build.put("monthly_users", "1399-01", scope="agency", scope_id=agency, active_users=20)
    publish(settings, pages=write_pages)
    agencies = report("report/en/agencies.html").source
    assert '<span lang="fa" dir="rtl">پست</span>' in agencies
    assert '<bdi dir="ltr" lang="zxx">water</bdi>' in agencies
    assert "پست" in report("report/fa/agencies.html").text


def test_names_are_sorted_as_each_language_does(settings, build, report):
    for agency, fa, en in (
        ("a", "گمرک", "Customs"),
        ("b", "مدرسه", "School"),
        ("c", "پست", "Post"),
        ("d", "آب", "Water"),
    ):
        build.run(
            "INSERT INTO dim_scope (scope, scope_id, scope_key, parent_key, name_fa, name_en) "
            "VALUES ('agency', $1, 'agency:' || $1, 'national:IR', $2, $3)",
            [agency, fa, en],
        )
        build.put("monthly_users", "1399-01", scope="agency", scope_id=agency, active_users=20)
    publish(settings, pages=write_pages)
    names = {
        "fa": ["آب", "پست", "گمرک", "مالیات", "مدرسه"],
        "en": ["<b>Tax & co</b>", "Customs", "Post", "School", "Water"],
    }
    for language, expected in names.items():
        assert [row[0] for row in report(f"report/{language}/agencies.html").rows[1:]] == expected


def _normal(path: Path) -> Path:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def test_a_page_that_did_not_change_is_the_file_of_the_version_before(settings, build, report):
    publish(settings, pages=write_pages)
    public = settings.published / "public"
    tax, front = public / "report/fa/agency/tax.html", public / "index.html"
    before = (tax.stat().st_ino, front.stat().st_ino)
    build.put("monthly_users", "1399-02", active_users=2)
    publish(settings, pages=write_pages)
    assert tax.stat().st_ino == before[0]
    assert front.stat().st_ino != before[1]
    assert front.stat().st_mode & 0o777 == tax.stat().st_mode & 0o777 == 0o444
    # Another floor of the cells is another note below every page.
    settings = Settings.load({"MIZAN_HOME": str(settings.home), "MIZAN_MIN_CELL": "7"}, folder=settings.home)
    publish(settings, pages=write_pages)
    assert tax.stat().st_ino != before[0]
    assert "fewer than <bdi>7</bdi> persons" in report("report/en/agency/tax.html").source


def test_pages_leave_with_their_version(settings, build, report):
    settings = Settings.load({"MIZAN_HOME": str(settings.home), "MIZAN_PUBLISHED_KEEP": "2"}, folder=settings.home)
    for users in range(20, 24):
        build.put("monthly_users", "1399-02", active_users=users)
        publish(settings, pages=write_pages)
    build.put("monthly_users", "1399-02", active_users=30)
    publish(settings, pages=write_pages, now=dt.datetime.now(dt.UTC) + dt.timedelta(hours=25))
    kept = sorted(path.name for path in (settings.published / "public" / ".report").iterdir())
    assert kept == ["v000004", "v000005"]
    for tier in ("analyst", "public"):
        folder = settings.published / tier
        listed = json.loads((folder / "CURRENT.json").read_text())["versions"]
        assert listed == [4, 5]
        assert [path.name for path in sorted(folder.glob("v*.duckdb"))] == ["v000004.duckdb", "v000005.duckdb"]


def test_before_any_figure_the_page_says_so(settings, build):
    publish(settings, pages=write_pages)
    assert "هنوز هیچ رقمی منتشر نشده است." in Page(settings.published / "public" / "index.html").text


def test_a_lake_without_an_event_has_no_time_up_to_which_it_landed(settings, build, report):
    Lake(settings).create()
    publish(settings, pages=write_pages)
    assert "None" not in report("report/en/index.html").text
    with open_published(settings, "public") as connection:
        found = connection.execute("SELECT value FROM marts._meta WHERE key = 'lake.landed_until'").fetchall()
    assert found == [(None,)]
