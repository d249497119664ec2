"""A proxy that stands as a broker's advertised listener and fails on order: network faults without the kernel's help.

It ends TLS with the node's own certificate and opens it anew behind, so it sees Kafka's frames (a length, then a
request or a response) under the product's real SASL_SSL. What it holds back, drops or cuts is decided frame by frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PRODUCE = 0
FETCH = 1
KINDS = ("reset", "blackhole", "delay", "half-open", "trickle")
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, what is in the buffers is gone


@dataclass(frozen=True)
class Fault:
    """One trouble: after ``after`` seconds of calm, for ``seconds``. ``amount`` is its own measure (see ``drawn``)."""

    kind: str
    after: float
    seconds: float
    amount: float = 0.0


def drawn(rng: random.Random, kinds: Sequence[str] = KINDS, count: int = 3, longest: float = 2.0) -> list[Fault]:
    """A schedule: each of ``count`` faults of a drawn kind. Delay in seconds a frame, trickle in bytes a second."""
    amounts = {"delay": (0.05, 2.0), "trickle": (2_000.0, 50_000.0)}
    found = []
    for _ in range(count):
        kind = rng.choice(kinds)
        low, high = amounts.get(kind, (0.0, 0.0))
        found.append(Fault(kind, rng.uniform(0.1, 1.0), rng.uniform(0.2, longest), rng.uniform(low, high)))
    return found


class FaultProxy:
    """Forwards ``address`` to a port of loopback. Runs in a thread of its own until ``close``; calls are thread-safe.

    Faults: reset (every connection is cut with RST and new ones are refused), blackhole (nothing travels, nothing is
    told), delay (each frame waits), half-open (established connections stay up and are dead, new ones work), trickle
    (few bytes a second).
    """

    def __init__(self, behind: int, certificate: Path, authority: Path) -> None:
        self._behind = behind
        self._inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._inward.load_cert_chain(certificate)
        self._outward = ssl.create_default_context(cafile=str(authority))
        self._kind, self._amount = "", 0.0
        self._losing = 0  # responses to PRODUCE that are still to be lost
        self._connections: set[_Connection] = set()
        self.counted: Counter[str] = Counter()  # frames: "produce" and "fetch" requests, "lost" responses
        self._loop = asyncio.new_event_loop()
        self._calm = asyncio.Event()
        self._calm.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, HOST, 0, ssl=self._inward)).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def play(self, faults: Sequence[Fault]) -> Future[None]:
        """Play a schedule in the background; the network is healthy when the future is done."""
        return self._do(self._play(faults))

    def begin(self, kind: str, amount: float = 0.0) -> None:
        """Begin one fault, until ``heal``."""
        self._do(self._set(kind, amount)).result()

    def heal(self) -> None:
        """A healthy network for whoever is still connected, and for whoever connects."""
        self._do(self._set("", 0.0)).result()

    def present(self, certificate: Path) -> None:
        """Show this certificate to whoever connects from now on."""
        self._inward.load_cert_chain(certificate)

    def lose_acknowledgements(self, count: int) -> None:
        """Forward the next PRODUCE requests, and instead of each of ``count`` responses cut the connection."""
        self._losing = count

    @property
    def still_losing(self) -> int:
        return self._losing

    def close(self) -> None:
        """Cut everything and end the thread; safe to repeat."""
        if self._loop.is_closed():
            return
        self._do(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(what, self._loop)

    async def _play(self, faults: Sequence[Fault]) -> None:
        try:
            for fault in faults:
                await asyncio.sleep(fault.after)
                await self._set(fault.kind, fault.amount)
                await asyncio.sleep(fault.seconds)
                await self._set("", 0.0)
        finally:
            await self._set("", 0.0)

    async def _set(self, kind: str, amount: float) -> None:
        self._kind, self._amount = kind, amount
        (self._calm.clear if kind == "blackhole" else self._calm.set)()
        for connection in list(self._connections):
            if kind == "reset":
                connection.cut()
            elif kind == "half-open":
                connection.dead = True

    async def _end(self) -> None:
        self._server.close()
        await self._set("", 0.0)
        for connection in list(self._connections):
            connection.cut()
        served = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if served:
            await asyncio.wait(served, timeout=3)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._kind == "reset":
            _abort(writer)
            return
        try:
            there = await asyncio.open_connection(HOST, self._behind, ssl=self._outward, server_hostname="localhost")
        except OSError:
            _abort(writer)  # the broker is down: so is its listener
            return
        connection = _Connection(writer, there[1])
        self._connections.add(connection)
        ways = [
            asyncio.create_task(self._pump(connection, reader, there[1], True)),
            asyncio.create_task(self._pump(connection, there[0], writer, False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            connection.close()

    async def _pump(
        self, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter, asking: bool
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                length = await source.readexactly(4)
                frame = await source.readexactly(int.from_bytes(length, "big"))
                if asking:
                    self._note(connection, frame)
                if self._kind == "delay":
                    await asyncio.sleep(self._amount)
                await self._calm.wait()
                if connection.dead:
                    continue
                if not asking and self._loses(connection, frame):
                    connection.cut()
                    return
                await self._send(sink, length + frame)

    def _note(self, connection: _Connection, frame: bytes) -> None:
        api, correlation = int.from_bytes(frame[:2], "big"), frame[4:8]
        if api == PRODUCE:
            self.counted["produce"] += 1
            connection.produced.add(correlation)
        elif api == FETCH:
            self.counted["fetch"] += 1

    def _loses(self, connection: _Connection, frame: bytes) -> bool:
        """Whether this is a response to PRODUCE that is to be lost: the broker has appended, the client never hears."""
        if frame[:4] not in connection.produced:
            return False
        connection.produced.discard(frame[:4])
        if self._losing <= 0:
            return False
        self._losing -= 1
        self.counted["lost"] += 1
        return True

    async def _send(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        step = 200
        while data and self._kind == "trickle":
            sink.write(data[:step])
            await sink.drain()
            data = data[step:]
            await asyncio.sleep(step / self._amount)
        sink.write(data)
        await sink.drain()


class _Connection:
    """The two ends of one connection, and the PRODUCE requests in flight on it."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self._ends = ends
        self.produced: set[bytes] = set()
        self.dead = False

    def cut(self) -> None:
        """With RST, at once."""
        for end in self._ends:
            _abort(end)

    def close(self) -> None:
        """As a peer that has nothing more to say: what was forwarded still arrives."""
        for end in self._ends:
            end.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    writer.transport.abort()
