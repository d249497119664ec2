"""One event, read strictly: ``parse(value, …)`` gives the event's row or the reason why there is none.

This is the truth about the contract. Landing proves most events good in columns and asks this parser about the
rest; a property test holds the two together. The checks run in stages (wire, json, envelope, privacy, contract,
domain) and the first that fails names the reason.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from contracts import field_kinds
from contracts.event_contract import EventContract, EventType, event_contract
from contracts.identity import SHORTEST, SUSPECT, looks_personal, normalise
from contracts.reasons import reasons
from contracts.reporting_time import tehran_date
from contracts.settings import EVALUATOR
from contracts.strict_json import Refused, load_object

# Group 1 is the agency's id; an evaluator has none.
SOURCE = re.compile(
    r"/(?:agencies/([a-z][a-z0-9-]{1,39})|evaluators/[a-z][a-z0-9-]{1,39})(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?"
)
FUTURE_ALLOWANCE = dt.timedelta(minutes=5)
_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_JSON_KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
_SHORT = json.JSONEncoder(separators=(",", ":")).encode
_NESTED = (dict, list)
_MOST_SHOWN = 64  # members of one object
_SMALL = 4_096
_SHOWABLE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")
JSON_TYPES = ("application/cloudevents+json", "application/json")


@dataclass(frozen=True)
class Event:
    """An accepted event: its envelope and a row of lake columns (``user_key`` still under its own name)."""

    event_id: str
    source: str
    agency_id: str
    event_type: str
    occurred_at: dt.datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Rejection:
    """Why there is no event. ``detail`` names fields and formats, ``excerpt`` members and their types; never values."""

    reason_code: str
    stage: str
    detail: str = ""
    excerpt: str = field(default="", compare=False)


@dataclass(frozen=True)
class Known:
    """What the domain knows when an event is judged. None in place of a set: that check is left out (offline)."""

    services: Mapping[str, dt.date | None] | None = None  # service to its last day, None while it lives
    places: Mapping[str, str] | None = None  # place to its kind
    user_key_ids: frozenset[str] | None = None
    retired_key_ids: Mapping[str, dt.datetime] = field(default_factory=dict)  # id to the instant it was retired at


OFFLINE = Known()
Reader = Callable[[bytes, int], dict[str, Any]]


class Record(NamedTuple):
    """What Kafka held: the value, its headers, and the agency (or EVALUATOR) whose topic it came through."""

    value: bytes | None
    agency_id: str
    headers: Sequence[tuple[str, bytes | None]] = ()


def parse(record: Record, now: dt.datetime, known: Known = OFFLINE, read: Reader = load_object) -> Event | Rejection:
    """Judge one record. Never raises for bad input; ``now`` is an aware instant.

    ``read`` may stand in for load_object: it says the same of every text.
    """
    contract = event_contract()
    value: dict[str, Any] | None = None
    try:
        attributes, text = _attributes(record, contract)
        value = read(text, contract.max_depth)
        return _judge({**attributes, "data": value} if attributes else value, record.agency_id, now, known, contract)
    except Refused as refused:
        stage = refused.stage or reasons()[refused.code].stage
        if value is not None:
            shown = _excerpt_of(value, len(record.value or b""))
        else:
            # Headers are refused before the value is read; a value that cannot be read has no members to show.
            shown = excerpt(record.value) if refused.code == "bad_headers" else ""
        return Rejection(refused.code, stage, refused.detail, shown)


def _judge(
    document: Mapping[str, Any], agency_id: str, now: dt.datetime, known: Known, contract: EventContract
) -> Event:
    envelope = _envelope(document, agency_id, now, contract)
    _check_privacy(document)
    event_type = contract.types[envelope["type"]]
    occurred_at: dt.datetime = envelope["time"]
    data = _data(document["data"], event_type)
    _check_key_id(data, occurred_at, known)
    _check_domain(data, occurred_at, known, event_type, contract)
    return Event(envelope["id"], envelope["source"], agency_id, event_type.name, occurred_at, data)


def _attributes(record: Record, contract: EventContract) -> tuple[dict[str, str], bytes]:
    """The envelope that headers tell, and the value: the data alone in binary mode; without it the first is empty."""
    if record.value is None:
        raise Refused("tombstone")
    if len(record.value) > contract.max_value_bytes:
        raise Refused("too_large")
    if not record.headers:
        return {}, record.value
    headers = _headers(record.headers)
    attributes = {name[3:]: text for name, text in headers.items() if name.startswith("ce_")}
    content_type = headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if content_type not in JSON_TYPES:
        raise Refused("bad_headers", "content-type")
    return attributes, record.value


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    if len(headers) > 64:
        raise Refused("bad_headers", "too many")
    found: dict[str, str] = {}
    size = 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if value is None:
            raise Refused("bad_headers", "null header")
        name = name.lower()
        if name in found:
            raise Refused("bad_headers", "duplicate header")
        try:
            found[name] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("bad_headers", "not UTF-8") from None
    if size > 16_384:
        raise Refused("bad_headers", "too large")
    return found


def _envelope(document: Mapping[str, Any], agency_id: str, now: dt.datetime, contract: EventContract) -> dict[str, Any]:
    for name in contract.envelope_required:
        given = document.get(name)
        if given is None or given == "":
            raise Refused("missing_field", name)
    if [name for name, given in document.items() if type(given) is not str] != ["data"]:
        for name in (*contract.envelope_required, *contract.envelope_optional):
            if name != "data" and name in document and not isinstance(document[name], str):
                raise Refused("bad_envelope", name)
    if document["specversion"] != "1.0":
        raise Refused("bad_envelope", "specversion")
    event_id = normalise(document["id"])
    if not field_kinds.is_identifier(event_id):
        raise Refused("bad_identifier", "id")
    source, sender = _source(document["source"].strip())
    if sender != agency_id:
        raise Refused("source_mismatch")
    event_type = contract.types.get(document["type"])
    if event_type is None or ("evaluator" if agency_id == EVALUATOR else "agency") not in event_type.senders:
        raise Refused("unknown_type")
    if document.get("dataschema") not in (None, contract.dataschema):
        raise Refused("unknown_schema")
    occurred_at = parse_time(document["time"])
    if occurred_at > now + FUTURE_ALLOWANCE:
        raise Refused("future")
    if "datacontenttype" in document:
        media_type = document["datacontenttype"].split(";")[0].strip().lower()
        if media_type not in JSON_TYPES:
            raise Refused("bad_envelope", "datacontenttype")
    if not isinstance(document["data"], dict):
        raise Refused("bad_envelope", "data")
    if not contract.envelope >= document.keys():
        name = next(name for name in document if name not in contract.envelope)
        raise Refused("unknown_field", _shown(name), "envelope")
    return {"id": event_id, "source": source, "type": document["type"], "time": occurred_at}


@lru_cache(maxsize=512)
def _source(text: str) -> tuple[str, str]:
    """A source as the lake keeps it, and who it says that sent: an agency or EVALUATOR. Raises Refused."""
    source = SOURCE.fullmatch(text)
    if source is None or source[1] == EVALUATOR:
        raise Refused("bad_envelope", "source")
    return source[0], source[1] or EVALUATOR


def parse_time(text: str) -> dt.datetime:
    """RFC 3339 with a zone, 1970 to 2121, as a UTC instant; finer than microseconds is cut. Raises Refused."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise Refused("bad_time")
    fraction = (match[7] or "")[:6].ljust(6, "0")
    zone = "+00:00" if match[8] in "Zz" else match[8]
    try:
        moment = dt.datetime.fromisoformat(
            f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6]}.{fraction}{zone}"
        ).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Refused("bad_time") from None
    if not 1970 <= moment.year <= 2121:
        raise Refused("bad_time")
    return moment


