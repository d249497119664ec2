"""`mizan quarantine`: records that could not be accepted: counted, shown, replayed, dropped."""

from __future__ import annotations

import typer

from console.output import JSON_OPTION, Grid, note, print_json, say, show_grid, working
from contracts.settings import Settings, agency_id

quarantine = typer.Typer(no_args_is_help=True, help="Records that could not be accepted, by reason and agency.")

REASON_OPTION = typer.Option(None, "--reason", help="Only this reason code.")
AGENCY_OPTION = typer.Option(None, "--agency", help="Only this agency.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(quarantine, name="quarantine")
    app.command("rejects")(rejects)


@quarantine.command("ls")
def list_reasons(as_json: bool = JSON_OPTION) -> None:
    """Open rejections, counted by reason and agency."""
    from landing.quarantine import counts

    rows = counts(Settings.load())
    if as_json:
        print_json(rows)
        return
    table = Grid("reason", "agency", "count")
    for row in rows:
        table.add_row(row["reason_code"], row["agency_id"], f"{row['count']:,}")
    show_grid(table)


@quarantine.command("show")
def show_records(
    as_json: bool = JSON_OPTION,
    reason: str | None = REASON_OPTION,
    agency: str | None = AGENCY_OPTION,
    limit: int = typer.Option(100, "--limit", min=1, max=100_000, help="Most records shown."),
) -> None:
    """Where rejected records are and what the agency can do. Never their values."""
    from landing.decisions import known_filter
    from landing.quarantine import rows

    known_filter(reason, agency)
    found = rows(Settings.load(), reason=reason, agency=agency, limit=limit)
    if as_json:
        print_json(found)
        return
    for row in found:
        say(
            f"{row['topic']}/{row['partition']}@{row['offset']}  "
            f"{row['reason_code']} ({row['stage']}) {row['detail']} [{row['state']}]",
            f"    {row['redacted_excerpt']}",
            f"    {row['what'].get('en', '')}. {row['fix'].get('en', '')}.",
        )
        if row["decided_at"] is not None:
            why = f": {row['decision_note']}" if row["decision_note"] else ""
            say(f"    {row['state']} by {row['decided_by']}, {row['decided_at']:%Y-%m-%d %H:%M} UTC{why}")


def rejects(
    agency: str = typer.Option(..., "--agency", metavar="ID", help="Whose rejected records."),
    limit: int = typer.Option(20, "--limit", min=1, max=100_000, help="Most records shown, the newest."),
    as_json: bool = JSON_OPTION,
) -> None:
    """What an agency is told of its own rejected records: reasons counted, places, how to mend it in two languages."""
    from landing.quarantine import counts_of, rows

    settings = Settings.load()
    counted = counts_of(settings, agency_id(agency))
    # Who decided what, and why, is the operators' own.
    told = ("topic", "partition", "offset", "kafka_ts", "reason_code", "stage", "detail", "redacted_excerpt", "state")
    places = [{name: row[name] for name in told} for row in rows(settings, agency=agency, limit=limit)]
    if as_json:
        print_json({"agency_id": agency, "reasons": counted, "records": places})
        return
    for row in counted:
        say(
            f"{row['reason_code']}: {row['open']:,} open, {row['replayed']:,} replayed, {row['dropped']:,} dropped",
            f"    {row['what'].get('en', '')}. {row['fix'].get('en', '')}.",
            f"    {row['what'].get('fa', '')}؛ {row['fix'].get('fa', '')}.",
        )
    for row in places:
        place = f"{row['topic']}/{row['partition']}@{row['offset']}"
        say(f"{place}  {row['reason_code']} {row['detail']} [{row['state']}]")
    if not counted:
        note(f"no record of {agency} was rejected")


@quarantine.command("replay")
def replay_records(
    as_json: bool = JSON_OPTION,
    reason: str | None = REASON_OPTION,
    agency: str | None = AGENCY_OPTION,
) -> None:
    """Judge open records again with today's contract and catalogue, as long as Kafka retains them."""
    from pipeline.steps import replay_quarantine

    with working("judging again"):
        done = replay_quarantine(reason, agency, Settings.load()).document()
    if as_json:
        print_json(done)
        return
    refused = sum(done["refused"].values())
    say(f"{done['events']:,} events, {done['duplicates']:,} duplicates, {refused:,} refused again")
    for code, count in done["refused"].items():
        note(f"refused again: {code} {count:,}")
    if done["finished"]:
        note(f"landed by a killed replay, now noted as replayed: {done['finished']:,}")
    for row in done["resend"]:
        note(
            f"not retained by Kafka: {row['count']:,} {row['reason_code']} of {row['agency_id']}: "
            "ask the agency to send them again under the same event ids"
        )


@quarantine.command("drop")
def drop_records(
    as_json: bool = JSON_OPTION,
    reason: str = typer.Option(..., "--reason", help="The reason code whose open records are given up."),
    agency: str | None = AGENCY_OPTION,
    by: str = typer.Option(..., "--by", help="Who answers for it."),
    text: str = typer.Option(..., "--note", help="Why these records will never count."),
) -> None:
    """Give open records up for good, by name. They stay in quarantine, counted apart, and are never replayed."""
    from landing.decisions import drop

    dropped = drop(Settings.load(), reason=reason, agency=agency, by=by, note=text)
    if as_json:
        print_json({"dropped": dropped})
    else:
        say(f"{dropped:,} records dropped")
