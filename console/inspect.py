"""`mizan config` and `mizan contract`: what is configured, and what an event must look like."""

from __future__ import annotations

import typer

from console.output import JSON_OPTION, print_json, say
from contracts.settings import Settings

config_commands = typer.Typer(no_args_is_help=True, help="Settings and where they come from.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(config_commands, name="config")
    app.command("contract")(contract)


@config_commands.command("show")
def show(as_json: bool = JSON_OPTION) -> None:
    """Every setting, its value and its origin. Secrets live in files; only their paths are shown."""
    settings = Settings.load().shown()
    if as_json:
        print_json(settings)
        return
    width = max(len(setting["name"] or "") for setting in settings)
    for setting in settings:
        value = "(unset)" if setting["value"] is None else setting["value"]
        say(f"{setting['name']:<{width}}  {value:<24} {setting['origin']:<12} {setting['meaning']}")


def contract(
    as_json: bool = JSON_OPTION,
    asyncapi: bool = typer.Option(False, "--asyncapi", help="The topics and their messages, as AsyncAPI 3."),
    openapi: bool = typer.Option(False, "--openapi", help="The HTTP gateway, as OpenAPI 3.1."),
    markdown: bool = typer.Option(False, "--markdown", help="The page that agencies read."),
) -> None:
    """The event contract; with --json as JSON Schema 2020-12, for any validator."""
    from contracts.async_api import async_api
    from contracts.event_contract import event_contract
    from contracts.json_schema import event_schema
    from contracts.reference import reference

    if markdown:
        say(*reference().splitlines())
        return
    if openapi:
        from gateway.open_api import open_api

        print_json(open_api())
        return
    if asyncapi:
        print_json(async_api())
        return
    if as_json:
        print_json(event_schema())
        return
    found = event_contract()
    say(f"contract {found.version}   {found.dataschema}")
    for event_type in found.types.values():
        say("", f"{event_type.name}   {event_type.label_en} · {event_type.label_fa}")
        say("  required  " + ", ".join(event_type.required))
        if event_type.optional:
            say("  optional  " + ", ".join(event_type.optional))
