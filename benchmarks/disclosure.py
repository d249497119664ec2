"""How much of the public tier follows from the rest, and what it would take to stop that: an attack on a built home.

``make audit`` reads the build of ``MIZAN_HOME`` and writes nothing. CPU-seconds, not wall: the machine may be shared.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time

import numpy as np

from contracts.settings import Settings
from disclosure.attack import attack
from disclosure.complement import by_rows, complement
from warehouse import shaping
from warehouse.connection import build_connection
from warehouse.metric_tables import metric_tables
from warehouse.public_cells import flagged, problem
from warehouse.public_gate import Told
from warehouse.public_remarks import loss
from warehouse.public_withheld import decision


def main() -> None:
    """Print one line of figures: cells, withheld, inferred by the attacker, and what each defence would withhold."""
    settings = Settings.load()
    with build_connection(settings) as connection:
        connection.execute("SET preserve_insertion_order = true")
        tables = metric_tables(connection)
        shaping.shape(connection, tables, settings, dt.datetime.now(dt.UTC))
        start = time.process_time()
        asked = problem(connection, tables, flagged(connection, tables, settings.min_cell), settings.min_cell)
    modelled = time.process_time() - start
    used = np.zeros(len(asked.numbers), dtype=bool)
    for sums in asked.sums:
        used[np.unique(sums.members.indices)] = True
    figures: dict[str, float] = {
        "cells": int(used.sum()),
        "shown": int((used & asked.shown).sum()),
        "model_cpu_s": round(modelled, 1),
    }
    start = time.process_time()
    told = [attack(sums, asked.numbers, asked.shown, asked.need, most=0) for sums in asked.sums]
    figures |= {
        "not_proved_safe_without_complement": sum(len(one.exposed) for one in told),
        "attack_cpu_s": round(time.process_time() - start, 1),
    }
    start = time.process_time()
    rows = asked.shown & ~by_rows(asked)
    figures |= {"complementary_by_rows": int(rows.sum()), "rows_cpu_s": round(time.process_time() - start, 1)}
    figures |= _as_published(settings)
    if "--complement" in sys.argv:
        start = time.process_time()
        pattern = complement(asked)
        figures |= {
            "complementary": int(pattern.complementary.sum()),
            "exposed_left": len(pattern.exposed),
            "rounds": pattern.rounds,
            "programs": pattern.programs,
            "complement_cpu_s": round(time.process_time() - start, 1),
        }
    print(json.dumps(figures))


def _as_published(settings: Settings) -> dict[str, float]:
    """What publishing would withhold of the build, were nothing published before, and what the attacker makes of it."""
    with build_connection(settings) as connection:
        connection.execute("SET preserve_insertion_order = true")
        tables = metric_tables(connection)
        shaping.shape(connection, tables, settings, dt.datetime.now(dt.UTC))
        start = time.process_time()
        decided = decision(connection, tables, settings, before="before").made()
        spent = time.process_time() - start
        counted = loss(connection, decided, Told(decided.shown, ~decided.shown & False), settings.calendar)
        figures = {f"published_{name}": value for name, value in counted.items()}
    told = [
        attack(sums, decided.cells.numbers, decided.shown, decided.cells.need, most=20).exposed
        for sums in decided.cells.sums
    ]
    return figures | {
        "published_exposed": sum(len(one) for one in told),
        "published_rounds": decided.rounds,
        "published_cpu_s": round(spent, 1),
    }


if __name__ == "__main__":
    main()
