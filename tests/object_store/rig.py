"""The S3-compatible store of tests and benchmarks, started and stopped: server.py in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# `make object-store` installs it there, apart from the environment.
PACKAGES = HERE.parents[1] / "var" / "object-store"
BUCKET = "lakes"


@dataclass(frozen=True)
class Store:
    """A running store: its address and the file that tells its requests."""

    port: int
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it. The key is nobody's: the store takes any."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIATESTSONLY",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret-but-never-told",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def fault(self, **asked: str) -> None:
        """Ask for a fault (server.py); without any, for none."""
        self._ask("POST", "/_fault?" + "&".join(f"{name}={value}" for name, value in asked.items()))

    def make_bucket(self) -> None:
        self._ask("PUT", f"/{BUCKET}")

    def _ask(self, method: str, path: str) -> None:
        address = f"http://127.0.0.1:{self.port}{path}"
        urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30).close()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Store]:
    """A store that answers, with its bucket, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = Store(port, folder / "object-store.log")
    with store.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, HERE / "server.py", str(port)],
            env={**os.environ, "PYTHONPATH": str(PACKAGES)},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                store.make_bucket()
                break
            except OSError:
                assert process.poll() is None, store.log.read_text()
                assert time.monotonic() < deadline, "the store does not answer"
                time.sleep(0.1)
        yield store
    finally:
        process.kill()
        process.wait()
