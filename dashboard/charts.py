"""Charts as inline SVG: no script, no font, no request. Beside each stands the table that says the same.

Time runs as the page is read: from the right in Persian, from the left in English. Places are in percent, so that a
chart fills whatever width there is while its words keep their size. A month without a number is marked, never drawn as
zero. Channels differ by pattern as well as by colour.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from contracts.vocabularies import labels
from dashboard.wording import Cell, Wording

MARKS = {"suppressed": "×", "not_provided": "–", "not_applicable": "·"}
# Lines over the colour of a channel, in a square of 8: what tells channels apart in grey and for the colour-blind.
_PATTERNS = (
    "",
    '<path d="M0 8L8 0" class="line"/>',
    '<circle cx="4" cy="4" r="1.6" class="dot"/>',
    '<path d="M0 4H8" class="line"/>',
    '<path d="M0 0L8 8" class="line"/>',
    '<path d="M4 0V8" class="line"/>',
    '<path d="M0 4H8M4 0V8" class="line"/>',
    '<path d="M2 2H6V6H2Z" class="line"/>',
)
_STEPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def bars(name: str, points: Sequence[tuple[str, Cell]], title: str, wording: Wording) -> Markup:
    """One bar a month. ``points`` are names of months and their cells, the oldest first."""
    known = [(month, cell.value) for month, cell in points if cell.known and cell.value is not None]
    top = _above(max((value for _, value in known), default=0))
    parts = []
    for number, (_, cell) in enumerate(points):
        left, wide = _place(number, len(points), wording)
        if cell.known and cell.value is not None:
            parts.append(_rectangle(left, 100 - cell.value / top * 100, wide, cell.value / top * 100, "bar"))
        else:
            parts.append(_mark(left + wide / 2, MARKS.get(cell.status, "–")))
    high, low = max(known, key=lambda one: one[1]), min(known, key=lambda one: one[1])
    said = wording.phrase(
        "chart_says",
        first=points[0][0],
        last=points[-1][0],
        high=wording.number(high[1]),
        high_month=high[0],
        low=wording.number(low[1]),
        low_month=low[0],
    )
    scale = [wording.number(top * part, 1) for part in (1, 0.5, 0)]
    return _chart(name, parts, scale, [month for month, _ in points], (title, said.striptags()), wording)


def stacks(
    name: str,
    points: Sequence[tuple[str, Sequence[tuple[str, Cell]]]],
    channels: Sequence[str],
    title: str,
    wording: Wording,
) -> Markup:
    """One stack of shares a month, up to the whole; what is not known stays open. ``channels`` are bottom to top."""
    parts = [f"<defs>{''.join(_pattern(channel) for channel in channels)}</defs>"]
    for number, (_, shares) in enumerate(points):
        left, wide = _place(number, len(points), wording)
        told = {channel: cell.value for channel, cell in shares if cell.known and cell.value is not None}
        level = 100.0
        for channel in channels:
            tall = (told.get(channel) or 0) * 100
            level -= tall
            if tall:
                parts.append(_rectangle(left, level, wide, tall, "part", _fill(channel)))
        if not told:
            parts.append(_mark(left + wide / 2, MARKS["suppressed"]))
    shares_said = wording.comma.join(
        f"{wording.channel(channel)} {wording.percent(cell.value, 1)}"
        for channel, cell in points[-1][1]
        if channel != "all" and cell.known and cell.value is not None
    )
    said = wording.phrase("stacks_say", first=points[0][0], last=points[-1][0], shares=shares_said or "–")
    scale = [wording.percent(part, 0) for part in (1, 0.5, 0)]
    return _chart(name, parts, scale, [month for month, _ in points], (title, said.striptags()), wording)


def swatch(channel: str) -> Markup:
    """The colour and pattern of a channel, for the legend beside its chart."""
    return Markup(  # noqa: S704 our own names
        f'<svg class="swatch" aria-hidden="true"><rect width="100%" height="100%" {_fill(channel)}/></svg>'
    )


def _above(highest: float) -> float:
    """The next round number from which a scale may begin: 1, 1.2, 1.5, 2 … times a power of ten."""
    if highest <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= highest:
        power *= 10
    return next(step * power for step in _STEPS if step * power >= highest)


def _place(number: int, count: int, wording: Wording) -> tuple[float, float]:
    """Left edge and width of a month's bar, in percent of the chart."""
    step = 100 / max(count, 1)
    position = count - 1 - number if wording.direction == "rtl" else number
    return step * (position + 0.12), step * 0.76


def _order(channel: str) -> int:
    return list(labels("channel")).index(channel) % len(_PATTERNS)


def _pattern(channel: str) -> str:
    number = _order(channel)
    return (
        f'<pattern id="pattern-{channel}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" class="c{number}"/>{_PATTERNS[number]}</pattern>'
    )


def _fill(channel: str) -> str:
    return f'fill="url(#pattern-{channel})"'


def _rectangle(left: float, top: float, wide: float, tall: float, kind: str, fill: str = "") -> str:
    place = f'x="{left:.2f}%" y="{top:.2f}%" width="{wide:.2f}%" height="{tall:.2f}%"'
    return f'<rect {place} class="{kind}" {fill}/>'.replace(" />", "/>")


def _mark(middle: float, text: str) -> str:
    return f'<text x="{middle:.2f}%" y="98%" text-anchor="middle">{escape(text)}</text>'


def _names(months: Sequence[str], wording: Wording) -> list[Markup]:
    """The months' names, in English their first three letters; each year said once, below its first month."""
    said, before = [], ""
    for month in months:
        name, _, year = month.rpartition(" ")
        name = name if wording.language == "fa" else name[:3]
        said.append(Markup("{} <b>{}</b>").format(name, year) if name and year != before else escape(name or year))
        before = year
    return said


def _chart(
    name: str,
    parts: Sequence[str],
    scale: Sequence[str],
    months: Sequence[str],
    texts: tuple[str, str],
    wording: Wording,
) -> Markup:
    """Scale, drawing and names of months; ``texts``, title and description, are for screen readers."""
    lines = "".join(f'<line x1="0" x2="100%" y1="{level}%" y2="{level}%" class="grid"/>' for level in (0, 50, 100))
    names = "".join(f"<span>{one}</span>" for one in _names(months, wording))
    steps = "".join(f"<span>{escape(one)}</span>" for one in scale)
    # Everything in it is escaped above or our own.
    return Markup(  # noqa: S704 of escaped parts
        f'<div class="chart"><div class="scale" aria-hidden="true">{steps}</div>'
        f'<svg class="plot" role="img" aria-labelledby="{name}-title" aria-describedby="{name}-says">'
        f'<title id="{name}-title">{escape(texts[0])}</title><desc id="{name}-says">{escape(texts[1])}</desc>'
        f"{lines}{''.join(parts)}</svg>"
        f'<div class="months" aria-hidden="true">{names}</div></div>'
    )
