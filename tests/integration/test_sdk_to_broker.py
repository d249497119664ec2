"""From an agency's program to Kafka, on a real broker: SDK, spool, files, refusals."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from topic_content import values_on_topic

from broker.bundle import keep_bundles
from contracts.errors import TryAgain, UsageError
from contracts.identity import user_key
from contracts.keys import read_key, write_secret
from contracts.settings import TOPIC_PREFIX, Settings
from contracts.topics import topic_of
from producers import Agency
from producers.login import read_bundle
from producers.publisher import Publisher

pytestmark = pytest.mark.integration


@pytest.fixture
def agency(broker: Settings) -> tuple[str, Path]:
    """A fresh agency and the folder of its bundle."""
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    return name, keep_bundles(broker, [name])[name]


def arrived(settings: Settings, agency_id: str) -> list[dict[str, Any]]:
    """Every event on the agency's topic, partition by partition."""
    return [json.loads(value) for value in values_on_topic(settings, agency_id)]


def heartbeats(agency_id: str, count: int) -> bytes:
    return b"".join(
        json.dumps(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": f"/agencies/{agency_id}",
                "type": "ir.egov.agency.heartbeat.v1",
                "time": "2020-05-01T10:00:00Z",
                "data": {"contract_version": "1.0"},
            }
        ).encode()
        + b"\n"
        for number in range(count)
    )


def send(settings: Settings, file: Path, agency_id: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "console.main", "send", str(file), "--agency", agency_id, "--json", *more]


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, "MIZAN_HOME": str(settings.home)}


def test_what_an_agency_says_is_on_its_topic_with_the_person_keyed(broker: Settings, agency: tuple[str, Path]) -> None:
    name, bundle = agency
    with Agency.from_bundle(bundle) as sdk:
        said = [
            sdk.visited(visit_id="v-1", channel="portal", person="nid:0013542419"),
            sdk.completed(transaction_id="t-1", service_id="s-1", channel="portal", outcome="accepted", visit_id="v-1"),
        ]
    events = {event["id"]: event for event in arrived(broker, name)}
    assert set(events) == set(said)
    key = user_key(read_key(broker.transport_key_file), "nid:0013542419")
    assert events[said[0]]["data"]["user_key"] == key
    assert "0013542419" not in json.dumps(events)


def test_a_spool_is_emptied_by_the_next_program(broker: Settings, agency: tuple[str, Path], tmp_path: Path) -> None:
    name, bundle = agency
    away = Agency(name, "127.0.0.1:1", spool=tmp_path)
    said = [away.heartbeat() for _ in range(3)]
    away.close()
    with Agency.from_bundle(bundle, spool=tmp_path) as sdk:
        said.append(sdk.heartbeat())
    assert sorted(event["id"] for event in arrived(broker, name)) == sorted(said)


def test_a_wrong_password_is_called_a_refused_login(agency: tuple[str, Path], tmp_path: Path) -> None:
    name, bundle = agency
    login = read_bundle(bundle).kafka
    write_secret(tmp_path / "password", "not-the-password")
    wrong = type(login)(**{**vars(login), "password_file": tmp_path / "password"})
    with pytest.raises(UsageError, match="authentication failed"):
        Publisher(name, wrong)


PING = (
    "import sys; from pathlib import Path; from producers.login import read_bundle; from producers.ping import ping; "
    "print(type(ping(read_bundle(Path(sys.argv[1])).at(sys.argv[2]))[1]).__name__)"
)


