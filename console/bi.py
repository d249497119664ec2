"""`mizan bi-check`: how each reporting tool connects, tried here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from console.output import JSON_OPTION, note, print_json, say
from console.publishing import Tier
from contracts.errors import MizanError
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("bi-check")(bi_check)


def bi_check(
    tier: Annotated[Tier, typer.Option("--tier", help="analyst (exact) or public (suppressed).")] = Tier.ANALYST,
    as_json: bool = JSON_OPTION,
) -> None:
    """How reporting tools connect to the version in service, each way tried. Exits 1 where one does not work."""
    from warehouse.bi_connections import FAILED, headline_faults, ways
    from warehouse.published import current

    settings = Settings.load()
    tried = ways(settings, tier.value)
    faults = headline_faults(settings, tier.value)
    version = (current(settings, tier.value) or {}).get("version")
    if as_json:
        print_json({"tier": tier.value, "version": version, "ways": [asdict(way) for way in tried], "faults": faults})
    else:
        say(f"v{version} is current, tier {tier.value}")
        for way in tried:
            version_seen = "" if way.version is None else f"v{way.version}"
            words = (way.name, way.state.replace("_", " "), version_seen, way.connection or way.detail or "")
            say("{:<11} {:<14} {:<6} {}".format(*words))
            if way.connection and way.detail:
                note(f"{way.name}: {way.detail}")
        note("first right sum: WHERE is_headline; of one scope: WHERE scope_key = 'province:qom' (docs/bi/README.md)")
    failed = [way.name for way in tried if way.state == FAILED]
    if failed or faults:
        raise MizanError("; ".join([*(f"{name} does not work here" for name in failed), *faults]))
