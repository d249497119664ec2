"""The models' SQL in Spark's words. sqlglot translates; what it does not know of the two engines stands here, once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp

Columns = Sequence[tuple[str, str]]  # names and DuckDB's types
_NOTHING = '"NULL"'
# Spark has no 128-bit numbers (what is counted fits into 64), no unsigned ones (those of the same bits stand for them),
# and no column that is NULL and nothing else.
_STORED = {"HUGEINT": "BIGINT", "UBIGINT": "BIGINT", _NOTHING: "INTEGER"}
_TYPES = {**_STORED, "VARCHAR": "STRING", "BLOB": "BINARY", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
_SIMPLE = re.compile(r"[A-Z]+(\(\d+,\s*\d+\))?")
_SIGN = 1 << 64


def parse(sql: str, parameters: Mapping[str, Any] | None = None) -> exp.Expr:
    """A SELECT as a tree, its parameters bound."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    bound = parameters or {}
    for node in [*tree.find_all(exp.Placeholder, exp.Parameter)]:
        node.replace(_literal(bound[node.name]))
    return tree


def reads(tree: exp.Expr) -> set[str]:
    """The relations it names, its own CTEs left out."""
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {table.name for table in tree.find_all(exp.Table)} - own


def in_duckdb(tree: exp.Expr) -> str:
    """The tree as DuckDB reads it."""
    return tree.sql(dialect="duckdb", comments=False)


def in_spark(tree: exp.Expr, columns_of: Callable[[str], Columns], target: Columns | None = None) -> str:
    """A SELECT for Spark, its columns in the order and types in which DuckDB would give them.

    ``columns_of``: what DuckDB says of a SELECT's columns. ``target``: those of the table they go to, by place.
    """
    wanted = columns_of(in_duckdb(tree))
    tree = tree.copy()
    _unions_by_name(tree, columns_of)
    _named(tree, wanted)
    _values_replaced(tree)
    _rows_made(tree)
    tree = tree.transform(_spoken)
    casts = ", ".join(
        f"CAST(`{name}` AS {spark_type(kind)}) AS `{new}`"
        for (name, _), (new, kind) in zip(wanted, target or wanted, strict=True)
    )
    return f"SELECT {casts} FROM ({tree.sql(dialect='spark', comments=False)})"  # noqa: S608 our own words, translated


def recursion(tree: exp.Expr) -> exp.CTE | None:
    """The one CTE of a query that reads itself; Spark does not group in it, so it is run turn by turn."""
    return next((cte for cte in tree.find_all(exp.CTE) if cte.alias in {t.name for t in cte.find_all(exp.Table)}), None)


def spark_type(kind: str) -> str:
    """The name in Spark of a DuckDB type."""
    known = _TYPES.get(kind, kind)
    if not _SIMPLE.fullmatch(known):
        raise ValueError(f"no column of {kind} goes to Spark and back")
    return known


def rows_for_spark(relation: str, columns: Columns) -> str:
    """A SELECT in DuckDB's words: the relation's rows in types that Spark has."""
    return f"SELECT {', '.join(_stored(*column) for column in columns)} FROM {relation}"  # noqa: S608 our own names


def rows_of_spark(files: str, columns: Columns) -> str:
    """A SELECT in DuckDB's words: what Spark wrote, in the types that DuckDB would have given."""
    return f"SELECT {', '.join(_restored(*column) for column in columns)} FROM {files}"  # noqa: S608 our own names


def _stored(name: str, kind: str) -> str:
    value = f'"{name}"'
    if kind == "UBIGINT":
        value = f"CASE WHEN {value} >= {_SIGN // 2} THEN {value}::HUGEINT - {_SIGN} ELSE {value} END"
    return f'({value})::{_STORED.get(kind, kind)} AS "{name}"'


def _restored(name: str, kind: str) -> str:
    value = f'"{name}"'
    if kind == "UBIGINT":
        value = f"CASE WHEN {value} < 0 THEN {value}::HUGEINT + {_SIGN} ELSE {value} END"
    return f'({value})::{_STORED.get(kind) if kind == _NOTHING else kind} AS "{name}"'


def _literal(value: object) -> exp.Expr:
    if isinstance(value, dt.date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, list):
        return exp.Array(expressions=[_literal(one) for one in value])
    return exp.convert(value)


