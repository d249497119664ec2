"""Who gets into the broker, and what each may do there (security checklist S1, S2, S3, S5)."""

import contextlib
import dataclasses
import gc
import socket
import ssl
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka
import confluent_kafka.admin
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from broker import quotas
from broker.administration import Onboarded, add_agencies, add_agency, can_log_in, topic_of
from broker.certificates import ensure_certificates
from contracts.keys import read_secret
from contracts.settings import Settings

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


def address(settings: Settings) -> tuple[str, int]:
    host, port = settings.kafka().bootstrap_servers.split(":")
    return host, int(port)


def broker_configuration(settings: Settings) -> dict[str, str]:
    """What the running node itself says its configuration is."""
    admin = KafkaAdminClient(**settings.kafka_admin().for_kafka_python())
    try:
        told = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")], config_filter="all")
    finally:
        admin.close()
    (values,) = [values for named in told.values() for values in named.values()]
    return {name: entry["value"] for name, entry in values.items()}


# --- S1: the way in ---------------------------------------------------------------------------------------------


def test_a_plaintext_connection_gets_no_answer(broker: Settings) -> None:
    with socket.create_connection(address(broker), timeout=5) as plain:
        # ApiVersions, version 0, correlation id 7: what every Kafka client says first.
        plain.sendall(bytes.fromhex("0000000a0012000000000007ffff"))
        with contextlib.suppress(ConnectionResetError):
            assert b"\x00\x00\x00\x07" not in plain.recv(1024)


def test_tls_below_1_2_is_refused(broker: Settings) -> None:
    context = ssl.create_default_context(cafile=str(broker.kafka().ca_file))
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(address(broker), timeout=5) as raw, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_newer_tls_is_taken_under_both_names_of_the_machine(broker: Settings, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(broker.kafka().ca_file))
    context.minimum_version = context.maximum_version = version
    for name in ("localhost", "127.0.0.1"):
        with (
            socket.create_connection(address(broker), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=name) as wrapped,
        ):
            assert wrapped.version() == version.name.replace("_", ".")


def test_the_certificate_is_good_for_no_other_host_name(broker: Settings) -> None:
    context = ssl.create_default_context(cafile=str(broker.kafka().ca_file))
    with socket.create_connection(address(broker), timeout=5) as raw, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(raw, server_hostname="kafka.example.ir")


def test_the_controller_demands_a_certificate_of_our_authority(broker: Settings, tmp_path: Path) -> None:
    host, port = broker_configuration(broker)["controller.quorum.voters"].removeprefix("1@").split(":")
    node = broker.home / "broker" / "tls" / "node.pem"

    def is_refused(own: Path | None) -> bool:
        context = ssl.create_default_context(cafile=str(broker.kafka().ca_file))
        if own is not None:
            context.load_cert_chain(own)
        with socket.create_connection((host, int(port)), timeout=2) as raw:
            try:
                with context.wrap_socket(raw, server_hostname=host) as wrapped:
                    # TLS 1.3 tells the client of a refused certificate at its first read.
                    return wrapped.recv(1) == b""
            except TimeoutError:
                return False  # the node took the certificate and waits for a request
            except (ssl.SSLError, ConnectionError):
                return True

    assert is_refused(None)
    assert is_refused(ensure_certificates(tmp_path / "tls").node)
    assert not is_refused(node)


@pytest.mark.parametrize("library", ["kafka-python", "librdkafka"])
@pytest.mark.parametrize("fault", ["wrong CA", "wrong password", "unknown user", "no login", "no TLS"])
def test_a_wrong_login_does_not_get_in(world: World, tmp_path: Path, library: str, fault: str) -> None:
    good = world.users["a"]
    if library == "kafka-python":
        login = world.settings.kafka()
        login = dataclasses.replace(login, username=good.name)
        assert can_log_in(login, good.password)
        password, changed = good.password, login
        if fault == "wrong CA":
            changed = dataclasses.replace(login, ca_file=ensure_certificates(tmp_path / "tls").ca)
        elif fault == "wrong password":
            password = "x" * 32
        elif fault == "unknown user":
            changed = dataclasses.replace(login, username="agency-nobody")
        elif fault == "no login":
            changed = dataclasses.replace(login, security_protocol="SSL")
        else:
            changed = dataclasses.replace(login, security_protocol="SASL_PLAINTEXT")
        with warnings.catch_warnings():
            # kafka-python leaves the sockets of refused logins to the garbage collector.
            warnings.simplefilter("ignore", ResourceWarning)
            assert not can_log_in(changed, password, seconds=1)
            gc.collect()
    else:
        changes: dict[str, dict[str, object]] = {
            "wrong CA": {"ssl.ca.location": str(ensure_certificates(tmp_path / "tls").ca)},
            "wrong password": {"sasl.password": "x" * 32},
            "unknown user": {"sasl.username": "agency-nobody"},
            "no login": {"security.protocol": "ssl"},
            "no TLS": {"security.protocol": "sasl_plaintext"},
        }
        with pytest.raises(confluent_kafka.KafkaException):
            confluent_kafka.Producer({**good.rd(), **changes[fault]}).list_topics(timeout=1.5)
        confluent_kafka.Producer(good.rd()).list_topics(timeout=10)


# --- S2: what the node itself says ------------------------------------------------------------------------------


def test_the_effective_configuration_has_no_open_door(broker: Settings) -> None:
    told = broker_configuration(broker)
    listeners = dict(pair.split(":") for pair in told["listener.security.protocol.map"].split(","))
    assert listeners == {"CLIENT": "SASL_SSL", "CONTROLLER": "SSL"}
    assert [url.split("://")[0] for url in told["listeners"].split(",")] == ["CLIENT", "CONTROLLER"]
    assert all("://127.0.0.1:" in url for url in told["listeners"].split(","))
    assert told["inter.broker.listener.name"] == "CLIENT"
    assert told["sasl.enabled.mechanisms"] == "SCRAM-SHA-512"
    assert told["authorizer.class.name"] == "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    assert told["auto.create.topics.enable"] == "false"
    assert sorted(told["ssl.enabled.protocols"].split(",")) == ["TLSv1.2", "TLSv1.3"]


def test_admin_is_the_only_super_user_and_silence_of_the_lists_means_no(broker: Settings) -> None:
    # Kafka does not show the authorizer's own settings (they come back empty), so the file it was started with
    # is read; the matrix below shows what they do.
    lines = (broker.home / "broker" / "server.properties").read_text().splitlines()
    assert [line for line in lines if line.startswith("super.users=")] == ["super.users=User:admin"]
    assert "allow.everyone.if.no.acl.found=false" in lines
    assert not any("PLAINTEXT" in line for line in lines)


def test_passwords_are_kept_under_at_least_8192_iterations(world: World) -> None:
    admin = KafkaAdminClient(**world.settings.kafka_admin().for_kafka_python())
    try:
        users = admin.describe_user_scram_credentials()
    finally:
        admin.close()
    assert {"admin", "pipeline", world.users["a"].name} <= users.keys()
    for told in users.values():
        for credential in told["credential_infos"]:
            assert credential["mechanism"].name == "SCRAM_SHA_512"
            assert credential["iterations"] >= 8192


def test_a_topic_nobody_made_does_not_come_into_being(world: World) -> None:
    name = f"egov.events.v1.sec-{uuid.uuid4().hex[:8]}"
    client = confluent_kafka.Producer(world.users["pipeline"].rd())
    error = client.list_topics(name, timeout=10).topics[name].error
    assert error.code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
    assert name not in client.list_topics(timeout=10).topics


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
