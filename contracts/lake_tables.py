"""The lake's tables as columns and SQL types, derived from the event contract; Arrow and DDL follow from here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from contracts.event_contract import event_contract

_SQL_TYPES = {
    "count": "BIGINT",
    "decimal": "DOUBLE",
    "declared_value": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "user_key": "BLOB",
}


@cache
def data_columns() -> Mapping[str, str]:
    """The event table's data columns: name to SQL type, in the contract's order."""
    columns: dict[str, str] = {}
    for field in event_contract().all_fields:
        columns[field.column] = _SQL_TYPES.get(field.kind, "VARCHAR")
        if field.kind == "declared_value":
            columns["declared_status"] = "VARCHAR"  # value, not_provided or not_applicable
    return MappingProxyType(columns)


@cache
def lake_tables() -> Mapping[str, Mapping[str, str]]:
    """Every table of the lake but the catalogue's: column to SQL type.

    The types are VARCHAR, BIGINT, INTEGER, DOUBLE, BOOLEAN, DATE, BLOB and TIMESTAMPTZ.
    """
    return MappingProxyType(
        {
            # One row: one accepted event, as said. `pid` stands in place of `user_key`, which is never stored.
            "events": {
                "event_id": "VARCHAR",
                "source": "VARCHAR",
                "agency_id": "VARCHAR",
                "event_type": "VARCHAR",
                "occurred_at": "TIMESTAMPTZ",
                "landed_at": "TIMESTAMPTZ",
                **data_columns(),
                "payload_digest": "BLOB",
                "topic": "VARCHAR",
                "partition": "INTEGER",
                "offset": "BIGINT",
                "batch_id": "VARCHAR",
                "contract_version": "VARCHAR",
            },
            # One row: one record that could not be accepted; never its values.
            "quarantine": {
                "topic": "VARCHAR",
                "partition": "INTEGER",
                "offset": "BIGINT",
                "kafka_ts": "TIMESTAMPTZ",
                "agency_id": "VARCHAR",
                "reason_code": "VARCHAR",
                "stage": "VARCHAR",
                "detail": "VARCHAR",
                "schema_version": "VARCHAR",
                "validator_version": "VARCHAR",
                "detector_version": "VARCHAR",
                "digest": "BLOB",
                "size": "BIGINT",
                "redacted_excerpt": "VARCHAR",
                "batch_id": "VARCHAR",
                "landed_at": "TIMESTAMPTZ",
                "state": "VARCHAR",
            },
            # One row: what was decided on one rejected record. Only added to: the record's own row never changes.
            "quarantine_decisions": {
                "topic": "VARCHAR",
                "partition": "INTEGER",
                "offset": "BIGINT",
                "decision": "VARCHAR",  # replayed, duplicate (of an event in the lake) or dropped
                "batch_id": "VARCHAR",  # the replay's batch in `events`, or the name of the drop
                "decided_at": "TIMESTAMPTZ",
                "decided_by": "VARCHAR",  # replay, or the operator's name
                "note": "VARCHAR",
            },
            # One row: where Kafka may still hold a record of an erased person. Gone when Kafka cannot hold it any more.
            "erased_records": {
                "erasure_id": "VARCHAR",
                "topic": "VARCHAR",
                "partition": "INTEGER",
                "offset": "BIGINT",
                "kept_until": "TIMESTAMPTZ",
            },
            # One row: what one person did in one month, of events whose pids were dropped; tells no event and no day.
            "person_months": {
                "drop_id": "VARCHAR",  # counts where the log of events names it
                "pid": "BLOB",
                "did": "VARCHAR",  # active, visited, received or completed
                "jalali_no": "INTEGER",
                "gregorian_no": "INTEGER",
                "channel": "VARCHAR",
                "nation": "VARCHAR",
                "province": "VARCHAR",
                "county": "VARCHAR",
                "district": "VARCHAR",
                "ministry_id": "VARCHAR",
                "agency_id": "VARCHAR",
                "service_id": "VARCHAR",
                "outcome": "VARCHAR",
                "reason_in_person": "VARCHAR",
                "assisted_by": "VARCHAR",
                "is_timed": "BOOLEAN",
                "is_observed": "BOOLEAN",
                "is_full": "BOOLEAN",
                "times": "BIGINT",
            },
            # One row: a session told by events whose pids were dropped, as its first event; of nobody.
            "session_starts": {
                "drop_id": "VARCHAR",
                "agency_id": "VARCHAR",
                "channel": "VARCHAR",
                "started_at": "TIMESTAMPTZ",
                "province": "VARCHAR",
                "district": "VARCHAR",
            },
            # One row: one decision on one agency's part of one landed batch. The latest decision counts.
            "verdicts": {
                "batch_id": "VARCHAR",
                "agency_id": "VARCHAR",
                "lake_version": "BIGINT",
                "verdict": "VARCHAR",  # passed, warned, held, released
                "findings": "VARCHAR",  # JSON array: expectation, severity, observed
                "decided_at": "TIMESTAMPTZ",
                "decided_by": "VARCHAR",  # gate, or the operator's name
                "reason": "VARCHAR",
            },
            # One row: one transport key put in the place of another, by name. Only added to.
            "transport_key_changes": {
                "old_key_id": "VARCHAR",
                "new_key_id": "VARCHAR",
                "introduced_at": "TIMESTAMPTZ",
                "retired_at": "TIMESTAMPTZ",
                "decided_by": "VARCHAR",
                "reason": "VARCHAR",
            },
            # One row: one month closed or reopened by name. The latest row of a month counts.
            "month_closings": {
                "calendar": "VARCHAR",
                "month": "VARCHAR",
                "action": "VARCHAR",  # close or reopen
                "vintage": "INTEGER",
                "version": "INTEGER",  # the published version whose figures were looked at
                "content_hash": "VARCHAR",  # of the month's cells, as the release says it; NULL for a reopening
                "decided_by": "VARCHAR",
                "note": "VARCHAR",
                "decided_at": "TIMESTAMPTZ",
            },
            # One row: one step that ran. rows_in = rows_out + rows_aside.
            "outcomes": {
                "step": "VARCHAR",
                "subject": "VARCHAR",
                "rows_in": "BIGINT",
                "rows_out": "BIGINT",
                "rows_aside": "BIGINT",
                "completed_at": "TIMESTAMPTZ",
                "seconds": "DOUBLE",
                "result": "VARCHAR",
            },
        }
    )
