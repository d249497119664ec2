"""Two hundred agencies, two hundred topics, seven operations: the broker allows the listed set and nothing else (S3).

Every principal holds one connection and asks for all topics in one request of the protocol each, so that 280,000
questions are 1,600 requests. Where an operation would change something if it were allowed, the answer is asked of a
dry run, except for deleting: a matrix that holds deletes nothing. The right to find a transaction's or a group's
coordinator follows from every other right on it, so who may not find it may do nothing with it.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.protocol.admin import CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.metadata import FindCoordinatorRequest, MetadataRequest
from kafka.protocol.producer import ProduceRequest
from kafka.record import MemoryRecordsBuilder

from broker.administration import add_agencies, add_evaluator, allow_gateway
from contracts.keys import read_secret
from contracts.settings import EVALUATOR, Settings
from contracts.topics import topic_of

pytestmark = pytest.mark.integration
AGENCIES = 200
REFUSED = {29, 30, 31, 53}  # authorization failed: topic, group, cluster, transactional id
# What an allowed request may be told: done; no such group or transaction yet, but you may ask.
ALLOWED = {0, 15}
GROUP, TRANSACTION = 0, 1


class Session(KafkaAdminClient):  # type: ignore[misc]  # kafka-python is not typed
    """One principal's only connection."""

    def ask(self, request: Any) -> Any:
        """Send a request of the protocol as it is, for which the library has no public call."""
        return self._manager.run(self._manager.send, request)


def session_of(settings: Settings, user: str, password: str) -> Session:
    login = settings.kafka().for_kafka_python()
    return Session(**login | {"sasl_plain_username": user, "sasl_plain_password": password})


def record() -> bytes:
    batch = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=4096)
    batch.append(timestamp=None, key=None, value=b"{}")
    batch.close()
    return bytes(batch.buffer())


Answers = Iterable[tuple[str, int]]


def produce(session: Session, topics: list[str]) -> Answers:
    data = ProduceRequest.TopicProduceData
    wanted = [data(name=t, partition_data=[data.PartitionProduceData(index=0, records=record())]) for t in topics]
    told = session.ask(ProduceRequest(acks=-1, timeout_ms=20_000, topic_data=wanted, max_version=12))
    return [(one.name, one.partition_responses[0].error_code) for one in told.responses]


def consume(session: Session, topics: list[str]) -> Answers:
    data = FetchRequest.FetchTopic
    part = data.FetchPartition
    wanted = [data(topic=t, partitions=[part(partition=0, fetch_offset=0, partition_max_bytes=1)]) for t in topics]
    told = session.ask(FetchRequest(max_wait_ms=0, max_bytes=1, session_epoch=-1, topics=wanted, max_version=12))
    return [(one.topic, one.partitions[0].error_code) for one in told.responses]


def describe(session: Session, topics: list[str]) -> Answers:
    wanted = [MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics]
    told = session.ask(MetadataRequest(topics=wanted, allow_auto_topic_creation=False))
    return [(one.name, one.error_code) for one in told.topics]


def create(session: Session, topics: list[str]) -> Answers:
    wanted = [CreateTopicsRequest.CreatableTopic(name=f"{t}-more", num_partitions=1, replication_factor=1)
              for t in topics]  # fmt: skip
    told = session.ask(CreateTopicsRequest(topics=wanted, timeout_ms=20_000, validate_only=True))
    return [(one.name.removesuffix("-more"), one.error_code) for one in told.topics]


def add_partitions(session: Session, topics: list[str]) -> Answers:
    wanted = [CreatePartitionsRequest.CreatePartitionsTopic(name=t, count=9, assignments=None) for t in topics]
    told = session.ask(CreatePartitionsRequest(topics=wanted, timeout_ms=20_000, validate_only=True))
    return [(one.name, one.error_code) for one in told.results]


def delete(session: Session, topics: list[str]) -> Answers:
    told = session.ask(DeleteTopicsRequest(topic_names=topics, timeout_ms=20_000, max_version=5))
    return [(one.name, one.error_code) for one in told.responses]


def transact(session: Session, topics: list[str]) -> Answers:
    return coordinate(session, topics, TRANSACTION)


def join_group(session: Session, topics: list[str]) -> Answers:
    return coordinate(session, topics, GROUP)


def coordinate(session: Session, keys: list[str], kind: int) -> Answers:
    told = session.ask(FindCoordinatorRequest(key_type=kind, coordinator_keys=keys, min_version=4))
    return [(one.key, one.error_code) for one in told.coordinators]


OPERATIONS: tuple[Callable[[Session, list[str]], Answers], ...] = (
    produce, consume, describe, create, add_partitions, delete, transact, join_group,
)  # fmt: skip


@pytest.fixture(scope="module")
def agencies(broker: Settings) -> dict[str, tuple[str, str]]:
    """User and password by topic, of agencies nobody else uses."""
    names = [f"mx-{uuid.uuid4().hex[:8]}-{number}" for number in range(AGENCIES)]
    found = add_agencies(broker, names, partitions=1)
    return {access.topic: (access.username, access.password or "") for access in found}


def allowed(session: Session, topics: list[str]) -> Iterator[tuple[str, str]]:
    """(topic, operation) for all that the broker does not refuse."""
    for operation in OPERATIONS:
        answers = dict(operation(session, topics))
        assert set(answers) == set(topics), operation.__name__
        assert set(answers.values()) <= REFUSED | ALLOWED, (operation.__name__, set(answers.values()))
        yield from ((topic, operation.__name__) for topic, code in answers.items() if code not in REFUSED)


def test_every_agency_may_write_and_see_its_own_topic_and_nothing_else(
    broker: Settings, agencies: dict[str, tuple[str, str]]
) -> None:
    topics = list(agencies)
    for own, (user, password) in agencies.items():
        with closing(session_of(broker, user, password)) as session:
            assert set(allowed(session, topics)) == {(own, "produce"), (own, "describe")}


def test_the_pipeline_may_read_and_see_every_topic_and_nothing_else(
    broker: Settings, agencies: dict[str, tuple[str, str]]
) -> None:
    topics = list(agencies)
    password = read_secret(broker.kafka().password_file or Path())
    with closing(session_of(broker, "pipeline", password)) as session:
        assert set(allowed(session, topics)) == {(t, d) for t in topics for d in ("consume", "describe")}


def test_the_gateway_may_write_and_see_every_agencys_topic_and_nothing_else(
    broker: Settings, agencies: dict[str, tuple[str, str]]
) -> None:
    allow_gateway(broker)
    add_evaluator(broker)
    topics = list(agencies)
    login = broker.kafka_gateway()
    with closing(session_of(broker, login.username or "", read_secret(login.password_file or Path()))) as session:
        # The evaluator's topic is no agency's: a score does not come through the gateway.
        found = set(allowed(session, [*topics, topic_of(EVALUATOR)]))
        assert found == {(topic, done) for topic in topics for done in ("produce", "describe")}


def test_what_the_matrix_asks_is_allowed_to_the_administrator(
    broker: Settings, agencies: dict[str, tuple[str, str]]
) -> None:
    """The questions themselves are sound: whoever has every right is refused none of them (deleting is not asked)."""
    topics = list(agencies)[:5]
    with closing(Session(**broker.kafka_admin().for_kafka_python())) as session:
        for operation in OPERATIONS:
            if operation is not delete:
                assert {code for _, code in operation(session, topics)} <= ALLOWED, operation.__name__
