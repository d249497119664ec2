"""Agencies come, change their password, leave (security checklist S6), and the bundles they are handed."""

import gc
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
import warnings
from pathlib import Path

import confluent_kafka
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from broker import administration, bundle
from broker.administration import add_agencies, add_agency, can_log_in, list_agencies, revoke, rotate
from broker.jars import find_or_fetch
from broker.process import java
from catalogue import tables
from contracts.errors import TryAgain, UsageError
from contracts.keys import write_secret
from contracts.settings import KafkaLogin, Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def name() -> str:
    return f"acc-{uuid.uuid4().hex[:10]}"


def login_of(settings: Settings, user: str, password: str | None, folder: Path) -> KafkaLogin:
    write_secret(folder / f"{user}.password", password or "")
    known = settings.kafka()
    return KafkaLogin(
        known.bootstrap_servers,
        known.security_protocol,
        known.sasl_mechanism,
        user,
        folder / f"{user}.password",
        known.ca_file,
    )


def sent_with(configuration: dict[str, object], topic: str) -> confluent_kafka.KafkaError | None:
    outcome: list[confluent_kafka.KafkaError | None] = []
    producer = confluent_kafka.Producer({**configuration, "message.timeout.ms": 10000, "log_level": 0})
    producer.produce(topic, b"{}", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(15)
    return outcome[0]


def test_adding_again_changes_nothing_and_issues_no_second_password(broker: Settings, name: str) -> None:
    first, again = add_agency(broker, name), add_agency(broker, name, partitions=9)
    assert first.password
    assert again.password is None
    assert (
        (again.topic, again.username) == (first.topic, first.username) == (f"egov.events.v1.{name}", f"agency-{name}")
    )
    (access,) = [found for found in list_agencies(broker) if found.agency_id == name]
    assert (access.partitions, access.usernames, access.byte_rate) == (3, [first.username], 64 * 2**20)


def test_sixty_agencies_are_onboarded_in_seconds(broker: Settings, name: str) -> None:
    names = [f"{name}-{number}" for number in range(60)]
    begin = time.monotonic()
    found = add_agencies(broker, names)
    assert time.monotonic() - begin < 30
    assert [access.agency_id for access in found] == names
    assert len({access.password for access in found}) == 60
    assert {access.agency_id for access in list_agencies(broker)} >= set(names)


def test_an_event_sent_late_is_kept_seven_days_from_its_arrival(broker: Settings, name: str) -> None:
    access = add_agency(broker, name)
    admin = KafkaAdminClient(**broker.kafka_admin().for_kafka_python())
    try:
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, access.topic)])
    finally:
        admin.close()
    (values,) = [values for named in told.values() for values in named.values()]
    kept = {key: values[key]["value"] for key in ("cleanup.policy", "retention.ms", "message.timestamp.type")}
    assert kept == {"cleanup.policy": "delete", "retention.ms": "604800000", "message.timestamp.type": "LogAppendTime"}


@pytest.mark.parametrize("wrong", ["Tax", "a", "tax_north", "../tax", "tax.north", "ta" * 21, "", "tax\n"])
def test_a_malformed_id_is_refused_before_anything_is_written(broker: Settings, wrong: str) -> None:
    for call in (add_agency, rotate, revoke):
        with pytest.raises(UsageError):
            call(broker, wrong)
    with pytest.raises(UsageError):
        add_agency(broker, "tax-north", wrong)


def test_a_system_writes_its_agencys_topic_under_its_own_user(broker: Settings, name: str, tmp_path: Path) -> None:
    add_agency(broker, name)
    system = add_agency(broker, name, "portal")
    assert system.username == f"agency-{name}.portal"
    assert system.topic == f"egov.events.v1.{name}"
    login = login_of(broker, system.username, system.password, tmp_path)
    assert sent_with(dict(login.for_librdkafka()), system.topic) is None


