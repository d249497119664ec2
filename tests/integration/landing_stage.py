"""A lake of its own beside a shared broker, agencies with unique names, and a plain-Python oracle of what was sent."""

import contextlib
import datetime as dt
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from kafka.admin import KafkaAdminClient

from broker.administration import add_agency
from contracts.keys import create_keys
from contracts.settings import Settings
from warehouse.connection import memory_connection, view_files
from warehouse.lake import Lake

# Any partition, as librdkafka picks it (RD_KAFKA_PARTITION_UA).
ANY = -1


class Stage:
    """One home: keys, an empty lake, the shared broker's address, and leave to fault."""

    def __init__(self, broker: Settings, home: Path, **environment: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "ALLOW_FAULTPOINTS").touch()
        shutil.copy(broker.broker_file, home / "broker.json")
        self.environment = {"MIZAN_HOME": str(home), **environment}
        self.settings = Settings.load(self.environment, folder=home)
        create_keys(self.settings)
        Lake(self.settings).create()
        from catalogue.tables import create

        create(self.settings)
        self.agencies: list[str] = []

    def agency(self, partitions: int = 3) -> str:
        """A new agency with its topic; the name sorts anywhere among the others of this broker."""
        name = "stage-" + secrets.token_hex(6)
        add_agency(self.settings, name, partitions=partitions)
        self.agencies.append(name)
        return name

    def clear(self) -> None:
        """Take this stage's topics off the broker: the next test lands every topic it sees."""
        admin = KafkaAdminClient(**self.settings.kafka_admin().for_kafka_python())
        there = set(admin.list_topics())
        admin.delete_topics([topic(agency) for agency in self.agencies if topic(agency) in there])
        admin.close()

    def producer(self, **more: Any) -> Producer:
        return Producer({**self.settings.kafka_admin().for_librdkafka(), "linger.ms": 5, "log_level": 0, **more})

    def send(self, agency: str, values: Iterable[Any], partitions: int | None = None, **more: Any) -> None:
        """Produce values (bytes, None, or (value, headers)) and wait for every acknowledgement.

        With ``partitions`` they go to that many partitions in turn; else where librdkafka likes, which may be one.
        """
        producer = self.producer(**more)
        failed: list[Any] = []
        for number, value in enumerate(values):
            body, headers = value if isinstance(value, tuple) else (value, None)
            producer.produce(
                topic(agency),
                body,
                headers=headers,
                partition=ANY if partitions is None else number % partitions,
                on_delivery=lambda error, _: failed.append(error),
            )
        assert producer.flush(30) == 0
        assert not any(failed)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start `mizan …` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "console.main", *arguments],
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def rows(self, table: str, query: str) -> list[tuple[Any, ...]]:
        """A query over ``t``, the table's rows."""
        snapshot = Lake(self.settings).open(table)
        connection = memory_connection()
        view_files(connection, "t", snapshot.files, dict(snapshot.columns))
        found = connection.sql(query).fetchall()
        connection.close()
        return found

    def ids(self, agency: str) -> list[str]:
        """Event ids in lake/events, one per row."""
        return [row[0] for row in self.rows("events", "SELECT event_id, agency_id FROM t") if row[1] == agency]

    def reasons(self, agency: str) -> list[str]:
        rows = self.rows("quarantine", 'SELECT reason_code, agency_id FROM t ORDER BY partition, "offset"')
        return [reason for reason, of in rows if of == agency]


def delete_topic(stage: Stage, agency: str) -> None:
    """Delete an agency's topic and wait until it is gone."""
    admin = KafkaAdminClient(**stage.settings.kafka_admin().for_kafka_python())
    admin.delete_topics([topic(agency)])
    deadline = time.monotonic() + 20
    while topic(agency) in admin.list_topics():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    admin.close()


def make_topic(stage: Stage, agency: str, partitions: int = 1) -> None:
    """Give an agency a topic again, which the broker may refuse until the old one is gone from its disk."""
    deadline = time.monotonic() + 20
    while True:
        try:
            add_agency(stage.settings, agency, partitions=partitions)
            return
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def topic(agency: str) -> str:
    return f"egov.events.v1.{agency}"


def visit(agency: str, event_id: str, **changes: Any) -> bytes:
    """A good event that needs nothing of the catalogue."""
    data = {"visit_id": f"v-{event_id}", "channel": "portal", "user_key": secrets.token_hex(32)}
    data |= changes.pop("data", {})
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/agencies/{agency}",
        "type": "ir.egov.visit.recorded.v1",
        "time": dt.datetime(2020, 4, 1, 12, tzinfo=dt.UTC).isoformat(),
        "data": data,
        **changes,
    }
    return json.dumps(document).encode()


@contextlib.contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """The process ends with the block, whatever happened."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def await_stopped(pid: int) -> None:
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "Tt":
        assert time.monotonic() < deadline
        time.sleep(0.05)
