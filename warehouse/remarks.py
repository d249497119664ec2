"""COMMENT ON every published table and column, in English and Persian, for whoever opens the database with a tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from contracts.shipped import shipped_yaml
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable, quoted

_VINTAGES = "_vintages"
_STATUS = "_status"
Said = tuple[str, str]


def write_remarks(connection: Connection, tables: Sequence[MetricTable], *, target: str) -> None:
    """Comment on all tables and columns of ``target.marts``: first what all tables share, then contracts' labels."""
    metrics = {table.name: table for table in tables}
    found = connection.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE database_name = $target AND schema_name = 'marts' GROUP BY table_name",
        {"target": target},
    ).fetchall()
    remarks = []
    for name, columns in found:
        metric = metrics.get(name.removesuffix(_VINTAGES))
        relation = f"{target}.marts.{name}"
        remarks += [f"TABLE {relation} IS {_literal(said)}" for said in _of_table(name, metric)]
        for column in columns:
            remarks += [
                f"COLUMN {relation}.{quoted(column)} IS {_literal(said)}" for said in _of_column(column, metric)
            ]
    # One call: hundreds of small ones cost as much as a table.
    connection.execute(";".join(f"COMMENT ON {remark}" for remark in remarks))


@cache
def _texts() -> dict[str, Any]:
    return shipped_yaml("warehouse", "remarks.yaml")


def _of_table(name: str, metric: MetricTable | None) -> Iterator[Said]:
    said = _texts()["tables"].get(name.removesuffix(_VINTAGES)) or (_label(metric.contract) if metric else None)
    if said:
        earlier = _texts()["earlier_vintages"]
        yield (
            (said[0], said[1])
            if not name.endswith(_VINTAGES)
            else (f"{earlier[0]}: {said[0]}", f"{earlier[1]}: {said[1]}")
        )


def _of_column(column: str, metric: MetricTable | None) -> Iterator[Said]:
    if said := _words(column, metric):
        yield said
    elif column.endswith(_STATUS) and (measure := _words(column.removesuffix(_STATUS), metric)):
        english, persian = _texts()["status"]
        yield english.format(en=measure[0]), persian.format(fa=measure[1])


def _words(column: str, metric: MetricTable | None) -> Said | None:
    texts = _texts()
    shared = texts["standing"].get(column) if metric is not None and metric.time_key else None
    said = shared or (_label(metric.spec(column)) if metric is not None else None) or texts["columns"].get(column)
    return (said[0], said[1]) if said else None


def _label(spec: Mapping[str, Any]) -> Said | None:
    label = spec.get("label") or {}
    return (label["en"], label["fa"]) if label.get("en") and label.get("fa") else None


def _literal(said: Said) -> str:
    text = " / ".join(said)
    return "'" + text.replace("'", "''") + "'"
