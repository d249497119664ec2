"""Chromium as the tests and the screenshots start it, and why it cannot be started where it cannot."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

# Quiet: nothing of its own on the network, nothing kept. Playwright adds --headless and an empty user-data-dir.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no name leads anywhere
)
PROGRAM = shutil.which("chromium")
MISSING = "chromium is not here, and only root on Debian can have it installed: the report was not tried in a browser"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium, ended with the context. RuntimeError where there is none."""
    if PROGRAM is None:
        raise RuntimeError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
