"""Every example beside a model is run as it is written: given tables, when some rows are asked for, then these rows.

``given events`` and ``given <table of the catalogue>`` fill the lake and the catalogue. ``when`` names columns, joined
by "and": ``when month is jalali 1399-01 and scope is province qom``, ``when as_of is 2020-03-20``; ``when today is
2020-06-01`` sets the day on which the figures are looked at. Without a ``when`` every row of the table is meant.
"""

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
from example_catalogue import catalogue_of
from lake_bench import TODAY, LakeBench

from catalogue.tables import tables
from transforms import evaluation, model
from warehouse.connection import Connection

TEHRAN = ZoneInfo("Asia/Tehran")
EXAMPLES = sorted(model.ROOM.glob("*/*/examples/*.md"))
WORDS = {"not provided": "not_provided", "not applicable": "not_applicable"}
WHEN = re.compile(r"^when (.+)$", re.MULTILINE)
TYPES = {
    "received": "ir.egov.transaction.received.v1",
    "completed": "ir.egov.transaction.completed.v1",
    "visit": "ir.egov.visit.recorded.v1",
    "retraction": "ir.egov.event.retracted.v1",
    "declaration": "ir.egov.agency.declaration.v1",
    "inquiry": "ir.egov.inquiry.answered.v1",
    "heartbeat": "ir.egov.agency.heartbeat.v1",
    "control total": "ir.egov.agency.control_total.v1",
}
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def table(text: str, after: str) -> list[dict[str, str]]:
    """The first Markdown table below a line."""
    lines = text.split(f"\n{after}\n", 1)[1].strip().splitlines()
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
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
        said |= {"reason_in_person": cells.get("reason") or None, "assisted_by": cells.get("helped by") or None}
    if kind == "inquiry":
        said |= {"inquiry_id": cells.get("inquiry") or f"q-{name}", "mode": cells["mode"]}
        said |= {"counterpart_agency_id": cells["counterpart"]}
    if kind == "declaration":
        value = WORDS.get(cells["value"], cells["value"])
        said |= {"calendar": "jalali", "period": cells["period"]}
        said |= {"measure": cells.get("measure") or "transactions_completed"}
        said |= {"service_id": cells.get("service") or None}
        said |= {"declared_status": value, "declared_value": None} if value in WORDS.values() else {}
        said |= {} if value in WORDS.values() else {"declared_status": "value", "declared_value": int(value)}
    if kind == "heartbeat":
        said |= {"window_connected": {"yes": True, "no": False}.get(cells["connected"])}
        said |= {"sender_contract_version": cells.get("contract") or "1.0"}
    if kind == "control total":
        said |= {"total_date": dt.date.fromisoformat(cells["of"]), "total_count": int(cells["total"])}
        said |= {"total_event_type": TYPES[cells.get("of type") or "completed"]}
    said["visit_id"] = cells.get("visit") or None
    said["retracted_event_id"] = cells.get("retracts") or None
    return said


def value(text: str) -> Any:
    """A cell: blank is NULL, words are words, numbers may be arithmetic."""
    if text in WORDS:
        return WORDS[text]
    if not re.fullmatch(r"[\d\s+*/().-]+", text) or re.search(r"\d-\d\d-|^\d{4}-\d\d$", text):
        return text or None
    return arithmetic(ast.parse(text.strip(), mode="eval").body)


def arithmetic(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return ARITHMETIC[type(node.op)](arithmetic(node.left), arithmetic(node.right))
    assert isinstance(node, ast.Constant)
    return Fraction(node.value)


def conditions(text: str) -> dict[str, str]:
    """Column to value, as the example's ``when`` says."""
    when = WHEN.search(text)
    found: dict[str, str] = {}
    for part in when.group(1).split(" and ") if when else ():
        name, _, said = part.partition(" is ")
        first, _, second = said.partition(" ")
        if name in ("month", "period"):
            found |= {"calendar": first, name: second}
        elif name == "scope":
            found |= {"scope": first, "scope_id": second or "IR"}
        else:
            found[name] = said
    return found


def built(connection: Connection, found: model.Model, asked: dict[str, str], columns: list[str]) -> list[list[Any]]:
    """The model's rows that the example speaks of, in the example's columns."""
    measures = {measure.name for measure in found.measures}
    names = ", ".join(
        f'COALESCE("{name}"::VARCHAR, "{name}_status")' if name in measures else f'"{name}"' for name in columns
    )
    where = " AND ".join(f'"{name}"::VARCHAR = ${name}' for name in asked) or "TRUE"
    rows = connection.execute(f'SELECT {names} FROM "{found.table}" WHERE {where}', asked).fetchall()
    return [[shown(cell) for cell in row] for row in rows]


def shown(cell: Any) -> Any:
    """A value as an example writes it."""
    if isinstance(cell, dt.datetime):
        return f"{cell.astimezone(TEHRAN):%Y-%m-%d %H:%M}"
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(cell) if isinstance(cell, dt.date) else cell


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
    given = {name: table(text, f"given {name}") for name in ("events", *tables()) if f"\ngiven {name}\n" in text}
    assert given, "an example gives something"
    events = [event(number, cells) for number, cells in enumerate(given.pop("events", []))]
    if given:
        bench.catalogue = catalogue_of(given)
    if events:
        bench.land("b1", events)
    found = model.models(file.parents[2].name)[file.parents[1].name]
    wanted = table(text, "then")
    columns = list(wanted[0])
    asked = conditions(text)
    today = dt.date.fromisoformat(asked.pop("today", TODAY.isoformat()))
    with bench.build() as connection:
        bench.update(connection)
        evaluation.refresh(connection, today)
        rows = built(connection, found, asked, columns)
    order = [[str(cell) for cell in row] for row in rows]
    rows = [row for _, row in sorted(zip(order, rows, strict=True))]
    assert len(rows) == len(wanted), rows
    for row, cells in zip(rows, wanted, strict=True):
        expected = [value(cell) for cell in cells.values()]
        assert all(map(same, expected, row)), f"then {dict(zip(columns, expected, strict=True))}, but built {row}"


def test_every_metric_has_examples() -> None:
    with_examples = {file.parents[1].name for file in EXAMPLES}
    assert set(model.models("metrics")) <= with_examples