def test_after_rotation_the_old_password_fails_and_open_sessions_go_on(
    broker: Settings, name: str, tmp_path: Path
) -> None:
    old = add_agency(broker, name)
    outcome: list[confluent_kafka.KafkaError | None] = []
    login = login_of(broker, old.username, old.password, tmp_path)
    producer = confluent_kafka.Producer(dict(login.for_librdkafka()))
    producer.produce(old.topic, b"before", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(15)

    new = rotate(broker, name)
    producer.produce(old.topic, b"after", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(15)
    assert outcome == [None, None]
    assert new.password != old.password
    assert can_log_in(login, new.password)
    with pytest.raises(confluent_kafka.KafkaException):
        confluent_kafka.Producer({**login.for_librdkafka(), "log_level": 0}).list_topics(timeout=2)


def test_a_revoked_agency_is_out_at_once_and_its_topic_stays(broker: Settings, name: str, tmp_path: Path) -> None:
    access = add_agency(broker, name)
    system = add_agency(broker, name, "portal")
    login = login_of(broker, access.username, access.password, tmp_path)
    outcome: list[confluent_kafka.KafkaError | None] = []
    producer = confluent_kafka.Producer({**login.for_librdkafka(), "log_level": 0, "message.timeout.ms": 10000})
    producer.produce(access.topic, b"before", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(15)

    assert revoke(broker, name) == [access.username, system.username]
    producer.produce(access.topic, b"after", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(15)
    assert outcome[0] is None
    assert outcome[1] is not None
    assert outcome[1].code() == confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED
    (left,) = [found for found in list_agencies(broker) if found.agency_id == name]
    assert (left.usernames, left.byte_rate, left.partitions) == ([], None, 3)
    with pytest.raises(UsageError, match="no such user"):
        rotate(broker, name)
    assert add_agency(broker, name).password


def test_revoking_one_system_leaves_the_agency_alone(broker: Settings, name: str) -> None:
    access, _ = add_agency(broker, name), add_agency(broker, name, "portal")
    neighbour = add_agency(broker, f"{name}-2")
    assert revoke(broker, name, "portal") == [f"agency-{name}.portal"]
    users = {user for found in list_agencies(broker) for user in found.usernames}
    assert {access.username, neighbour.username} <= users
    revoke(broker, name)
    assert neighbour.username in {user for found in list_agencies(broker) for user in found.usernames}


def test_a_cluster_that_does_not_answer_is_a_passing_condition(
    broker: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(administration, "CONNECT_SECONDS", 1.0)
    # A captured log record would keep the refused socket alive beyond this test.
    caplog.set_level("CRITICAL", "kafka")
    values = {**broker.values, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "MIZAN_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
    with warnings.catch_warnings():
        # kafka-python leaves the sockets of refused connections to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(TryAgain, match="no answer from Kafka"):
            list_agencies(Settings(values, broker.origins))
        gc.collect()


# --- Bundles ----------------------------------------------------------------------------------------------------


def test_a_bundle_is_whole_private_and_works_with_a_plain_client(
    broker: Settings, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    access = bundle.hand_out(broker, name, directory=out)
    assert {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()} == dict.fromkeys(
        (
            "bundle.json",
            "ca.pem",
            "password",
            "transport.key",
            "user_key_id",
            "client.properties",
            "librdkafka.properties",
            "example.py",
            "Example.java",
        ),
        0o600,
    )
    assert out.stat().st_mode & 0o777 == 0o700
    document = json.loads((out / "bundle.json").read_text())
    assert (document["agency_id"], document["username"], document["user_key_id"]) == (name, access.username, "t1")
    assert (out / "password").read_text().strip() == access.password
    assert (out / "transport.key").read_text() == broker.transport_key_file.read_text()
    lines = [line for line in (out / "librdkafka.properties").read_text().splitlines() if not line.startswith("#")]
    monkeypatch.chdir(out)
    assert sent_with(dict(line.split("=", 1) for line in lines), access.topic) is None


def test_the_java_example_of_a_bundle_runs(broker: Settings, name: str, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("this machine has a Java runtime but no compiler")
    bundle.hand_out(broker, name, directory=tmp_path / "out")
    done = subprocess.run(
        [java(), "-cp", f"{find_or_fetch(broker)}/*", "Example.java"],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sent ")


def test_a_bundle_is_not_written_over_a_password_nobody_knows(broker: Settings, name: str, tmp_path: Path) -> None:
    add_agency(broker, name)
    with pytest.raises(UsageError, match="issued before") as refusal:
        bundle.hand_out(broker, name, directory=tmp_path / "out")
    assert "rotate" in (refusal.value.hint or "")
    bundle.hand_out(broker, name, directory=tmp_path / "out", renew=True)
    assert (tmp_path / "out" / "bundle.json").exists()


def test_a_folder_that_cannot_be_written_is_told_before_a_password_is_issued(
    broker: Settings, name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        bundle.hand_out(broker, name, directory=tmp_path / "file" / "out")
    assert name not in {found.agency_id for found in list_agencies(broker)}


def test_simulating_an_agency_never_touches_the_login_it_was_given(broker: Settings, name: str, tmp_path: Path) -> None:
    real = add_agency(broker, name)
    fresh = f"{name}-new"
    folders = bundle.keep_bundles(broker, [name, fresh])
    assert [json.loads((folders[which] / "bundle.json").read_text())["username"] for which in (name, fresh)] == [
        f"agency-{name}.simulator",
        f"agency-{fresh}",
    ]
    assert can_log_in(login_of(broker, real.username, real.password, tmp_path))
    before = {path: path.stat().st_mtime_ns for folder in folders.values() for path in folder.iterdir()}
    assert bundle.keep_bundles(broker, [name, fresh]) == folders
    assert {path: path.stat().st_mtime_ns for folder in folders.values() for path in folder.iterdir()} == before


# --- The command line -------------------------------------------------------------------------------------------


def mizan(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MIZAN_HOME": str(settings.home)}
    call = [sys.executable, "-m", "console.main", *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_the_command_line_prints_a_password_once_and_keeps_a_bundle_for_this_machine(
    broker: Settings, name: str, tmp_path: Path
) -> None:
    tables.create(broker)
    first = mizan(broker, "agency", "add", name, "--name-en", "Test", "--out", str(tmp_path / "out"), "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert {"agency_id", "topic", "username", "password", "user_key_id", "transport_key_file"} <= told.keys()
    assert told["password"] == (tmp_path / "out" / "password").read_text().strip()
    assert (broker.home / "agencies" / name / "bundle.json").exists()

    again = mizan(broker, "agency", "add", name, "--json")
    assert json.loads(again.stdout)["password"] is None

    rotated = json.loads(mizan(broker, "agency", "rotate", name, "--json").stdout)
    assert rotated["password"] not in (None, told["password"])
    assert bundle.kept_password(broker, name) == rotated["password"]

    listed = json.loads(mizan(broker, "agency", "ls", "--json").stdout)
    assert [found["usernames"] for found in listed if found["agency_id"] == name] == [[f"agency-{name}"]]

    assert json.loads(mizan(broker, "agency", "revoke", name, "--json").stdout)["revoked"] == [f"agency-{name}"]
    assert not (broker.home / "agencies" / name).exists()


def test_a_wrong_id_on_the_command_line_exits_2(broker: Settings) -> None:
    done = mizan(broker, "agency", "add", "Not-An-Id")
    assert done.returncode == 2
    assert done.stdout == ""
