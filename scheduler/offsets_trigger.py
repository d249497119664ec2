"""Wake up when the broker's end offsets are ahead of the lake's next offsets. Holds no group, reads no event.

A wake-up is a hint: the run it starts takes its work list from the lake's own log. So this trigger may fire too
often or not at all (the minute's schedule catches what it missed), and no count depends on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent


class OffsetsAheadTrigger(BaseEventTrigger):
    """Fires once for each new set of end offsets that the lake has not landed yet."""

    def __init__(self, poll_seconds: float = 5.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own class is untyped here
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer makes this trigger again."""
        return ("scheduler.offsets_trigger.OffsetsAheadTrigger", {"poll_seconds": self.poll_seconds})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll; an unreachable broker or lake is no event, and is asked again."""
        told: dict[str, int] = {}
        while True:
            pending = await asyncio.to_thread(self._pending)
            if pending and pending != told:
                told = pending
                seen = {"topics_ahead": len(pending), "offsets_ahead": sum(pending.values())}
                yield TriggerEvent(seen)  # type: ignore[no-untyped-call]  # Airflow's own class is untyped here
            await asyncio.sleep(self.poll_seconds)

    def _pending(self) -> dict[str, int]:
        from contracts.settings import Settings
        from pipeline.steps import offsets_ahead

        try:
            return offsets_ahead(Settings.load())
        except Exception as error:  # the schedule lands without us; a dead watcher would never wake again
            self.log.warning("cannot compare offsets now: %s", type(error).__name__)
            return {}
