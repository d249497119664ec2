"""The report over HTTP: what is answered, what is not, and the headers of every answer."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from served import FRONT, Client

from dashboard import patience, server
from dashboard.server import HEADERS, content_security_policy


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


def test_what_is_not_there_is_said_on_the_versions_own_page_under_any_address(client, public):
    assert b"There is no such page." in client.ask("/nothing")[2]
    (public / "report" / "404.html").write_bytes(b"<h1>not here</h1>")
    for path in ("/nothing", "/report/fa/agency/nobody.html", "/.report/v000001"):
        status, headers, body = client.ask(path)
        assert (status, body) == (404, b"<h1>not here</h1>")
        assert headers["content-type"].startswith("text/html")
    assert client.ask("/nothing", "HEAD")[::2] == (404, b"")


def test_a_part_of_a_file_is_sent_where_it_is_asked_for_and_is_still_the_same_file(client, public):
    (public / "table.csv").write_bytes(bytes(range(200)))
    status, headers, whole = client.ask("/table.csv", "HEAD")
    assert (status, headers["content-length"], headers["accept-ranges"], whole) == (200, "200", "bytes", b"")
    status, part, body = client.ask("/table.csv", Range="bytes=10-19")
    assert (status, body, part["content-range"]) == (206, bytes(range(10, 20)), "bytes 10-19/200")
    assert part["etag"] == headers["etag"]
    assert client.ask("/table.csv", Range="bytes=-5")[::2] == (206, bytes(range(195, 200)))
    assert client.ask("/table.csv", Range="bytes=500-")[0] == 416
    # A download that goes on after another version came begins anew: its first part was of the file before.
    (public / "next").write_bytes(bytes(300))
    (public / "next").replace(public / "table.csv")
    assert client.ask("/table.csv", Range="bytes=10-19", If_Range=headers["etag"])[::2] == (200, bytes(300))


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


def test_a_file_is_sent_as_it_was_opened_though_another_takes_its_name_meanwhile(client, public):
    old, new = os.urandom(12_000_000), b"new"
    (public / "large.bin").write_bytes(old)
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as reader:
        reader.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
        got = reader.recv(1000)
        (public / "next").write_bytes(new)
        (public / "next").replace(public / "large.bin")
        while part := reader.recv(1_000_000):
            got += part
    assert got.partition(b"\r\n\r\n")[2] == old
    assert client.ask("/large.bin")[2] == new


def test_the_time_of_a_file_is_not_taken_for_its_content(client, public):
    # A version rolled back to may hold older files: asked with a later day they are sent all the same.
    os.utime(public / "index.html", (1, 1))
    assert client.ask("/", If_Modified_Since="Mon, 01 Jan 2125 00:00:00 GMT")[::2] == (200, FRONT)


def test_a_request_that_does_not_arrive_is_ended(client, public, monkeypatch):
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.5)
    for said in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as slow:
            slow.sendall(said)
            begun = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while slow.recv(65_536):
                    pass
            assert time.monotonic() - begun < 20
    assert client.ask("/")[0] == 200


def test_an_answer_that_nobody_takes_is_ended(client, public, monkeypatch):
    monkeypatch.setattr(patience, "TAKING_SECONDS", 0.5)
    (public / "large.bin").write_bytes(bytes(30_000_000))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(30)
        slow.connect(("127.0.0.1", client.port))
        slow.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
        time.sleep(2)
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := slow.recv(1_000_000):
                got += len(part)
    assert got < 30_000_000


def test_a_disk_that_hangs_is_an_answer_that_says_so(client, public, monkeypatch):
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.2)
    late = threading.Event()
    monkeypatch.setattr(server, "failpoint", lambda _: late.wait(20))
    status, headers, body = client.ask("/")
    assert (status, headers["retry-after"]) == (503, "5")
    assert "Traceback" not in body.decode()
    late.set()
    assert client.ask("/")[0] == 200
