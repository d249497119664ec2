"""Every example beside a model is run as it is written: given events, when a month is asked for, then these rows."""

from __future__ import annotations

import ast
import datetime as dt
import operator
import re
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lake_bench import LakeBench

from transforms import model
from warehouse.connection import Connection

TEHRAN = ZoneInfo("Asia/Tehran")
EXAMPLES = sorted(model.ROOM.glob("*/*/examples/*.md"))
WORDS = {"not provided": "not_provided", "not applicable": "not_applicable"}
WHEN = re.compile(r"^when (month|period) is (\w+) (\S+) and scope is (\w+)(?: (\S+))?$", re.MULTILINE)
TYPES = {
    "received": "ir.egov.transaction.received.v1",
    "completed": "ir.egov.transaction.completed.v1",
    "visit": "ir.egov.visit.recorded.v1",
    "retraction": "ir.egov.event.retracted.v1",
    "declaration": "ir.egov.agency.declaration.v1",
}
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def table(text: str, after: str) -> list[dict[str, str]]:
    """The first Markdown table below a line."""
    lines = text.split(f"\n{after}\n", 1)[1].strip().splitlines()
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    names, _, *cells = rows
    return [dict(zip(names, row, strict=True)) for row in cells]


def event(number: int, cells: dict[str, str]) -> dict[str, Any]:
    """An event as an adviser writes it; what is left out is the ordinary case."""
    kind, agency, name = cells.get("type", "completed"), cells.get("agency", "water"), cells.get("id", f"e-{number}")
    said: dict[str, Any] = {
        "event_id": name,
        "source": f"/agencies/{agency}",
        "agency_id": agency,
        "event_type": TYPES[kind],
        "occurred_at": dt.datetime.fromisoformat(cells["time"]).replace(tzinfo=TEHRAN).astimezone(dt.UTC),
        "channel": cells.get("channel", "portal") or None,
        "pid": cells["person"].encode() * 16 if cells.get("person") else None,
        "province": cells.get("province") or None,
        "is_test": cells.get("test") == "yes",
    }
    if kind in ("received", "completed"):
        said |= {"transaction_id": cells.get("transaction") or f"t-{name}", "service_id": cells.get("service") or "s1"}
    if kind == "completed":
        said |= {"outcome": cells.get("outcome") or "accepted", "duration_seconds": cells.get("duration") or None}
        said["duration_seconds"] = said["duration_seconds"] and int(said["duration_seconds"])
    if kind == "declaration":
        value = WORDS.get(cells["value"], cells["value"])
        said |= {"calendar": "jalali", "period": cells["period"], "measure": "transactions_completed"}
        said |= {"service_id": cells.get("service") or None}
        said |= {"declared_status": value, "declared_value": None} if value in WORDS.values() else {}
        said |= {} if value in WORDS.values() else {"declared_status": "value", "declared_value": int(value)}
    said["visit_id"] = cells.get("visit") or None
    said["retracted_event_id"] = cells.get("retracts") or None
    return said


def value(text: str) -> Any:
    """A cell: blank is NULL, words are words, numbers may be arithmetic."""
    if text in WORDS:
        return WORDS[text]
    if not re.fullmatch(r"[\d\s+*/().-]+", text) or re.search(r"\d-\d\d-", text):
        return text or None
    return arithmetic(ast.parse(text.strip(), mode="eval").body)


def arithmetic(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return ARITHMETIC[type(node.op)](arithmetic(node.left), arithmetic(node.right))
    assert isinstance(node, ast.Constant)
    return Fraction(node.value)


def built(connection: Connection, found: model.Model, text: str, columns: list[str]) -> list[list[Any]]:
    """The model's rows that the example speaks of, in the example's columns."""
    when = WHEN.search(text)
    if when is None:
        names = ", ".join(f'"{name}"' for name in columns)
        rows = connection.execute(f"SELECT {names} FROM {found.table}").fetchall()
        return [[shown(cell) for cell in row] for row in rows]
    unit, calendar, label, scope, scope_id = when.groups()
    names = ", ".join(
        f"COALESCE({name}::VARCHAR, {name}_status)" if name in {m.name for m in found.measures} else name
        for name in columns
    )
    rows = connection.execute(
        f"SELECT {names} FROM {found.table} WHERE calendar = $c AND {unit} = $l AND scope = $s AND scope_id = $i",
        {"c": calendar, "l": label, "s": scope, "i": scope_id or "IR"},
    ).fetchall()
    return [list(row) for row in rows]


def shown(cell: Any) -> Any:
    return f"{cell.astimezone(TEHRAN):%Y-%m-%d %H:%M}" if isinstance(cell, dt.datetime) else cell


def same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, Fraction):
        try:
            return float(found) == pytest.approx(float(wanted), rel=1e-12)
        except (TypeError, ValueError):
            return False
    return bool(wanted == found)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: f"{file.parents[1].name}-{file.stem}")
def test_the_example_holds(bench: LakeBench, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    bench.land("b1", [event(number, cells) for number, cells in enumerate(table(text, "given events"))])
    found = model.models(file.parents[2].name)[file.parents[1].name]
    wanted = table(text, "then")
    columns = list(wanted[0])
    with bench.build() as connection:
        bench.update(connection)
        rows = built(connection, found, text, columns)
    order = [[str(cell) for cell in row] for row in rows]
    rows = [row for _, row in sorted(zip(order, rows, strict=True))]
    assert len(rows) == len(wanted), rows
    for row, cells in zip(rows, wanted, strict=True):
        expected = [value(cell) for cell in cells.values()]
        assert all(map(same, expected, row)), f"then {dict(zip(columns, expected, strict=True))}, but built {row}"


def test_every_metric_has_examples() -> None:
    with_examples = {file.parents[1].name for file in EXAMPLES}
    assert set(model.models("metrics")) <= with_examples
