"""What each user may do in the broker, and nothing else (security checklist S3, S5)."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka
import confluent_kafka.admin
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from broker import quotas
from broker.administration import Onboarded, add_agencies, add_agency
from contracts.keys import read_secret
from contracts.settings import Settings
from contracts.topics import topic_of

pytestmark = pytest.mark.integration
DENIED = {
    confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
    confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
    confluent_kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


@dataclass(frozen=True)
class User:
    """A login for both client libraries."""

    settings: Settings
    name: str
    password: str

    def python(self, **more: object) -> dict[str, object]:
        login = self.settings.kafka().for_kafka_python()
        return {**login, "sasl_plain_username": self.name, "sasl_plain_password": self.password, **more}

    def rd(self, **more: object) -> dict[str, object]:
        login = self.settings.kafka().for_librdkafka()
        named = {name.replace("_", "."): value for name, value in more.items()}
        # What a refused client logs is not news to these tests.
        return {**login, "sasl.username": self.name, "sasl.password": self.password, "log_level": 0, **named}


def user(settings: Settings, access: Onboarded) -> User:
    assert access.password is not None
    return User(settings, access.username, access.password)


@dataclass(frozen=True)
class World:
    """Two agencies and the pipeline, fresh in this run: a broker that is reused knows older ones."""

    settings: Settings
    a: str
    b: str
    users: dict[str, User]


@pytest.fixture(scope="module")
def world(broker: Settings) -> World:
    run = uuid.uuid4().hex[:8]
    a, b = f"sec-{run}-a", f"sec-{run}-b"
    first, second = add_agencies(broker, [a, b])
    pipeline = User(broker, "pipeline", read_secret(broker.kafka().password_file or Path()))
    return World(broker, a, b, {"a": user(broker, first), "b": user(broker, second), "pipeline": pipeline})


# --- S3: who may do what ----------------------------------------------------------------------------------------


def produce(someone: User, topic: str) -> None:
    outcome: list[confluent_kafka.KafkaError | None] = []
    producer = confluent_kafka.Producer(someone.rd(message_timeout_ms=15000))
    producer.produce(topic, b"{}", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(20)
    if outcome[0] is not None:
        raise confluent_kafka.KafkaException(outcome[0])


def produce_idempotently(someone: User, topic: str) -> None:
    # By kafka-python, whose default this is; librdkafka reports a refusal here as a fatal error without its code.
    producer = KafkaProducer(**someone.python())
    try:
        producer.send(topic, b"{}").get(timeout=20)
    finally:
        producer.close()


def consume(someone: User, topic: str) -> None:
    consumer = confluent_kafka.Consumer(someone.rd(group_id="mizan-test", enable_partition_eof=True))
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        message = consumer.poll(20)
        assert message is not None, "no answer"
        if message.error() and message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
            raise confluent_kafka.KafkaException(message.error())
    finally:
        consumer.close()


def describe(someone: User, topic: str) -> None:
    error = confluent_kafka.Producer(someone.rd()).list_topics(topic, timeout=15).topics[topic].error
    if error is not None:
        raise confluent_kafka.KafkaException(error)


def create(someone: User, topic: str) -> None:
    admin = confluent_kafka.admin.AdminClient(someone.rd())
    for made in admin.create_topics([confluent_kafka.admin.NewTopic(topic + "-more", 1, 1)]).values():
        made.result(20)


def add_partitions(someone: User, topic: str) -> None:
    admin = confluent_kafka.admin.AdminClient(someone.rd())
    for made in admin.create_partitions([confluent_kafka.admin.NewPartitions(topic, 9)]).values():
        made.result(20)


def delete(someone: User, topic: str) -> None:
    admin = confluent_kafka.admin.AdminClient(someone.rd())
    for gone in admin.delete_topics([topic]).values():
        gone.result(20)


def transact(someone: User, topic: str) -> None:
    confluent_kafka.Producer(someone.rd(transactional_id=f"egov-{topic}")).init_transactions(20)


def join_foreign_group(someone: User, topic: str) -> None:
    join(someone, topic, "others")


def join_pipeline_group(someone: User, topic: str) -> None:
    join(someone, topic, "mizan-test")


def join(someone: User, topic: str, group: str) -> None:
    consumer = confluent_kafka.Consumer(someone.rd(group_id=group))
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + 20
        while not consumer.assignment():
            assert time.monotonic() < deadline, "neither joined nor refused"
            message = consumer.poll(0.1)
            if message is not None and message.error() is not None:
                raise confluent_kafka.KafkaException(message.error())
    finally:
        consumer.close()


DEEDS: tuple[Callable[[User, str], None], ...] = (
    produce,
    produce_idempotently,
    consume,
    describe,
    create,
    add_partitions,
    delete,
    transact,
    join_foreign_group,
    join_pipeline_group,
)
ALLOWED = {
    ("a", "a", "produce"),
    ("a", "a", "produce_idempotently"),
    ("a", "a", "describe"),
    ("b", "b", "produce"),
    ("b", "b", "produce_idempotently"),
    ("b", "b", "describe"),
    ("pipeline", "a", "consume"),
    ("pipeline", "a", "describe"),
    ("pipeline", "a", "join_pipeline_group"),
    ("pipeline", "b", "consume"),
    ("pipeline", "b", "describe"),
    ("pipeline", "b", "join_pipeline_group"),
}


def is_allowed(deed: Callable[[User, str], None], someone: User, topic: str) -> bool:
    """True if it worked, False if the broker refused by authorization; any other error is the test's."""
    try:
        deed(someone, topic)
    except confluent_kafka.KafkaException as error:
        if error.args[0].code() in DENIED:
            return False
        raise
    except KafkaError as error:
        if "AuthorizationFailed" in str(error):
            return False
        raise
    return True


