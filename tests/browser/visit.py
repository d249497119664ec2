"""One visit of a page: everything that was asked for on the way, how much came, and what went wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page


@dataclass
class Visit:
    """A page and its network; ``trouble`` is what the console and the network complained of."""

    page: Page
    origin: str
    asked: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    _bytes: list[float] = field(default_factory=list)

    @property
    def foreign(self) -> list[str]:
        """Requests that left the origin."""
        return [url for url in self.asked if not url.startswith(f"{self.origin}/")]

    @property
    def transferred(self) -> int:
        """Bytes that came over the wire, headers among them, as Chromium counts them."""
        return int(sum(self._bytes))

    def go(self, path: str) -> Visit:
        """Open a page of the site and wait until all of it is there, its letters too."""
        for noted in (self.asked, self._bytes, self.trouble):
            noted.clear()
        self.page.goto(f"{self.origin}/{path}")
        self.page.evaluate("document.fonts.ready")
        return self


@contextlib.contextmanager
def visitor(browser: Browser, origin: str, width: int = 1200, height: int = 900, **settings: Any) -> Iterator[Visit]:
    """Somebody who has never been here, with a window of so many pixels. Ended with the context."""
    context = browser.new_context(viewport={"width": width, "height": height}, **settings)
    try:
        page = context.new_page()
        visit = Visit(page, origin)
        page.on("request", lambda request: visit.asked.append(request.url))
        page.on("requestfailed", lambda request: visit.trouble.append(f"failed: {urlsplit(request.url).path}"))
        page.on("pageerror", lambda error: visit.trouble.append(f"error: {error}"))
        page.on("console", lambda said: visit.trouble.append(said.text) if said.type in ("error", "warning") else None)
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        network.on("Network.loadingFinished", lambda event: visit._bytes.append(event["encodedDataLength"]))
        yield visit
    finally:
        context.close()
