"""`mizan key`: which platform key the lake is under; its rotation."""

from __future__ import annotations

from typing import Annotated

import typer

from console.output import JSON_OPTION, Grid, note, print_json, say, show_grid, working
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    key_app = typer.Typer(help="The keys that stand between a person and the lake.", no_args_is_help=True)
    key_app.command("ls")(list_keys)
    key_app.command("rotate")(rotate)
    key_app.command("drop-pids")(drop_pids)
    key_app.command("replace-transport")(replace_transport)
    app.add_typer(key_app, name="key")


def list_keys(as_json: bool = JSON_OPTION) -> None:
    """The links of the platform key by their fingerprints, and which tables are under them. Shows no key."""
    from pipeline.keys import key_list

    rows = key_list(Settings.load())
    if as_json:
        print_json(rows)
        return
    table = Grid("link", "fingerprint", "tables under it", "rotated at", "by", "reason")
    for row in rows:
        told = [row[name] or "" for name in ("rotated_at", "by", "reason")]
        table.add_row(str(row["link"]), row["fingerprint"], ", ".join(row["tables"]), *told)
    show_grid(table)


def rotate(
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why: yearly, or what leaked.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Put every pid under a new platform key, and build the figures anew: they stay what they are.

    A run that died is finished by the same command. Exits 75 where landings leave no moment for it.
    """
    from pipeline.keys import rotate_platform_key

    with working("putting rows under a new key"):
        done = rotate_platform_key(Settings.load(), by=by, reason=reason)
    if as_json:
        print_json(done.document())
        return
    counts = ", ".join(f"{count:,} rows of {name}" for name, count in done.rotated.rows.items())
    say(f"link {done.rotated.links}, fingerprint {done.rotated.fingerprint}: {counts}")
    if done.rotated.resumed:
        note("a rotation that had not come to its end is finished; no further link was made")
    note("copy the key file now: mizan backup DIR --with-keys FOLDER")
    note(f"older pids leave the disk with the first mizan compact after {done.old_pids_gone_from:%Y-%m-%d %H:%M} UTC")
    note("backups made before hold them until you remove them")


def drop_pids(
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Drop the pids of events older than MIZAN_PID_MONTHS and build the figures anew: they stay what they are.

    What each person did stays by month. Airflow does it nightly. Exits 75 where the lake leaves no moment for it.
    """
    from pipeline.retention import drop_old_pids

    with working("taking persons out of old events"):
        done = drop_old_pids(Settings.load(), by=by)
    if as_json:
        print_json(done.document())
        return
    if done.dropped is None:
        say(f"no event before {done.before:%Y-%m-%d %H:%M} UTC has a pid to drop; nothing was changed")
    else:
        found = done.dropped
        say(f"{found.drop_id}: {found.rows:,} events before {done.before:%Y-%m-%d %H:%M} UTC are of nobody now;")
        say(f"{found.person_months:,} rows say what persons did by month, {found.sessions:,} which sessions there were")
        note(f"the pids leave the disk with the first mizan compact after {done.old_pids_gone_from:%Y-%m-%d %H:%M} UTC")
        note("backups made before hold them until you remove them")
    if done.waiting:
        note(f"{done.waiting:,} older events keep their pid until they are judged: mizan status names the batches")


def replace_transport(
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why: what leaked.")],
    retire_at: Annotated[
        str | None,
        typer.Option(
            "--retire-at", help="Until when the old key holds, such as 2026-12-22T00:00+03:30; by default now."
        ),
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Put a new transport key in the place of one that leaked. Months from now on are flagged users: discontinuity.

    A run that died is finished by the same command.
    """
    from pipeline.transport_key import parsed_instant, replace_transport_key

    instant = None if retire_at is None else parsed_instant(retire_at)
    done = replace_transport_key(Settings.load(), by=by, reason=reason, retire_at=instant)
    if as_json:
        print_json(done.document())
        return
    say(f"{done.new_key_id} is the transport key; {done.old_key_id} holds for what happens")
    say(f"before {done.retired_at:%Y-%m-%d %H:%M} UTC and is key_unknown from then on")
    if done.resumed:
        note("a replacement that had not come to its end is finished; no further key was made")
    note(f"bundles on this machine with the new key: {', '.join(done.agencies) or 'none'}")
    note("every other agency: mizan agency rotate ID --out DIR, and hand DIR over")
