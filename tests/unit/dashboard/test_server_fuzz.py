"""Anything at all over a real socket: an answer of HTTP or the end of the connection, never what is not published.

Why not schemathesis: it makes requests from an OpenAPI schema, and this surface has none to describe. There are no
parameters, no bodies and no JSON; every path is a file's name, and the set of files changes with every publication. A
schema would say `GET /{path}` and leave the tool with what Hypothesis does here, at the price of some 40 packages.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import FRONT, Client

SECRET = b"exact"
ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
PARTS = st.sampled_from([
    "", ".", "..", "%2e%2e", "%2E.", "..%2f", "%252e%252e", "report", "fa", "agencies.html", "index.html", ".report",
    "v000001", "analyst", "secret.txt", "public", "etc", "passwd", "%00", "%ff%fe", "\\", "..\\", "~", "*", "?a=1",
    "%E2%80%AE", "a" * 300, ";", "csv", "CON", "file:", "http:", "%0d%0aX-Injected: 1",
])  # fmt: skip
PATHS = st.lists(PARTS | st.text(max_size=12), max_size=8).map("/".join)
METHODS = st.sampled_from(
    ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH", "get", "G T"]
)
NAMES = st.sampled_from([
    "Host", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept-Encoding", "Connection", "Upgrade",
    "Content-Length", "Transfer-Encoding", "Expect", "X-Forwarded-For", "Cookie", "Sec-WebSocket-Version",
])  # fmt: skip
VALUES = st.sampled_from([
    "*", "bytes=0-", "bytes=5-2", "bytes=-0", "bytes=0-0,1-1,2-2", "bytes=99999999999999999999-", "W/\"x\"", "\"",
    "websocket", "Upgrade", "chunked", "-1", "9" * 30, "0", "100-continue", "Thu, 99 Foo 2020", "close", "keep-alive",
])  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, VALUES | st.text(max_size=20)), max_size=6)
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def said(port: int, request: bytes) -> bytes:
    """All that the server says to these bytes, until it has nothing more to say."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        try:
            while part := connection.recv(65_536):
                parts.append(part)
        except ConnectionError:
            pass
        return b"".join(parts)


def check(answer: bytes) -> None:
    assert SECRET not in answer
    assert b"Traceback" not in answer
    assert b"root:" not in answer
    assert b"\r\nX-Injected" not in answer
    if answer:
        code = ANSWER.match(answer)
        assert code is not None, answer[:80]
        assert int(code[1]) in (200, 206, 304, 400, 404, 405, 416, 431), answer[:200]


@MANY
@given(path=PATHS, method=METHODS, headers=HEADERS)
def test_no_request_brings_an_error_or_what_is_not_published(client: Client, public: Path, path, method, headers):
    lines = [f"{method} /{path} HTTP/1.1", "Host: here", *(f"{name}: {value}" for name, value in headers), "", ""]
    check(said(client.port, "\r\n".join(lines).encode()))


@MANY
@given(request=st.binary(max_size=300))
def test_no_bytes_bring_an_error(client: Client, public: Path, request):
    check(said(client.port, request))


@MANY
@given(path=PATHS, method=st.sampled_from(["GET", "HEAD"]))
def test_what_is_answered_with_200_is_a_file_of_the_version_in_service(client: Client, public: Path, path, method):
    raw = f"{method} /{path} HTTP/1.0\r\n\r\n".encode("utf-8", "replace")
    answer = said(client.port, raw)
    if answer.startswith(b"HTTP/1.1 200") and method == "GET":
        # We closed our half: the server may take that for good-bye, and cut what it was about to say.
        body = answer.partition(b"\r\n\r\n")[2]
        assert FRONT.startswith(body) or b"<p>agencies</p>".startswith(body)


@pytest.mark.parametrize("path", ["/report/fa/agencies.html", "/"])
def test_ranges_are_of_the_file(client: Client, public: Path, path: str):
    whole = client.ask(path)[2]
    status, headers, part = client.ask(path, Range="bytes=2-5")
    assert (status, part) == (206, whole[2:6])
    assert headers["content-range"] == f"bytes 2-5/{len(whole)}"
