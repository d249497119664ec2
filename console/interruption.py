"""Ctrl-C in commands that go on until it: no library they call may swallow it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def until_ctrl_c() -> Iterator[threading.Event]:
    """An event for a loop to wait on. Ctrl-C sets it and raises KeyboardInterrupt: at once, or when the block ends.

    kafka-python takes whatever is raised while it waits for Kafka, and may never give it back.
    """
    pressed = threading.Event()

    def press(*_: object) -> None:
        pressed.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed.is_set():
        raise KeyboardInterrupt
