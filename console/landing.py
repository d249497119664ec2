"""`mizan` commands of the lake's doorway: init, land, verify, compact."""

from __future__ import annotations

import sys

import typer

from console.output import JSON_OPTION, note, print_json, say, working
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(init)
    app.command()(land)
    app.command()(verify)
    app.command()(compact)


def init() -> None:
    """Make keys, folders and an empty lake. Safe to repeat: what is there stays."""
    from pipeline.steps import initialise

    settings = Settings.load()
    made = initialise(settings)
    for path in made:
        note(f"made {path}")
    note(f"ready: {settings.home}")


def land(
    as_json: bool = JSON_OPTION,
    until_empty: bool = typer.Option(False, "--until-empty", help="Go on until nothing is left to land."),
    shard: str = typer.Option(
        "1/1", metavar="I/N", help="Land the I-th of N shards of the agencies; others may land theirs at the same time."
    ),
) -> None:
    """Land everything the agencies have sent, up to the end offsets seen now, then stop."""
    from landing.drain import Landed, LandingHalted
    from landing.drain import land as drain
    from landing.plan import Shard

    halted: LandingHalted | None = None
    try:
        with working("landing"):
            landed: Landed = drain(Settings.load(), until_empty=until_empty, shard=Shard.parse(shard))
    except LandingHalted as error:
        halted, landed = error, error.landed
    if as_json:
        print_json(landed.document())
    else:
        say(
            f"{landed.events:,} events, {landed.quarantined:,} quarantined, {landed.duplicates:,} duplicates "
            f"in {len(landed.batches)} batches; lake version {landed.lake_version}"
        )
    if halted is not None:
        for halt in landed.halts[1:]:
            note(f"mizan: {halt.reason}: {halt.where}: {halt.message}")
        raise halted


def verify(
    as_json: bool = JSON_OPTION,
    deep: bool = typer.Option(
        False, "--deep", help="Also read every column back, and compare the figures with those of a full rebuild."
    ),
    refetch: bool = typer.Option(False, "--refetch", help="First make lost or damaged files again from Kafka."),
) -> None:
    """Prove the lake: offsets tile, counts conserve, files are intact, no event twice. Exit 4 where that fails."""
    from pipeline.proof import prove

    with working("proving"):
        proof = prove(Settings.load(), deep=deep, refetch=refetch)
    if as_json:
        print_json(proof.document())
    else:
        for problem in proof.problems:
            say(f"{problem.kind}  {problem.where}", f"    {problem.hint}")
        for remark in proof.notes:
            note(remark)
        say("the lake holds" if proof.ok else f"{len(proof.problems)} problems")
    if not proof.ok:
        sys.exit(4)


def compact() -> None:
    """Merge small files of the lake, write a checkpoint and remove files no version needs."""
    from warehouse.maintenance import compact as merge

    with working("merging files"):
        merged = merge(Settings.load())
    for name, done in merged.items():
        say(f"{name}: {done.files_before} files became {done.files_after}")
