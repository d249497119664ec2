"""One home in which all scenarios have been told, landed, gated, built and published; and how its tables are asked."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker import local
from contracts.settings import Settings
from pipeline.steps import initialise
from producers.scenarios import registry

SCALE = "0.0001"


@contextlib.contextmanager
def home_of_all(folder: Path) -> Iterator[Settings]:
    """A home below ``folder`` with a broker of its own, as a person at the desk would fill it."""
    settings = Settings.load({"MIZAN_HOME": str(folder)}, folder=folder)
    initialise(settings)
    environment = os.environ | {"MIZAN_HOME": str(folder)}
    try:
        local.up(settings)
        for call in (*(["simulate", entry.name, "--scale", SCALE] for entry in registry.ENTRIES), ["run"]):
            subprocess.run([sys.executable, "-m", "console.main", *call], env=environment, check=True)
        yield settings
    finally:
        local.down(settings)


def newest(table: str, as_of: str, scope: str, scope_id: str) -> str:
    """The rows of a table of one scope as of the newest day that is not after ``as_of``."""
    where = f"scope = '{scope}' AND scope_id = '{scope_id}' AND as_of <= DATE '{as_of}'"
    return f"(SELECT * FROM marts.{table} WHERE {where} QUALIFY as_of = max(as_of) OVER ())"


def compliance(published: Any, mandate_id: str, as_of: str) -> dict[str, str]:
    """Whom a mandate binds, and whether each complied on a day."""
    query = """
        SELECT scope_id, compliance FROM marts.mandate_compliance WHERE mandate_id = ? AND as_of <= CAST(? AS DATE)
        QUALIFY row_number() OVER (PARTITION BY scope_id ORDER BY as_of DESC) = 1
    """
    return dict(published.execute(query, [mandate_id, as_of]).fetchall())