def _unions_by_name(tree: exp.Expr, columns_of: Callable[[str], Columns]) -> None:
    """UNION BY NAME as one by place: the left side's columns, then those that only the right side has."""
    for union in [*tree.find_all(exp.Union)]:
        if not union.args.get("by_name"):
            continue
        left, right = (dict(columns_of(in_duckdb(side))) for side in (union.left, union.right))
        everything = {**right, **left}
        order = [*left, *(name for name in right if name not in left)]
        for side, has in (("this", left), ("expression", right)):
            listed = [
                exp.column(name, quoted=True)
                if name in has
                else exp.alias_(exp.cast(exp.null(), everything[name], dialect="duckdb"), name, quoted=True)
                for name in order
            ]
            union.set(side, exp.select(*listed).from_(union.args[side].subquery("s")))
        union.set("by_name", False)


def _named(tree: exp.Expr, wanted: Columns) -> None:
    """Give a column that has no name of its own the one that DuckDB gives it."""
    while isinstance(tree, exp.SetOperation):
        tree = tree.left
    select = tree.unnest()
    if len(select.expressions) != len(wanted):
        return  # there is a star, and what stands beside one has a name
    for column, (name, _) in zip([*select.expressions], wanted, strict=True):
        if not isinstance(column, exp.Alias | exp.Column | exp.Star):
            column.replace(exp.alias_(column.copy(), name, quoted=True))


def _values_replaced(tree: exp.Expr) -> None:
    """* REPLACE (…) as * EXCEPT (…) and the new values after it: whoever reads them names them."""
    for star in [*tree.find_all(exp.Star)]:
        replaced = star.args.pop("replace", None)
        if not replaced:
            continue
        left_out = [exp.to_identifier(one.alias, quoted=True) for one in replaced]
        star.set("except_", [*(star.args.get("except_") or []), *left_out])
        select = star.find_ancestor(exp.Select)
        assert select is not None
        select.set("expressions", [*select.expressions, *replaced])


def _rows_made(tree: exp.Expr) -> None:
    """UNNEST within an expression, which Spark has only on its own: as a lateral view."""
    for place, made in enumerate([*tree.find_all(exp.Explode)]):
        if isinstance(made.parent, exp.Alias | exp.Select):
            continue
        select = made.find_ancestor(exp.Select)
        assert select is not None
        name = exp.to_identifier(f"made_{place}")
        made.replace(exp.column(name.copy()))
        alias = exp.TableAlias(this=exp.to_identifier(f"of_{place}"), columns=[name])
        select.append("laterals", exp.Lateral(this=made.copy(), view=True, alias=alias))


def _spoken(node: exp.Expr) -> exp.Expr:
    """One word of DuckDB's in Spark's."""
    if isinstance(node, exp.Window):
        return _over(node)
    if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.UBIGINT:
        return _unsigned(node.this)
    if isinstance(node, exp.PercentileCont | exp.Quantile):
        return exp.func("PERCENTILE", node.this, node.args.get("expression") or node.args["quantile"])
    if isinstance(node, exp.Anonymous | exp.Func):
        return _CALLED.get(node.name.upper() or node.sql_name(), _unchanged)(node)
    return node


def _over(window: exp.Window) -> exp.Window:
    called = window.this
    if isinstance(called, exp.Filter):  # Spark has no FILTER over a window
        condition, called = called.expression.this, called.this
        counted = exp.Literal.number(1) if isinstance(called.this, exp.Star) else called.this
        called.set("this", exp.Case().when(condition, counted))
        window.set("this", called)
    is_named = window.args.get("alias") is not None
    if isinstance(called, exp.RowNumber) and not is_named and not window.args.get("order"):
        # Spark wants an order, any order.
        window.set("order", exp.Order(expressions=[exp.Ordered(this=exp.func("MONOTONICALLY_INCREASING_ID"))]))
    return window


def _unsigned(value: exp.Expr) -> exp.Expr:
    """64 bits: a signed number, made of '0x' || digits where it is made."""
    if isinstance(value, exp.DPipe):
        value = exp.func("CONV", value.expression, exp.Literal.number(16), exp.Literal.number(-10))
    return exp.cast(value, "BIGINT")


def _unchanged(node: exp.Expr) -> exp.Expr:
    return node


_CALLED: Mapping[str, Callable[[exp.Expr], exp.Expr]] = {
    "EPOCH_US": lambda call: exp.func("UNIX_MICROS", *call.expressions),
    "ROW": lambda call: exp.func("STRUCT", *call.expressions),
    "LIST_POSITION": lambda call: exp.func("ARRAY_POSITION", *call.expressions),
    "PRINTF": lambda call: exp.func("FORMAT_STRING", *call.expressions),
}
