"""An environment of its own for each program that is measured beside ours: var/bench/peers/<name>, made once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def told_by(peer: str, script: Path, *arguments: str) -> dict[str, Any]:
    """The line of JSON that a peer's script prints last. CalledProcessError where it ends in another way than well."""
    call = [str(python_of(peer)), str(script), *arguments]
    # Beside its own folder a script sees cost.py, and nothing else of ours.
    done = subprocess.run(
        call, env=os.environ | {"PYTHONPATH": str(HERE)}, check=True, stdout=subprocess.PIPE, text=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def python_of(peer: str) -> Path:
    """The Python that has what ``<peer>.txt`` pins, hashes checked; ours where there is no such file."""
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
