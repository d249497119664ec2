"""JSON of plain events, read in a third of the time that the contract's reader takes, where both say the same.

A text that this is not sure of is the contract's reader's: one that has escapes, numbers that are no counts, more than
members of an event and of its data, white space before a colon, or that is no JSON at all.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from contracts.strict_json import load_object

_LONGEST = 16_384
_Count = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Scalar = str | bool | _Count | None
_Event = dict[str, _Scalar | dict[str, _Scalar]]
_decode = msgspec.json.Decoder(_Event).decode
_SPACED = re.compile(rb"\s:")


def read_object(value: bytes, max_depth: int) -> dict[str, Any]:
    """As ``contracts.strict_json.load_object``, for the same texts with the same result. Raises Refused."""
    found = _plain_event(value) if len(value) <= _LONGEST and max_depth > 1 else None
    return load_object(value, max_depth) if found is None else found


def _plain_event(value: bytes) -> dict[str, Any] | None:
    """The event in ``value``; None where the contract's reader might say otherwise.

    The library keeps the last of members of one name. Without escapes and white space before colons each name ends in
    a quote and a colon, and nothing else does but the start of a text: as many of these as members are found, and no
    name came twice.
    """
    if b"\\" in value:
        return None
    if (b" " in value or b"\n" in value or b"\t" in value or b"\r" in value) and _SPACED.search(value):
        return None
    try:
        event: dict[str, Any] = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    data = event.get("data")
    if data.__class__ is not dict or value.count(b'":') != len(event) + len(data):
        return None
    return event
