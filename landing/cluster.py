"""What the cluster says of its topics: ids, partitions, first and last offsets. Reads no event, joins no group."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from contracts.errors import TryAgain
from contracts.settings import KafkaLogin
from contracts.topics import sender_of
from landing.consumer import Partition

TIMEOUT_SECONDS = 30.0
# One request of this many topics stays far below a broker's limits on requests and answers.
TOPICS_A_REQUEST = 500


@dataclass(frozen=True)
class Topic:
    """One agency's topic, or the evaluator's. ``uuid`` is the cluster's own id of it: a topic made anew has another."""

    name: str
    agency_id: str
    uuid: str
    uuid_bits: int  # 63 bits of the same id, as the lake's log keeps it
    partitions: tuple[int, ...]


class Cluster:
    """A view of the cluster through one connection."""

    def __init__(self, login: KafkaLogin) -> None:
        self._login = login
        self._trouble = ""
        self._admin = AdminClient({**login.for_librdkafka(), "log_level": 0, "error_cb": self._note})

    def topics(self) -> dict[str, Topic]:
        """Every agency's and the evaluator's topic this login may see, by name.

        Raises TryAgain where the cluster does not answer.
        """
        try:
            listed = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        except KafkaException as error:
            raise self._no_answer(error) from error
        names = sorted(name for name in listed if sender_of(name) is not None)
        found: dict[str, Topic] = {}
        for begin in range(0, len(names), TOPICS_A_REQUEST):
            some = names[begin : begin + TOPICS_A_REQUEST]
            answers = self._admin.describe_topics(TopicCollection(some), request_timeout=TIMEOUT_SECONDS)
            for name, answer in answers.items():
                try:
                    described = answer.result()
                except KafkaException as error:
                    raise self._no_answer(error) from error
                agency = sender_of(name)
                assert agency is not None
                uuid = described.topic_id
                found[name] = Topic(
                    name,
                    agency,
                    str(uuid),
                    _bits(uuid),
                    tuple(sorted(partition.id for partition in described.partitions)),
                )
        return found

    def ids_now(self, topics: Iterable[str]) -> dict[str, int]:
        """The id bits of these topics at this moment; a topic that is gone has none."""
        names, found = sorted(topics), {}
        for begin in range(0, len(names), TOPICS_A_REQUEST):
            some = TopicCollection(names[begin : begin + TOPICS_A_REQUEST])
            for name, answer in self._admin.describe_topics(some, request_timeout=TIMEOUT_SECONDS).items():
                try:
                    found[name] = _bits(answer.result().topic_id)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise self._no_answer(error) from error
        return found

    def newest_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the last record, those of open transactions included."""
        told = self._told(partitions, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
        return {partition: offset for partition, (offset, _) in told.items()}

    def first_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The oldest offset each partition still holds."""
        return self._offsets(partitions, OffsetSpec.earliest())

    def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the last record that a read_committed reader may see."""
        return {partition: end for partition, (end, _) in self.ends(partitions).items()}

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int | None]]:
        """The same, with the leader epoch under which the leader says so; None where it tells none."""
        return self._told(partitions, OffsetSpec.latest())

    def offsets_since(self, partitions: Iterable[Partition], instant: dt.datetime) -> dict[Partition, int | None]:
        """The oldest offset of each partition whose record came to Kafka at ``instant`` or later; None: there is none.

        By the time index of the broker, which stamps records as they come (LogAppendTime): no record is read.
        """
        found = self._offsets(partitions, OffsetSpec.for_timestamp(int(instant.timestamp() * 1000)))
        return {partition: offset if offset >= 0 else None for partition, offset in found.items()}

    def _offsets(self, partitions: Iterable[Partition], which: Any) -> dict[Partition, int]:
        return {partition: offset for partition, (offset, _) in self._told(partitions, which).items()}

    def _told(
        self, partitions: Iterable[Partition], which: Any, isolation: Any = IsolationLevel.READ_COMMITTED
    ) -> dict[Partition, tuple[int, int | None]]:
        wanted = {TopicPartition(topic, number): which for topic, number in partitions}
        if not wanted:
            return {}
        answers: Mapping[Any, Any] = self._admin.list_offsets(
            wanted, isolation_level=isolation, request_timeout=TIMEOUT_SECONDS
        )
        try:
            told = {(place.topic, place.partition): answer.result() for place, answer in answers.items()}
        except KafkaException as error:
            raise self._no_answer(error) from error
        return {partition: (int(one.offset), one.leader_epoch) for partition, one in told.items()}

    def _note(self, error: Any) -> None:
        self._trouble = str(error.str())

    def _no_answer(self, error: KafkaException) -> TryAgain:
        self._admin.poll(0)  # hands over what the connection's own threads know: a refused login, a bad certificate
        said = error.args[0].str() if error.args else str(error)
        reason = self._trouble or said
        return TryAgain(f"no answer from Kafka at {self._login.bootstrap_servers} as {self._login.username}: {reason}")


def _bits(uuid: Any) -> int:
    bits: int = uuid.get_most_significant_bits() & (2**63 - 1)
    return bits
