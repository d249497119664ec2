"""One round of the national evaluation, evaluated anew by itself.

``evaluation.refresh`` computes every round with everything else. Here an operator's or the schedule's round is looked
at alone: its ranking is replaced, and the two small tables over all rounds follow. ``ops_rounds`` notes what each round
was when it was looked at, so that the schedule finds those that changed, whoever computed the tables in between.
"""

from __future__ import annotations

import datetime as dt

from contracts.errors import UsageError
from contracts.reporting_time import tehran_today
from contracts.settings import Settings
from transforms import evaluation
from transforms.model import models
from transforms.refresh import prepare, refresh_facts
from warehouse.connection import Connection, build_connection, in_transaction

_RANKING, _OVER_ALL = "agency_ranking", ("evaluation_rounds", "evaluation_calendar")


def rounds_to_evaluate(settings: Settings, name: str | None = None) -> list[str]:
    """Take new scores into the facts; the rounds that changed since they were evaluated here, or the one named.

    The earliest comes first. Growth reaches into the round after: a changed score changes both. Raises UsageError for
    a round nobody scored.
    """
    refresh_facts(settings)
    with build_connection(settings) as connection:
        _prepare(connection)
        if name is None:
            return _changed(connection)
        _check_known(connection, name)
        return [name]


def evaluate_round(settings: Settings, name: str, today: dt.date | None = None) -> int:
    """Replace one round's ranking and what rests on it; how many agencies it has. Safe to repeat.

    Raises UsageError for a round nobody scored.
    """
    with build_connection(settings) as connection:
        _prepare(connection)
        _check_known(connection, name)
        ranking = models("evaluations")[_RANKING]

        def work() -> None:
            connection.execute(f'DELETE FROM "{ranking.table}" WHERE round = $round', {"round": name})  # noqa: S608
            connection.execute(
                f'INSERT INTO "{ranking.table}" SELECT * FROM ({ranking.selection}) WHERE round = $round',  # noqa: S608
                {"round": name},
            )
            for table in _OVER_ALL:
                evaluation.replace(connection, models("evaluations")[table], today or tehran_today())
            connection.execute("DELETE FROM ops_rounds WHERE round = $round", {"round": name})
            connection.execute(
                f"INSERT INTO ops_rounds {_digests(ranking.table)} HAVING round = $round",
                {"round": name},
            )
            # Mandates rest on rounds too: the next publication computes them before it looks.
            evaluation.outdate(connection)

        in_transaction(connection, work)
        counted = f'SELECT COUNT(*) FROM "{ranking.table}" WHERE round = $round'  # noqa: S608 our own names
        ((agencies,),) = connection.execute(counted, {"round": name}).fetchall()
        return int(agencies)


def _prepare(connection: Connection) -> None:
    prepare(connection)
    connection.execute("CREATE TABLE IF NOT EXISTS ops_rounds (round VARCHAR, digest VARCHAR)")


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
    # A round whose every score was taken back is gone with the next publication; there is nothing to evaluate.
    digests = _digests("coming_ranking")
    rows = connection.execute(f"{digests} EXCEPT SELECT * FROM ops_rounds").fetchall()  # noqa: S608 our own names
    found = {name for name, _ in rows}
    return [name for name in _known(connection) if name in found]


def _digests(ranking: str) -> str:
    """A query of each round and the digest of its rows."""
    return f"""
        SELECT round, md5(string_agg(r::VARCHAR, chr(30) ORDER BY agency_id)) AS digest
        FROM "{ranking}" AS r GROUP BY round
    """  # noqa: S608 our own names
