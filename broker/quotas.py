"""Produce quotas of Kafka users.

The admin client has no method for them, but its protocol knows the requests; this file is the one place
that reaches through its private attribute. A test reads back what it sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import for_code
from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest, DescribeClientQuotasRequest

PRODUCE = "producer_byte_rate"
_ANY_NAME = 2


def set_producer_rates(admin: KafkaAdminClient, rates: Mapping[str, int | None]) -> None:
    """Set each user's produce quota in bytes a second, or remove it (None). Raises KafkaError."""
    if not rates:
        return
    entry = AlterClientQuotasRequest.EntryData
    entries = [
        entry(
            entity=[entry.EntityData(entity_type="user", entity_name=user)],
            ops=[entry.OpData(key=PRODUCE, value=float(rate or 0), remove=rate is None)],
        )
        for user, rate in rates.items()
    ]
    answer = _send(admin, AlterClientQuotasRequest(entries=entries, validate_only=False))
    for changed in answer.entries:
        if changed.error_code:
            raise for_code(changed.error_code)(changed.error_message)


def producer_rates(admin: KafkaAdminClient) -> dict[str, float]:
    """User to produce quota (bytes a second), of every user that has one. Raises KafkaError."""
    component = DescribeClientQuotasRequest.ComponentData(entity_type="user", match_type=_ANY_NAME, match=None)
    answer = _send(admin, DescribeClientQuotasRequest(components=[component], strict=True))
    if answer.error_code:
        raise for_code(answer.error_code)(answer.error_message)
    return {
        entry.entity[0].entity_name: value.value
        for entry in answer.entries or []
        for value in entry.values
        if value.key == PRODUCE
    }


def _send(admin: KafkaAdminClient, request: Any) -> Any:
    return admin._manager.run(admin._manager.send, request)
