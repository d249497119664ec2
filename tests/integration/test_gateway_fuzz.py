"""Anything at all to the gateway: an answer that OpenAPI describes or the end of the connection, no error of ours.

`make fuzz` asks the same with schemathesis, which makes its requests from the document.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import uuid
from collections.abc import Iterator

import pytest
from gateway_rig import Answer, Served, described, event, lines, served
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from broker.administration import add_agencies, allow_gateway
from contracts.settings import Settings
from gateway.bodies import BATCH, NDJSON, SINGLE
from gateway.logins import add_token

pytestmark = pytest.mark.integration
MANY = how(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "data", "dataschema", "datacontenttype", "subject", "x"]
)
PATHS = st.sampled_from(
    ["/v1/events", "/healthz", "/openapi.json", "/metrics", "/", "/v1/events/", "//v1/events", "/%00"]
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "BREW"])
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Encoding", "Prefer", "Expect", "Authorization", "Accept", "Upgrade"]),
    st.sampled_from([
        NDJSON, BATCH, SINGLE, "gzip", "gzip, gzip", "return=minimal", "100-continue", "Bearer", "Basic eA==", "*/*",
        "websocket", "a/b; charset=\"", "application/x-ndjson; charset=", "", "\xff",
    ]),
)  # fmt: skip


@pytest.fixture(scope="module")
def site(broker: Settings) -> Iterator[Served]:
    allow_gateway(broker)
    name = f"gf-{uuid.uuid4().hex[:8]}"
    add_agencies(broker, [name])
    with served(broker) as running:
        running.agency, running.token = name, add_token(broker, name)[1]
        yield running


@MANY
@given(data=st.data())
def test_every_event_near_a_good_one_has_its_verdict(site: Served, data: st.DataObject) -> None:
    events = []
    for number in range(data.draw(st.integers(1, 4))):
        one = event(site.agency, number)
        for name in data.draw(st.lists(NAMES, max_size=2)):
            one[name] = data.draw(JSON)
        if isinstance(one["data"], dict):
            one["data"] = {**one["data"], **data.draw(st.dictionaries(st.text(max_size=8), JSON, max_size=1))}
        events.append(one)
    kind = data.draw(st.sampled_from([NDJSON, BATCH]))
    body = lines(*events) if kind == NDJSON else json.dumps(events).encode()
    answer = site.post(body, kind)
    assert answer.status in (202, 207, 422), answer
    assert len(answer.document["events"]) == len(events)


@MANY
@given(
    method=METHODS, path=PATHS, headers=HEADERS, body=st.binary(max_size=200) | st.just(b"[{}]"), known=st.booleans()
)
def test_no_request_brings_an_answer_that_is_not_described(
    site: Served, method: str, path: str, headers: dict[str, str], body: bytes, known: bool
) -> None:
    given = {name: text.encode("latin-1") for name, text in headers.items()}
    if known:
        given["Authorization"] = f"Bearer {site.token}".encode()
    connection = site.connect()
    try:
        connection.request(method, path, body, given)  # type: ignore[arg-type]
        told = connection.getresponse()
        answer = Answer(told.status, {name.lower(): text for name, text in told.getheaders()}, told.read())
    finally:
        connection.close()
    assert answer.status < 500, answer
    assert b"Traceback" not in answer.body
    if "x-content-type-options" not in answer.headers:
        assert answer.status == 400  # not HTTP to the parser: it says so itself
    elif method != "HEAD" and path in ("/v1/events", "/healthz", "/openapi.json"):
        described(path, method, answer)


@MANY
@given(said=st.binary(max_size=300) | st.binary(max_size=60).map(lambda some: b"POST /v1/events HTTP/1.1\r\n" + some))
def test_no_bytes_bring_an_error(site: Served, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while part := connection.recv(65_536):
                got += part
        except ConnectionError:
            pass
    code = re.match(rb"HTTP/1\.[01] (\d{3}) ", got)
    assert not got or (code and int(code[1]) < 500), got[:100]
    assert http.client.responses.get(int(code[1]) if code else 200)
