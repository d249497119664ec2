"""Polars, its streaming engine: n_unique of each channel and of all."""

import datetime as dt

import polars as pl
from measured import BEFORE, FIRST, Answer, tell


def ask(folder: str) -> Answer:
    """Two lazy queries over one scan, collected together."""
    first, before = (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in (FIRST, BEFORE))
    month = pl.scan_parquet(f"{folder}/*.parquet").filter(
        (pl.col("occurred_at") >= first) & (pl.col("occurred_at") < before)
    )
    counts = (pl.col("pid").drop_nulls().n_unique(), pl.col("visit_id").drop_nulls().n_unique())
    of_each, of_all = pl.collect_all(
        [month.group_by("channel").agg(*counts), month.select(*counts)], engine="streaming"
    )
    return {"all": list(of_all.row(0))} | {channel: [p, v] for channel, p, v in of_each.iter_rows()}


tell(ask)
