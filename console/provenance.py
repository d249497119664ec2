"""`mizan explain` and `mizan claim check`: where a published figure comes from, and what a press claim really is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.output import JSON_OPTION, Grid, note, print_json, say, show_grid, working
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

if TYPE_CHECKING:
    from provenance.check import Outcome
    from provenance.claim_files import ClaimFile

claim_commands = typer.Typer(no_args_is_help=True, help="Press figures against published ones.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("explain")(explain)
    app.add_typer(claim_commands, name="claim")


def explain(
    table: Annotated[str, typer.Argument(help="A published table, such as monthly_transactions.")],
    keys: Annotated[
        list[str] | None, typer.Argument(help="KEY=VALUE: month=1399-01 scope_key=province:qom channel=all.")
    ] = None,
    measure: Annotated[str | None, typer.Option("--measure", help="One figure of the row; without, all.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """A figure's passport: definition, numerator and denominator, inputs down to offsets, batches and files."""
    from provenance.explain import explain as explained

    with working("counting again"):
        document = explained(Settings.load(), table, dict(_pair(key) for key in keys or ()), measure)
    if as_json:
        print_json(document)
    else:
        _print_explained(document)


@claim_commands.command("check")
def check(
    file: Annotated[str, typer.Argument(help="A claim file, the beginning of a shipped one's name, or all.")],
    scale: Annotated[
        float, typer.Option("--scale", help="The scale of a simulation: published counts stand for count / scale.")
    ] = 1.0,
    as_json: bool = JSON_OPTION,
) -> None:
    """What each claim of a text really is. Exits 1 where a verdict is not the one the file expects."""
    from provenance.check import check as checked
    from provenance.claim_files import find, read
    from provenance.claim_report import document
    from provenance.figures import PublishedTables
    from warehouse.published import current, open_published

    if not 0 < scale <= 1:
        raise UsageError(f"the scale must lie above 0 and be at most 1, not {scale}")
    settings = Settings.load()
    files = [read(path) for path in find(file)]
    with open_published(settings) as connection:
        tables = PublishedTables(connection, scale)
        outcomes = [checked(claims, tables) for claims in files]
    if as_json:
        version = (current(settings) or {}).get("version")
        texts = [document(claims, found) for claims, found in zip(files, outcomes, strict=True)]
        print_json({"version": version, "scale": scale, "texts": texts})
    else:
        for claims, found in zip(files, outcomes, strict=True):
            _print_claims(claims, found)
    surprises = [outcome for found in outcomes for outcome in found if not outcome.is_expected]
    note(f"claims: {sum(map(len, outcomes))}, with another verdict than expected: {len(surprises)}")
    if surprises:
        names = ", ".join(outcome.claim.id for outcome in surprises[:5])
        raise MizanError(f"not as expected: {names}", hint="mizan claim check FILE --json says what was found")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageError(f"not KEY=VALUE: {text!r}", hint="such as month=1399-01 scope_key=province:qom")
    return name, value


def _print_claims(claims: ClaimFile, outcomes: list[Outcome]) -> None:
    from provenance.claim_files import vocabulary

    title = claims.source.title
    table = Grid(title=f"{title.en} · {title.fa}", show_lines=True)
    for heading in ("claim", "said", "published", "verdict", "because"):
        table.add_column(heading, no_wrap=heading in ("claim", "verdict"))
    for outcome in outcomes:
        verdict = outcome.verdict if outcome.is_expected else f"{outcome.verdict} (expected {outcome.claim.expect})"
        reasons = [vocabulary("reasons")[code].en for code in outcome.because]
        table.add_row(
            outcome.claim.id,
            [outcome.claim.says.en, outcome.claim.says.fa],
            _found(outcome),
            verdict,
            reasons,
        )
    show_grid(table)


def _found(outcome: Outcome) -> list[str]:
    """What was found, as one reads it: number and range, readings, and what would answer instead."""
    lines = []
    for number, name in ((outcome.number, ""), (outcome.by_quotes, "by the text's own numbers ")):
        if number is not None:
            found = number.range
            lines.append(f"{name}{_short(number.value)}")
            if found.low != found.high:
                lines[-1] += f" ({_short(found.low)} to {_short(found.high)})"
    lines += [outcome.text] if outcome.text else []
    lines += [f"{name}: {verdict}" for name, verdict in outcome.readings.items()]
    for cell in outcome.instead:
        shown = cell.text or (_short(cell.value) if cell.value is not None else cell.status)
        lines.append(f"instead, {cell.figure.name}: {shown}")
    return lines


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}".rstrip("0").rstrip(".")


def _print_explained(document: dict[str, Any]) -> None:
    key = " ".join(f"{name}={value}" for name, value in document["key"].items())
    published, definition = document["published"], document["definition"]
    label = definition["label"] or {}
    say(f"{document['table']}  {key}", style="bold")
    say(f"{label.get('en', '')} · {label.get('fa', '')}, version {definition['version']}")
    say(f"published v{published['version']}, {published['as_of']}")
    for line in definition["header"]:
        say(f"  {line}")
    for figure in document["figures"]:
        passport = figure["passport"] or {}
        shown = figure["value"] if figure["status"] == "value" else figure["status"]
        parts = f" = {passport['numerator']:g} / {passport['denominator']:g}" if passport.get("denominator") else ""
        say("", f"{figure['measure']}: {shown}{parts}")
        if passport:
            covered = passport["coverage"] if passport["coverage_status"] == "value" else passport["coverage_status"]
            asked = "not provided" if passport["population"] is None else passport["population"]
            say(f"  expected agencies: {asked}; coverage: {covered}")
            say(f"  as of {passport['as_of']}, lake version {passport['lake_version']}")
    for restated in document["restatements"]:
        before, after = (
            "no number" if restated[name] is None else f"{restated[name]:,g}" for name in ("old_value", "new_value")
        )
        say(f"  restated, vintage {restated['vintage']}: {before} to {after} ({restated['reason']})")
    for events in document["inputs"]["events"]:
        _print_events(events)
    for name, version in document["inputs"]["catalogue"].items():
        say(f"lake/{name} version {version}")


def _print_events(events: dict[str, Any]) -> None:
    kinds = ", ".join(kind.removeprefix("ir.egov.") for kind in events["types"])
    say("", f"{', '.join(events['measures'])}: {events['events']} events ({kinds})")
    for one in events["recounts"]:
        found = "the same" if one["matches"] else f"differs: {one['recounted']}"
        say(f"  {one['measure']} counted again from them: {found}")
    for why, count in events["left_out"].items():
        say(f"  left out, {why}: {count}")
    for part in events["partitions"]:
        say(
            f"  {part['topic']}/{part['partition']}  offsets {part['first_offset']} to {part['last_offset']}, "
            f"{part['events']} events"
        )
    for batch in events["batches"]:
        say(f"  batch {batch['batch']} of {batch['agency_id']}: {batch['verdict']}, {batch['events']}")
    for file in events["files"]:
        say(f"  {file['path']}  sha256 {file['sha256']}, {file['events']} of {file['rows']} rows")
    for text in events["notes"]:
        say(f"  {text}")
