"""Foreign text as a terminal or a log may show it: nothing in it moves the cursor, breaks a line or turns text around.

Names, topics, file names, cells and error texts come from agencies and files; what they hold is shown as an escape.
"""

from __future__ import annotations

# Persian words are spelled with the two joiners, and a non-breaking space is only a space. None of them moves anything.
_KEPT = frozenset("\u200c\u200d\u00a0")


def printable(text: str) -> str:
    """``text`` on one line: control, bidirectional, unassigned characters and line ends as Python escapes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _KEPT else ascii(one)[1:-1] for one in text)


def printable_json(document: str) -> str:
    """A JSON document that says the same with the same characters escaped; its own line ends stay."""
    return "\n".join(line if line.isprintable() else _escaped(line) for line in document.split("\n"))


def _escaped(line: str) -> str:
    return "".join(one if one.isprintable() or one in _KEPT else _json_escape(one) for one in line)


def _json_escape(one: str) -> str:
    units = one.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