def test_connections_that_are_taken_and_cut_are_no_refused_login(broker: Settings, agency: tuple[str, Path]) -> None:
    """So looks a broker that restarts, and one that is down behind what takes connections in its place."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(broker.home / "broker" / "tls" / "node.pem")
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as cutting:
        cutting.settimeout(0.1)

        def cut() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError), tls.wrap_socket(cutting.accept()[0], server_side=True) as taken:
                    taken.recv(1)

        thread = threading.Thread(target=cut)
        thread.start()
        try:
            call = [sys.executable, "-c", PING, str(agency[1]), f"127.0.0.1:{cutting.getsockname()[1]}"]
            # In a process of its own: kafka-python leaves the sockets of cut handshakes to the collector.
            done = subprocess.run(call, capture_output=True, text=True, check=True)
        finally:
            over.set()
            thread.join()
    assert done.stdout.strip() == "TryAgain"


def test_another_agencys_topic_is_refused_by_the_broker(agency: tuple[str, Path], broker: Settings) -> None:
    name, bundle = agency
    other = f"oth-{uuid.uuid4().hex[:8]}"
    keep_bundles(broker, [other])
    with Publisher(other, read_bundle(bundle).kafka, delivery_seconds=20) as publisher:
        publisher.send(b"{}")
        with pytest.raises(UsageError, match=f"agency-{name} may not write to {TOPIC_PREFIX}{other}"):
            publisher.flush()
    assert arrived(broker, other) == []


def test_a_file_is_sent_once_and_a_bad_one_not_at_all(
    broker: Settings, agency: tuple[str, Path], tmp_path: Path
) -> None:
    name, _ = agency
    file = tmp_path / "events.ndjson"
    file.write_bytes(heartbeats(name, 50) + b"{}\n")
    done = subprocess.run(send(broker, file, name), capture_output=True, env=environment(broker), check=False)
    assert done.returncode == 65
    assert arrived(broker, name) == []

    file.write_bytes(heartbeats(name, 50))
    first = subprocess.run(send(broker, file, name), capture_output=True, env=environment(broker), check=True)
    assert json.loads(first.stdout) == {"sent": 50, "already_sent": 0, "refused": 0, "earlier": 0}
    again = subprocess.run(send(broker, file, name), capture_output=True, env=environment(broker), check=True)
    assert json.loads(again.stdout) == {"sent": 0, "already_sent": 50, "refused": 0, "earlier": 0}
    assert len(arrived(broker, name)) == 50


def test_a_table_of_declarations_is_sent_once_however_often_it_is_declared(
    broker: Settings, agency: tuple[str, Path], tmp_path: Path
) -> None:
    name, bundle = agency
    file = tmp_path / "totals.csv"
    file.write_text("period,calendar,measure,value\n1399-01,jalali,services_total,12\n", encoding="utf-8")
    call = [
        sys.executable,
        "-m",
        "console.main",
        "declare",
        str(file),
        "--agency",
        name,
        "--on",
        "2020-04-20",
        "--json",
    ]
    for sent, before in ((1, 0), (0, 1)):
        done = subprocess.run(
            [*call, "--bundle", str(bundle)], capture_output=True, env=environment(broker), check=True
        )
        assert json.loads(done.stdout) == {"sent": sent, "already_sent": before, "refused": 0, "earlier": 0}
    (event,) = arrived(broker, name)
    assert event["data"] == {"period": "1399-01", "calendar": "jalali", "measure": "services_total", "value": 12}


def test_sending_survives_kill_9_and_the_same_call_goes_on(
    broker: Settings, agency: tuple[str, Path], tmp_path: Path
) -> None:
    name, _ = agency
    count = 20_000
    file = tmp_path / "events.ndjson"
    file.write_bytes(heartbeats(name, count))
    moments = random.Random(9)
    for _ in range(3):
        process = subprocess.Popen(
            send(broker, file, name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(broker)
        )
        time.sleep(moments.uniform(1.0, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(send(broker, file, name), capture_output=True, env=environment(broker), check=True)
    document = json.loads(done.stdout)
    assert document["sent"] + document["already_sent"] == count
    times = Counter(event["id"] for event in arrived(broker, name))
    assert set(times) == {f"e-{number}" for number in range(count)}
    # Sent again at most one batch a kill: landing knows the ids.
    assert times.total() - count <= 3 * 5_000


def test_a_broker_that_is_away_costs_nothing(broker: Settings, agency: tuple[str, Path], tmp_path: Path) -> None:
    name, bundle = agency
    file = tmp_path / "events.ndjson"
    file.write_bytes(heartbeats(name, 5))
    nowhere = environment(broker) | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = subprocess.run(send(broker, file, name), capture_output=True, env=nowhere, check=False)
    assert done.returncode == 75
    done = subprocess.run(
        send(broker, file, name, "--bundle", str(bundle)), capture_output=True, env=environment(broker), check=True
    )
    assert json.loads(done.stdout)["sent"] == 5
    with pytest.raises(TryAgain):
        Publisher(
            name,
            type(read_bundle(bundle).kafka)(**{**vars(read_bundle(bundle).kafka), "bootstrap_servers": "127.0.0.1:1"}),
            answer_seconds=0.3,
        )


def test_a_scenario_reaches_the_broker_whole_each_agency_by_its_own_login(broker: Settings) -> None:
    from console.simulation import stream
    from producers.scenarios import registry

    scenario = registry.scenario("qom-1399-h1")
    month = scenario.MONTHS[0]
    counts = stream(broker, scenario, [month], 0.00002, 3)
    told = Counter(agency for agency, _ in scenario.events(month, 0.00002, 3))
    assert counts == told
    tax = [json.loads(value) for agency, value in scenario.events(month, 0.00002, 3) if agency == "qom-tax"]
    ids = {event["id"] for event in arrived(broker, "qom-tax")}
    assert {event["id"] for event in tax} <= ids


def test_a_topic_that_takes_small_batches_alone_gets_every_event_once(
    broker: Settings, agency: tuple[str, Path]
) -> None:
    """The client halves what is too big for the topic; what waits for it is told to try again, and it arrives."""
    name, bundle = agency
    noise = random.Random(11)
    values = [b'{"n":%d,"noise":"%s"}' % (number, noise.randbytes(120).hex().encode()) for number in range(600)]
    admin = KafkaAdminClient(**broker.kafka_admin().for_kafka_python())
    small = ConfigResource(ConfigResourceType.TOPIC, topic_of(name), configs={"max.message.bytes": "20000"})
    admin.alter_configs([small])
    admin.close()
    with Publisher(name, read_bundle(bundle).kafka, linger_ms=500) as publisher:
        for value in values:
            publisher.send(value)
        with contextlib.suppress(TryAgain):
            publisher.flush()
        deadline = time.monotonic() + 60
        while len(values_on_topic(broker, name)) < len(values) and time.monotonic() < deadline:
            time.sleep(0.3)
    assert sorted(values_on_topic(broker, name)) == sorted(values)
