"""The steps of a check: what each took, what it said, and the name of the one that failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from console.output import note

Found = TypeVar("Found")


class StepFailed(Exception):
    """A step did not hold; ``step`` names it."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(reason)
        self.step = step


@dataclass
class Step:
    """One thing that was shown: wall seconds, and what was seen."""

    name: str
    seconds: float = 0.0
    seen: str = ""


@dataclass
class Steps:
    """What was shown so far, in order."""

    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time what follows; StepFailed with this name where it raises anything."""
        note(f"{name} …")
        step, began = Step(name), time.monotonic()
        try:
            yield step
        except Exception as error:
            raise StepFailed(name, f"{type(error).__name__}: {error}") from error
        step.seconds = time.monotonic() - began
        self.done.append(step)


def until(holds: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """What ``holds`` gives as soon as it is something; TimeoutError, which says ``what``, after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)
    return found
