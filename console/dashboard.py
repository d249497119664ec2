"""`mizan dashboard`: the report over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from console.output import note
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(dashboard)


def dashboard(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port on this machine.")] = 8787,
) -> None:
    """Serve the published report and its downloads, on this machine alone, until stopped."""
    from dashboard.server import serve

    settings = Settings.load()
    note(f"http://127.0.0.1:{port}/  (Ctrl-C stops it)")
    serve(settings, port=port)
