"""`mizan forget`: erase persons, by the keys that their agencies hand over on standard input."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from console.output import JSON_OPTION, note, print_json, say, working
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(forget)


def forget(
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; names no person.")],
    kafka_days: Annotated[
        int | None, typer.Option("--kafka-days", min=1, help="How many days a record may stay in Kafka; by default 14.")
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Erase the persons whose user_keys come on standard input, one a line, and say when it is complete.

    Exits 65 where a line is no user_key, 5 where another writer came first: run it again.
    """
    from landing.erasure import read_keys_of
    from landing.losses import given
    from pipeline.erasure import forget as erase

    settings = Settings.load()
    # Before anybody is asked for keys.
    names = {"by": given("--by", by), "reason": given("--reason", reason)}
    user_keys = read_keys_of(sys.stdin)
    with working("erasing"):
        done = erase(settings, user_keys, **names, kafka_days=kafka_days)
    if as_json:
        print_json(done.document())
        return
    erased = done.erased
    if not erased.rows and not erased.person_months:
        say("the lake holds nothing of these persons; nothing was changed")
    else:
        counts = f"{erased.rows:,} events of {erased.persons:,} persons are out of the lake"
        if erased.person_months:
            counts += f", and {erased.person_months:,} rows of older months"
        say(f"{erased.erasure_id}: {counts}")
        note(f"older files leave the disk with the first mizan compact after {done.lake_until:%Y-%m-%d %H:%M} UTC")
        note("the next version published is without them: mizan run, or Airflow's own next run")
    note(
        f"Kafka may hold their records until {done.kafka_until:%Y-%m-%d %H:%M} UTC; what lands until then counts again"
    )
    say(f"complete on {done.complete_on:%Y-%m-%d}")
    note("not before you have removed the backups made until now (mizan backup DIR --keep 1) and folders replaced-…")
