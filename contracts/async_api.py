"""AsyncAPI 3 of the platform's topics, derived from events.yaml: who may write what where."""

from __future__ import annotations

from typing import Any

from contracts.event_contract import EventType, event_contract
from contracts.json_schema import data_schema, event_schema
from contracts.settings import AGENCY_ID, ASSESSMENTS_TOPIC, EVALUATOR, TOPIC_PREFIX

Document = dict[str, Any]
# Channel to its address and the kind of sender that writes there.
CHANNELS = {
    "agencyEvents": (TOPIC_PREFIX + "{agency_id}", "agency"),
    "assessments": (ASSESSMENTS_TOPIC, EVALUATOR),
}


def async_api() -> Document:
    """The document: two channels, the types each carries, and the operations by which the platform receives them."""
    contract = event_contract()
    channels: Document = {}
    operations: Document = {}
    for channel, (address, sender) in CHANNELS.items():
        channels[channel] = {
            "address": address,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in contract.types_of(sender)},
        }
        operations[f"receive_{channel}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{channel}"}}
    channels["agencyEvents"]["parameters"] = {"agency_id": {"description": f"An agency's id: {AGENCY_ID.pattern}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Events of the electronic government", "version": contract.version},
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": {name: _message(kind) for name, kind in contract.types.items()}},
    }


def _message(event_type: EventType) -> Document:
    """One type as a message: the envelope with this type's data in its place."""
    envelope = event_schema()
    data = {name: part for name, part in data_schema(event_type.name).items() if not name.startswith("$")}
    properties = envelope["properties"] | {"type": {"const": event_type.name}, "data": data}
    return {
        "name": event_type.name,
        "title": f"{event_type.label_en} — {event_type.label_fa}",
        "payload": {
            "schemaFormat": "application/schema+json;version=2020-12",
            "schema": {
                "type": "object",
                "required": envelope["required"],
                "properties": properties,
                "additionalProperties": False,
            },
        },
    }
