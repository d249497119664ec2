"""Hand lineage over: through OpenLineage's own client, as its own settings say, or to a file."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path

from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde
from openlineage.client.transport.console import ConsoleTransport
from openlineage.client.transport.noop import NoopTransport

from contracts.errors import TryAgain, UsageError
from contracts.settings import Settings
from monitoring.lineage import Told, events
from pipeline import progress

_NOTE = "lineage"


def is_asked_for() -> bool:
    """True where OpenLineage's own settings say where to. Without any its client prints, and nobody keeps that."""
    with contextlib.closing(OpenLineageClient()) as client:
        return not isinstance(client.transport, ConsoleTransport | NoopTransport)


def tell(settings: Settings) -> int:
    """Send what is new since the last time; how many events that were. Told twice is told once: run ids say so.

    Raises UsageError where nobody said where to, TryAgain where it was not taken: what was taken is noted.
    """
    if not is_asked_for():
        raise UsageError(
            "OpenLineage is told nowhere", hint="set OPENLINEAGE_URL (or OPENLINEAGE_CONFIG), or give --to FILE"
        )
    client, count = OpenLineageClient(), 0
    done = _noted(settings)
    try:
        for told, event in events(settings, done):
            try:
                client.emit(event)
            except Exception as error:  # whatever a transport raises: it was not taken
                raise TryAgain(f"OpenLineage does not take it: {type(error).__name__}: {error}") from error
            count += 1
            if count % 2 == 0:  # a START and its COMPLETE
                done = told
    finally:
        progress.note(settings, _NOTE, asdict(done))
        client.close()
    return count


def write(settings: Settings, file: Path) -> int:
    """Write everything to ``file``, a JSON document a line; how many events that were."""
    count = 0
    with file.open("w", encoding="utf-8") as lines:
        for _, event in events(settings, Told()):
            lines.write(Serde.to_json(event) + "\n")
            count += 1
    return count


def _noted(settings: Settings) -> Told:
    """How far was told; from the beginning where there is no note, or one that does not read."""
    try:
        return Told(**(progress.noted(settings, _NOTE) or {}))
    except TypeError:
        return Told()
