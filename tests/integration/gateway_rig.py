"""The gateway on a real socket before a real broker, and an agency's client whose every answer is held to OpenAPI."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
import uvicorn

from contracts.settings import KafkaLogin, Settings
from gateway.bodies import NDJSON
from gateway.connections import Door
from gateway.open_api import open_api
from gateway.server import Certificates, Gateway, options

DESCRIPTION = open_api()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def verdicts(self) -> list[str]:
        """Of each event, a refused one with its reason."""
        return [event.get("reason", event["verdict"]) for event in self.document["events"]]


@dataclass
class Served:
    """A running gateway, asked as an agency asks it."""

    port: int
    gateway: Gateway
    door: Door
    token: str = ""
    context: ssl.SSLContext | None = None
    agency: str = ""

    def connect(self) -> http.client.HTTPConnection:
        if self.context is not None:
            return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            told = connection.getresponse()
            answer = Answer(told.status, {name.lower(): text for name, text in told.getheaders()}, told.read())
        finally:
            connection.close()
        described(path, method, answer)
        return answer

    def post(self, body: Any, kind: str = NDJSON, token: str | None = None, **headers: str) -> Answer:
        given = {"Content-Type": kind, **{name.replace("_", "-"): text for name, text in headers.items()}}
        if token or (token is None and self.token):
            given["Authorization"] = f"Bearer {token or self.token}"
        return self.ask("POST", "/v1/events", body, given)


def described(path: str, method: str, answer: Answer) -> None:
    """Fail where OpenAPI says nothing of such an answer, or says otherwise."""
    operation = DESCRIPTION["paths"].get(path.partition("?")[0], {}).get(method.lower())
    if operation is None:
        assert answer.status in (404, 405), answer
        return
    response = operation["responses"][str(answer.status)]
    kind = answer.headers["content-type"].partition(";")[0]
    schema = response["content"][kind].get("schema")
    if schema is not None:
        jsonschema.validate(answer.document, {**schema, "components": DESCRIPTION["components"]})


@contextlib.contextmanager
def served(settings: Settings, login: KafkaLogin | None = None, certificates: Certificates | None = None,
           port: int = 0) -> Iterator[Served]:  # fmt: skip
    """The gateway in a thread of this process, until the block ends."""
    door = Door()
    gateway = Gateway(settings, login or settings.kafka_gateway(), door)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(1024)
        server = uvicorn.Server(uvicorn.Config(**options(gateway, door, certificates)))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        try:
            yield Served(listening.getsockname()[1], gateway, door)
        finally:
            server.should_exit = True
            running.join(timeout=60)
            logging.getLogger("uvicorn").handlers.clear()
            assert not running.is_alive()


@contextlib.contextmanager
def running(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`mizan gateway run` in a process of its own, listening."""
    call = [sys.executable, "-m", "console.main", "gateway", "run", "--port", str(port)]
    with subprocess.Popen(
        call, env={**os.environ, "MIZAN_HOME": str(settings.home)}, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None
                assert time.monotonic() < deadline
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def event(agency: str, number: int = 0, *, source: str | None = None, **data: Any) -> dict[str, Any]:
    """One good completed transaction with an id of its own."""
    given = {"transaction_id": f"t-{number}", "service_id": "s-1", "channel": "portal", "outcome": "accepted"}
    return {
        "specversion": "1.0",
        "id": f"e-{number}-{uuid.uuid4().hex[:12]}",
        "source": source or f"/agencies/{agency}",
        "type": "ir.egov.transaction.completed.v1",
        "time": "2020-05-01T10:00:00Z",
        "data": {**given, **data},
    }


def lines(*events: Any) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in events)
