"""From a spool to the broker: send, wait for the acknowledgement, mark; what a kill interrupts is sent again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol

from contracts.errors import TryAgain
from contracts.failpoints import failpoint
from producers.spool import Spool

# Sent again after a kill: at most this many events, whose ids landing then counts as duplicates.
BATCH = 5_000


class Sender(Protocol):
    """What delivery needs of a connection."""

    def send(self, value: bytes) -> None:
        """Hand one event over."""

    def flush(self) -> int:
        """Wait; how many of those handed over were acknowledged without a hole."""


def deliver(spool: Spool, sender: Sender, progress: Callable[[int], None] | None = None) -> int:
    """Send every pending record; return how many were acknowledged.

    Raises TryAgain where the broker stops taking them; what it took is marked, the rest stays pending.
    """
    delivered = 0
    values = spool.unacknowledged()
    while True:
        count = 0
        for value in islice(values, BATCH):
            sender.send(value)
            count += 1
        if not count:
            return delivered
        failpoint("deliver.handed_over")
        acknowledged = sender.flush()
        failpoint("deliver.acknowledged")
        spool.acknowledge(acknowledged)
        failpoint("deliver.marked")
        delivered += acknowledged
        if progress is not None:
            progress(acknowledged)
        if acknowledged < count:
            raise TryAgain(f"{spool.pending} events wait in {spool.folder}", hint="run the same command again")
