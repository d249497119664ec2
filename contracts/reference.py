"""The page that an agency reads: types, fields, codes, reasons and an example of each, written from the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from contracts.event_contract import EventType, Field, event_contract
from contracts.reasons import reasons
from contracts.settings import TOPIC_PREFIX
from contracts.vocabularies import codes, labels

AGENCY = "tax-north"
# One value of each kind that the contract accepts; a code is the first of its list.
_EXAMPLES: dict[str, Any] = {
    "identifier": "trk-1",
    "service": "tax-return",
    "place": "qom",
    "agency": AGENCY,
    "user_key": "b0" * 32,
    "key_id": "t1",
    "boolean": False,
    "count": 12,
    "declared_value": 1200,
    "date": "2020-04-10",
    "event_type": "ir.egov.transaction.completed.v1",
    "period": "1399-01",
    "checksum": "cf52713b904cd437",
    "version": "1.0",
}
_KINDS = {
    "identifier": "letters, digits, `. _ : -`, at most 128, not digits alone",
    "service": "a service's id in the catalogue",
    "place": "a place's id in the catalogue",
    "agency": "an agency's id",
    "user_key": "64 lower-case hexadecimal digits; the SDK makes it",
    "key_id": "the id of the transport key, from the bundle",
    "boolean": "`true` or `false`",
    "count": "a whole number, zero or more",
    "declared_value": "a whole number, `not_provided` or `not_applicable`",
    "date": "a day, `2020-04-10`",
    "event_type": "a type of this page",
    "period": "a month or a run of months of the calendar given, `1399-01` or `1399-01/1399-06`",
    "checksum": "lower-case hexadecimal digits, 16 to 64",
    "version": "two numbers, `1.0`",
}


def example(event_type: EventType) -> dict[str, Any]:
    """One event of a type, with the fields it must have: the contract accepts it."""
    fields = event_contract().fields_of(event_type.name)
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": f"/agencies/{AGENCY}",
        "type": event_type.name,
        "time": "2020-04-10T10:00:00+04:30",
        "data": {name: _example(fields[name]) for name in event_type.required},
    }


def reference() -> str:
    """The page, in Markdown."""
    contract = event_contract()
    return "\n".join(
        [
            "# What an agency sends",
            "",
            "Written by `mizan contract --markdown`; nothing here is entered by hand. The same as JSON Schema:",
            "`mizan contract --json`; as AsyncAPI 3 with the topics: `--asyncapi`;",
            "as OpenAPI 3.1 of the gateway: `--openapi`. How to send: [agencies](../agencies.md).",
            "",
            f"Contract {contract.version}. An event is a CloudEvents 1.0 JSON object in UTF-8,",
            f"of at most {contract.max_value_bytes // 1024} KiB.",
            f"It goes to the topic `{TOPIC_PREFIX}<agency id>` or to the gateway's `POST /v1/events`.",
            "",
            "## The envelope",
            "",
            "Required: " + ", ".join(f"`{name}`" for name in contract.envelope_required) + "; allowed besides: "
            + ", ".join(f"`{name}`" for name in contract.envelope_optional) + ".",
            "`id` is new for every event; `source` is `/agencies/<agency id>` or `/agencies/<agency id>/<system>`;",
            "`time` is RFC 3339 with its zone; `data` holds the fields of the type and no others.",
            "What is not known is left out.",
            "",
            "## One event, four ways",
            "",
            *_ways(),
            "## Types",
            "",
            *(line for kind in contract.types_of("agency").values() for line in _type(kind)),
            "## Codes",
            "",
            *_vocabularies(),
            "## Reasons",
            "",
            "Why there is no event, as `mizan check`, the SDK, the gateway and quarantine say it.",
            "",
            "| Code | Stage | What is wrong | What to do | چه نادرست است | چه باید کرد |",
            "|---|---|---|---|---|---|",
            *(
                f"| `{one.code}` | {one.stage} | "
                + " | ".join((one.what["en"], one.fix["en"], one.what["fa"], one.fix["fa"]))
                + " |"
                for one in reasons().values()
            ),
            "",
        ]
    )  # fmt: skip


def _ways() -> Iterator[str]:
    kind = event_contract().types["ir.egov.transaction.completed.v1"]
    line = json.dumps(example(kind), ensure_ascii=False)
    yield from (
        "Each in the folder of the bundle. Java: `Example.java` there, with Kafka's own client.",
        "",
        "```sh",
        "python example.py  # the SDK",
        f"echo '{line}' > event.json",
        f"kcat -F librdkafka.properties -P -t {TOPIC_PREFIX}{AGENCY} event.json  # kcat is not tried by our tests",
        'curl "$GATEWAY/v1/events" --header "Authorization: Bearer $TOKEN" \\',
        '  --header "Content-Type: application/cloudevents+json" --data-binary @event.json',
        "```",
        "",
    )


def _type(kind: EventType) -> Iterator[str]:
    contract = event_contract()
    yield from (f"### {kind.label_en} · {kind.label_fa}", "", f"`{kind.name}`", "")
    yield from ("| Field | | Meaning | معنی | Written as |", "|---|---|---|---|---|")
    for name in (*kind.required, *kind.optional):
        field = contract.field(kind.name, name)
        must = "required" if name in kind.required else ""
        yield f"| `{name}` | {must} | {field.label_en} | {field.label_fa} | {_written(field)} |"
    yield from ("", "```json", json.dumps(example(kind), ensure_ascii=False, indent=2), "```", "")


def _written(field: Field) -> str:
    return f"a code of [{field.vocabulary}](#{field.vocabulary})" if field.vocabulary else _KINDS[field.kind]


def _example(field: Field) -> Any:
    return codes(field.vocabulary)[0] if field.vocabulary else _EXAMPLES[field.kind]


def _vocabularies() -> Iterator[str]:
    contract = event_contract()
    used = (contract.field(kind.name, name).vocabulary for kind in contract.types_of("agency").values()
            for name in (*kind.required, *kind.optional))  # fmt: skip
    for vocabulary in sorted({name for name in used if name}):
        yield from (f"### {vocabulary}", "", "| Code | Meaning | معنی |", "|---|---|---|")
        yield from (f"| `{code}` | {label.en} | {label.fa} |" for code, label in labels(vocabulary).items())
        yield ""
