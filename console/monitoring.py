"""`mizan metrics` and `mizan lineage`: where everything stands and came from, for Prometheus and OpenLineage."""

from __future__ import annotations

import signal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from console.output import note, say
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(metrics)
    app.command()(lineage)


def _address(given: str) -> str:
    try:
        return str(ip_address(given))
    except ValueError as error:
        raise typer.BadParameter(f"{given!r} is no IP address") from error


def metrics(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port.")] = 9308,
    host: Annotated[
        str,
        typer.Option("--host", callback=_address, metavar="ADDRESS", help="Where to listen; this machine by default."),
    ] = "127.0.0.1",
    once: Annotated[
        bool, typer.Option("--once", help="Print the metrics and end: for node_exporter's text files.")
    ] = False,
) -> None:
    """Serve metrics over HTTP (`/metrics`) until stopped. They name agencies and counts, no person and no event."""
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server

    from monitoring.exporter import Exporter

    registry = CollectorRegistry()
    registry.register(Exporter(Settings.load()))
    if once:
        say(*generate_latest(registry).decode().splitlines())
        return
    server, thread = start_http_server(port, host, registry)
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
    note(f"http://{host}:{port}/metrics  (Ctrl-C stops it)")
    try:
        thread.join()
    finally:
        server.shutdown()
        server.server_close()


def lineage(
    to: Annotated[
        Path | None, typer.Option("--to", dir_okay=False, help="Write all of it to this file, an event a line.")
    ] = None,
) -> None:
    """Tell OpenLineage what is new: each landing, with its offsets, and the publication in service.

    Where to is said as to any OpenLineage client: OPENLINEAGE_URL, or OPENLINEAGE_CONFIG with any of its transports.
    """
    from monitoring.telling import tell, write

    count = tell(Settings.load()) if to is None else write(Settings.load(), to)
    note(f"{count} events told")