def _check_privacy(document: Mapping[str, Any]) -> None:
    """Fire on a whole value that is a personal id, anywhere but in ``id``. A well-formed ``user_key`` is longer.

    The detectors are asked where a first letter or an @ allows it: most values are of other kinds.
    """
    for name in _suspects(document):
        if name != "data":
            if name != "id":
                _check_leak(document[name], name)
            continue
        data = document["data"]
        for inner in _suspects(data):
            _check_leak(data[inner], inner)


def _suspects(members: Mapping[str, Any]) -> list[str]:
    """Names of members that may be a personal id or hold one."""
    return [
        name
        for name, node in members.items()
        if (
            ("@" in node or (len(node) >= SHORTEST and node[:1] in SUSPECT))
            if node.__class__ is str
            else node.__class__ in _NESTED
        )
    ]


def _check_leak(node: Any, name: str) -> None:
    if isinstance(node, str):
        if looks_personal(node):
            raise Refused("pii_leak", _shown(name))
    elif isinstance(node, dict):
        for child in node.values():
            _check_leak(child, name)
    elif isinstance(node, list):
        for child in node:
            _check_leak(child, name)


def _data(given: Mapping[str, Any], event_type: EventType) -> dict[str, Any]:
    """The data fields in their columns' types; an explicit null is an absent field."""
    for name in event_type.required:
        if given.get(name) is None:
            raise Refused("schema_violation", f"{name} is missing")
    if not event_type.fields >= given.keys():
        raise Refused("unknown_field", _shown(next(name for name in given if name not in event_type.fields)))
    readers = field_kinds.readers_of(event_type.name)
    data = {name: readers[name](value) for name, value in given.items() if value is not None}
    if "period" in data:
        field_kinds.check_period(data["period"], data["calendar"])
    return data


