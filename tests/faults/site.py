"""The real `mizan dashboard` in a process of its own, and readers of it over plain sockets: steady, slow, silent."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"
# An answer, a refusal while the process is down, or the word for one that was broken off.
CODES = (200, 206, 304, 404, 503)
TRACES = (b"Traceback", b'File "', b"Error:", b"SELECT")


class Site:
    """One port of loopback; the process on it may be killed and started again."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port: int = probe.getsockname()[1]
        self._environment = {**os.environ, **environment}
        self.log = folder / "dashboard.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start it and wait until it takes connections. TimeoutError after a minute."""
        call = [sys.executable, "-m", "console.main", "dashboard", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(call, env=self._environment | environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
                return
            except OSError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise TimeoutError(f"the dashboard does not answer: {self.log.read_text()[-300:]}") from error
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9, where it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One GET on a connection of its own. OSError or HTTPException where it is broken off."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=40)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def open(self, said: bytes = b"", buffer: int | None = None) -> socket.socket:
        """A connection that said so much; ``buffer`` is what its kernel takes beforehand."""
        connection = socket.socket()
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(60)
        connection.connect((HOST, self.port))
        connection.sendall(said)
        return connection


class Watcher:
    """Asks for the front page and the version all the while, and notes what no reader may see. Use as a context."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.trouble: list[str] = []
        self.pages: set[str] = set()  # SHA-256 of every front page that was seen
        self.answers = self.refusals = self.newest = 0
        self.may_be_down = False  # while it is killed, a connection may be refused or broken off

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _watch(self) -> None:
        etag, page = "", b""
        while not self._over.is_set():
            was_down = self.may_be_down
            try:
                code, headers, body = self._site.ask("/", **({"If_None_Match": etag} if etag else {}))
                self._note("/", code, body)
                if code == 200:
                    if headers["etag"] == etag and body != page:
                        self.trouble.append(f"another page under the same ETag {etag}")
                    etag, page = headers["etag"], body
                    self.pages.add(hashlib.sha256(body).hexdigest())
                code, _, body = self._site.ask("/CURRENT.json")
                self._note("/CURRENT.json", code, body)
                if code == 200:
                    version = json.loads(body)["version"]
                    if version < self.newest:
                        self.trouble.append(f"version {version} after {self.newest}")
                    self.newest = version
                self.answers += 1
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.refusals += 1
                if not (was_down or self.may_be_down):
                    self.trouble.append(f"{type(error).__name__}: {error}")
            time.sleep(0.02)

    def _note(self, path: str, code: int, body: bytes) -> None:
        if code not in CODES:
            self.trouble.append(f"{path} answers {code}")
        if code != 200 and any(trace in body for trace in TRACES):
            self.trouble.append(f"{path} answers {code} with {body[:200]!r}")
