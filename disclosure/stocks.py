"""Running totals: which of them, and of what came in between, may stand side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from disclosure.relations import Flags, Numbers, Places


@dataclass(frozen=True)
class Stocks:
    """Months of series, one after the other.

    ``series``: a number, ascending; ``flows``: the cells of what came (-1: none); ``stocks``: of all that had come.
    """

    series: Places
    flows: Places
    stocks: Places


def shown_stocks(stocks: Stocks, numbers: Numbers, shown: Flags, fixed: Flags, need: float) -> Flags:
    """What stays shown of flows and totals: one pass through time, so that a later month changes no earlier one.

    After a month that is withheld nothing more is shown of a series until two months or more have brought together what
    is needed: then their total is.
    """
    shown = shown.copy()
    # Where all of a series is shown, or nothing, it stays so.
    seen = [np.where(cells >= 0, shown[cells], True) for cells in (stocks.flows, stocks.stocks)]
    count = int(stocks.series.max(initial=-1)) + 1
    is_hidden, is_told = (
        np.bincount(stocks.series, weights=weights, minlength=count) > 0
        for weights in (~(seen[0] & seen[1]), (seen[0] & (stocks.flows >= 0)) | (seen[1] & (stocks.stocks >= 0)))
    )
    mixed = (is_hidden & is_told)[stocks.series]
    columns = (column[mixed].tolist() for column in (stocks.series, stocks.flows, stocks.stocks))
    last, pending, brought = -1, 0, 0.0
    for series, flow, stock in zip(*columns, strict=True):
        if series != last:
            last, pending, brought = series, 0, 0.0
        came = float(numbers[flow]) if flow >= 0 else 0.0
        if not pending and (flow < 0 or shown[flow]) and (stock < 0 or shown[stock]):
            continue
        pending, brought = pending + 1, brought + came
        if flow >= 0 and not fixed[flow] and numbers[flow] > 0:
            shown[flow] = False
        if stock >= 0:
            if pending > 1 and brought >= need and shown[stock]:
                pending, brought = 0, 0.0
            elif numbers[stock] > 0 and not fixed[stock]:
                shown[stock] = False
    return np.asarray(shown, dtype=bool)
