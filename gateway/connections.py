"""Whose connections are open: so many and no more, each only as long as it is worth it.

Whoever has not shown a good login in its present request is a stranger. Strangers' connections are bounded, and where
a new one comes the oldest makes room: thousands that say nothing, or say it slowly, push each other out, while a
client that is known keeps its place from the end of its request's head until it is answered.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.admission import BODY_BYTES

MOST_STRANGERS = 512
HEAD_SECONDS = 10.0  # from the connection, or the last answer, to the end of a request's head
TAKING_SECONDS = 20.0  # with a full buffer of the answer, and too little of it taken
REST_SECONDS = 5.0  # for the rest of a body whose answer is there already: only then it is sure to be read
HEAD_BYTES = 32 * 2**10
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
MESSAGE_BYTES = (
    4 * BODY_BYTES + HEAD_BYTES
)  # of one request with all that chunks add, and of a rest that is passed over


class Door:
    """The strangers' connections, oldest first."""

    def __init__(self) -> None:
        self._strangers: dict[Connection, None] = {}
        self.turned_out = 0

    @property
    def strangers(self) -> int:
        """How many are open."""
        return len(self._strangers)

    def enter(self, connection: Connection) -> None:
        """A new stranger, or one that was known for a request; the oldest goes where there are too many."""
        if len(self._strangers) >= MOST_STRANGERS:
            self.turned_out += 1
            next(iter(self._strangers)).cut()
        self._strangers[connection] = None

    def leave(self, connection: Connection) -> None:
        """It is known now, or gone."""
        self._strangers.pop(connection, None)


class Connection(HttpToolsProtocol):
    """HTTP/1.1 on one connection. ``door`` is set by ``behind``."""

    door: Door

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._head = 0  # bytes of its fields
        self._size = 0  # bytes since the present request began
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    @property
    def common_name(self) -> str | None:
        """Of the client's certificate, which TLS has verified; None without one."""
        certificate = self.transport.get_extra_info("peercert") or {}
        names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
        return names[0] if len(names) == 1 else None

    def known(self) -> None:
        """The present request has shown a good login."""
        self.door.leave(self)

    def cut(self) -> None:
        """End it at once, whatever is still to be sent."""
        self.door.leave(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A stranger comes."""
        super().connection_made(transport)
        self.door.enter(self)
        self._wait("head", HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.door.leave(self)
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes; too many of one head, or of one message, end the connection."""
        if self.transport.is_closing():
            return
        self._size += len(data)
        super().data_received(data)
        if self._in_head and self._size > HEAD_BYTES:
            self.transport.write(_TOO_LONG)
            self.transport.close()
        elif self._size > MESSAGE_BYTES:
            self.cut()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self.scope["state"]["connection"] = self

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head. Those behind a body mean nothing here and would be kept: they end the request."""
        if not self._in_head:
            raise ValueError("fields after the body")
        self._head += len(name) + len(value)
        if self._head > HEAD_BYTES:
            raise ValueError("too long a head")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; how long the body may take is for the application to say."""
        self._in_head = False
        self._stop_waiting("head")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; what comes next is another one's head."""
        self._in_head, self._size = True, 0
        self._stop_waiting("rest")
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._wait("head", HEAD_SECONDS)

    def on_response_complete(self) -> None:
        """A stranger again, who may ask once more; the rest of a body not wanted is passed over for a while."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        self.door.leave(self)
        self.door.enter(self)
        if not self.cycle.response_complete:
            return  # the next request came with this one and is in work
        if self._in_head:
            self._wait("head", HEAD_SECONDS)
        else:
            # Not idle: the keep-alive's own time is for a connection that says nothing.
            self._unset_keepalive_if_required()
            self._wait("rest", REST_SECONDS)

    def pause_writing(self) -> None:
        """The buffer is full."""
        super().pause_writing()
        self._wait("taking", TAKING_SECONDS)

    def resume_writing(self) -> None:
        """The reader has taken most of it."""
        self._stop_waiting("taking")
        super().resume_writing()

    def _wait(self, what: str, seconds: float) -> None:
        """Cut the connection after so long; waiting twice for the same is waiting once."""
        if what not in self._waiting:
            self._waiting[what] = self.loop.call_later(seconds, self.cut)

    def _stop_waiting(self, what: str) -> None:
        timer = self._waiting.pop(what, None)
        if timer is not None:
            timer.cancel()


def behind(door: Door) -> type[Connection]:
    """The protocol of the connections that come through this door."""
    return type("ConnectionBehindDoor", (Connection,), {"door": door})
