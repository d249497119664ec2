"""The local broker comes up, goes down, and comes back with its data: as an operator sees it, by the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from broker import local, process
from broker.administration import add_agency
from contracts.settings import Settings

pytestmark = pytest.mark.integration
Mizan = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A broker of this file's own, because it is killed here."""
    folder = tmp_path_factory.mktemp("a home with spaces")
    yield folder
    local.down(Settings.load({"MIZAN_HOME": str(folder)}, folder=folder))


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return Settings.load({"MIZAN_HOME": str(home)}, folder=home)


@pytest.fixture(scope="module")
def mizan(home: Path) -> Mizan:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MIZAN_HOME": str(home)}
        call = [sys.executable, "-m", "console.main", *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=False, env=environment, timeout=180)

    return run


def test_before_the_first_start_nothing_runs_and_nothing_is_written(mizan: Mizan, home: Path) -> None:
    told = mizan("broker", "status", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["running"] is False
    assert mizan("broker", "down").returncode == 0
    assert list(home.iterdir()) == []


def test_up_returns_when_the_broker_takes_logins(mizan: Mizan, settings: Settings) -> None:
    done = mizan("broker", "up")
    assert done.returncode == 0, done.stderr
    told = json.loads(mizan("broker", "status", "--json").stdout)
    assert told["running"] is True
    for key in ("bootstrap", "security_protocol", "sasl_mechanism", "ca_file", "pipeline_username"):
        assert isinstance(told[key], str)
    assert told["security_protocol"] == "SASL_SSL"
    assert Path(told["pipeline_password_file"]).stat().st_mode & 0o777 == 0o600
    assert local.can_log_in(settings.kafka())
    assert local.can_log_in(settings.kafka_admin())


def test_up_again_changes_nothing(mizan: Mizan, settings: Settings) -> None:
    before = process.find(settings.home / "broker"), settings.broker_file.read_text()
    assert mizan("broker", "up").returncode == 0
    assert (process.find(settings.home / "broker"), settings.broker_file.read_text()) == before


def test_every_secret_is_the_owners_alone_and_none_is_on_a_command_line(settings: Settings) -> None:
    secrets = [path.read_text().strip() for path in settings.keys.glob("*.password")]
    assert len(secrets) == 2
    running = process.find(settings.home / "broker")
    assert running is not None
    shown = " ".join(psutil.Process(running.pid).cmdline())
    assert not any(secret in shown for secret in secrets)
    for path in settings.home.rglob("*"):
        holds_one = path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
        assert not holds_one or path.stat().st_mode & 0o077 == 0, path
    assert settings.keys.stat().st_mode & 0o777 == 0o700


def test_the_broker_has_a_session_of_its_own_and_listens_on_loopback_alone(settings: Settings) -> None:
    running = process.find(settings.home / "broker")
    assert running is not None
    assert os.getsid(running.pid) == running.pid
    open_to = {
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in psutil.Process(running.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert open_to == {"127.0.0.1"}


def test_data_and_logins_survive_kill_9(mizan: Mizan, settings: Settings) -> None:
    access = add_agency(settings, "survivor")
    login = settings.kafka().for_kafka_python()
    producer = KafkaProducer(
        **{**login, "sasl_plain_username": access.username, "sasl_plain_password": access.password}
    )
    acknowledged = [producer.send(access.topic, str(number).encode(), partition=0) for number in range(500)]
    offsets = [future.get(timeout=30).offset for future in acknowledged]
    producer.close()
    bootstrap = settings.kafka().bootstrap_servers

    running = process.find(settings.home / "broker")
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while process.is_alive(running):
        assert time.monotonic() < deadline
    assert mizan("broker", "status").returncode == 1

    done = mizan("broker", "up")
    assert done.returncode == 0, done.stderr
    assert settings.kafka().bootstrap_servers == bootstrap
    consumer = KafkaConsumer(**settings.kafka().for_kafka_python(), group_id=None)
    try:
        partition = TopicPartition(access.topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        found = {}
        deadline = time.monotonic() + 30
        while len(found) < len(offsets):
            assert time.monotonic() < deadline
            for record in consumer.poll(timeout_ms=500).get(partition, []):
                found[record.offset] = record.value
    finally:
        consumer.close()
    assert [found[offset] for offset in offsets] == [str(number).encode() for number in range(500)]
    assert add_agency(settings, "survivor").password is None


def test_a_pid_file_of_another_program_neither_fools_up_nor_down(mizan: Mizan, settings: Settings) -> None:
    pid_file = settings.home / "broker" / "pid.json"
    running = process.find(settings.home / "broker")
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        started = psutil.Process(bystander.pid).create_time()
        pid_file.write_text(json.dumps({"pid": bystander.pid, "started": started}))
        assert process.find(settings.home / "broker") == running
        assert mizan("broker", "down").returncode == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert running is not None
    assert not process.is_alive(running)


def test_a_taken_port_is_replaced_and_the_login_file_follows(settings: Settings) -> None:
    import socket

    host, port = settings.kafka().bootstrap_servers.split(":")
    with socket.socket() as squatter:
        squatter.bind((host, int(port)))
        squatter.listen(1)
        document = local.up(settings)
    assert document["bootstrap"] != f"{host}:{port}"
    assert settings.kafka().bootstrap_servers == document["bootstrap"]


def test_a_lost_administrator_password_is_told_and_nothing_is_overwritten(settings: Settings) -> None:
    local.down(settings)
    lost = settings.keys / "kafka-admin.password"
    text = lost.read_text()
    lost.unlink()
    try:
        with pytest.raises(Exception, match="is missing, but the broker's data know that login"):
            local.up(settings)
    finally:
        lost.write_text(text)
        lost.chmod(0o600)


def test_a_node_that_ends_while_starting_is_reported_with_its_reason(settings: Settings) -> None:
    meta = settings.home / "broker" / "data" / "meta.properties"
    good = meta.read_text()
    meta.write_text(good.replace("node.id=1", "node.id=7"))
    try:
        with pytest.raises(Exception, match="Stored node id 7"):
            local.up(settings)
    finally:
        meta.write_text(good)
    assert process.find(settings.home / "broker") is None


def test_a_benchmark_may_ask_for_a_plaintext_listener_and_the_next_start_is_without(settings: Settings) -> None:
    document = local.up(settings, benchmark_plaintext=True)
    consumer = KafkaConsumer(bootstrap_servers=document["plaintext_bootstrap"], group_id=None)
    assert "egov.events.v1.survivor" in consumer.topics()
    consumer.close()
    local.down(settings)
    assert "plaintext_bootstrap" not in local.up(settings)
    assert "PLAINTEXT" not in (settings.home / "broker" / "server.properties").read_text()
