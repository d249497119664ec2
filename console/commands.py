"""Which module holds which commands."""

from __future__ import annotations

import importlib

import typer

# Each module defines ``register(app)``. One module, one kind of work.
MODULES = (
    "console.broker",
    "console.agency",
    "console.gateway",
    "console.events",
    "console.ping",
    "console.declarations",
    "console.evaluator",
    "console.catalogue",
    "console.landing",
    "console.losses",
    "console.backup",
    "console.quarantine",
    "console.build",
    "console.pipeline",
    "console.publishing",
    "console.bi",
    "console.dashboard",
    "console.months",
    "console.keys",
    "console.erasure",
    "console.demo",
    "console.provenance",
    "console.monitoring",
    "console.inspect",
)


def register(app: typer.Typer) -> None:
    """Add every command to ``app``. Modules import typer and contracts alone; rooms wait until a command runs."""
    for name in MODULES:
        importlib.import_module(name).register(app)
