"""Checked claims as one JSON document, each cell with the command that shows where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from provenance.check import Outcome
from provenance.claim_files import ClaimFile, Figure, vocabulary
from provenance.figures import Cell
from provenance.wording import Range

_SHOWN = ("numerator", "denominator", "population", "coverage", "coverage_status", "lake_version")


def document(claims: ClaimFile, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A file's outcomes as one JSON document."""
    source = claims.source
    return {
        "source": {
            "id": source.id,
            "title": source.title._asdict(),
            "period": source.period,
            "catalogue": source.catalogue,
        },
        "claims": [_documented(outcome) for outcome in outcomes],
    }


def _documented(outcome: Outcome) -> dict[str, Any]:
    claim, quoted = outcome.claim, outcome.claim.quoted
    return {
        "id": claim.id,
        "says": claim.says._asdict(),
        "quoted": None
        if quoted is None
        else {
            "value": quoted.value,
            "upper": quoted.upper,
            "unit": quoted.unit,
            "wording": quoted.wording,
            "range": None if isinstance(quoted.value, str) else _range(quoted.range),
        },
        "kind": claim.kind,
        "recomputed": None if outcome.number is None else outcome.number.value,
        "recomputed_range": None if outcome.number is None else _range(outcome.number.range),
        "by_quotes": None if outcome.by_quotes is None else outcome.by_quotes.value,
        "by_quotes_range": None if outcome.by_quotes is None else _range(outcome.by_quotes.range),
        "text": outcome.text,
        "readings": dict(outcome.readings),
        "figures": [_cell(cell) for cell in outcome.cells],
        "instead": [_cell(cell) for cell in outcome.instead],
        "verdict": outcome.verdict,
        "expect": claim.expect,
        "as_expected": outcome.is_expected,
        "because": [{"code": code, **vocabulary("reasons")[code]._asdict()} for code in outcome.because],
        "note": None if claim.note is None else claim.note._asdict(),
    }


def _range(found: Range) -> list[float | None]:
    """Low and high; None for no end."""
    return [None if math.isinf(end) else end for end in (found.low, found.high)]


def _cell(cell: Cell) -> dict[str, Any]:
    passport = cell.passport or {}
    return {
        "name": cell.figure.name,
        "status": cell.status,
        "value": cell.value if cell.text is None else cell.text,
        "range": None if cell.range is None else _range(cell.range),
        "rows": len(cell.rows),
        "passport": {name: passport.get(name) for name in _SHOWN} if passport else None,
        "explain": explain_line(cell.figure, cell),
    }


def explain_line(figure: Figure, cell: Cell) -> str | None:
    """The command that shows where the cell comes from; None where there is not exactly one row."""
    if len(cell.rows) != 1:
        return None
    keys = {name: ",".join(values) for name, values in figure.key.items()}
    if figure.newest:
        keys[figure.newest] = str(cell.rows[0][figure.newest])
    named = " ".join(f"{name}={value}" for name, value in keys.items())
    return f"mizan explain {figure.table} {named} --measure {figure.measure}"
