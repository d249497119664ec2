"""`mizan dashboard`: the report over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from console.gateway import LOOPBACK
from console.output import note
from contracts.errors import UsageError
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(dashboard)


def dashboard(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port on this machine.")] = 8787,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Without TLS beyond this machine: a proxy before it has it.")
    ] = False,
) -> None:
    """Serve the published report and its downloads until stopped; on this machine alone unless told otherwise."""
    from dashboard.server import serve

    settings = Settings.load()
    if host not in LOOPBACK and not behind_proxy:
        raise UsageError(
            "figures would travel unprotected", hint="put a proxy with TLS before it and say --behind-proxy"
        )
    note(f"http://{host}:{port}/  (Ctrl-C stops it)")
    serve(settings, port=port, host=host)
