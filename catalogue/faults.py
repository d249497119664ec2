"""What is wrong with catalogue rows: every fault with its place and a hint, all of them in one refusal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import BadInput

SHOWN_AT_MOST = 50


@dataclass(frozen=True)
class Fault:
    """One fault: where (``agencies.csv:4``), what is wrong, how to mend it."""

    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class BadCatalogue(BadInput):
    """The rows were refused as a whole; ``faults`` lists why."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        lines = [str(fault) for fault in self.faults[:SHOWN_AT_MOST]]
        if len(self.faults) > SHOWN_AT_MOST:
            lines.append(f"… and {len(self.faults) - SHOWN_AT_MOST} more")
        many = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([f"{many} in the catalogue; nothing was loaded", *lines]))


@dataclass(frozen=True)
class PlacedRow:
    """One row that was read, and where it stands."""

    where: str
    values: dict[str, Any] = field(default_factory=dict)
