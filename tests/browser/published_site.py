"""The dashboard's own server over a home, in a thread, on a port of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from contracts.settings import Settings
from dashboard.server import application, limits


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The origin under which the published report of ``settings`` answers, until the context ends."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(application(settings), log_level="critical", **limits()))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            running.join(timeout=30)
