"""Plots as SVG files: no script, no font of their own, colours for light and for dark, a title to be heard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 720, 380, 70, 44, 48, 150
_COLOURS = ("#1f77b4", "#d95f02", "#2ca02c", "#d62728", "#9467bd", "#8c6d31", "#17a2b8", "#7f7f7f")
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4", "12 4", "1 4", "6 2 2 2")
_STYLE = """
text{font:13px system-ui,sans-serif;fill:#1c1c1c}.title{font-size:15px;font-weight:600}.page{fill:#fff}
.grid{stroke:#d8d8d8}.line{fill:none;stroke-width:2.2}.ours{fill:#1f77b4}.other{fill:#9a9a9a}
@media(prefers-color-scheme:dark){text{fill:#ececec}.page{fill:#161b22}.grid{stroke:#3a4048}
.ours{fill:#58a6ff}.other{fill:#7d8590}.line{filter:brightness(1.5)}}
"""

Points = Sequence[tuple[float, float]]


def lines(title: str, series: Mapping[str, Points], x_name: str, y_name: str) -> str:
    """Lines over logarithmic axes, each with its own dashes and its name at its end. Values must be above zero."""
    x_axis = _Axis([x for points in series.values() for x, _ in points], LEFT, WIDTH - RIGHT)
    y_axis = _Axis([y for points in series.values() for _, y in points], HEIGHT - BOTTOM - 14, TOP + 8)
    parts = []
    for value in x_axis.ticks:
        place = x_axis.place(value)
        parts.append(_text(place, HEIGHT - BOTTOM + 18, short(value), "middle"))
    for value in y_axis.ticks:
        place = y_axis.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(_text(LEFT - 8, place + 4, short(value), "end"))
    ends = _apart([(y_axis.place(points[-1][1]), name) for name, points in series.items()])
    for number, (name, points) in enumerate(series.items()):
        colour, dashes = _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
        path = " ".join(f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="line" points="{path}" stroke="{colour}" stroke-dasharray="{dashes}"/>')
        parts += [f'<circle cx="{x_axis.place(x):.1f}" cy="{y_axis.place(y):.1f}" r="3" fill="{colour}"/>'
                  for x, y in points]  # fmt: skip
        parts.append(_text(WIDTH - RIGHT + 8, ends[name] + 4, name, "start"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, "middle"))
    return _whole(title, f"{y_name}, by {x_name}", parts, HEIGHT)


def bars(title: str, values: Mapping[str, float], ours: str, unit: str) -> str:
    """A bar for each value from zero, its number at its end; those whose name begins with ``ours`` stand out."""
    left, step = 285, 34
    height = TOP + 14 + step * len(values) + 12
    most = max(values.values())
    parts = []
    for number, (name, value) in enumerate(values.items()):
        y, wide = TOP + 14 + step * number, value / most * (WIDTH - left - 80)
        kind = "ours" if name.startswith(ours) else "other"
        parts.append(f'<rect class="{kind}" x="{left}" y="{y}" width="{wide:.1f}" height="{step - 10}"/>')
        parts.append(_text(left - 8, y + 16, name, "end"))
        parts.append(_text(left + wide + 6, y + 16, f"{value:,.2f}", "start"))
    return _whole(title, unit, parts, height)


def short(value: float) -> str:
    """A number as an axis says it: 3, 250, 10 k, 2 M."""
    for size, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{name}"
    return f"{value:g}"


class _Axis:
    """A logarithmic axis over some values, from one place of the drawing to another."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._low, self._high = math.log10(min(values)), math.log10(max(values))
        if self._high - self._low < 0.3:  # nearly one value: in the middle of a factor of two
            self._low, self._high = self._low - 0.15, self._high + 0.15
        self._begin, self._end = begin, end
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        found = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
        self.ticks = [value for value in found if self._low - 1e-9 <= math.log10(value) <= self._high + 1e-9]

    def place(self, value: float) -> float:
        """Where a value stands."""
        return self._begin + (math.log10(value) - self._low) / (self._high - self._low) * (self._end - self._begin)


def _apart(names: Sequence[tuple[float, str]]) -> dict[str, float]:
    """Places of names beside the ends of their lines, none over another."""
    found: dict[str, float] = {}
    last = 0.0
    for place, name in sorted(names):
        last = max(place, last + 15)
        found[name] = last
    return found


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _whole(title: str, below: str, parts: Sequence[str], height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height:.0f}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>'
        f'<text class="title" x="12" y="20">{escape(title)}</text>{_text(12, 38, below, "start")}'
        f"{''.join(parts)}</svg>\n"
    )
