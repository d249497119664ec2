"""The metrics, measured when Prometheus asks; what cannot be read is left out and said so, never reported as zero."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.errors import Halted, MizanError
from contracts.settings import Settings
from monitoring.log_tally import LogTally
from monitoring.metrics import GROUP, METRICS

Sample = tuple[str, tuple[str, ...], float]  # name, values of its labels, value
FRESH_SECONDS = 10.0


class Exporter(Collector):
    """Measures at most every ten seconds, whoever asks how often."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tally = LogTally()
        self._asked = threading.Lock()
        self._measured: list[Sample] = []
        self._at: float | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry must not measure when a collector is added."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric that could be measured, in the order of METRICS."""
        with self._asked:
            if self._at is None or time.monotonic() - self._at > FRESH_SECONDS:
                self._measured = list(self._measure())
                self._at = time.monotonic()
            measured = self._measured
        families = {name: _family(name) for name in METRICS}
        for name, labels, value in measured:
            families[name].add_metric(labels, value)
        yield from (family for family in families.values() if family.samples)

    def _measure(self) -> Iterator[Sample]:
        sources: dict[str, Callable[[], Iterator[Sample]]] = {
            "kafka": self._kafka, "lake": self._lake, "published": self._published,
        }  # fmt: skip
        for source, read in sources.items():
            try:
                found = list(read())
            except (MizanError, OSError):
                found = [("mizan_source_up", (source,), 0)]
            else:
                found.append(("mizan_source_up", (source,), 1))
            yield from found

    def _kafka(self) -> Iterator[Sample]:
        from landing.watch import lag

        halted: Counter[tuple[str, str]] = Counter()
        for topic in lag(self._settings):
            if topic.lag is not None:
                yield "mizan_unlanded_seconds", (topic.agency_id,), topic.older_than or 0
            halted.update((topic.agency_id, reason) for reason in topic.halts)
            for one in topic.partitions:
                place = (topic.topic, str(one.number))
                yield "kafka_topic_partition_current_offset", place, one.end
                yield "kafka_topic_partition_oldest_offset", place, one.first
                yield "kafka_consumergroup_current_offset", (GROUP, *place), one.next
                yield "kafka_consumergroup_lag", (GROUP, *place), max(0, one.end - one.next)
                yield "mizan_held_back_offsets", place, one.held_back
        for labels, count in halted.items():
            yield "mizan_halted_partitions", labels, count

    def _lake(self) -> Iterator[Sample]:
        from expectations.gate import standing
        from landing.quarantine import counts
        from warehouse.lake import Lake
        from warehouse.lake_damage import check_lake

        try:
            check_lake(self._settings)
        except Halted as halted:
            yield "mizan_lake_damage", (halted.reason,), 1
            return
        tally, lake = self._tally, Lake(self._settings)
        tally.read(self._settings)
        for name in ("events", "quarantine", "verdicts"):
            yield "mizan_lake_version", (name,), lake.open(name).version
        sums = {"landed_events": tally.landed, "quarantined_records": tally.quarantined,
                "duplicate_records": tally.duplicates}  # fmt: skip
        for name, by_agency in sums.items():
            for agency, count in by_agency.items():
                yield f"mizan_{name}_total", (agency,), count
        for reason, count in tally.security.items():
            yield "mizan_security_rejections_total", (reason,), count
        for agency, at in tally.last_landing.items():
            yield "mizan_agency_last_landing_timestamp_seconds", (agency,), at.timestamp()
            yield "mizan_agency_last_event_timestamp_seconds", (agency,), tally.last_event[agency].timestamp()
        for row in counts(self._settings):
            yield "mizan_open_rejections", (row["agency_id"], row["reason_code"]), row["count"]
        verdicts = standing(self._settings, lake)
        held = Counter(agency for (_, agency), row in verdicts.items() if row["verdict"] == "held")
        for agency in tally.landed.keys() | held.keys():
            yield "mizan_held_batches", (agency,), held[agency]
        since = tally.unpublished_since(self._settings)
        waited = 0.0 if since is None else (dt.datetime.now(dt.UTC) - since).total_seconds()
        yield "mizan_unpublished_seconds", (), waited

    def _published(self) -> Iterator[Sample]:
        from warehouse.published import TIERS, manifest, open_published

        for tier in TIERS:
            if (found := manifest(self._settings, tier)) is not None:
                yield "mizan_published_version", (tier,), found.version
                yield "mizan_published_timestamp_seconds", (tier,), found.as_of.timestamp()
        if manifest(self._settings, "public") is not None:
            with open_published(self._settings, "public") as connection:
                states = "SELECT calendar, state, count(*) FROM marts.month_states GROUP BY ALL ORDER BY ALL"
                for calendar, state, count in connection.execute(states).fetchall():
                    yield "mizan_months", (calendar, state), count


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    metric = METRICS[name]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(name.removesuffix("_total"), metric.meaning, labels=metric.labels)
