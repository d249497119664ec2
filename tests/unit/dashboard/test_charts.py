"""The chart of channels: every channel has its own pattern, what is withheld stays open, and words say it all."""

from __future__ import annotations

import re

import pytest

from contracts.vocabularies import labels
from dashboard.charts import stacks
from dashboard.wording import Cell, Wording

CHANNELS = [channel for channel in labels("channel") if channel != "all"]
TOLD = [(channel, Cell(1 / len(CHANNELS), "value")) for channel in CHANNELS]
WITHHELD = [(channel, Cell(None, "suppressed")) for channel in CHANNELS]


@pytest.mark.parametrize("language", ["fa", "en"])
def test_channels_differ_by_pattern_not_by_colour_alone(language):
    drawn = stacks("shares", [("one", TOLD), ("two", WITHHELD)], CHANNELS, "Shares", Wording(language))
    patterns = dict(re.findall(r'<pattern id="(pattern-[a-z_]+)"[^>]*>(.*?)</pattern>', drawn))
    used = re.findall(r'class="part" fill="url\(#([^)]+)\)"', drawn)
    assert sorted(used) == sorted(patterns) == sorted(f"pattern-{channel}" for channel in CHANNELS)
    lines = {re.sub(r"<rect[^>]*>", "", inside) for inside in patterns.values()}
    assert len(lines) == len(CHANNELS)


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_month_whose_channels_are_withheld_has_a_mark_and_no_part(language):
    drawn = stacks("shares", [("one", WITHHELD)], CHANNELS, "Shares", Wording(language))
    assert 'class="part"' not in drawn
    assert re.search(r"<desc[^>]*>[^<]{20,}", drawn)
