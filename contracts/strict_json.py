"""JSON as the contract reads it: one object, no duplicate names, no NaN, bounded depth, plain UTF-8."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MAX_MEMBERS = 1_000


class Refused(Exception):
    """The text breaks a rule; ``code`` is the reason, ``detail`` never holds a value.

    ``stage`` is given where a code can fail in another stage than its usual one.
    """

    def __init__(self, code: str, detail: str = "", stage: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.stage = stage


def load_object(value: bytes, max_depth: int) -> dict[str, Any]:
    """The JSON object in ``value``. Raises Refused with the wire or json reason of the first fault."""
    text = _text(value)
    if not text.strip():
        raise Refused("not_json", "empty")
    _check_depth(text, max_depth)
    try:
        document = _DECODER.decode(text)
    except RecursionError:
        raise Refused("too_complex", "nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Refused("not_json", _format(text, error)) from None
    if not isinstance(document, dict):
        raise Refused("not_object", _JSON_NAMES[type(document)])
    # Plain UTF-8 holds neither surrogates nor, after _text, NUL: only an escape brings one in.
    if "\\u" in text:
        _check_text(document)
    return document


def _text(value: bytes) -> str:
    if value[:1] == b"\x00" and len(value) > 5 and value[1:2] != b"{":
        raise Refused("not_json", "schema registry framing")
    if value.startswith(b"\xef\xbb\xbf"):
        raise Refused("bad_encoding", "byte order mark")
    if b"\x00" in value:
        raise Refused("bad_encoding", "NUL byte or UTF-16")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("bad_encoding", "not UTF-8") from None


_JSON_NAMES = {list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


def _format(text: str, error: json.JSONDecodeError) -> str:
    """The name of the format that the text seems to be in, or what is wrong with its JSON."""
    if text.lstrip()[:1] == "<":
        return "looks like XML"
    if text.lstrip()[:1] not in ("{", "["):
        return "looks like CSV" if "," in text else "not JSON"
    if error.msg == "Extra data":
        return "more than one document"
    if error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()):
        return "truncated"
    return "broken JSON"


# An unclosed string runs to the end: looked for again at each of its escaped quotes it would take quadratic time.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")


def _check_depth(text: str, max_depth: int) -> None:
    """Refuse deep nesting before the parser walks it; strings are passed over."""
    if text.count("{") + text.count("[") <= max_depth:
        return
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > max_depth:
            raise Refused("too_complex", "nested too deeply")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise Refused("too_complex", "too many members")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("duplicate_key")
    return found


def _constant(_: str) -> NoReturn:
    raise Refused("bad_number", "not finite")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Refused("bad_number", "not finite")
    return number


def _int(text: str) -> int:
    if len(text) > 20:
        raise Refused("bad_number", "does not fit in 64 bits")
    return int(text)


# Made once: making one costs as much as reading an event with it.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def _check_text(node: Any) -> None:
    """Refuse lone surrogates and NUL in any name or string."""
    if isinstance(node, str):
        if _UNFIT.search(node):
            raise Refused("bad_encoding", "NUL or lone surrogate")
    elif isinstance(node, dict):
        for name, child in node.items():
            _check_text(name)
            _check_text(child)
    elif isinstance(node, list):
        for child in node:
            _check_text(child)
