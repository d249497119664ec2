"""One round of the national evaluation, evaluated anew by itself.

``evaluation.refresh`` computes every round with everything else. Here an operator's or the schedule's round is looked
at alone: its ranking is replaced, and the two small tables over all rounds follow.
"""

from __future__ import annotations

import datetime as dt

from contracts.errors import UsageError
from contracts.reporting_time import tehran_date
from contracts.settings import Settings
from transforms import evaluation
from transforms.model import models
from transforms.refresh import prepare, refresh_facts
from warehouse.connection import Connection, build_connection, in_transaction

_RANKING, _OVER_ALL = "agency_ranking", ("evaluation_rounds", "evaluation_calendar")


def rounds_to_evaluate(settings: Settings, name: str | None = None) -> list[str]:
    """Take new scores into the facts; the rounds whose ranking is another now, the earliest first, or the one named.

    Growth reaches into the round after: a changed score changes both. Raises UsageError for a round nobody scored.
    """
    refresh_facts(settings)
    with build_connection(settings) as connection:
        prepare(connection)
        if name is None:
            return _changed(connection)
        _check_known(connection, name)
        return [name]


def evaluate_round(settings: Settings, name: str, today: dt.date | None = None) -> int:
    """Replace one round's ranking and what rests on it; how many agencies it has. Safe to repeat.

    Raises UsageError for a round nobody scored.
    """
    with build_connection(settings) as connection:
        prepare(connection)
        _check_known(connection, name)
        ranking = models("evaluations")[_RANKING]

        def work() -> None:
            connection.execute(f'DELETE FROM "{ranking.table}" WHERE round = $round', {"round": name})  # noqa: S608
            connection.execute(
                f'INSERT INTO "{ranking.table}" SELECT * FROM ({ranking.selection}) WHERE round = $round',  # noqa: S608
                {"round": name},
            )
            for table in _OVER_ALL:
                evaluation.replace(
                    connection, models("evaluations")[table], today or tehran_date(dt.datetime.now(dt.UTC))
                )
            # Mandates rest on rounds too: the next publication computes them before it looks.
            evaluation.outdate(connection)

        in_transaction(connection, work)
        counted = f'SELECT COUNT(*) FROM "{ranking.table}" WHERE round = $round'  # noqa: S608 our own names
        ((agencies,),) = connection.execute(counted, {"round": name}).fetchall()
        return int(agencies)


def _known(connection: Connection) -> list[str]:
    rows = connection.execute("""
        SELECT round FROM fct_assessments GROUP BY round
        ORDER BY COALESCE(MAX(assessed_to), MAX(release_on), MAX(assessed_from)) NULLS LAST, round
    """).fetchall()
    return [name for (name,) in rows]


def _check_known(connection: Connection, name: str) -> None:
    known = _known(connection)
    if name not in known:
        raise UsageError(f"no such round: {name}", hint="known: " + (", ".join(known) or "none"))


def _changed(connection: Connection) -> list[str]:
    ranking = models("evaluations")[_RANKING]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE coming_ranking AS {ranking.selection}")
    rows = connection.execute(f"""
        SELECT DISTINCT round FROM (
            (SELECT * FROM coming_ranking EXCEPT SELECT * FROM "{ranking.table}")
            UNION ALL (SELECT * FROM "{ranking.table}" EXCEPT SELECT * FROM coming_ranking)
        )
    """).fetchall()  # noqa: S608 our own names
    found = {name for (name,) in rows}
    # A round whose every score was taken back is gone with the next publication; there is nothing to evaluate.
    return [name for name in _known(connection) if name in found]
