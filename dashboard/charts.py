"""Charts as inline SVG: no script, no font, no request. Beside each stands the table that says the same.

The axis of time runs left to right in both languages; a month without a number is marked, never drawn as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from dashboard.wording import Cell, Wording

WIDTH, HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 8, 16, 44
# Told apart by lightness too, so that they hold in grey and for the colour-blind.
_FILLS = ("#0b5394", "#76a5e0", "#7a3e00", "#e69f00", "#00603b", "#6ccf9c", "#6a1b6a", "#9e9e9e")
_UNKNOWN = {"suppressed": "×", "not_provided": "–", "not_applicable": "·"}


def bars(points: Sequence[tuple[str, Cell]], title: str, wording: Wording) -> Markup:
    """One bar a month. ``points`` are names of months and their cells, oldest first."""
    highest = max((cell.value for _, cell in points if cell.known and cell.value is not None), default=0) or 1
    step = (WIDTH - _LEFT - _RIGHT) / max(len(points), 1)
    parts = [_axis(highest, wording)]
    for number, (name, cell) in enumerate(points):
        middle = _LEFT + step * (number + 0.5)
        if cell.known and cell.value is not None:
            tall = cell.value / highest * (HEIGHT - _TOP - _BOTTOM)
            top = HEIGHT - _BOTTOM - tall
            parts.append(_rectangle(middle - step * 0.36, top, step * 0.72, tall, _FILLS[0]))
        else:
            parts.append(_text(middle, HEIGHT - _BOTTOM - 6, _UNKNOWN.get(cell.status, "–")))
        parts.append(_month(middle, name))
    return _figure(parts, title)


def stacks(
    points: Sequence[tuple[str, Sequence[tuple[str, Cell]]]], names: Sequence[str], title: str, wording: Wording
) -> Markup:
    """One stack of shares a month, up to the whole; what is not known stays open. ``names`` orders the channels."""
    step = (WIDTH - _LEFT - _RIGHT) / max(len(points), 1)
    parts = [_axis(1, wording, is_share=True)]
    for number, (name, shares) in enumerate(points):
        middle, top = _LEFT + step * (number + 0.5), float(HEIGHT - _BOTTOM)
        told = {channel: cell for channel, cell in shares if cell.known}
        for channel in names:
            value = told[channel].value if channel in told else None
            if value:
                tall = value * (HEIGHT - _TOP - _BOTTOM)
                top -= tall
                parts.append(_rectangle(middle - step * 0.36, top, step * 0.72, tall, fill(names, channel)))
        if not told:
            parts.append(_text(middle, HEIGHT - _BOTTOM - 6, "×"))
        parts.append(_month(middle, name))
    return _figure(parts, title)


def fill(names: Sequence[str], channel: str) -> str:
    """The colour of a channel, for the chart and its legend."""
    return _FILLS[list(names).index(channel) % len(_FILLS)]


def _axis(highest: float, wording: Wording, *, is_share: bool = False) -> str:
    lines = []
    for part in (0, 0.5, 1):
        level = HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM)
        said = wording.percent(part, 0) if is_share else wording.number(highest * part, 0 if highest >= 2 else 1)
        lines.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{level:.1f}" y2="{level:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">{escape(said)}</text>'
        )
    return "".join(lines)


def _rectangle(left: float, top: float, wide: float, tall: float, colour: str) -> str:
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}" class="bar"/>'


def _text(middle: float, level: float, text: str) -> str:
    return f'<text x="{middle:.1f}" y="{level:.1f}" text-anchor="middle">{escape(text)}</text>'


def _month(middle: float, name: str) -> str:
    """A month's name over two lines: name, year."""
    first, _, second = name.partition(" ")
    lines = _text(middle, HEIGHT - _BOTTOM + 16, first) + _text(middle, HEIGHT - _BOTTOM + 32, second)
    return f'<g class="month">{lines}</g>'


def _figure(parts: Sequence[str], title: str) -> Markup:
    # Everything in it is escaped above.
    return Markup(  # noqa: S704 of escaped parts
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" direction="ltr">'
        f"{''.join(parts)}</svg>"
    )
