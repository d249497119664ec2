"""Event ids: UUIDs of version 7 (RFC 9562), which sort by the millisecond they were made in."""

from __future__ import annotations

import secrets
import threading
import time
from random import Random

_LOCK = threading.Lock()
_last_moment = 0
_counter = 0


def new_event_id() -> str:
    """An id made now; within this process every id sorts after the one before it, also when the clock steps back.

    The 12 bits of ``rand_a`` count within a millisecond (RFC 9562, method 1); they start below 2048, and an
    overflow borrows the next millisecond.
    """
    global _last_moment, _counter
    with _LOCK:
        now = time.time_ns() // 1_000_000
        if now > _last_moment:
            _last_moment, _counter = now, secrets.randbits(11)
        elif _counter < 0xFFF:
            _counter += 1
        else:
            _last_moment, _counter = _last_moment + 1, secrets.randbits(11)
        moment, counter = _last_moment, _counter
    return _shaped(moment, counter, secrets.randbits(62))


def seeded_event_id(epoch_ms: int, random: Random) -> str:
    """The same shape from a seed: the event's own millisecond and 74 seeded bits. The same call twice differs."""
    bits = random.getrandbits(74)
    return _shaped(epoch_ms, bits >> 62, bits & 0x3FFF_FFFF_FFFF_FFFF)


def _shaped(epoch_ms: int, rand_a: int, rand_b: int) -> str:
    high, low = divmod(rand_b, 1 << 48)
    return f"{epoch_ms >> 16:08x}-{epoch_ms & 0xFFFF:04x}-7{rand_a:03x}-{high | 0x8000:04x}-{low:012x}"
