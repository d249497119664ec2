"""The published report in headless Chromium: every kind of page in both languages, of the home of all scenarios."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from browser.chromium import MISSING, PROGRAM, chromium
from browser.published_site import served
from browser.visit import visitor

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),  # the first to ask makes the home
]
if PROGRAM is None:
    pytest.skip(MISSING, allow_module_level=True)
KINDS = (
    "agencies.html", "provinces.html", "ministries.html", "ranking.html", "mandates.html", "months.html",
    "downloads.html", "passports.html", "month/1402-06.html", "month/1399-06.html", "agency/tax-administration.html",
    "province/qom.html", "ministry/agriculture-ministry.html",
)  # fmt: skip
PERSIAN, ENGLISH = (
    ("index.html", *(f"report/fa/{one}" for one in KINDS)),
    (
        "report/en/index.html",
        *(f"report/en/{one}" for one in KINDS),
    ),
)
PAGES = (*PERSIAN, *ENGLISH)
NOBODY = "report/fa/agency/nobody.html"
UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
# Rows of a table are alike: a dozen of each kind is looked at, the rest would only take time.
SHORTEN = "document.querySelectorAll('tbody tr:nth-child(n+13)').forEach(one => one.remove())"
READ = Path(__file__).with_name("reading.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def origin(scenarios_home):
    with served(scenarios_home) as address:
        yield address


@pytest.fixture(scope="module")
def reader(browser, origin):
    with visitor(browser, origin) as visit:
        yield visit


@pytest.fixture(scope="module")
def phone(browser, origin):
    with visitor(browser, origin, 360, 740, is_mobile=True, has_touch=True, device_scale_factor=2) as visit:
        yield visit


@pytest.fixture(scope="module")
def axe():
    from axe_playwright_python.sync_playwright import Axe

    def found(page):
        page.evaluate(UNFOLD)
        page.evaluate(SHORTEN)
        violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        return [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in violations]

    return found


@pytest.fixture(scope="module")
def look(axe, reader):
    """Everything that one visit of a page shows, visited once."""

    @cache
    def look(path):
        reader.go(path)
        seen = {
            "foreign": reader.foreign,
            "trouble": list(reader.trouble),
            "transferred": reader.transferred,
            "size": len(reader.page.content().encode()),
        }
        reader.page.evaluate(UNFOLD)
        return seen | {"wrong words": reader.page.evaluate(READ), "axe": axe(reader.page)}

    return look


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_its_own_origin_alone_and_brings_less_than_200_kb_and_no_complaint(look, path):
    seen = look(path)
    assert seen["foreign"] == []
    assert seen["trouble"] == []
    assert seen["size"] / 2 < seen["transferred"] < 200_000


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_to_say(look, path):
    assert look(path)["axe"] == []


@pytest.mark.parametrize("path", PAGES)
def test_every_word_says_its_language_and_direction_and_digits_are_those_of_the_language(look, path):
    assert look(path)["wrong words"] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_scrolls_no_page_sideways(phone, path):
    phone.go(path)
    for _ in ("folded", "unfolded"):
        assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
        phone.page.evaluate(UNFOLD)


def test_axe_does_find_what_is_wrong(axe, reader):
    reader.go("index.html")
    reader.page.evaluate("document.documentElement.removeAttribute('lang')")
    reader.page.evaluate("document.querySelector('svg title').remove()")
    assert {name for name, _ in axe(reader.page)} == {"html-has-lang", "svg-img-alt"}


def test_words_in_the_wrong_language_are_found(reader):
    reader.go("index.html")
    reader.page.evaluate("document.querySelector('h1').innerHTML = 'Word <b lang=en dir=ltr>فارسی 12</b>'")
    assert len(reader.page.evaluate(READ)) == 2


@pytest.mark.parametrize("path", ["index.html", "report/en/index.html"])
def test_in_the_dark_axe_finds_nothing_either(axe, browser, origin, path):
    with visitor(browser, origin, color_scheme="dark") as visit:
        assert axe(visit.go(path).page) == []


def test_what_the_policy_forbids_is_not_done(reader):
    reader.go("index.html")
    refused = reader.page.evaluate("""async origin => {
        const refused = [];
        document.addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective));
        const script = document.createElement('script');
        script.textContent = 'document.title = "taken"';
        const image = document.createElement('img');
        image.src = 'http://127.0.0.1:9/pixel.gif';
        const style = document.createElement('style');
        style.textContent = 'body { display: none }';
        document.body.append(script, image, style);
        await new Promise(done => setTimeout(done, 300));
        return refused.sort();
    }""")
    assert {one.removesuffix("-elem") for one in refused} == {"script-src", "img-src", "style-src"}
    assert "taken" not in reader.page.title()
    assert reader.page.locator("h1").is_visible()


def test_the_files_alone_are_read_without_any_network(browser, scenarios_home):
    folder = scenarios_home.published / "public"
    with visitor(browser, f"file://{folder}", offline=True) as visit:
        visit.go("index.html")
        assert "کاربر فعال بوده است" in visit.page.locator("main").inner_text()
        visit.page.locator("a[hreflang=en]").click()
        assert visit.page.locator("h1").inner_text() == "At a glance"
        visit.page.get_by_role("link", name="Qom", exact=True).click()
        assert "between 48.85 and 66.51 percent" in visit.page.locator("main").inner_text()
        assert visit.foreign == []


def test_the_first_screen_tells_the_headlines_and_who_is_behind(reader):
    reader.go("index.html")
    said = reader.page.locator(".headlines p").all_inner_texts()
    assert said[0].startswith("در شهریور ۱۴۰۲، ۳٬۲۵۱ کاربر فعال بوده است.")
    assert said[-1].startswith("سهم خدمات الکترونیک (تمام الکترونیک و هوشمند) بین ")
    behind = reader.page.locator("h2", has_text="چه کسانی عقب‌اند").bounding_box()
    assert behind["y"] < 900
    row = (
        reader.page.locator("section", has=reader.page.get_by_text("چه کسانی عقب‌اند"))
        .locator("tbody tr")
        .first.inner_text()
    )
    assert row.split("\t") == ["سازمان بهزیستی کشور", "خارج از اتصال", "۱۴۰۲/۰۳/۰۱", "دستگاه می‌گوید از اتصال خارج شده"]


def test_a_range_reads_from_low_to_high_in_either_direction(reader):
    place = """text => {
        const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) if (walker.currentNode.data === text) {
            const range = document.createRange();
            range.selectNodeContents(walker.currentNode);
            return range.getBoundingClientRect().x;
        }
    }"""
    for path, low, high, is_rtl in (("fa", "۴۸٫۸۵", "۶۶٫۵۱", True), ("en", "48.85", "66.51", False)):
        reader.go(f"report/{path}/province/qom.html")
        assert (reader.page.evaluate(place, low) > reader.page.evaluate(place, high)) == is_rtl


def test_time_runs_as_the_page_is_read_and_every_chart_has_words_and_a_table(reader):
    for path, grows_to_the_left in (("index.html", True), ("report/en/index.html", False)):
        charts = reader.go(path).page.locator("svg[role=img]")
        # Of channels there is none here, for the sake of a desk of few; that chart is drawn in test_charts.py.
        assert charts.count() == 3
        for chart in charts.all():
            section = chart.locator("xpath=ancestor::section")
            assert section.locator("table").first.is_visible()
            assert len(chart.locator("title").text_content()) > 5
            assert len(chart.locator("desc").text_content()) > 20
        bars = [bar.bounding_box() for bar in charts.first.locator("rect.bar").all()]
        # Users of the national window grow month by month: the tallest bar is the newest.
        newest = max(bars, key=lambda bar: bar["height"])
        assert (newest["x"] == min(bar["x"] for bar in bars)) == grows_to_the_left


def test_a_keyboard_alone_goes_everywhere_and_is_seen_where_it_is(reader):
    reader.go("index.html")
    seen = []
    for _ in range(30):
        reader.page.keyboard.press("Tab")
        seen.append(
            reader.page.evaluate("""() => {
                const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
                const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                return [one.textContent.trim().slice(0, 30), drawn && box.top >= 0 && box.bottom <= innerHeight + 1];
            }""")
        )
    assert [text for text, is_seen in seen if not is_seen] == []
    assert seen[0][0] == "رفتن به متن"
    assert any("شناسنامه این رقم" in text for text, _ in seen)
    reader.go("index.html")
    reader.page.keyboard.press("Tab")
    reader.page.keyboard.press("Enter")
    assert reader.page.evaluate("location.hash") == "#main"


def test_a_passport_opens_by_keyboard_and_says_what_the_figure_is_made_of(reader):
    reader.go("report/en/index.html")
    summary = reader.page.locator(".headlines summary").nth(2)
    summary.focus()
    reader.page.keyboard.press("Enter")
    said = reader.page.locator(".headlines li").nth(2).locator("dl").inner_text()
    assert "1,452; a count, with no denominator" in said
    assert "44 of 45 expected agencies" in said
    assert "monthly_transactions.completed · national:IR · 1402-06 · all" in said


def test_on_paper_tables_are_whole_and_what_was_folded_is_there(browser, origin):
    a4 = 680  # CSS pixels of A4 between margins of 15 mm
    with visitor(browser, origin, a4, 1000) as visit:
        for path in ("index.html", "report/en/province/qom.html", "report/fa/mandates.html"):
            visit.go(path).page.emulate_media(media="print")
            wide = visit.page.eval_on_selector_all(
                ".table", "all => all.filter(one => one.scrollWidth > document.body.clientWidth + 1).length"
            )
            assert (path, wide) == (path, 0)
            assert not visit.page.locator("nav").is_visible()
            assert all(one.is_visible() for one in visit.page.locator("details > :not(summary)").all())
        assert visit.page.pdf(format="A4").startswith(b"%PDF-")


def test_what_is_not_there_is_said_in_both_languages_by_a_page_of_the_house(axe, reader):
    reader.go(NOBODY)
    assert reader.trouble == ["Failed to load resource: the server responded with a status of 404 (Not Found)"]
    assert "اینجا چنین صفحه‌ای نیست." in reader.page.locator("h1").inner_text()
    assert "There is no such page." in reader.page.locator("[lang=en] h2").inner_text()
    assert axe(reader.page) == []
    assert reader.page.evaluate(READ) == []
    reader.page.get_by_role("link", name="Front page", exact=True).click()
    assert reader.page.locator("h1").inner_text() == "At a glance"


def test_what_is_withheld_or_unknown_has_its_word_and_the_reason_stands_below(reader):
    reader.go("report/fa/province/qom.html")
    table = reader.page.locator(".beside")
    assert "محرمانه" in table.locator("td.w").first.inner_text()
    assert "محرمانه: بر کمتر از ۱۰ نفر استوار است" in table.inner_text()
    reader.go("report/fa/agencies.html")
    assert "ارائه نشده: کسی این رقم را نداده است؛ صفر نیست." in reader.page.locator("main").inner_text()
