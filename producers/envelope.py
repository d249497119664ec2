"""An event as it travels: CloudEvents 1.0, structured JSON, one object on one line of UTF-8."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from contracts.errors import UsageError
from contracts.event_contract import TYPE_PREFIX

# Made once: json.dumps would build an encoder with these options at every call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def source_of(agency_id: str, system: str | None = None) -> str:
    """The ``source`` of an agency, or of one of its systems."""
    return f"/agencies/{agency_id}" if system is None else f"/agencies/{agency_id}/{system}"


def full_type(name: str) -> str:
    """``transaction.completed`` as the contract writes it: ``ir.egov.transaction.completed.v1``."""
    return f"{TYPE_PREFIX}{name}.v1"


def build(event_id: str, source: str, event_type: str, time: dt.datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    """The CloudEvents document. ``event_type`` is the full name; ``time`` must be aware (UsageError if it is not)."""
    if time.tzinfo is None or time.utcoffset() is None:
        raise UsageError("the time of an event needs its zone", hint="datetime.now(ZoneInfo('Asia/Tehran'))")
    return document(event_id, source, event_type, time.isoformat(), data)


def document(event_id: str, source: str, event_type: str, time: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The CloudEvents document with its time already written as RFC 3339 text."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": event_type,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }


def written(data: Mapping[str, Any]) -> str:
    """An event's data as JSON."""
    return _encode(data)


def encode_written(event_id: str, source: str, event_type: str, time: str, data: str) -> bytes:
    """As ``encode(document(…))``, faster: the data are JSON already, the attributes must need no escaping."""
    return (
        f'{{"specversion":"1.0","id":"{event_id}","source":"{source}","type":"{event_type}","time":"{time}",'
        f'"datacontenttype":"application/json","data":{data}}}'
    ).encode()


def encode(event: Mapping[str, Any]) -> bytes:
    """The document as one line of UTF-8 JSON, without a line end. Raises ValueError for NaN and lone surrogates."""
    return _encode(event).encode("utf-8")
