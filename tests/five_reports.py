"""One home in which all scenarios have been told, landed, gated, built and published; and how its tables are asked."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from broker import local
from contracts.settings import Settings
from pipeline.steps import initialise
from producers.scenarios import registry

SCALE = "0.0001"


def home_of_all(folder: Path) -> Settings:
    """A home below ``folder``, filled as a person at the desk would, with a broker of its own meanwhile."""
    settings = Settings.load({"MIZAN_HOME": str(folder)}, folder=folder)
    initialise(settings)
    environment = os.environ | {"MIZAN_HOME": str(folder)}
    try:
        local.up(settings)
        for call in (*(["simulate", entry.name, "--scale", SCALE] for entry in registry.ENTRIES), ["run"]):
            subprocess.run([sys.executable, "-m", "console.main", *call], env=environment, check=True)
    finally:
        local.down(settings)
    return settings


def shared_home_of_all(shared: Path) -> Settings:
    """The same home for every process that shares a folder: the first one to ask makes it, the others wait."""
    shared.mkdir(exist_ok=True)
    folder, finished = shared / "home", shared / "finished"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            home_of_all(folder)
            finished.touch()
    return Settings.load({"MIZAN_HOME": str(folder)}, folder=folder)


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
