"""An environment of its own for each program that is measured beside ours: var/bench/peers/<name>, made once.

Spark's is the one that `make spark` makes. Nobody who measures needs it: a peer without its environment is left out.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from contracts.errors import MizanError
from warehouse import spark

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def told_by(peer: str, script: Path, *arguments: str, jars: Path | None = None) -> dict[str, Any]:
    """The line of JSON that a peer's script prints last. CalledProcessError where it ends in another way than well.

    ``jars``: what it needs beside its environment, in $PEER_JARS.
    """
    call = [str(python_of(peer)), str(script), *arguments]
    # Beside its own folder a script sees cost.py and spark_session.py, and nothing else of ours.
    variables = os.environ | {"PYTHONPATH": str(HERE)} | ({"PEER_JARS": str(jars)} if jars else {})
    done = subprocess.run(call, env=variables, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


@functools.cache
def is_here(peer: str) -> bool:
    """Whether a peer can be measured; where not, one line says what would make it so."""
    if peer == "spark":
        try:
            spark.python()
        except MizanError:
            print("Spark is left out, it is not here: make spark", file=sys.stderr)
            return False
    return True


def python_of(peer: str) -> Path:
    """The Python that has what ``<peer>.txt`` pins, hashes checked; ours where there is no such file.

    UsageError where it should be Spark's and `make spark` was not run.
    """
    if peer == "spark":
        return spark.python()
    wanted = HERE / f"{peer}.txt"
    if not wanted.exists():
        return Path(sys.executable)
    folder = ROOT / "var" / "bench" / "peers" / peer
    python = folder / "bin" / "python"
    made = folder / "made-of.txt"
    if not made.exists() or made.read_text() != wanted.read_text():
        environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
        for call in (
            ["venv", "-q", "--clear", "--python", sys.executable, str(folder)],
            ["pip", "install", "-q", "--require-hashes", "--python", str(python), "-r", str(wanted)],
        ):
            subprocess.run([sys.executable, "-m", "uv", *call], env=environment, check=True)
        made.write_text(wanted.read_text())
    return python
