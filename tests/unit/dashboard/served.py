"""What the tests of the dashboard's server share: a front page, and a client that tidies nothing up."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

FRONT = b"<!doctype html><title>front</title><style>p{}</style><p>figures</p>"


@dataclass
class Client:
    """Asks for paths exactly as they are written: other clients tidy them up first."""

    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        finally:
            connection.close()
