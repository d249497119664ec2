"""A crowd that means no good, each client again and again until the time is over; what became of each attempt.

Hand-made on epoll: four thousand of asyncio's clients are slower than the server that they are to press.
"""

from __future__ import annotations

import random
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = b"POST /v1/events HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-ndjson\r\n"
TICK_SECONDS = 0.3
BETWEEN_SECONDS = 0.05


@dataclass(frozen=True)
class Kind:
    """What a client says when it is connected, and what it adds at every tick."""

    opening: bytes = b""
    drip: bytes = b""


def kinds(token: str) -> dict[str, Kind]:
    """Each way to mean no good; ``token`` is a good one, misused."""
    no_token = b"Authorization: Bearer mzt_000000000000_" + b"A" * 43 + b"\r\n"
    good_token = b"Authorization: Bearer " + token.encode() + b"\r\n"
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 900) for number in range(100))
    return {
        "says_nothing": Kind(),
        "slow_head": Kind(HEAD + b"X-Slow: ", b"x"),
        "wrong_token": Kind(HEAD + no_token + b"Content-Length: 2\r\n\r\n{}"),
        "huge_body": Kind(HEAD + good_token + b"Content-Length: 1000000000000\r\n\r\n"),
        "endless_body": Kind(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"{" * 4096 + b"\r\n"),
        "garbage": Kind(random.Random(8).randbytes(300)),
        "long_head": Kind(HEAD + fields + b"\r\n"),
    }


class Crowd:
    """``clients`` that gather within two seconds; ``ended`` is (kind, status code or ``cut``) to how often."""

    def __init__(self, port: int, token: str, clients: int) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        self.most_at_once = 0
        self._port = port
        self._kinds = kinds(token)
        self._epoll = select.epoll()
        self._open: dict[int, tuple[socket.socket, str, bytes]] = {}
        names = list(self._kinds)
        begun = time.monotonic()
        # Both in order of time: those who have not been here yet, and those who come again.
        self._to_come = deque((begun + 2 * number / clients, names[number % len(names)]) for number in range(clients))
        self._again: deque[tuple[float, str]] = deque()

    def press(self, seconds: float) -> None:
        """Be hostile for so long."""
        deadline, tick = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < deadline:
            for line in (self._to_come, self._again):
                while line and line[0][0] <= now:
                    self._connect(line.popleft()[1])
            for number, what in self._epoll.poll(0.02, 500):
                self._happened(number, what)
            if now - tick >= TICK_SECONDS:
                tick = now
                for sock, name, _ in list(self._open.values()):
                    self._say(sock, self._kinds[name].drip)
            self.most_at_once = max(self.most_at_once, len(self._open))
        for sock, _, _ in self._open.values():
            sock.close()
        self._epoll.close()

    def _connect(self, name: str) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", self._port))
        self._open[sock.fileno()] = sock, name, b""
        self._epoll.register(sock, select.EPOLLOUT | select.EPOLLIN)

    def _happened(self, number: int, what: int) -> None:
        sock, name, said = self._open[number]
        if what & select.EPOLLOUT:
            self._epoll.modify(number, select.EPOLLIN)
            self._say(sock, self._kinds[name].opening)
        if what & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            try:
                part = sock.recv(65_536)
            except BlockingIOError:
                return
            except OSError:
                part = b""
            if part and not said:
                self._open[number] = sock, name, part
            if not part:
                self._epoll.unregister(number)
                del self._open[number]
                sock.close()
                self.ended[name, said[9:12].decode("latin-1") if said else "cut"] += 1
                self._again.append((time.monotonic() + BETWEEN_SECONDS, name))

    @staticmethod
    def _say(sock: socket.socket, what: bytes) -> None:
        try:
            if what:
                sock.send(what)
        except OSError:
            pass  # full, or ended: the next look finds out


def told(ended: Counter[tuple[str, str]]) -> Iterator[tuple[str, dict[str, int]]]:
    """Of every kind, how its attempts ended."""
    for name in {name for name, _ in ended}:
        yield name, {how: count for (kind, how), count in ended.items() if kind == name}
