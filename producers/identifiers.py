"""Event ids: UUIDs of version 7 (RFC 9562), which sort by the millisecond they were made in."""

from __future__ import annotations

import os
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from random import Random

_LOCK = threading.Lock()
_last_moment = 0
_counter = 0
# Random numbers of 64 bits still to be used: one question to the system serves 512 ids.
_DRAWN_BYTES = 4_096
_drawn: Iterator[tuple[int]] = iter(())


def new_event_id() -> str:
    """An id made now; within this process every id sorts after the one before it, also when the clock steps back.

    The 12 bits of ``rand_a`` count within a millisecond (RFC 9562, method 1); they start below 2048, and an
    overflow borrows the next millisecond.
    """
    global _last_moment, _counter, _drawn
    with _LOCK:
        now = time.time_ns() // 1_000_000
        if now > _last_moment:
            _last_moment, _counter = now, secrets.randbits(11)
        elif _counter < 0xFFF:
            _counter += 1
        else:
            _last_moment, _counter = _last_moment + 1, secrets.randbits(11)
        moment, counter = _last_moment, _counter
        random = next(_drawn, None)
        if random is None:
            _drawn = struct.iter_unpack(">Q", os.urandom(_DRAWN_BYTES))
            random = next(_drawn)
    return _shaped(moment, counter, random[0] >> 2)


def _draw_anew() -> None:
    """In a child process: what was drawn before the fork is the parent's, and its lock may be held for ever."""
    global _drawn, _LOCK
    _drawn, _LOCK = iter(()), threading.Lock()


os.register_at_fork(after_in_child=_draw_anew)


def seeded_event_id(epoch_ms: int, random: Random) -> str:
    """The same shape from a seed: the event's own millisecond and 74 seeded bits. The same call twice differs."""
    bits = random.getrandbits(74)
    return _shaped(epoch_ms, bits >> 62, bits & 0x3FFF_FFFF_FFFF_FFFF)


def _shaped(epoch_ms: int, rand_a: int, rand_b: int) -> str:
    high, low = divmod(rand_b, 1 << 48)
    return f"{epoch_ms >> 16:08x}-{epoch_ms & 0xFFFF:04x}-7{rand_a:03x}-{high | 0x8000:04x}-{low:012x}"
