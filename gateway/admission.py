"""How much the gateway takes on at once: requests, bytes in memory, bytes a second of an agency. Beyond that: later."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.problems import Problem

MOST_REQUESTS = 64
MOST_OF_AN_AGENCY = 8
BODY_BYTES = 4 * 2**20  # of one request, unpacked: some 8,000 events of half a kilobyte
MEMORY_BYTES = 64 * 2**20  # of all requests' bodies together, packed and unpacked
SOON, LATER = 1, 5  # seconds until it is worth asking again


@dataclass
class Admission:
    """What is taken on now. ``byte_rate`` is what an agency may send in a second, as its quota at the broker."""

    byte_rate: int
    _requests: int = 0
    _of_agency: Counter[str] = field(default_factory=Counter)
    _bytes: int = 0
    _bucket: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Requests in work."""
        return self._requests

    @property
    def bytes_held(self) -> int:
        """Bytes of their bodies."""
        return self._bytes

    @contextmanager
    def request(self, agency: str) -> Iterator[Held]:
        """Room for one request of an agency while the block lasts. Raises Problem (503, 429) where there is none."""
        if self._of_agency[agency] >= MOST_OF_AN_AGENCY:
            raise Problem("too_many_requests", retry_after=SOON)
        if self._requests >= MOST_REQUESTS:
            raise Problem("busy", retry_after=SOON)
        self._pay(agency, 0)
        self._requests += 1
        self._of_agency[agency] += 1
        held = Held(self, agency)
        try:
            yield held
        finally:
            self._bytes -= held.bytes
            self._requests -= 1
            self._of_agency[agency] -= 1

    def _pay(self, agency: str, size: int) -> None:
        """Take ``size`` from the agency's second. It may be overdrawn once, and is then paid back in time."""
        now = time.monotonic()
        left, then = self._bucket.get(agency, (float(self.byte_rate), now))
        left = min(float(self.byte_rate), left + (now - then) * self.byte_rate) - size
        self._bucket[agency] = left, now
        if not size and left < 0:
            raise Problem("quota_exceeded", retry_after=max(SOON, round(-left / self.byte_rate)))


@dataclass
class Held:
    """What one request holds."""

    admission: Admission
    agency: str
    bytes: int = 0

    def take(self, size: int) -> None:
        """``size`` bytes more. Raises Problem (503) where memory for them is not free."""
        if self.admission._bytes + size > MEMORY_BYTES:
            raise Problem("busy", retry_after=SOON)
        self.admission._bytes += size
        self.bytes += size

    def pay(self, size: int) -> None:
        """``size`` bytes go to the broker: they count towards the agency's rate."""
        self.admission._pay(self.agency, size)
