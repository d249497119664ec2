"""The gateway over HTTP: ``POST /v1/events`` and what is known of it.

The order of every request: who asks, is there room, read, check each event, send, wait for the broker, answer. Nothing
of an event is ever logged, and no answer repeats a value but the ids of good events.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import TryAgain, UsageError
from contracts.settings import KafkaLogin, Settings
from gateway import bodies, open_api
from gateway.admission import Admission
from gateway.connections import HEAD_SECONDS, MOST_STRANGERS, Connection, Door, behind
from gateway.logins import Login, Logins
from gateway.metrics import MEDIA_TYPE as METRICS_TYPE
from gateway.metrics import Metrics
from gateway.outlet import Outlet
from gateway.problems import MEDIA_TYPE as PROBLEM_TYPE
from gateway.problems import Problem
from gateway.verdicts import TRY_AGAIN, judge_and_send

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

EVENTS, HEALTH, METRICS, DESCRIPTION = "/v1/events", "/healthz", "/metrics", "/openapi.json"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
UNDER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
AGAIN_SECONDS = 5
HEALTH_SECONDS = 2.0  # a broker's answer is believed this long: asking for health costs it nothing more
_log = logging.getLogger("mizan.gateway")


@dataclass(frozen=True)
class Certificates:
    """PEM files of TLS. With ``client_ca`` a client may show a certificate of that authority in a token's place."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Gateway:
    """What the requests share: logins, room, the way to the broker, counts."""

    def __init__(self, settings: Settings, login: KafkaLogin, door: Door) -> None:
        self._logins = Logins(settings)
        self._admission = Admission(settings.agency_byte_rate)
        self._door = door
        self._kafka = login
        self._outlet: Outlet | None = None
        self._healthy = (False, -HEALTH_SECONDS)
        self.metrics = Metrics()

    @asynccontextmanager
    async def running(self, _: Any) -> AsyncIterator[None]:
        """The connection to the broker, while the server runs."""
        self._outlet = Outlet(self._kafka)
        try:
            yield
        finally:
            self._outlet.close()

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``POST /v1/events``. Raises Problem."""
        headers = _headers(scope)
        login = self._login(scope, headers)
        assert self._outlet is not None
        with self._admission.request(login.agency_id) as held:
            kind = bodies.media_type(headers)
            try:
                body = await bodies.read(receive, headers, held)
            except bodies.Disconnected:
                return
            begun = time.perf_counter()
            held.pay(len(body))
            self.metrics.body_bytes += len(body)
            verdicts = await judge_and_send(bodies.values(body, kind), login, self._outlet)
        self.metrics.waited(time.perf_counter() - begun)
        self.metrics.events.update(verdicts.counts)
        self.metrics.refusals.update(verdicts.why)
        brief = "return=minimal" in headers.get("prefer", "").replace(" ", "").lower()
        document = verdicts.document(only_others=brief)
        more = {"Retry-After": str(AGAIN_SECONDS)} if verdicts.counts[TRY_AGAIN] else {}
        if brief:
            more["Preference-Applied"] = "return=minimal"
        await _answer(send, verdicts.status, json.dumps(document, ensure_ascii=False).encode(), headers=more)

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``GET /healthz``: 200 where the broker answers, 503 where it does not."""
        assert self._outlet is not None
        healthy, asked = self._healthy
        if time.monotonic() - asked >= HEALTH_SECONDS:
            healthy = await self._outlet.answers()
            self._healthy = healthy, time.monotonic()
        document = {"status": "ok" if healthy else "no answer from the broker"}
        more = {} if healthy else {"Retry-After": str(AGAIN_SECONDS)}
        await _answer(send, 200 if healthy else 503, json.dumps(document).encode(), headers=more)

    async def counts(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``GET /metrics``."""
        text = self.metrics.text(
            {
                "requests_in_work": ("Requests in work.", self._admission.requests),
                "held_bytes": ("Bytes of their bodies.", self._admission.bytes_held),
                "strangers": ("Open connections without a known login.", self._door.strangers),
            }
        )
        await _answer(send, 200, text.encode(), METRICS_TYPE)

    async def description(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``GET /openapi.json``."""
        await _answer(send, 200, open_api.text(), headers={"Cache-Control": "no-cache"})

    def _login(self, scope: Scope, headers: Mapping[str, str]) -> Login:
        connection: Connection = scope["state"]["connection"]
        scheme, _, token = headers.get("authorization", "").partition(" ")
        login = None
        if scheme:
            # A bad token is not made good by a certificate: the sender means the token.
            login = self._logins.of_token(token.strip()) if scheme.lower() == "bearer" else None
        elif connection.common_name is not None:
            login = self._logins.of_certificate(connection.common_name)
        if login is None:
            raise Problem("unauthorized", headers={"WWW-Authenticate": 'Bearer realm="mizan"'})
        connection.known()
        return login


def application(gateway: Gateway) -> ASGIApp:
    """The gateway as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import Response
    from starlette.routing import Route

    def said(_: Any, error: Exception) -> Response:
        problem = error
        if isinstance(error, HTTPException):
            code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
            problem = Problem(code, headers=dict(error.headers or {}))
        elif not isinstance(error, Problem):
            # The kind alone: an exception's text may hold what was read.
            _log.error("a request failed: %s", type(error).__name__)
            problem = Problem("internal_error")
        assert isinstance(problem, Problem)
        return Response(problem.document(), problem.status, headers=problem.headers, media_type=PROBLEM_TYPE)

    routes = [
        Route(EVENTS, _Endpoint(gateway.events), methods=["POST"]),
        Route(HEALTH, _Endpoint(gateway.health), methods=["GET"]),
        Route(METRICS, _Endpoint(gateway.counts), methods=["GET"]),
        Route(DESCRIPTION, _Endpoint(gateway.description), methods=["GET"]),
    ]
    handlers: Any = {HTTPException: said, Problem: said, Exception: said}
    known = Starlette(routes=routes, exception_handlers=handlers, lifespan=gateway.running)
    known.router.redirect_slashes = False  # it would lead wherever the request's Host says
    return _EveryAnswer(known, gateway.metrics)


class _Endpoint:
    """An ASGI application that starlette does not wrap: a request costs no more than it must."""

    def __init__(self, answer: ASGIApp) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)


class _EveryAnswer:
    """Every answer, errors among them, carries the strict headers and is counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests[message["status"]] += 1
                given = {name.lower() for name, _ in message["headers"]}
                wanted = HEADERS | (UNDER_TLS if scope["scheme"] == "https" else {})
                message["headers"] = [
                    *message["headers"],
                    *((n.lower().encode(), v.encode()) for n, v in wanted.items() if n.lower().encode() not in given),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


async def _answer(
    send: Send, status: int, body: bytes, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> None:
    told = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in told.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def options(gateway: Gateway, door: Door, certificates: Certificates | None = None) -> dict[str, Any]:
    """The settings of uvicorn, apart from where it listens."""
    tls: dict[str, Any] = {}
    if certificates is not None:
        tls = {"ssl_certfile": certificates.certificate, "ssl_keyfile": certificates.key}
        if certificates.client_ca is not None:
            # Optional: who shows none may show a token; who shows one of another authority ends in the handshake.
            tls |= {"ssl_ca_certs": certificates.client_ca, "ssl_cert_reqs": ssl.CERT_OPTIONAL}
    return {
        "app": application(gateway),
        "http": behind(door),
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "proxy_headers": False,
        "access_log": False,
        "log_level": "critical",  # uvicorn logs a failing request with its trace
        # Fewer wait to be taken in than there are places: who was just let in is heard before the next crowd comes.
        "backlog": MOST_STRANGERS // 2,
        "timeout_keep_alive": int(HEAD_SECONDS),
        "timeout_graceful_shutdown": 30,
        **tls,
    }


def serve(settings: Settings, *, host: str, port: int, certificates: Certificates | None = None) -> None:
    """Answer until stopped. UsageError where the gateway has no Kafka user, TryAgain where the port is taken."""
    import uvicorn

    door, login = Door(), settings.kafka_gateway()
    if login.password_file is not None and not login.password_file.exists():
        raise UsageError("the gateway has no Kafka user yet", hint="mizan gateway token add AGENCY makes it")
    gateway = Gateway(settings, login, door)
    server = uvicorn.Server(uvicorn.Config(host=host, port=port, **options(gateway, door, certificates)))
    try:
        server.run()
    except SystemExit:
        raise TryAgain(f"cannot listen on {host}:{port}", hint="is another program there?") from None
