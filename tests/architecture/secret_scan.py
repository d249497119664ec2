"""Secrets in text: by the forms that issuers give theirs, by the word before them, by how hard they are to guess."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

# Put together here, or this file would be its own find.
_KNOWN = {
    "a private key": "-----BEGIN " + r"(?:[A-Z]+ )?PRIVATE KEY",
    "a token of a code forge": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_" + r"pat_\w{22}|glpat-[\w-]{20})",
    "a key of a cloud": r"\b(?:AKIA|ASIA)" + r"[0-9A-Z]{16}\b|\bAIza" + r"[\w-]{35}",
    "a token of a chat": r"\bxox[abprs]" + r"-[A-Za-z0-9-]{10,}",
    "a signed token": r"\beyJ" + r"[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "a password in an address": r"[a-z][a-z0-9+]*://" + r"[^\s/:@\"'<>{}$]+:[^\s/@\"'<>{}$]{3,}@",
}
_NAMED = re.compile(r"(?i)(?:password|passwd|secret|api_?key|token)[\"']?\s*[:=]\s*[\"']([^\"'\s{}$<>%]{8,})[\"']")
_TOKEN = re.compile(r"(?<![\w+/.-])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")


def secrets_in(text: str) -> Iterator[str]:
    """What a text may hold: the kind, and where it is long the beginning."""
    for kind, pattern in _KNOWN.items():
        for match in re.finditer(pattern, text):
            yield f"{kind}: {match[0][:24]}"
    for match in _NAMED.finditer(text):
        if _bits(match[1]) > 3.0:
            yield f"a named secret: {match[0][:40]}"
    for match in _TOKEN.finditer(text):
        word = match[0]
        if _HEX.fullmatch(word):
            if _bits(word) > 3.2:
                yield f"hexadecimal digits nobody guesses: {word[:16]}…"
        elif _bits(word) > 4.5 and re.search(r"\d", word) and re.search(r"[a-z]", word) and re.search(r"[A-Z]", word):
            yield f"letters nobody guesses: {word[:16]}…"


def _bits(word: str) -> float:
    """Shannon's entropy of a character, in bits."""
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())
