"""The page of every published table, written from the models' contracts and the heads of their queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.vocabularies import labels
from transforms.model import PUBLISHED, Model, models
from warehouse.metric_tables import MetricTable

_SHELVES = {
    "metrics": "Rows by month or period. They have a state and a vintage; earlier vintages are in `<table>_vintages`.",
    "evaluations": "Computed whole, as of a day or a round.",
}
# What publishing adds to every row by month or period; no contract holds them.
_ADDED = {
    "scope_key": ("VARCHAR", "`scope:scope_id`, joins `dim_scope`", "دامنه و شناسه‌اش"),
    "month_start": ("DATE", "first day of the month or period", "آغاز ماه یا دوره"),
    "is_headline": ("BOOLEAN", "Jalali, national, all channels", "شمسی، کل کشور، همه بسترها"),
    "completeness": ("DOUBLE", "events landed over the control totals stated for them", "کامل بودن"),
    "completeness_status": ("VARCHAR", "as of a measure", "وضعیت کامل بودن"),
    "state": ("VARCHAR", "a code of [month_state](#month_state)", "وضعیت ماه"),
    "vintage": ("INTEGER", "1 at first, one more whenever a cell of the month changed", "نسخه ماه"),
    "held_agencies": ("VARCHAR", "agencies of which a held batch is missing in the row", "دستگاه‌های با دسته معطل"),
}


def reference() -> str:
    """The page, in Markdown."""
    shelves = {shelf: _described(shelf) for shelf in PUBLISHED}
    used = {"value_status", "month_state"} | {
        column.spec["vocabulary"]
        for tables in shelves.values()
        for model, _ in tables
        for column in model.columns
        if column.spec.get("vocabulary")
    }
    return "\n".join(
        [
            "# Published tables",
            "",
            "Written by `make reference` from each table's `contract.yaml` and the head of its `query.sql`; nothing",
            "here is entered by hand. They are in the schema `marts` of `published/<tier>/current.duckdb`, in Parquet,",
            "and in CSV for the public. How to read them: [for readers of the numbers](../numbers.md).",
            "",
            "Beside each *measure* stands `<measure>_status`: the number is empty unless it says `value` (see",
            "[value_status](#value_status)). `suppressed` is in the public tier alone. The columns of the grain tell",
            "two rows apart.",
            "",
            "## What publishing adds",
            "",
            "To every table by month or period:",
            "",
            "| Column | Type | Meaning | معنی |",
            "|---|---|---|---|",
            *(f"| `{name}` | {kind} | {en} | {fa} |" for name, (kind, en, fa) in _ADDED.items()),
            "",
            *(line for shelf, tables in shelves.items() for line in _shelf(shelf, tables)),
            "## Codes",
            "",
            *(line for name in sorted(used) for line in _codes(name)),
        ]
    )


def _described(shelf: str) -> list[tuple[Model, MetricTable]]:
    found = sorted(models(shelf).values(), key=lambda model: model.published)
    return [
        (model, MetricTable(model.published, model.table, shelf, model.contract, model.physical)) for model in found
    ]


def _shelf(shelf: str, tables: list[tuple[Model, MetricTable]]) -> Iterator[str]:
    yield from (f"## {shelf.capitalize()}", "", _SHELVES[shelf], "")
    for model, table in tables:
        yield from _table(model, table)


def _table(model: Model, table: MetricTable) -> Iterator[str]:
    label = model.contract["label"]
    yield from (f"### {table.name}", "", f"{label['en']} · {label['fa']}", "")
    yield from (f"Grain: {', '.join(f'`{key}`' for key in table.keys)}. Version {model.version}.", "")
    yield from ("```text", *_head(model.query), "```", "")
    statuses = {f"{measure}_status" for measure in table.measures}
    yield from ("| Column | Type | | Meaning | معنی | Values |", "|---|---|---|---|---|---|")
    for name in table.columns:
        if name in statuses or name not in table.types:
            continue
        spec = table.spec(name)
        role = "grain" if name in table.keys else "measure" if name in table.measures else ""
        said = spec.get("label", {"en": "", "fa": ""})
        yield f"| `{name}` | {table.types[name]} | {role} | {said['en']} | {said['fa']} | {_values(spec)} |"
    added = [f"`{name}`" for name in table.columns if name not in table.types]
    yield from ("", *((f"And {', '.join(added)}.", "") if added else ()))


def _head(query: str) -> Iterator[str]:
    for line in query.splitlines():
        if not line.startswith("--"):
            return
        yield line.removeprefix("--").removeprefix(" ")


def _values(spec: Any) -> str:
    parts = []
    if "vocabulary" in spec:
        also = "".join(f", `{code}`" for code in spec.get("also", ()))
        parts.append(f"[{spec['vocabulary']}](#{spec['vocabulary']}){also}")
    if "numerator" in spec:
        parts.append(f"{spec['numerator']} / {spec['denominator']}")
    if "range" in spec:
        low, high = spec["range"]
        parts.append(f"from {low}" if high is None else f"{low} to {high}")
    return "; ".join(parts)


def _codes(vocabulary: str) -> Iterator[str]:
    yield from (f"### {vocabulary}", "", "| Code | Meaning | معنی |", "|---|---|---|")
    yield from (f"| `{code}` | {label.en} | {label.fa} |" for code, label in labels(vocabulary).items())
    yield ""