def _check_key_id(data: Mapping[str, Any], occurred_at: dt.datetime, known: Known) -> None:
    """The key must be a current one, or one that was current when the event happened: it may have waited in a spool."""
    key_id = data.get("user_key_id")
    if known.user_key_ids is None or key_id is None or key_id in known.user_key_ids:
        return
    retired_at = known.retired_key_ids.get(key_id)
    if retired_at is None or occurred_at >= retired_at:
        raise Refused("key_unknown")


def _check_domain(
    data: Mapping[str, Any], occurred_at: dt.datetime, known: Known, event_type: EventType, contract: EventContract
) -> None:
    fields = contract.fields_of(event_type.name)
    for name, value in data.items():
        spec = fields[name]
        if spec.kind == "service" and known.services is not None:
            if value not in known.services:
                raise Refused("unknown_service")
            last_day = known.services[value]
            if last_day is not None and tehran_date(occurred_at) > last_day:
                raise Refused("service_retired")
        elif spec.kind == "place" and known.places is not None and known.places.get(value) != spec.place_kind:
            raise Refused("unknown_place", name)


def _shown(name: str) -> str:
    """A field name, if it looks like one: a name may hide a value too."""
    return name if _SHOWABLE.fullmatch(name) else "(unprintable)"


def excerpt(value: bytes | None) -> str:
    """Names and JSON types of the members, no values, for a quarantined record: ``{"data":{"channel":"string"}}``."""
    if value is None or len(value) > event_contract().max_value_bytes:
        return ""
    try:
        document = load_object(value, event_contract().max_depth)
    except Refused:
        return ""
    return _excerpt_of(document, len(value))


def _excerpt_of(document: Mapping[str, Any], size: int) -> str:
    names, kinds = tuple(document)[:_MOST_SHOWN], []
    for name in names:
        child = document[name]
        inner = isinstance(child, dict)
        kinds.append((tuple(child)[:_MOST_SHOWN], tuple(map(type, child.values()))) if inner else type(child))
    # Senders err alike again and again. What is remembered of names stays small, whatever they send.
    return (_excerpt_text if size <= _SMALL else _excerpt_text.__wrapped__)(names, tuple(kinds))


@lru_cache(maxsize=512)
def _excerpt_text(names: tuple[str, ...], kinds: tuple[Any, ...]) -> str:
    """The excerpt of a document of these members; a kind is a JSON value's type or an object's names and types."""
    shown = {
        _shown(name): {_shown(inner): _JSON_KINDS.get(of, "null") for inner, of in zip(*kind, strict=False)}
        if isinstance(kind, tuple)
        else _JSON_KINDS.get(kind, "null")
        for name, kind in zip(names, kinds, strict=True)
    }
    return _SHORT(shown)[:2000]
