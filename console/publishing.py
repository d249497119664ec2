"""`mizan` commands: gate, gate release, publish."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Annotated, Any

import typer

from console.output import JSON_OPTION, note, print_json, say, working
from contracts.errors import GateClosed, UsageError
from contracts.postgres_target import target_url
from contracts.settings import Settings


class Target(Enum):
    """Where a version may be copied to."""

    POSTGRES = "postgres"


class Tier(Enum):
    """What may be copied."""

    ANALYST = "analyst"
    PUBLIC = "public"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    gate_app = typer.Typer(help="Judge landed batches; release held ones.", invoke_without_command=True)
    gate_app.callback()(gate)
    gate_app.command("release")(release)
    app.add_typer(gate_app, name="gate")
    app.command("publish")(publish)


def gate(context: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Judge every landed batch, agency by agency. Exits 3 while a gate is closed."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.steps import judge_batches

    with working("judging"):
        result, report = judge_batches(Settings.load())
    if as_json:
        print_json({"agencies": result.agencies, "report": report})
    else:
        for entry in result.agencies:
            marks = ", ".join(f"{finding['expectation']}={finding['observed']}" for finding in entry["findings"])
            say(f"{entry['verdict']:<9} {entry['agency_id']}  {entry['batch']}  {marks}".rstrip())
        note(f"{len(result.judged)} judged, {len(result.held)} held; report: {report}")
    if result.held:
        names = ", ".join(sorted({entry["agency_id"] for entry in result.held}))
        raise GateClosed(
            f"the gate is closed for {names}", hint="mizan gate release BATCH --agency ID --by NAME --reason TEXT"
        )


def release(
    batch: Annotated[str, typer.Argument(help="The batch, as `mizan gate` names it.")],
    agency: Annotated[str, typer.Option("--agency", help="The agency whose part of the batch is held.")],
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it may count.")],
) -> None:
    """Let a held batch of an agency count, by name and reason."""
    from pipeline.steps import release_batch

    release_batch(batch, agency, by=by, reason=reason)
    note(f"released: batch {batch} of {agency}; the next build counts it")


def publish(
    as_json: bool = JSON_OPTION,
    rollback: Annotated[
        str | None, typer.Option("--rollback", help="Publish the content of an earlier version, such as v3, anew.")
    ] = None,
    to: Annotated[
        Target | None, typer.Option("--to", help="Copy the version there, too: MIZAN_POSTGRES_URL says where.")
    ] = None,
    tier: Annotated[
        Tier | None, typer.Option("--tier", help="What is copied: analyst (exact) or public (suppressed).")
    ] = None,
) -> None:
    """Publish what was built as a new version of both tiers, if it differs from the version in service."""
    from pipeline.steps import copy_to_postgres, publish_marts

    if tier is not None and to is None:
        raise UsageError("--tier says what is copied; nothing is", hint="mizan publish --to postgres --tier public")
    settings = Settings.load()
    if to is not None and not target_url(settings.values):
        raise UsageError("no PostgreSQL is configured", hint="set MIZAN_POSTGRES_URL, see docs/bi/postgresql.md")
    with working("publishing"):
        published = publish_marts(settings, rollback=rollback)
        copied = None if to is None else copy_to_postgres(settings, tier=None if tier is None else tier.value)
    if as_json:
        document: dict[str, Any] = {
            "version": published.version,
            "analyst": published.analyst,
            "public": published.public,
            "is_new": published.is_new,
        }
        print_json(document if copied is None else {**document, "postgres": asdict(copied)})
        return
    say(f"v{published.version}  {published.analyst}  {published.public}")
    if not published.is_new:
        note("nothing changed since this version")
    if copied is not None:
        say(f"v{copied.version}  PostgreSQL, schema {copied.schema}")
        note(
            f"{copied.tables:,} tables, {copied.rows:,} rows"
            if copied.is_new
            else "PostgreSQL has this version already"
        )
