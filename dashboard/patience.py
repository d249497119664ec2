"""How long a reader of the dashboard may take, whoever it is: one slow reader must not keep the others out.

A connection counts towards the server's limit from its first byte on. One whose request does not arrive, or that does
not take its answer, is therefore cut; an answer itself takes as long as it needs while the reader keeps taking it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0  # from the connection, or the last answer, to the end of a request
TAKING_SECONDS = 20.0  # with a full buffer of the answer, and too little of it taken


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that cuts connections whose reader sends or takes too slowly."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Cut, not closed: the rest of an answer that nobody takes would stay in the buffer for ever.
        self._asking = _Deadline(REQUEST_SECONDS, self)
        self._taking = _Deadline(TAKING_SECONDS, self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for a request."""
        super().connection_made(transport)
        self._asking.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._asking.end()
        self._taking.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request; a next one on the same connection has as long as the first."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._asking.end()
        elif not self.transport.is_closing():
            self._asking.begin()

    def pause_writing(self) -> None:
        """The buffer is full."""
        super().pause_writing()
        self._taking.begin()

    def resume_writing(self) -> None:
        """The reader has taken most of it."""
        self._taking.end()
        super().resume_writing()


class _Deadline:
    """After so many seconds the protocol's connection is cut; beginning twice is beginning once."""

    def __init__(self, seconds: float, protocol: H11Protocol) -> None:
        self._seconds, self._protocol = seconds, protocol
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        if self._timer is None:
            self._timer = self._protocol.loop.call_later(self._seconds, self._protocol.transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
