"""The report over HTTP: what is answered, what is not, and the headers of every answer."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from contracts.settings import Settings
from dashboard.server import HEADERS, application, content_security_policy

FRONT = b"<!doctype html><title>front</title><style>p{}</style><p>figures</p>"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)


@pytest.fixture
def public(settings: Settings) -> Path:
    """A published folder as a publication leaves it: links to the version in service."""
    folder = settings.published / "public"
    pages = folder / ".report" / "v000001" / "report" / "fa"
    pages.mkdir(parents=True)
    (pages / "agencies.html").write_bytes(b"<p>agencies</p>")
    (folder / "report").symlink_to(".report/v000001/report")
    (folder / "index.html").write_bytes(FRONT)
    (folder.parent / "analyst").mkdir()
    (folder.parent / "analyst" / "secret.txt").write_text("exact")
    return folder


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


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(application(settings), log_level="critical", lifespan="off"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        try:
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            running.join(timeout=30)


def test_the_front_page_and_those_below_it_are_served_from_the_version_in_service(client, public):
    assert client.ask("/")[2] == FRONT
    assert client.ask("/report/fa/agencies.html")[2] == b"<p>agencies</p>"
    assert client.ask("/", "HEAD")[::2] == (200, b"")


def test_every_answer_carries_the_strict_headers(client, public):
    for path, code in (("/", 200), ("/report/fa/agencies.html", 200), ("/nothing", 404), ("/.report/v000001", 404)):
        status, headers, _ = client.ask(path)
        assert status == code, path
        assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self' 'sha256-")
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in headers


def test_the_policy_allows_the_style_of_the_pages_and_no_other():
    assert content_security_policy(FRONT) != content_security_policy(FRONT.replace(b"p{}", b"p{} "))


@pytest.mark.parametrize(
    "path",
    [
        "/../analyst/secret.txt",
        "/%2e%2e/analyst/secret.txt",
        "/report/%2e%2e/%2e%2e/analyst/secret.txt",
        "/.report/v000001/report/fa/agencies.html",
        "/report/../.report/v000001/report/fa/agencies.html",
        "//etc/passwd",
        "/index.html%00.txt",
        "/" + "a" * 5000,
    ],
)
def test_what_is_not_published_is_not_there(client, public, path):
    status, _, body = client.ask(path)
    assert status == 404
    assert b"exact" not in body
    assert b"Traceback" not in body


def test_nothing_can_be_sent(client, public):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.ask("/", method)[0] == 405


def test_before_the_first_publication_it_says_so_and_when_to_ask_again(client):
    status, headers, body = client.ask("/")
    assert (status, headers["retry-after"]) == (503, "5")
    assert b"Nothing is published yet." in body


def test_what_a_version_left_unchanged_is_not_sent_again_and_what_changed_is(client, public):
    etag = client.ask("/")[1]["etag"]
    assert client.ask("/", If_None_Match=etag)[::2] == (304, b"")
    following = public / ".index.html.next"
    following.write_bytes(FRONT + b"<p>more</p>")
    following.replace(public / "index.html")
    status, headers, _ = client.ask("/", If_None_Match=etag)
    assert (status, headers["etag"] != etag) == (200, True)


def test_a_file_that_cannot_be_read_is_no_trace_on_the_page(client, public):
    # A link that leads to itself: the system refuses to follow it.
    (public / "report").unlink()
    (public / "report").symlink_to("report")
    status, _, body = client.ask("/report/fa/agencies.html")
    assert status in (404, 503)
    assert b"Error" not in body


def test_mizan_dashboard_answers_on_this_machine_alone(settings, public):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"MIZAN_HOME": str(settings.home)}
    call = [sys.executable, "-m", "console.main", "dashboard", "--port", str(port)]
    with subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not _answers("127.0.0.1", port):
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
            status, headers, body = Client(port).ask("/")
            assert (status, body) == (200, FRONT)
            assert "server" not in headers
            own = socket.gethostbyname(socket.gethostname())
            assert own.startswith("127.") or not _answers(own, port)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((address, port)) == 0
