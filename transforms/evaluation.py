"""The evaluations: tables about agencies, services and mandates, as of a day or of a round.

They are small and rest on the catalogue as much as on facts, so they are computed whole, in one transaction, after the
months: whenever facts or months changed, and once a day, because due dates pass without an event.
"""

from __future__ import annotations

import datetime as dt

from transforms.model import Model, models
from warehouse.connection import Connection, in_transaction

_MARK = "evaluated"


def outdate(connection: Connection) -> None:
    """Note that the evaluations no longer match facts or months."""
    connection.execute("DELETE FROM ops_state WHERE name = $mark", {"mark": _MARK})


def refresh(connection: Connection, today: dt.date) -> bool:
    """Compute every evaluation as seen on ``today`` (a Tehran date); False where that is done already."""
    done = connection.execute("SELECT value FROM ops_state WHERE name = $mark", {"mark": _MARK}).fetchall()
    if done == [(today.isoformat(),)]:
        return False

    def work() -> None:
        for model in models("evaluations").values():
            _replace(connection, model, today)
        outdate(connection)
        connection.execute("INSERT INTO ops_state VALUES ($mark, $day)", {"mark": _MARK, "day": today.isoformat()})

    in_transaction(connection, work)
    return True


def _replace(connection: Connection, model: Model, today: dt.date) -> None:
    connection.execute(f'DELETE FROM "{model.table}"')  # noqa: S608 our own names
    bound = {"today": today} if "$today" in model.query else {}
    connection.execute(f'INSERT INTO "{model.table}" {model.selection}', bound)
