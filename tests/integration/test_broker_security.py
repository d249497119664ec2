"""Who gets into the broker, and what the broker says of itself (security checklist S1, S2)."""

import contextlib
import dataclasses
import gc
import re
import socket
import ssl
import time
import uuid
import warnings
from pathlib import Path

import confluent_kafka
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from broker.administration import add_agency, can_log_in
from broker.certificates import ensure_certificates
from contracts.keys import write_secret
from contracts.settings import KafkaLogin, Settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def agency(broker: Settings) -> KafkaLogin:
    """The login of an agency made for this run: a broker that is reused knows older ones."""
    access = add_agency(broker, f"sec-{uuid.uuid4().hex[:8]}")
    path = broker.home / f"{access.username}.password"
    write_secret(path, access.password or "")
    return dataclasses.replace(broker.kafka(), username=access.username, password_file=path)


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
def test_a_wrong_login_does_not_get_in(agency: KafkaLogin, tmp_path: Path, library: str, fault: str) -> None:
    # What a refused client logs is not news to these tests.
    good: dict[str, object] = {**agency.for_librdkafka(), "log_level": 0}
    if library == "kafka-python":
        assert can_log_in(agency)
        password, changed = agency.password(), agency
        if fault == "wrong CA":
            changed = dataclasses.replace(agency, ca_file=ensure_certificates(tmp_path / "tls").ca)
        elif fault == "wrong password":
            password = "x" * 32
        elif fault == "unknown user":
            changed = dataclasses.replace(agency, username="agency-nobody")
        elif fault == "no login":
            changed = dataclasses.replace(agency, security_protocol="SSL")
        else:
            changed = dataclasses.replace(agency, security_protocol="SASL_PLAINTEXT")
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
            confluent_kafka.Producer({**good, **changes[fault]}).list_topics(timeout=1.5)
        confluent_kafka.Producer(good).list_topics(timeout=10)


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


def test_passwords_are_kept_under_at_least_8192_iterations(broker: Settings, agency: KafkaLogin) -> None:
    admin = KafkaAdminClient(**broker.kafka_admin().for_kafka_python())
    try:
        users = admin.describe_user_scram_credentials()
    finally:
        admin.close()
    assert {"admin", "pipeline", agency.username} <= users.keys()
    for told in users.values():
        for credential in told["credential_infos"]:
            assert credential["mechanism"].name == "SCRAM_SHA_512"
            assert credential["iterations"] >= 8192


def test_a_topic_nobody_made_does_not_come_into_being(broker: Settings) -> None:
    name = f"egov.events.v1.sec-{uuid.uuid4().hex[:8]}"
    client = confluent_kafka.Producer(dict(broker.kafka().for_librdkafka()))
    error = client.list_topics(name, timeout=10).topics[name].error
    assert error.code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
    assert name not in client.list_topics(timeout=10).topics


# --- S17: what clients call themselves ---------------------------------------------------------------------------


def test_a_client_s_words_are_no_line_of_their_own_in_the_broker_s_log(broker: Settings) -> None:
    mark, name = uuid.uuid4().hex, f"words-{uuid.uuid4().hex[:8]}"
    add_agency(broker, name)
    consumer = confluent_kafka.Consumer(
        broker.kafka_admin().for_librdkafka()
        | {"group.id": f"{mark}\r\n2026-01-01 ERROR forged {mark}\x1b[2J", "client.id": f"c\n{mark}", "log_level": 0}
    )
    log = broker.home / "broker" / "logs" / "server.log"
    try:
        consumer.subscribe([f"egov.events.v1.{name}"])
        deadline = time.monotonic() + 30
        while mark not in log.read_text(errors="surrogateescape"):
            assert time.monotonic() < deadline
            consumer.poll(0.2)
    finally:
        consumer.close()
    lines = [line for line in log.read_bytes().split(b"\n") if mark.encode() in line]
    assert any(rb"\r\n2026-01-01 ERROR forged" in line for line in lines)
    assert all(re.match(rb"\d{4}-\d\d-\d\dT[\d:,]+ (INFO|WARN|ERROR) ", line) for line in lines)
    assert not [line for line in lines if re.search(rb"[\x00-\x1f]", line)]