def test_each_user_may_do_exactly_what_is_listed_and_nothing_else(world: World) -> None:
    topics = {"a": topic_of(world.a), "b": topic_of(world.b)}
    found = {
        (name, whose, deed.__name__)
        for name, someone in world.users.items()
        for whose, topic in topics.items()
        for deed in DEEDS
        if is_allowed(deed, someone, topic)
    }
    assert found == ALLOWED


def test_kafka_python_writes_its_own_topic_and_no_other(world: World) -> None:
    producer = KafkaProducer(**world.users["a"].python())
    try:
        assert producer.send(topic_of(world.a), b"{}").get(timeout=20).offset >= 0
    finally:
        producer.close()
    other = KafkaProducer(**world.users["a"].python(enable_idempotence=False))
    try:
        with pytest.raises(KafkaError, match="TopicAuthorizationFailed"):
            other.send(topic_of(world.b), b"{}").get(timeout=20)
    finally:
        other.close()


def test_the_pipeline_reads_without_a_group_what_an_agency_wrote(world: World) -> None:
    produce(world.users["a"], topic_of(world.a))
    consumer = KafkaConsumer(**world.users["pipeline"].python(), group_id=None, auto_offset_reset="earliest")
    try:
        consumer.subscribe([topic_of(world.a)])
        deadline = time.monotonic() + 20
        while not (found := consumer.poll(timeout_ms=500)):
            assert time.monotonic() < deadline
        assert {record.value for records in found.values() for record in records} == {b"{}"}
    finally:
        consumer.close()


# --- S5: quotas -------------------------------------------------------------------------------------------------


def test_the_quota_is_read_back_and_slows_a_flood(world: World) -> None:
    name = f"sec-{uuid.uuid4().hex[:8]}-slow"
    values = {**world.settings.values, "MIZAN_AGENCY_BYTE_RATE": "50000"}
    access = add_agency(Settings(values, world.settings.origins), name)
    admin = KafkaAdminClient(**world.settings.kafka_admin().for_kafka_python())
    try:
        assert quotas.producer_rates(admin)[access.username] == 50000.0
    finally:
        admin.close()
    throttled: list[float] = []
    producer = confluent_kafka.Producer(
        user(world.settings, access).rd() | {"throttle_cb": lambda event: throttled.append(event.throttle_time)}
    )
    for _ in range(100):
        producer.produce(access.topic, b"x" * 10_000)
    deadline = time.monotonic() + 30
    while not any(seconds > 0 for seconds in throttled):
        producer.poll(0.2)
        assert time.monotonic() < deadline, "ten times the quota was never slowed"
    producer.purge()
