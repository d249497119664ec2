"""An S3-compatible store for tests and benchmarks: moto's, with its conditional put made one step.

``python server.py <port>``, with the packages of requirements.txt on the path. moto looks whether an object is there
and then puts it, two steps in which two writers could both find nothing; here a lock makes them one, as a store must.
Objects are kept in memory and nobody's signature is checked: it is no proof of speed or of access rules.

Two faults can be asked for, which a test cannot have of a real store:

* ``POST /_fault?conditions=ignored``: conditions are not looked at, as by a store that does not know them.
* ``POST /_fault?lost=<part of a path>``: the next conditional put there is done, and answered as if it had failed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

Answer = Callable[..., Any]
FAILED = ("503 Slow Down", [("Content-Type", "application/xml")])


class OneStep:
    """moto's application, with conditional puts one at a time and faults where they were asked for."""

    def __init__(self) -> None:
        self._store = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()
        self._ignored = False
        self._lost: str | None = None

    def __call__(self, environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/_fault":
            asked = parse_qs(environ["QUERY_STRING"])
            self._ignored = asked.get("conditions") == ["ignored"]
            self._lost = asked.get("lost", [None])[0]
            answer("204 No Content", [])
            return []
        if environ["REQUEST_METHOD"] != "PUT" or "HTTP_IF_NONE_MATCH" not in environ:
            return self._store(environ, answer)
        if self._ignored:
            del environ["HTTP_IF_NONE_MATCH"]
        with self._turn:
            body = list(self._store(environ, answer if not self._is_lost(path) else _unheard))
        if self._is_lost(path):
            self._lost = None
            answer(*FAILED)
            return [b"<Error><Code>SlowDown</Code></Error>"]
        return body

    def _is_lost(self, path: str) -> bool:
        return self._lost is not None and self._lost in path


def _unheard(*_: Any) -> Callable[[bytes], object]:
    return lambda _: None


class Kept(WSGIRequestHandler):
    """Keeps connections open, as stores do, and says every request with the condition it came with."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        condition = "" if self.headers.get("If-None-Match") is None else " If-None-Match"
        sys.stderr.write(f"{self.command} {self.path} {getattr(code, 'value', code)}{condition}\n")


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), OneStep(), threaded=True, request_handler=Kept)
