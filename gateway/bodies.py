"""The body of a request, within bounds, and the events in it: the very bytes that the sender wrote."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.admission import BODY_BYTES, Held
from gateway.problems import Problem

if TYPE_CHECKING:
    from starlette.types import Receive

NDJSON, BATCH, SINGLE = (
    "application/x-ndjson",
    "application/cloudevents-batch+json",
    "application/cloudevents+json",
)
MEDIA_TYPES = (NDJSON, BATCH, SINGLE)
MOST_EVENTS = 10_000
BODY_SECONDS = 60.0
# Numbers stay text: where one event ends is all that is asked here. What is in it, the contract's own parser judges.
_ENDS = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\r\n]*")


class Disconnected(Exception):
    """The sender went away before its body was whole."""


def media_type(headers: Mapping[str, str]) -> str:
    """How the events are written. Raises Problem (415) for another type, or another text than UTF-8."""
    kind, _, parameters = headers.get("content-type", "").lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    if kind.strip() not in MEDIA_TYPES or (charset and charset[1] not in ("utf-8", "utf8")):
        raise Problem("unknown_media_type", headers={"Accept-Post": ", ".join(MEDIA_TYPES)})
    return kind.strip()


async def read(receive: Receive, headers: Mapping[str, str], held: Held) -> bytes:
    """The body, unpacked where it is gzip, BODY_BYTES at most either way.

    Raises Problem (400, 408, 413, 415, 503) and Disconnected.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Problem("unknown_encoding", headers={"Accept-Encoding": "gzip"})
    announced = int(headers.get("content-length") or 0)  # digits alone: the HTTP parser has seen to it
    if announced > BODY_BYTES:
        raise Problem("body_too_large")
    held.take(announced)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _whole(receive, announced, held)
    except TimeoutError:
        raise Problem("too_slow") from None
    return _unpacked(body, held) if encoding == "gzip" else body


def values(body: bytes, kind: str) -> list[tuple[int, bytes]]:
    """Each event with its number: its line, counted from 1 with blank ones, or its place in the array, from 1.

    Raises Problem (400, 413): where an array ends too early, nobody can say which events it meant.
    """
    if kind == SINGLE:
        found = [(1, body)] if body.strip() else []
    elif kind == BATCH:
        found = _elements(body)
    else:
        # Counted before it is cut: a body of line feeds alone would be four million objects.
        if body.count(b"\n") > MOST_EVENTS:
            raise Problem("too_many_events")
        lines = enumerate(body.split(b"\n"), 1)
        found = [(number, line.rstrip(b"\r")) for number, line in lines if line.strip()]
    if not found:
        raise Problem("no_events")
    if len(found) > MOST_EVENTS:
        raise Problem("too_many_events")
    return found


async def _whole(receive: Receive, announced: int, held: Held) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES:
            raise Problem("body_too_large")
        if size > announced:
            held.take(min(len(part), size - announced))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _unpacked(body: bytes, held: Held) -> bytes:
    # One stream: of a chain of empty ones each would cost a copy of the rest.
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        whole = stream.decompress(body, BODY_BYTES + 1)
    except zlib.error:
        raise Problem("bad_gzip") from None
    if len(whole) > BODY_BYTES:
        raise Problem("body_too_large")
    if not stream.eof or stream.unused_data:
        raise Problem("bad_gzip")
    held.take(len(whole))
    return whole


def _elements(body: bytes) -> list[tuple[int, bytes]]:
    """The text of each member of the array, as it was written."""
    try:
        text = body.decode("utf-8")
        at = _after_space(text, 0)
        if text[at : at + 1] != "[":
            raise Problem("bad_batch")
        at, found = _after_space(text, at + 1), list[tuple[int, bytes]]()
        while text[at : at + 1] != "]" or found:
            if len(found) >= MOST_EVENTS:
                raise Problem("too_many_events")
            _, end = _ENDS.raw_decode(text, at)
            found.append((len(found) + 1, text[at:end].encode()))
            at = _after_space(text, end)
            if text[at : at + 1] == "]":
                break
            if text[at : at + 1] != ",":
                raise Problem("bad_batch")
            at = _after_space(text, at + 1)
    except (ValueError, RecursionError):
        raise Problem("bad_batch") from None
    if _after_space(text, at + 1) != len(text):
        raise Problem("bad_batch")
    return found


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
