"""Polars, its streaming engine: n_unique."""

import datetime as dt

import polars as pl
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str, columns: list[str]) -> Answer:
    """Lazy queries over one scan, collected together."""
    first, before = (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in (FIRST, BEFORE))
    month = pl.scan_parquet(f"{folder}/*.parquet").filter(
        (pl.col("occurred_at") >= first) & (pl.col("occurred_at") < before)
    )
    counts = (pl.col("pid").drop_nulls().n_unique(), pl.col("visit_id").drop_nulls().n_unique())
    queries = [month.group_by(columns).agg(*counts)] + ([month.select(*counts)] if columns == ["channel"] else [])
    of_each, *of_all = pl.collect_all(queries, engine="streaming")
    answer = {" ".join(cell): [persons, visits] for *cell, persons, visits in of_each.iter_rows()}
    return answer | ({"all": list(of_all[0].row(0))} if of_all else {})


tell(ask)
