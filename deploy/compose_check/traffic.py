"""An agency outside the containers that sends visits by HTTP and by Kafka, and knows what was acknowledged.

Both ways give every event an id once and send it again, unchanged, until it is acknowledged.
"""

from __future__ import annotations

import datetime as dt
import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.errors import TryAgain
from contracts.identity import user_key
from producers import Agency, envelope
from producers.login import read_bundle

MONTH = "2020-04"  # of the Gregorian calendar; what lands later than it restates it
_TIME = dt.datetime(2020, 4, 10, 9, tzinfo=dt.UTC)
_PERSONS = 40  # the public tier shows no number that rests on fewer than ten
_AT_ONCE = 20
_PAUSE_SECONDS = 0.2
LAST_WORD_SECONDS = 240


class Sender(threading.Thread):
    """Sends from ``start`` until ``finish``.

    ``acknowledged``: how many events surely are with the broker; ``moving``: some are under way.
    """

    def __init__(self, way: str) -> None:
        super().__init__(name=way, daemon=True)  # its name is part of every id, so each needs its own
        self.acknowledged = 0
        self.moving = False
        self.failure: Exception | None = None
        self._enough = threading.Event()

    def finish(self) -> None:
        """Send no more new events, have the last ones acknowledged, and stop. Raises what went wrong."""
        self._enough.set()
        self.join(LAST_WORD_SECONDS + 30)
        if self.is_alive():
            raise TimeoutError(f"{self.name}: the last events were not acknowledged")
        if self.failure is not None:
            raise self.failure

    def run(self) -> None:
        """Until told that it is enough."""
        try:
            self._send()
        except Exception as error:
            self.failure = error

    def _send(self) -> None:
        raise NotImplementedError

    def _batches(self) -> Iterator[list[tuple[str, str]]]:
        """Ids of visits, with their persons' national ids, until it is enough."""
        numbers = itertools.count()
        while not self._enough.is_set():
            yield [
                (f"{self.name}-{number}", national_id(number % _PERSONS))
                for number in itertools.islice(numbers, _AT_ONCE)
            ]
            self._enough.wait(_PAUSE_SECONDS)


class ByHttp(Sender):
    """To the gateway: batches of lines, each sent until the answer is 202."""

    def __init__(self, number: int, port: int, token: str, bundle: Path) -> None:
        super().__init__(f"http-{number}")
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        self._login = read_bundle(bundle)

    def _send(self) -> None:
        for batch in self._batches():
            body = b"\n".join(self._event(visit, person) for visit, person in batch)
            deadline = time.monotonic() + LAST_WORD_SECONDS
            while (status := self._status(body)) != 202:
                if status not in (None, 207, 429, 503):
                    raise RuntimeError(f"the gateway answered {status}")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the gateway took no events for {LAST_WORD_SECONDS} s")
                time.sleep(0.5)
            self.acknowledged += len(batch)
            self.moving = self.acknowledged > 100

    def _status(self, body: bytes) -> int | None:
        """What the gateway answers; None where it does not."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("POST", "/v1/events", body, self._headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _event(self, visit: str, person: str) -> bytes:
        assert self._login.transport_key is not None
        data: dict[str, Any] = {"visit_id": visit, "channel": "portal"}
        data["user_key"] = user_key(self._login.transport_key, f"nid:{person}")
        if self._login.user_key_id is not None:
            data["user_key_id"] = self._login.user_key_id
        source, kind = envelope.source_of(self._login.agency_id), envelope.full_type("visit.recorded")
        return envelope.encode(envelope.build(f"event-{visit}", source, kind, _TIME, data))


class ByKafka(Sender):
    """To the broker, with the SDK and its spool."""

    def __init__(self, number: int, bundle: Path, spool: Path) -> None:
        super().__init__(f"kafka-{number}")
        self._bundle = bundle
        self._spool = spool

    def _send(self) -> None:
        with Agency.from_bundle(self._bundle, spool=self._spool) as agency:
            agency.heartbeat(window_connected=True)
            said = 0
            for batch in self._batches():
                for visit, person in batch:
                    agency.visited(
                        visit_id=visit, channel="portal", person=f"nid:{person}", time=_TIME, event_id=f"event-{visit}"
                    )
                said += len(batch)
                self.moving = said > 100
            deadline = time.monotonic() + LAST_WORD_SECONDS
            while True:
                try:
                    agency.flush()
                    break
                except TryAgain:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(1)
            self.acknowledged = said


def national_id(number: int) -> str:
    """Ten digits with the right check digit; no person's that we know of, made of a small number."""
    first = f"{100_000_000 + number:09d}"
    remainder = sum(int(digit) * (10 - place) for place, digit in enumerate(first)) % 11
    return f"{first}{remainder if remainder < 2 else 11 - remainder}"
