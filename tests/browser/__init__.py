"""The report in a real browser: Chromium without a window, what it asks for, and what it makes of a page."""
