"""The metrics: name, kind, labels and meaning, each once. docs/monitoring.md and the exporter have them from here.

Offsets and lag are named as kafka-exporter names them, so that its dashboards and rules read them: the lake's next
offset stands where a consumer group's committed one would.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "mizan-landing"


@dataclass(frozen=True)
class Metric:
    """One metric. ``kind`` is gauge or counter; a counter's name ends with _total, a time is in seconds."""

    kind: str
    labels: tuple[str, ...]
    meaning: str


_PLACE = ("topic", "partition")
_OF_GROUP = ("consumergroup", *_PLACE)

METRICS: dict[str, Metric] = {
    "kafka_topic_partition_current_offset": Metric("gauge", _PLACE, "The offset after the partition's last record."),
    "kafka_topic_partition_oldest_offset": Metric("gauge", _PLACE, "The oldest offset that Kafka still keeps."),
    "kafka_consumergroup_current_offset": Metric(
        "gauge", _OF_GROUP, "The next offset to land, as the lake's log has it."
    ),
    "kafka_consumergroup_lag": Metric("gauge", _OF_GROUP, "Offsets that wait to be landed."),
    "mizan_held_back_offsets": Metric("gauge", _PLACE, "Offsets that nobody may read yet: a transaction is open."),
    "mizan_unlanded_seconds": Metric(
        "gauge", ("agency",), "The oldest record that waits to be landed came at least so long ago; 0: under a minute."
    ),
    "mizan_unpublished_seconds": Metric(
        "gauge",
        (),
        "How long ago the oldest batch landed that no published version has counted or held; 0: none waits.",
    ),
    "mizan_landed_events_total": Metric("counter", ("agency",), "Events in the lake."),
    "mizan_quarantined_records_total": Metric("counter", ("agency",), "Records that were set aside."),
    "mizan_duplicate_records_total": Metric(
        "counter", ("agency",), "Records that repeat an event that is in the lake."
    ),
    "mizan_security_rejections_total": Metric("counter", ("reason",), "Records set aside of which security must hear."),
    "mizan_open_rejections": Metric(
        "gauge", ("agency", "reason"), "Records in quarantine, neither replayed nor dropped."
    ),
    "mizan_agency_last_landing_timestamp_seconds": Metric(
        "gauge", ("agency",), "When events of the agency last landed."
    ),
    "mizan_agency_last_event_timestamp_seconds": Metric("gauge", ("agency",), "The agency's newest time of an event."),
    "mizan_halted_partitions": Metric("gauge", ("agency", "reason"), "Partitions that halted, by the halt's name."),
    "mizan_held_batches": Metric("gauge", ("agency",), "Batches that the gate holds."),
    "mizan_lake_damage": Metric("gauge", ("reason",), "1: a file of the lake is missing or not of the committed size."),
    "mizan_lake_version": Metric("gauge", ("table",), "The version of a table of the lake."),
    "mizan_published_version": Metric("gauge", ("tier",), "The version in service."),
    "mizan_published_timestamp_seconds": Metric("gauge", ("tier",), "When the version in service was made."),
    "mizan_months": Metric("gauge", ("calendar", "state"), "Published months, by state."),
    "mizan_source_up": Metric("gauge", ("source",), "1 where the source (kafka, lake, published) could be read."),
}
