"""The demo's scenarios: what each run streams next, and which table it prints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import MizanError, UsageError
from contracts.reporting_time import Calendar

# The first run shows a quarter, every later one adds the month after.
FIRST_MONTHS = 3


@dataclass(frozen=True)
class DemoScenario:
    """One scenario: its months in order, how they are streamed, and the scope whose table is printed."""

    name: str
    title: str
    calendar: Calendar
    scope: str
    scope_id: str
    months: tuple[str, ...]
    whole: bool = False  # streamed in one go: a year's inventory is one statement, a round of evaluation too
    imported: bool = False  # real data, not told by a scenario

    def next_batch(self, streamed: Sequence[str]) -> list[str]:
        """The months that the next run streams; none when all are."""
        left = [month for month in self.months if month not in streamed]
        return left if self.whole else left[: 1 if streamed else FIRST_MONTHS]

    def stream(self, batch: Sequence[str], seed: int) -> None:
        """Stream months through the same command that a person would type. Raises MizanError where it fails."""
        if self.imported:
            call = ["import", "canada-service-inventory", "--as-events"]
        else:
            call = ["simulate", self.name, "--months", f"{batch[0]}/{batch[-1]}", "--seed", str(seed)]
        done = subprocess.run([sys.executable, "-m", "console.main", *call], check=False)
        if done.returncode:
            raise MizanError(f"streaming {self.name} ended with exit code {done.returncode}")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        DemoScenario(
            "qom-1399-h1",
            "Qom province, first half of 1399, one event for each thousand",
            "jalali",
            "province",
            "qom",
            tuple(f"1399-{number:02d}" for number in range(1, 7)),
        ),
        DemoScenario(
            "national-window-1402",
            "National window of smart services, 1402, one event for each thousand",
            "jalali",
            "national",
            "IR",
            tuple(f"1402-{number:02d}" for number in range(1, 7)),
        ),
        DemoScenario(
            "tehran-service-desk-1398",
            "The service desk of Tehran province, 1398, one event for each thousand",
            "jalali",
            "province",
            "tehran",
            tuple(f"1398-{number:02d}" for number in range(5, 8)),
        ),
        DemoScenario(
            "qom-districts-1398",
            "The five districts of Qom county, 1398",
            "jalali",
            "county",
            "qom-county",
            tuple(f"1398-{number:02d}" for number in range(9, 13)),
        ),
        DemoScenario(
            "national-evaluation-1397",
            "The national evaluation up to 1397; it counts agencies' scores, not people's transactions",
            "jalali",
            "national",
            "IR",
            ("1396-10", "1396-11", "1396-12", "1397-01", "1397-02"),
            whole=True,
        ),
        DemoScenario(
            "canada-2023",
            "Canada's Service Inventory 2023-2024, real open data, one event for each thousand",
            "gregorian",
            "national",
            "IR",
            (*(f"2023-{number:02d}" for number in range(4, 13)), *(f"2024-{number:02d}" for number in range(1, 4))),
            whole=True,
            imported=True,
        ),
    )
}


def find(name: str) -> DemoScenario:
    """The scenario of that name; UsageError with the names there are."""
    if name not in SCENARIOS:
        raise UsageError(f"no demo scenario {name!r}", hint="one of: " + ", ".join(SCENARIOS))
    return SCENARIOS[name]
