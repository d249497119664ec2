"""OpenAPI 3.1 of the gateway, derived from the contract: the same types, fields and reasons as everywhere."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from contracts.event_contract import event_contract
from contracts.json_schema import event_schema
from contracts.reasons import STAGES, reasons
from contracts.settings import AGENCY_ID
from gateway.admission import BODY_BYTES
from gateway.bodies import BATCH, MOST_EVENTS, NDJSON, SINGLE
from gateway.problems import MEDIA_TYPE, PROBLEMS

Document = dict[str, Any]
_SCHEMAS = "#/components/schemas/"


@cache
def text() -> bytes:
    """The document as it is served."""
    return json.dumps(open_api(), ensure_ascii=False, indent=1).encode()


def open_api() -> Document:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mizan gateway — درگاه میزان",
            "version": event_contract().version,
            "description": "Events over HTTP. An event is accepted when every in-sync replica of the broker has it. "
            "Send one that is not accepted again unchanged: duplicates are recognised by (source, id).",
        },
        "security": [{"token": []}, {"certificate": []}],
        "paths": {
            "/v1/events": {"post": _events()},
            "/healthz": {"get": _get("Does the gateway reach its broker?", {"200": _health(), "503": _health()})},
            "/metrics": {"get": _get("Counts for Prometheus", {"200": _plain("text/plain")})},
            "/openapi.json": {"get": _get("This document", {"200": _plain("application/json")})},
        },
        "components": {
            "schemas": _event_schemas() | {"Verdicts": _verdicts(), "Problem": _problem()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "mizan gateway token add AGENCY"},
                "certificate": {"type": "mutualTLS", "description": "A client certificate whose name is known here"},
            },
        },
    }


def _events() -> Document:
    event = {"$ref": f"{_SCHEMAS}Event"}
    return {
        "operationId": "sendEvents",
        "summary": "Send events — فرستادن رویدادها",
        "description": f"At most {MOST_EVENTS:,} events and {BODY_BYTES // 2**20} MiB, unpacked, in one request.",
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "return=minimal leaves the accepted events out of the answer",
                "schema": {"type": "string", "enum": ["return=minimal"]},
            },
        ],
        "requestBody": {
            "required": True,
            "description": "May be packed: Content-Encoding: gzip",
            "content": {
                NDJSON: {"schema": {"type": "string", "description": "One CloudEvents JSON object a line"}},
                BATCH: {"schema": {"type": "array", "items": event, "minItems": 1, "maxItems": MOST_EVENTS}},
                SINGLE: {"schema": event},
            },
        },
        "responses": {
            "202": _json("Every event was accepted", "Verdicts"),
            "207": _json("Some events were accepted: read each verdict", "Verdicts"),
            "422": _json(
                "Every event was refused: mend them; sent again as they are they are refused again", "Verdicts"
            ),
            **{str(status): _refusal(status) for status in sorted({text.status for text in PROBLEMS.values()})},
            "503": _full(),
        },
    }


def _refusal(status: int) -> Document:
    told = "; ".join(one.en for one in PROBLEMS.values() if one.status == status)
    return {"description": told, "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}}


def _full() -> Document:
    """Too full to take the request, or the broker took none of its good events."""
    content = _refusal(503)["content"] | _json("", "Verdicts")["content"]
    seconds = {"schema": {"type": "integer", "minimum": 1}}
    return {"description": "Send the same again later", "headers": {"Retry-After": seconds}, "content": content}


def _json(description: str, schema: str) -> Document:
    return {"description": description, "content": {"application/json": {"schema": {"$ref": _SCHEMAS + schema}}}}


def _health() -> Document:
    schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    return {"description": "Its state", "content": {"application/json": {"schema": schema}}}


def _plain(kind: str) -> Document:
    return {"description": "As it is now", "content": {kind: {}}}


def _get(summary: str, responses: Document) -> Document:
    return {"summary": summary, "security": [], "responses": responses}


def _event_schemas() -> Document:
    """``Event``, one of the types that an agency may send, and each type's envelope with its own data in its place."""
    whole, types = event_schema(), event_contract().types_of("agency")
    source = {"type": "string", "pattern": f"^/agencies/{AGENCY_ID.pattern}(?:/[A-Za-z0-9][A-Za-z0-9._-]{{0,63}})?$"}
    kinds = {
        name: {
            "title": f"{kind.label_en} — {kind.label_fa}",
            "type": "object",
            "required": whole["required"],
            "properties": whole["properties"]
            | {"source": source, "type": {"const": name}, "data": whole["$defs"][name]},
            "additionalProperties": False,
        }
        for name, kind in types.items()
    }
    mapping = {name: _SCHEMAS + name for name in types}
    one_of = [{"$ref": place} for place in mapping.values()]
    event = {"oneOf": one_of, "discriminator": {"propertyName": "type", "mapping": mapping}}
    return {"Event": {"title": whole["title"], **event}, **kinds}


def _verdicts() -> Document:
    count = {"type": "integer", "minimum": 0, "maximum": MOST_EVENTS}
    both = {
        "type": "object",
        "required": ["fa", "en"],
        "properties": {"fa": {"type": "string"}, "en": {"type": "string"}},
    }
    event = {
        "type": "object",
        "required": ["number", "verdict"],
        "properties": {
            "number": {"type": "integer", "minimum": 1, "description": "Line of the NDJSON, or place in the batch"},
            "id": {"type": "string", "description": "Of a good event"},
            "verdict": {"enum": ["accepted", "refused", "try_again"]},
            "reason": {"enum": sorted(reasons()), "description": "Of a refused one; its texts are below"},
            "stage": {"enum": list(STAGES)},
            "field": {"type": "string"},
            "detail": {"type": "string"},
        },
        "additionalProperties": False,
    }
    texts = {"type": "object", "required": ["what", "fix"], "properties": {"what": both, "fix": both}}
    return {
        "type": "object",
        "required": ["accepted", "refused", "try_again", "events", "reasons"],
        "properties": {
            **dict.fromkeys(("accepted", "refused", "try_again"), count),
            "events": {"type": "array", "items": event, "maxItems": MOST_EVENTS},
            "reasons": {"type": "object", "additionalProperties": texts},
        },
        "additionalProperties": False,
    }


def _problem() -> Document:
    return {
        "type": "object",
        "required": ["status", "code", "title", "title_fa"],
        "properties": {
            "status": {"type": "integer"},
            "code": {"enum": sorted(PROBLEMS)},
            "title": {"type": "string"},
            "title_fa": {"type": "string"},
        },
        "additionalProperties": False,
    }
