"""The evaluations: tables about agencies, services and mandates, as of a day or of a round.

They are small and rest on the catalogue as much as on facts, so they are computed whole, in one transaction, after the
months: whenever facts or months changed, and once a day, because due dates pass without an event.
"""

from __future__ import annotations

import datetime as dt

from transforms.model import Model, models
from warehouse.connection import Connection, in_transaction

_MARK = "evaluated"
# What several evaluations read of the catalogue, computed once for all of them, each after those it reads.
_STAGED = ("stg_catalogue_start", "stg_offered_services")


def outdate(connection: Connection) -> None:
    """Note that the evaluations no longer match facts or months."""
    connection.execute("DELETE FROM ops_state WHERE name = $mark", {"mark": _MARK})


def refresh(connection: Connection, today: dt.date) -> bool:
    """Compute every evaluation as seen on ``today`` (a Tehran date); False where that is done already."""
    done = connection.execute("SELECT value FROM ops_state WHERE name = $mark", {"mark": _MARK}).fetchall()
    if done == [(today.isoformat(),)]:
        return False

    def work() -> None:
        for name in _STAGED:
            _stage(connection, models("staging")[name], today)
        for model in models("evaluations").values():
            replace(connection, model, today)
        outdate(connection)
        connection.execute("INSERT INTO ops_state VALUES ($mark, $day)", {"mark": _MARK, "day": today.isoformat()})

    in_transaction(connection, work)
    return True


def replace(connection: Connection, model: Model, today: dt.date) -> None:
    """Compute one evaluation anew, as seen on ``today``."""
    connection.execute(f'DELETE FROM "{model.table}"')  # noqa: S608 our own names
    connection.execute(f'INSERT INTO "{model.table}" {model.selection}', _bound(model, today))


def _stage(connection: Connection, model: Model, today: dt.date) -> None:
    connection.execute(f'CREATE OR REPLACE TEMP TABLE "{model.table}" AS {model.query}', _bound(model, today))


def _bound(model: Model, today: dt.date) -> dict[str, dt.date]:
    return {"today": today} if "$today" in model.query else {}
