"""`make screenshots`: pictures of the report for the documentation, of a simulated home of all scenarios.

With the folder of a home that is there, its report is shown; else one is made first, which takes some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from five_reports import home_of_all
from playwright.sync_api import Browser

from browser.chromium import chromium
from browser.published_site import served
from browser.visit import visitor
from contracts.settings import Settings

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
LARGEST = 150_000  # bytes of a picture
DESK, PHONE = (1120, 840), (360, 780)
# Name, page, window, where to begin, colours.
PICTURES: tuple[tuple[str, str, tuple[int, int], str | None, str], ...] = (
    ("front-fa", "index.html", DESK, None, "light"),
    ("front-en", "report/en/index.html", DESK, None, "light"),
    ("months-fa", "index.html", DESK, "section:has(.beside)", "light"),
    ("months-en", "report/en/index.html", DESK, "section:has(.beside)", "light"),
    ("shares-fa", "index.html", DESK, "section:has(.tall)", "light"),
    ("months-dark-en", "report/en/index.html", DESK, "section:has(.beside)", "dark"),
    ("province-fa", "report/fa/province/qom.html", DESK, None, "light"),
    ("ranking-fa", "report/fa/ranking.html", DESK, None, "light"),
    ("ministries-en", "report/en/ministries.html", DESK, None, "light"),
    ("front-phone-fa", "index.html", PHONE, None, "light"),
    ("months-phone-fa", "index.html", PHONE, "section:has(.beside)", "light"),
    ("front-phone-en", "report/en/index.html", PHONE, None, "light"),
)


def main() -> None:
    """Take every picture anew. SystemExit where one is larger than it may be."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else home_of_all(Path(folder)).home
        FOLDER.mkdir(exist_ok=True)
        with served(Settings.load({"MIZAN_HOME": str(home)}, folder=home)) as origin:
            for picture in PICTURES:
                _take(browser, origin, *picture)
    large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > LARGEST]
    if large:
        raise SystemExit(f"larger than {LARGEST} bytes: {', '.join(large)}")


def _take(
    browser: Browser, origin: str, name: str, page: str, size: tuple[int, int], at: str | None, colours: str
) -> None:
    with visitor(browser, origin, *size, color_scheme=colours) as visit:
        visit.go(page)
        if at is not None:
            visit.page.locator(at).first.evaluate("one => scrollTo(0, one.getBoundingClientRect().top + scrollY - 8)")
        visit.page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
