"""Whether an agency was asked to report, over time: an answer for one stretch, and not asked before and after.

A report speaks of its own time. Where it does not say who was asked, the stretch is blank: not provided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

Row = Mapping[str, str]


def versions(row: Row, expected: str, first_day: str, last_day: str, exists_from: str) -> tuple[Row, Row, Row]:
    """Three versions of a row of agencies.csv: ``expected`` holds on both ISO days and between."""
    before, after = (
        str(dt.date.fromisoformat(day) + dt.timedelta(days=step)) for day, step in ((first_day, -1), (last_day, 1))
    )
    return (
        {**row, "expected_to_report": "false", "valid_from": exists_from, "valid_to": before},
        {**row, "expected_to_report": expected, "valid_from": first_day, "valid_to": last_day},
        {**row, "expected_to_report": "false", "valid_from": after, "valid_to": ""},
    )
